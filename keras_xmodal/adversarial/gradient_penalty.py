"""A discriminator whose gradient has norm 1."""

from keras import ops

from keras_xmodal import saving
from keras_xmodal.adversarial.penalty import Penalty


@saving.register
class GradientPenalty(Penalty):
    """`weight E (||grad_x D(x, c)|| - 1)^2` between real and generated pairs.

    The gradient penalty of WGAN-GP, at `x = e real + (1 - e) generated`, `e ~
    U(0, 1)` for each pair, of one condition. For the loss `Wasserstein`, with
    five discriminator steps, and no batch normalisation in the discriminator.

    The rest is as in `Penalty`.

    Args:
        weight: Non-negative float.

    Example:
        ```python
        import keras_xmodal as kx

        gan = kx.GANModel(input_dim=32, output_dim=8)
        gan.compile(
            loss="wasserstein",
            penalties=[kx.adversarial.GradientPenalty()],
            discriminator_steps=5,
        )
        ```

    Reference:
        - Gulrajani et al., 2017, https://arxiv.org/abs/1704.00028, eq. 3
    """

    location = "between"

    def __init__(self, weight: float = 10.0, name: str = "gradient_penalty"):
        super().__init__(weight, name)

    def call(self, squared_norm):
        return ops.square(ops.sqrt(squared_norm + 1e-12) - 1.0)
