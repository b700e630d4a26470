"""What the likelihoods share: shapes, masks, sums, checks of the data."""

import keras
import numpy as np
import tensorflow as tf

from keras_xmodal import checks, saving


@saving.register
class Likelihood:
    """Base of the distributions p(x|z) of one modality.

    A decoder maps latents to `parameters`, such as logits; a likelihood says
    what they mean. It holds no weights. A subclass implements `distribution`,
    the TensorFlow Probability distribution of the elements of `x`, which are
    independent given the parameters, and says what its data may be
    (`support`, `in_support`). It overrides `parameter_shape` where the
    parameters are not shaped as the data, and `element_log_prob`, `mean`,
    `mode` and `sample` where formulas of its own are faster. Those here have
    formulas for all, so that `distribution` alone needs the extra
    `distributions`.

    All maths is float32, whatever the dtype of the inputs. Gradients have the
    dtype of the parameters: under mixed precision, give the last layer of the
    decoder `dtype="float32"`.
    """

    # What `x` must be, as the error of `check_support` says it.
    support = "finite"
    # What `x` is cast to.
    data_dtype = "float32"

    def distribution(self, parameters):
        """The TensorFlow Probability distribution of the elements of `x`.

        Args:
            parameters: Tensor of shape `(..., batch, *parameter_shape)`.

        Returns:
            `tfp.distributions.Distribution` of batch shape
            `(..., batch, *event_shape)` and scalar events.

        Raises:
            ImportError: If TensorFlow Probability is not installed, which is
                the extra `distributions`.
        """
        raise NotImplementedError

    def element_log_prob(self, x, parameters):
        """Log-probability of each element of `x`.

        Args:
            x: Tensor of shape `(batch, *event_shape)` and `data_dtype`.
            parameters: Float32 tensor, `(..., batch, *parameter_shape)`.

        Returns:
            Float32 tensor of shape `(..., batch, *event_shape)`, in nats.
        """
        return self.distribution(parameters).log_prob(x)

    def in_support(self, values):
        """Whether each value is one that the likelihood describes.

        Args:
            values: NumPy array of real numbers, of any shape.

        Returns:
            Boolean NumPy array of the same shape.
        """
        return np.isfinite(values)

    def parameter_shape(self, event_shape):
        """Shape that a decoder has to return for data of a shape.

        Args:
            event_shape: Tuple of integers, the shape of one example.

        Returns:
            Tuple of integers, without the batch.
        """
        return tuple(event_shape)

    def log_prob(self, x, parameters, missing=None):
        """Log-probability of each example, summed over its elements.

        Args:
            x: Tensor of shape `(batch, *event_shape)`.
            parameters: Tensor of shape `(..., batch, *parameter_shape)`, any
                leading axes being samples of the latent.
            missing: Optional boolean tensor of shape `(batch,)`. The
                log-probability of a missing row is 0 and has no gradient,
                even where `x` is NaN.

        Returns:
            Float32 tensor of shape `(..., batch)`, in nats.

        Raises:
            ValueError: If the shapes do not fit each other.
        """
        x, parameters = self._prepare(x, parameters, missing)
        log_probs = self.element_log_prob(x, parameters)
        return self._sum_event(log_probs, x, missing)

    def mean(self, parameters):
        """Expected value of `x`.

        Args:
            parameters: Tensor of shape `(..., batch, *parameter_shape)`.

        Returns:
            Float32 tensor of shape `(..., batch, *event_shape)`.
        """
        return self.distribution(parameters).mean()

    def mode(self, parameters):
        """Most probable value of `x`.

        Args:
            parameters: Tensor of shape `(..., batch, *parameter_shape)`.

        Returns:
            Tensor of shape `(..., batch, *event_shape)` and `data_dtype`.
        """
        return self.distribution(parameters).mode()

    def sample(self, parameters, seed=None):
        """Draw one `x` for each row of the parameters.

        Args:
            parameters: Tensor of shape `(..., batch, *parameter_shape)`.
            seed: Integer or integer tensor, for the same draw at every call;
                `keras.random.SeedGenerator`; or None, for the global seed.

        Returns:
            Tensor of shape `(..., batch, *event_shape)` and `data_dtype`.
        """
        # Keras knows its kinds of seed; TFP takes a pair of integers.
        if tf.is_tensor(seed):
            pair = tf.stack([seed, 0])
        else:
            pair = keras.random.randint((2,), 0, 2**31 - 1, "int32", seed=seed)
        return self._draw(parameters, pair)

    def _draw(self, parameters, seed):
        """Draw one `x` for each row, of a pair of integers."""
        return self.distribution(parameters).sample(seed=seed)

    def check_support(self, x, missing=None):
        """Refuse data that the likelihood does not describe.

        Args:
            x: Array of shape `(batch, *event_shape)`, in host memory.
            missing: Optional boolean array of shape `(batch,)`; rows that are
                not checked.

        Raises:
            TypeError: If the data is not made of real numbers.
            ValueError: If a value is outside the support, or `missing` has
                another shape.
        """
        values = np.asarray(x)
        if values.dtype.kind not in "biuf" and values.dtype.name != "bfloat16":
            raise TypeError(
                f"`x` must be real numbers. Received: x of dtype {values.dtype}"
            )
        wrong = ~self.in_support(values)
        if missing is not None:
            missing = checks.booleans("missing", missing)
            if missing.shape != values.shape[:1]:
                raise ValueError(
                    "`missing` must have shape (batch,). Received: "
                    f"missing.shape={missing.shape}, x.shape={values.shape}"
                )
            wrong[missing] = False
        if wrong.any():
            first = tuple(int(i) for i in np.argwhere(wrong)[0])
            place = ", ".join(map(str, first))
            raise ValueError(
                f"`x` must be {self.support} for {type(self).__name__}. "
                f"Received: {int(wrong.sum())} of {wrong.size} values that "
                f"are not, the first being x[{place}]={values[first]!s}"
            )

    def _prepare(self, x, parameters, missing):
        """Cast both, check their shapes, put 0 where `x` is missing."""
        x = checks.tensor("x", x, ("batch", ...), dtype=None)
        parameters = float32(parameters, len(x.shape))
        expected = (x.shape[0], *self.parameter_shape(tuple(x.shape[1:])))
        found = parameters.shape[-len(expected) :]
        if not found.is_compatible_with(expected):
            raise ValueError(
                "`parameters` must have shape (..., batch, *parameter_shape). "
                f"Received: parameters.shape={tuple(parameters.shape)}, where "
                f"x.shape={tuple(x.shape)} needs (..., "
                f"{', '.join(map(str, expected))})"
            )
        if missing is not None:
            checks.shape("missing", np.shape(missing), (x.shape[0],))
            # 0 is in every support. NaN must be gone before the maths: its
            # gradient is NaN also where the result is not used.
            x = tf.where(per_row(missing, x), tf.zeros_like(x), x)
        return tf.cast(x, self.data_dtype), parameters

    def _sum_event(self, log_probs, x, missing):
        """Sum over the axes of the event; 0 for missing rows."""
        event_axes = list(range(1 - x.shape.rank, 0))
        log_probs = tf.reduce_sum(log_probs, event_axes)  # (..., batch)
        if missing is None:
            return log_probs
        return tf.where(tf.cast(missing, "bool"), 0.0, log_probs)


def import_tfd():
    """Import the distributions of TFP, or say how to install them."""
    try:
        from tensorflow_probability import distributions
    except ImportError as error:
        raise ImportError(
            "`distribution` needs TensorFlow Probability: pip install "
            f"'keras-xmodal[distributions]'. Received: {error}"
        ) from error
    return distributions


def float32(parameters, num_axes=1):
    """Check parameters, and cast them to a float32 `tf.Tensor`."""
    shape = (..., *[None] * num_axes)
    return checks.tensor("parameters", parameters, shape)


def halves(parameters):
    """Two parameters for each element, joined on the last axis."""
    parameters = float32(parameters)
    if (parameters.shape[-1] or 0) % 2:
        raise ValueError(
            "`parameters` must have a last axis of even size, two for each "
            f"element. Received: parameters.shape={tuple(parameters.shape)}"
        )
    return tf.split(parameters, 2, axis=-1)


def per_row(mask, x):
    """Shape a mask `(batch,)` so that it broadcasts against `x`."""
    shape = [-1] + [1] * (x.shape.rank - 1)
    return tf.reshape(tf.cast(mask, "bool"), shape)


def log_scale_bounds(min_log_scale, max_log_scale):
    """Refuse bounds that are not in order; return them as floats."""
    low = checks.number("min_log_scale", min_log_scale)
    high = checks.number("max_log_scale", max_log_scale)
    if not low < high:
        raise ValueError(
            "`min_log_scale` must be less than `max_log_scale`. Received: "
            f"min_log_scale={min_log_scale}, max_log_scale={max_log_scale}"
        )
    return low, high


def doubled_last_axis(event_shape):
    """Shape of two parameters for each element, joined on the last axis."""
    if not event_shape:
        raise ValueError(
            "`event_shape` must have an axis, on which the locations and the "
            f"log-scales are joined. Received: event_shape={event_shape}"
        )
    *rest, last = event_shape
    return (*rest, None if last is None else 2 * last)
