"""The paired relativistic loss of R3GAN."""

from keras_xmodal import saving
from keras_xmodal.adversarial.adversarial_loss import AdversarialLoss
from keras_xmodal.ops import adversarial


@saving.register
class Relativistic(AdversarialLoss):
    """Each real example against the generated one of the same condition.

    The discriminator says which of the two is the real one. Every real example
    is compared, so none can be left out by a generator that has dropped its
    mode. With the penalties `R1` and `R2`, training converges locally.

    With `r = D(x, c)` and `f = D(G(z, c), c)`, the discriminator minimises the
    mean of `softplus(f - r)`, and the generator that of `softplus(r - f)`.

    It is called as `AdversarialLoss` is.

    Example:
        ```python
        import numpy as np
        import keras_xmodal as kx

        gan = kx.GANModel(input_dim=32, output_dim=8)
        gan.compile(loss=kx.adversarial.Relativistic())

        loss = kx.adversarial.Relativistic()
        logits = np.zeros((4, 1), "float32")
        print(loss.discriminator_loss(logits, logits))  # 0.693 = log 2
        ```

    Reference:
        - Jolicoeur-Martineau, 2019, https://arxiv.org/abs/1807.00734
        - Huang et al., 2024, https://arxiv.org/abs/2501.05441, eq. 2
    """

    compares = True

    def call(self, real, fake):
        return adversarial.relativistic(real, fake)
