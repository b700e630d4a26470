"""What losses of a discriminator and a generator share."""

import keras
from keras import ops

from keras_xmodal import checks, saving


@saving.register
class AdversarialLoss:
    """Base of losses of a `GANModel`, from the discriminator's logits.

    A subclass has one method, `call(real, fake)`, from float32 logits of shape
    `(batch,)` to the pair of losses of the discriminator and the generator,
    example by example.

    Attributes:
        compares: Whether the generator's loss depends on the logits of real
            examples. Where it does not, they are not computed for it.
    """

    compares = False

    def call(self, real, fake):
        """Both losses.

        Args:
            real: Float32 logits of real examples, of shape `(batch,)`.
            fake: Float32 logits of generated examples, of shape `(batch,)`.

        Returns:
            Pair of tensors of shape `(batch,)`: the loss of the discriminator
            and that of the generator.
        """
        raise NotImplementedError

    def discriminator_loss(self, real, fake):
        """What the discriminator minimises.

        Args:
            real: Logits of real examples, of shape `(batch,)` or `(batch, 1)`.
            fake: Logits of generated examples, of the same shape.

        Returns:
            Float32 tensor of shape `(batch,)`.
        """
        return self._losses(real, fake)[0]

    def generator_loss(self, real, fake):
        """What the generator minimises.

        Args:
            real: Logits of real examples, of shape `(batch,)` or `(batch, 1)`;
                None where the loss does not compare.
            fake: Logits of generated examples, of the same shape.

        Returns:
            Float32 tensor of shape `(batch,)`.
        """
        real = fake if real is None else real
        return self._losses(real, fake)[1]

    def _losses(self, real, fake):
        real, fake = _vectors(real=real, fake=fake)
        losses = self.call(real, fake)
        shapes = [tuple(ops.shape(x)) for x in keras.tree.flatten(losses)]
        if len(shapes) != 2 or any(len(shape) != 1 for shape in shapes):
            raise ValueError(
                f"`{type(self).__name__}.call` must return two tensors of "
                "shape (batch,), the losses of the discriminator and the "
                f"generator. Received: shapes {shapes}"
            )
        return losses


def _vectors(**logits):
    """Float32 tensors of shape `(batch,)`, of equally many examples."""
    tensors = {
        name: checks.tensor(name, value, ("batch",), ("batch", 1))
        for name, value in logits.items()
    }
    checks.same_shape(**{name: x.shape[:1] for name, x in tensors.items()})
    # `(batch,)` and `(batch, 1)` together would make a `(batch, batch)`.
    return [ops.reshape(x, (-1,)) for x in tensors.values()]
