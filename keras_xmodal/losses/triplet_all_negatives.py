"""The sum-of-hinges triplet loss of VSE."""

import keras

from keras_xmodal import saving
from keras_xmodal.losses.triplet_loss import TripletLoss
from keras_xmodal.ops import contrastive


@saving.register
class TripletAllNegatives(TripletLoss):
    """Sum of the hinges of all negatives in the batch, both directions.

    `sum_n max(0, margin + s_in - s_ip)`. Of several positives, `p` is the
    farthest. It grows with the batch size, and with it the gradient: lower the
    learning rate accordingly.

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

        loss = kx.losses.TripletAllNegatives(margin=0.2)
        print(loss(np.arange(4), np.zeros((4, 4), "float32")))  # 0.6
        ```

    Reference:
        - Kiros et al., 2014, https://arxiv.org/abs/1411.2539, section 2.2
    """

    def __init__(
        self,
        margin: float = 0.2,
        symmetric: bool = True,
        reduction: str = "mean_with_sample_weight",
        name: str = "triplet_all_negatives",
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
        return contrastive.triplet_all_negatives(
            positives, logits, self.margin, mask
        )
