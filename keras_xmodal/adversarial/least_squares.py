"""The squared errors of LSGAN."""

from keras_xmodal import saving
from keras_xmodal.adversarial.adversarial_loss import AdversarialLoss
from keras_xmodal.ops import adversarial


@saving.register
class LeastSquares(AdversarialLoss):
    """Squared distance from 1 and from 0.

    Generated examples far on the right side of the boundary still have a
    gradient, towards it.

    With `r = D(x, c)` and `f = D(G(z, c), c)`, the discriminator minimises the
    mean of `((r - 1)^2 + f^2) / 2`, and the generator that of `(f - 1)^2 / 2`.

    It is called as `AdversarialLoss` is.

    Example:
        ```python
        import numpy as np
        import keras_xmodal as kx

        gan = kx.GANModel(input_dim=32, output_dim=8)
        gan.compile(loss=kx.adversarial.LeastSquares(), penalties=[])

        loss = kx.adversarial.LeastSquares()
        logits = np.zeros((4, 1), "float32")
        print(loss.discriminator_loss(logits, logits))  # 0.5
        ```

    Reference:
        - Mao et al., 2017, https://arxiv.org/abs/1611.04076, eq. 9
    """

    def call(self, real, fake):
        return adversarial.least_squares(real, fake)
