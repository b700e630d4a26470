"""The loss with which the first GANs were trained."""

from keras_xmodal import saving
from keras_xmodal.adversarial.adversarial_loss import AdversarialLoss
from keras_xmodal.ops import adversarial


@saving.register
class NonSaturating(AdversarialLoss):
    """`Minimax` with a gradient for a generator that is losing.

    The generator maximises `log sigmoid(f)` where the game of `Minimax` says to
    minimise `log(1 - sigmoid(f))`: the same optimum, the stronger gradient
    where generated examples are found out.

    With `r = D(x, c)` and `f = D(G(z, c), c)`, the discriminator minimises the
    mean of `softplus(-r) + softplus(f)`, and the generator that of
    `softplus(-f)`.

    It is called as `AdversarialLoss` is.

    Example:
        ```python
        import numpy as np
        import keras_xmodal as kx

        gan = kx.GANModel(input_dim=32, output_dim=8)
        gan.compile(loss=kx.adversarial.NonSaturating(), penalties=[])

        loss = kx.adversarial.NonSaturating()
        logits = np.zeros((4, 1), "float32")
        print(loss.discriminator_loss(logits, logits))  # 1.386 = log 4
        ```

    Reference:
        - Goodfellow et al., 2014, https://arxiv.org/abs/1406.2661, section 3
    """

    def call(self, real, fake):
        return adversarial.non_saturating(real, fake)
