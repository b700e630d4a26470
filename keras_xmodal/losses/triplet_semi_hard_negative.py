"""The semi-hard triplet loss of FaceNet."""

import keras

from keras_xmodal import saving
from keras_xmodal.losses.triplet_loss import TripletLoss
from keras_xmodal.ops import contrastive


@saving.register
class TripletSemiHardNegative(TripletLoss):
    """Hinge of the hardest negative that is farther than the positive.

    `max(0, margin + s_in - s_ip)` with the nearest `n` such that
    `s_in < s_ip`, or the farthest `n` where there is none. Of several
    positives, `p` is the farthest.

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

        loss = kx.losses.TripletSemiHardNegative(margin=0.2)
        print(loss(np.arange(4), np.zeros((4, 4), "float32")))  # 0.2
        ```

    Reference:
        - Schroff et al., 2015, https://arxiv.org/abs/1503.03832, section 3.2
    """

    def __init__(
        self,
        margin: float = 0.2,
        symmetric: bool = True,
        reduction: str = "mean_with_sample_weight",
        name: str = "triplet_semi_hard_negative",
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
        return contrastive.triplet_semi_hard_negative(
            positives, logits, self.margin, mask
        )
