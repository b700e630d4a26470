"""Random changes of waveforms that leave what is said alone."""

import keras
import numpy as np
from keras import ops

from keras_xmodal.ops.noise import fold_in, stateless_normal, stateless_uniform
from keras_xmodal.saving import register


@register
class SpeechAugmentation(keras.layers.Layer):
    """Shift waveforms in time and add noise, each in its own way.

    Each waveform draws its shift uniformly from minus to plus `time_shift`;
    what is shifted in is silence. White noise is added, of a standard deviation
    uniform in 0 to `noise` times the waveform's root mean square. 0 turns a
    change off.

    The changes are a function of the seed, of how many batches the layer has
    been trained on, which is saved, and of the row. So results repeat in a
    sequential `tf.data.Dataset.map`; parallel calls race for their turns.

    Args:
        time_shift: Float in [0, 1], as a fraction of the waveform's length.
        noise: Non-negative float, as a fraction of the root mean square.
        seed: Integer. Defaults to a random one.
        **kwargs: Arguments of `keras.layers.Layer`.

    Attributes:
        step: Scalar variable, the number of batches in training.

    Call arguments:
        waveforms: Float tensor of shape `(batch, samples)`.
        training: Boolean; with `False`, the default, the waveforms pass
            unchanged.

    Returns:
        Tensor of the shape of `waveforms`; float32 under every dtype policy.

    Raises:
        ValueError: If an argument is out of range, or the input has another
            rank.

    Example:
        ```python
        import keras_xmodal as kx
        import numpy as np

        augmentation = kx.layers.SpeechAugmentation(time_shift=0.1, seed=1)
        waveforms = np.random.default_rng(0).normal(size=(4, 8000))
        augmentation(waveforms, training=True).shape  # (4, 8000)
        kx.networks.SpeechPreprocessor(augmentation=augmentation)
        ```
    """

    def __init__(self, time_shift=0.05, noise=0.1, seed=None, **kwargs):
        # Bfloat16 is coarser than 8-bit sound.
        super().__init__(autocast=False, **kwargs)
        if not 0 <= time_shift <= 1:
            raise ValueError(
                "`time_shift` must be in [0, 1]. "
                f"Received: time_shift={time_shift}"
            )
        if not noise >= 0:
            raise ValueError(
                f"`noise` must not be negative. Received: noise={noise}"
            )
        self.time_shift = time_shift
        self.noise = noise
        self.seed = int(np.random.randint(2**31)) if seed is None else seed
        self.step = self.add_weight(
            shape=(),
            initializer="zeros",
            dtype="int32",
            trainable=False,
            aggregation="only_first_replica",
            name="step",
        )

    def build(self, input_shape):
        if len(input_shape) != 2:
            raise ValueError(
                "`waveforms` must have shape (batch, samples). "
                f"Received: shape={tuple(input_shape)}"
            )
        self.built = True

    def call(self, waveforms, training=False):
        waveforms = ops.cast(waveforms, "float32")
        if not training:
            return waveforms
        batch_size, length = ops.shape(waveforms)
        rows = ops.arange(batch_size, dtype="int32")
        seed = fold_in(fold_in(self.seed, self.step.value), rows)
        self.step.assign_add(1)
        draws = stateless_uniform((batch_size, 2), fold_in(seed, 1))
        if self.noise:
            rms = ops.sqrt(ops.mean(waveforms**2, axis=1, keepdims=True))
            noise = stateless_normal((batch_size, length), fold_in(seed, 2))
            waveforms = waveforms + self.noise * draws[:, 1:] * rms * noise
        if self.time_shift:
            limit = self.time_shift * ops.cast(length, "float32")
            shift = ops.round((2.0 * draws[:, :1] - 1.0) * limit)
            place = ops.arange(length, dtype="int32")
            source = place - ops.cast(shift, "int32")  # (batch, samples)
            inside = ops.logical_and(source >= 0, source < length)
            source = ops.clip(source, 0, length - 1)
            shifted = ops.take_along_axis(waveforms, source, axis=1)
            waveforms = ops.where(inside, shifted, 0.0)
        return waveforms

    def compute_output_shape(self, input_shape):
        return tuple(input_shape)

    def compute_output_spec(self, waveforms, training=False):
        return keras.KerasTensor(waveforms.shape, "float32")

    def get_config(self):
        return {
            **super().get_config(),
            "time_shift": self.time_shift,
            "noise": self.noise,
            "seed": self.seed,
        }
