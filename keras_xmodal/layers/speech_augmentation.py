"""Random changes of waveforms that leave what is said alone."""

import keras
from keras import ops

from keras_xmodal import checks
from keras_xmodal.layers.random_layer import RandomLayer
from keras_xmodal.saving import register


@register
class SpeechAugmentation(RandomLayer):
    """Play waveforms faster or slower, shift them and add noise.

    Each waveform draws its speed, log-uniformly from `1 / (1 + speed)` to
    `1 + speed`; like a tape that is played faster, it is higher and shorter, so
    that a voice sounds as another one. It draws its shift in time uniformly
    from minus to plus `time_shift`. What is missing at the ends is silence, and
    what does not fit is cut. White noise is added, of a standard deviation
    uniform in 0 to `noise` times the waveform's root mean square. 0 turns a
    change off.

    The changes are a function of the seed, of how many batches the layer has
    been trained on, which is saved, and of the row. So results repeat in a
    sequential `tf.data.Dataset.map`; parallel calls race for their turns.

    Args:
        time_shift: Float in [0, 1], as a fraction of the waveform's length.
        noise: Non-negative float, as a fraction of the root mean square.
        speed: Float in [0, 1], 0.1 for a tenth faster or slower at most.
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

    Reference:
        - Ko et al., 2015, https://doi.org/10.21437/Interspeech.2015-711
          (speed perturbation)
    """

    def __init__(
        self,
        time_shift: float = 0.05,
        noise: float = 0.1,
        speed: float = 0.0,
        seed: int | None = None,
        **kwargs,
    ):
        # Bfloat16 is coarser than 8-bit sound.
        super().__init__(seed, autocast=False, **kwargs)
        self.time_shift = checks.in_range("time_shift", time_shift, 0, 1)
        self.noise = checks.not_negative("noise", noise)
        self.speed = checks.in_range("speed", speed, 0, 1)

    def build(self, input_shape):
        checks.shape("waveforms", input_shape, ("batch", "samples"))
        self.built = True

    def call(self, waveforms, training=False):
        checks.floats("waveforms", waveforms, "floats")
        waveforms = ops.cast(waveforms, "float32")
        if not training:
            return waveforms
        batch_size, length = ops.shape(waveforms)
        amounts, hiss = self.noise_of_rows(batch_size).streams(2)
        # Noise, shift and speed of each.
        draws = amounts.uniform((batch_size, 3))
        if self.time_shift or self.speed:
            limit = self.time_shift * ops.cast(length, "float32")
            shift = ops.round((2.0 * draws[:, 1:2] - 1.0) * limit)
            speed = (1.0 + self.speed) ** (2.0 * draws[:, 2:] - 1.0)
            place = ops.arange(length, dtype="float32")
            waveforms = _at(waveforms, speed * (place - shift))
        if self.noise:
            rms = ops.sqrt(ops.mean(waveforms**2, axis=1, keepdims=True))
            noise = hiss.normal((batch_size, length))
            waveforms = waveforms + self.noise * draws[:, :1] * rms * noise
        return waveforms

    def compute_output_shape(self, input_shape):
        return tuple(input_shape)

    def compute_output_spec(self, waveforms, training=False):
        return keras.KerasTensor(waveforms.shape, "float32")


def _at(waveforms, position):
    """Waveforms between their samples, and 0 outside, all `(batch, samples)`.

    Float32 counts samples exactly up to 2^24, half an hour at 8 kHz.
    """
    last = ops.shape(waveforms)[1] - 1
    before = ops.floor(position)
    share = position - before
    before = ops.cast(before, "int32")

    def read(place):
        inside = ops.logical_and(place >= 0, place <= last)
        samples = ops.take_along_axis(
            waveforms, ops.clip(place, 0, last), axis=1
        )
        return ops.where(inside, samples, 0.0)

    return (1.0 - share) * read(before) + share * read(before + 1)
