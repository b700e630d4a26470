"""Random changes of images, as many as a discriminator needs."""

from keras import ops

from keras_xmodal import checks
from keras_xmodal.layers.diff_augment import DiffAugment
from keras_xmodal.ops.noise import Noise
from keras_xmodal.ops.replicas import sum_over_replicas
from keras_xmodal.saving import register


@register
class AdaptiveAugmentation(DiffAugment):
    """Change images with a probability that follows the overfitting.

    Each change of `DiffAugment`, brightness, saturation, contrast, translation
    and cutout, is applied to each example with the `probability`, which starts
    at 0. The mean sign of the discriminator's logits of real examples says how
    surely it knows them; above the `target`, the probability rises, below it,
    it falls. So a large data set remains as it is.

    A relativistic loss leaves open where logits are zero; there, `update` takes
    the differences between logits of real and of generated examples.

    The rest is as in `DiffAugment`.

    Args:
        target: Float in (-1, 1), the mean sign that is aimed at.
        adaptation_speed: Positive number of images in which the probability
            can go from 0 to 1.
        **kwargs: Arguments of `keras.layers.Layer`.

    Returns:
        Tensor of the shape and dtype of `x`.

    Raises:
        ValueError: If an argument is out of range, or the input has another
            rank.

    Attributes:
        probability: Scalar variable, saved with the layer.

    Example:
        ```python
        import keras_xmodal as kx
        import numpy as np

        layer = kx.layers.AdaptiveAugmentation(adaptation_speed=10_000)
        images = np.random.default_rng(0).random((4, 32, 32, 3), "float32")
        layer(images, seed=np.arange(4)).shape  # (4, 32, 32, 3)
        layer.update(np.array([3.0, 1.0, 2.0, 5.0]))
        float(layer.probability)  # 0.0004
        ```

    Reference:
        - Karras et al., 2020, https://arxiv.org/abs/2006.06676, section 3
        - Zhao et al., 2020, https://arxiv.org/abs/2006.10738
    """

    def __init__(
        self, target: float = 0.6, adaptation_speed: float = 500_000, **kwargs
    ):
        super().__init__(**kwargs)
        self.target = checks.in_range("target", target, -1, 1, "()")
        self.adaptation_speed = checks.positive(
            "adaptation_speed", adaptation_speed
        )
        self.probability = self.add_weight(
            shape=(),
            initializer="zeros",
            trainable=False,
            dtype="float32",
            autocast=False,
            aggregation="only_first_replica",
            name="probability",
        )

    def update(self, real_logits):
        """Adapt the probability, once for each step of the discriminator.

        Args:
            real_logits: Tensor of shape `(batch,)` or `(batch, 1)`, the logits
                of real examples, or what they exceed those of generated ones
                by.
        """
        signs = ops.sign(ops.cast(real_logits, "float32"))
        # Of all replicas: the probability is one.
        total, count = sum_over_replicas(
            (ops.sum(signs), ops.cast(ops.shape(signs)[0], "float32"))
        )
        change = ops.sign(total / ops.maximum(count, 1.0) - self.target)
        probability = self.probability + change * count / self.adaptation_speed
        self.probability.assign(ops.clip(probability, 0.0, 1.0))

    def _applied(self, seed):
        draws = Noise(seed).stream(1).uniform((ops.shape(seed)[0], 5))
        return draws < self.probability
