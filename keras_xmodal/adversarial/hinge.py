"""The hinge loss of SAGAN and BigGAN."""

from keras_xmodal import saving
from keras_xmodal.adversarial.adversarial_loss import AdversarialLoss
from keras_xmodal.ops import adversarial


@saving.register
class Hinge(AdversarialLoss):
    """Margins of 1 for the discriminator.

    Examples beyond the margin give no gradient, which keeps the discriminator
    from going on where it has won.

    With `r = D(x, c)` and `f = D(G(z, c), c)`, the discriminator minimises the
    mean of `relu(1 - r) + relu(1 + f)`, and the generator that of `-f`.

    It is called as `AdversarialLoss` is.

    Example:
        ```python
        import numpy as np
        import keras_xmodal as kx

        gan = kx.GANModel(input_dim=32, output_dim=8)
        gan.compile(loss=kx.adversarial.Hinge(), penalties=[])

        loss = kx.adversarial.Hinge()
        logits = np.zeros((4, 1), "float32")
        print(loss.discriminator_loss(logits, logits))  # 2
        ```

    Reference:
        - Lim and Ye, 2017, https://arxiv.org/abs/1705.02894, eq. 9
        - Zhang et al., 2019, https://arxiv.org/abs/1805.08318, eq. 4
    """

    def call(self, real, fake):
        return adversarial.hinge(real, fake)
