"""The difference of means of WGAN."""

from keras_xmodal import saving
from keras_xmodal.adversarial.adversarial_loss import AdversarialLoss
from keras_xmodal.ops import adversarial


@saving.register
class Wasserstein(AdversarialLoss):
    """A distance between distributions, for a 1-Lipschitz discriminator.

    It needs `GradientPenalty`, which keeps the norm of the discriminator's
    gradient at 1, and several `discriminator_steps`.

    With `r = D(x, c)` and `f = D(G(z, c), c)`, the discriminator minimises the
    mean of `f - r`, and the generator that of `-f`.

    It is called as `AdversarialLoss` is.

    Example:
        ```python
        import numpy as np
        import keras_xmodal as kx

        gan = kx.GANModel(input_dim=32, output_dim=8)
        gan.compile(
            loss=kx.adversarial.Wasserstein(),
            penalties=[kx.adversarial.GradientPenalty()],
            discriminator_steps=5,
        )

        loss = kx.adversarial.Wasserstein()
        logits = np.zeros((4, 1), "float32")
        print(loss.discriminator_loss(logits, logits))  # 0
        ```

    Reference:
        - Arjovsky et al., 2017, https://arxiv.org/abs/1701.07875, eq. 2
        - Gulrajani et al., 2017, https://arxiv.org/abs/1704.00028
    """

    def call(self, real, fake):
        return adversarial.wasserstein(real, fake)
