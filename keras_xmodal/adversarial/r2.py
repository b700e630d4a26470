"""A flat discriminator at generated examples."""

from keras_xmodal import saving
from keras_xmodal.adversarial.penalty import Penalty


@saving.register
class R2(Penalty):
    """`weight / 2 E ||grad_x D(x, c)||^2` at generated examples.

    The twin of `R1`. With both, the relativistic loss converges, also where the
    distributions do not overlap yet.

    The rest is as in `Penalty`.

    Args:
        weight: Non-negative float, gamma in the papers.

    Example:
        ```python
        import keras_xmodal as kx

        gan = kx.GANModel(input_dim=32, output_dim=8)
        gan.compile(penalties=[kx.adversarial.R1(0.1), kx.adversarial.R2(0.1)])
        ```

    Reference:
        - Mescheder et al., 2018, https://arxiv.org/abs/1801.04406, eq. 10
        - Huang et al., 2024, https://arxiv.org/abs/2501.05441
    """

    location = "fake"

    def __init__(self, weight: float = 1.0, name: str = "r2"):
        super().__init__(weight, name)

    def call(self, squared_norm):
        return 0.5 * squared_norm
