"""Samples of a Gaussian that gradients pass through."""

import keras
from keras import ops

from keras_xmodal import checks
from keras_xmodal.layers.saved_seed_generator import SavedSeedGenerator
from keras_xmodal.ops.gaussian import sample_gaussian
from keras_xmodal.saving import register


@register
class GaussianSampling(SavedSeedGenerator, keras.layers.Layer):
    """Draw from a diagonal Gaussian: `mean + exp(log_variance / 2) * noise`.

    It draws in training and in inference alike; the mean itself is the layer's
    first input. The maths is float32 under every dtype policy, and the
    log-variance is clipped to `[-10, 10]`.

    Args:
        num_samples: Positive integer, how many samples of each Gaussian, or
            `None` for one without an axis of its own.
        seed: Integer, or `None` for another start each time.
        **kwargs: Arguments of `keras.layers.Layer`.

    Call arguments:
        inputs: List `[mean, log_variance]` of tensors of one shape
            `(batch, ..., dim)`.

    Returns:
        Float32 tensor of the shape of `mean`, or
        `(num_samples, batch, ..., dim)`.

    Raises:
        ValueError: If `num_samples` is not positive, or the inputs are not two
            tensors of one shape.

    Example:
        ```python
        import keras
        import keras_xmodal as kx

        inputs = keras.Input((8,))
        mean, log_variance = (keras.layers.Dense(2)(inputs) for _ in range(2))
        z = kx.layers.GaussianSampling(seed=1)([mean, log_variance])
        encoder = keras.Model(inputs, z)
        ```

    Reference:
        - Kingma and Welling, 2014, https://arxiv.org/abs/1312.6114, section 2.4
    """

    def __init__(
        self, num_samples: int | None = None, seed: int | None = None, **kwargs
    ):
        # As bfloat16, a log-variance of 9 is a variance that is off by 3 %.
        super().__init__(autocast=False, **kwargs)
        self.num_samples = checks.positive_integer(
            "num_samples", num_samples, optional=True
        )
        self.seed = checks.seed(seed, optional=True)
        self.seed_generator = keras.random.SeedGenerator(seed)

    def build(self, input_shape):
        any_shape = ("batch", ...)
        mean_shape, log_variance_shape = checks.shapes(
            "inputs", input_shape, mean=any_shape, log_variance=any_shape
        )
        if mean_shape != log_variance_shape:
            raise ValueError(
                "`inputs` must be [mean, log_variance], of one shape. "
                f"Received: input_shape={input_shape}"
            )
        self.built = True

    def call(self, inputs):
        mean, log_variance = inputs
        shape = self.compute_output_shape([ops.shape(mean)] * 2)
        noise = keras.random.normal(
            shape, dtype="float32", seed=self.seed_generator
        )
        return sample_gaussian(mean, log_variance, noise)

    def compute_output_shape(self, input_shape):
        shape = tuple(input_shape[0])
        return shape if self.num_samples is None else (self.num_samples, *shape)

    def compute_output_spec(self, inputs):
        shape = self.compute_output_shape([x.shape for x in inputs])
        return keras.KerasTensor(shape, "float32")
