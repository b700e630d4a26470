"""A flat discriminator at real examples."""

from keras_xmodal import saving
from keras_xmodal.adversarial.penalty import Penalty


@saving.register
class R1(Penalty):
    """`weight / 2 E ||grad_x D(x, c)||^2` at real examples.

    Where generated examples are like real ones, the discriminator has nothing
    to say and must be flat: without it, training circles around that point.

    The rest is as in `Penalty`.

    Args:
        weight: Non-negative float, gamma in the papers.

    Example:
        ```python
        import keras_xmodal as kx

        gan = kx.GANModel(input_dim=32, output_dim=8)
        gan.compile(loss="non_saturating", penalties=[kx.adversarial.R1(10.0)])
        ```

    Reference:
        - Mescheder et al., 2018, https://arxiv.org/abs/1801.04406, eq. 9
    """

    location = "real"

    def __init__(self, weight: float = 1.0, name: str = "r1"):
        super().__init__(weight, name)

    def call(self, squared_norm):
        return 0.5 * squared_norm
