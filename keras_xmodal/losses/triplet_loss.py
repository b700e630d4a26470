"""What the three triplet losses share: a margin on similarities."""

from keras_xmodal import checks, saving
from keras_xmodal.losses.contrastive_loss import ContrastiveLoss


@saving.register
class TripletLoss(ContrastiveLoss):
    """Base of the hinge losses, which take similarities without temperature.

    Args:
        margin: Float > 0, by how much (in cosine) a positive has to be nearer
            than a negative.

    Raises:
        ValueError: If `margin` is not positive.
    """

    def __init__(
        self,
        margin=0.2,
        symmetric=True,
        reduction="mean_with_sample_weight",
        name=None,
        dtype=None,
        chunk_size="auto",
    ):
        super().__init__(
            symmetric=symmetric,
            reduction=reduction,
            name=name,
            dtype=dtype,
            chunk_size=chunk_size,
        )
        self.margin = checks.positive("margin", margin)
