"""The loss of the first GAN paper."""

from keras_xmodal import saving
from keras_xmodal.adversarial.adversarial_loss import AdversarialLoss
from keras_xmodal.ops import adversarial


@saving.register
class Minimax(AdversarialLoss):
    """The value V(D, G) of 2014, for which both play.

    `V(D, G) = E log sigmoid(r) + E log(1 - sigmoid(f))`: minus the loss of the
    discriminator, at best `-log 4`, where nothing tells real from generated.
    The generator's gradient vanishes where the discriminator is sure:
    `NonSaturating` is the cure.

    With `r = D(x, c)` and `f = D(G(z, c), c)`, the discriminator minimises the
    mean of `softplus(-r) + softplus(f)`, and the generator that of
    `-softplus(f)`.

    It is called as `AdversarialLoss` is.

    Example:
        ```python
        import numpy as np
        import keras_xmodal as kx

        gan = kx.GANModel(input_dim=32, output_dim=8)
        gan.compile(loss=kx.adversarial.Minimax(), penalties=[])

        loss = kx.adversarial.Minimax()
        logits = np.zeros((4, 1), "float32")
        print(loss.discriminator_loss(logits, logits))  # 1.386 = log 4
        ```

    Reference:
        - Goodfellow et al., 2014, https://arxiv.org/abs/1406.2661, eq. 1
    """

    def call(self, real, fake):
        return adversarial.minimax(real, fake)
