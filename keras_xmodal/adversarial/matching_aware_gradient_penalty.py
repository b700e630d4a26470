"""A discriminator that is flat at real, matching pairs."""

from keras_xmodal import saving
from keras_xmodal.adversarial.penalty import Penalty


@saving.register
class MatchingAwareGradientPenalty(Penalty):
    """`weight E (||grad_x D||^2 + ||grad_c D||^2)^3` at real, matching pairs.

    Flat in the picture and in what the discriminator is given of its condition,
    so that generated examples go to the real ones that match. It is made for
    the loss `Hinge` with `mismatch_weight=0.5`; the condition must be a float.

    The rest is as in `Penalty`.

    Args:
        weight: Non-negative float.

    Example:
        ```python
        import keras_xmodal as kx

        gan = kx.GANModel(input_dim=32, output_dim=8)
        gan.compile(
            loss="hinge",
            penalties=[kx.adversarial.MatchingAwareGradientPenalty()],
            mismatch_weight=0.5,
        )
        ```

    Reference:
        - Tao et al., 2022, https://arxiv.org/abs/2008.05865, eq. 2
    """

    location = "real"
    of_condition = True

    def __init__(
        self, weight: float = 2.0, name: str = "matching_aware_gradient_penalty"
    ):
        super().__init__(weight, name)

    def call(self, squared_norm):
        return squared_norm**3
