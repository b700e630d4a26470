"""The triplet loss of VSE++."""

import keras

from keras_xmodal import saving
from keras_xmodal.losses.triplet_loss import TripletLoss
from keras_xmodal.ops import contrastive


@saving.register
class TripletHardNegative(TripletLoss):
    """Hinge of the hardest negative in the batch, both directions.

    `max(0, margin + max_n s_in - s_ip)`. Of several positives, `p` is the
    farthest. Sharp, and what VSE++ trains with; from a random start it can
    stall, where `TripletAllNegatives` or `TripletSemiHardNegative` get going.

    The rest is as in `ContrastiveLoss`.

    Args:
        margin: Float > 0, by how much (in cosine) a positive has to be nearer
            than a negative.

    Returns:
        Scalar.

    Raises:
        ValueError: If `margin` is not positive, or the shapes of targets or
            weights do not fit the similarities.

    Example:
        ```python
        import numpy as np
        import keras_xmodal as kx

        loss = kx.losses.TripletHardNegative(margin=0.2)
        print(loss(np.arange(4), np.zeros((4, 4), "float32")))  # 0.2
        ```

    Reference:
        - Faghri et al., 2018, https://arxiv.org/abs/1707.05612, eq. 6
    """

    def __init__(
        self,
        margin: float = 0.2,
        symmetric: bool = True,
        reduction: str = "mean_with_sample_weight",
        name: str = "triplet_hard_negative",
        dtype: str | keras.DTypePolicy | None = None,
        chunk_size: int | str | None = "auto",
    ):
        super().__init__(
            margin=margin,
            symmetric=symmetric,
            reduction=reduction,
            name=name,
            dtype=dtype,
            chunk_size=chunk_size,
        )

    def anchor_loss(self, positives, logits, mask):
        return contrastive.triplet_hard_negative(
            positives, logits, self.margin, mask
        )
