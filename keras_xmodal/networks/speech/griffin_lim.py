"""Log-mel spectrograms, made into sound."""

import keras
from keras import ops

from keras_xmodal import checks
from keras_xmodal.networks.speech.speech_preprocessor import SpeechPreprocessor
from keras_xmodal.ops.spectrogram import griffin_lim, mel_to_power
from keras_xmodal.saving import register


@register
class GriffinLim(keras.layers.Layer):
    """Turn log-mel spectrograms of a `SpeechPreprocessor` into waveforms.

    It undoes the preprocessor's scale, spreads mel bins over frequencies, none
    of them negative, and finds phases that fit, which a spectrogram does not
    hold, with the fast Griffin-Lim algorithm. It has no weights: a decoder's
    or generator's spectrograms become sound without a trained vocoder, if not
    as good. The result is a function of the spectrogram alone, the same in
    every batch.

    Args:
        preprocessor: `SpeechPreprocessor` that the spectrograms are like.
        num_iterations: Non-negative integer. More is closer, and slower.
        momentum: Float in [0, 1]; 0 is the plain algorithm.
        peak: Float in (0, 1], the largest absolute value of each waveform,
            whose loudness a spectrogram does not hold. Silence stays silence.
        **kwargs: Further arguments of `keras.layers.Layer`. The maths is
            float32 under every `dtype` policy.

    Call arguments:
        inputs: Float tensor of shape `(batch, frames, num_mel_bins)`, in
            [0, 1], as `preprocessor` makes it; what is beyond is clipped. A
            last axis of size 1, as convolutions make it, is dropped.

    Returns:
        Float32 tensor of shape `(batch, samples)`, of `preprocessor.duration`
        at `preprocessor.sampling_rate`. Less than two steps at the end, of
        which the spectrogram does not say enough, are silent.

    Raises:
        TypeError: If `preprocessor` is no `SpeechPreprocessor`.
        ValueError: If another argument is out of range, or the input has
            another shape.

    Example:
        ```python
        import keras_xmodal as kx
        import numpy as np

        preprocessor = kx.networks.SpeechPreprocessor(duration=0.5)
        tone = np.sin(2 * np.pi * 440 * np.arange(4000) / 8000)
        waveforms = kx.networks.GriffinLim(preprocessor)(
            preprocessor(tone[None])
        )  # (1, 4000)
        kx.datasets.write_wav("tone.wav", waveforms[0], 8000)
        ```

    Reference:
        - Perraudin et al., 2013, https://doi.org/10.1109/WASPAA.2013.6701851
    """

    def __init__(
        self,
        preprocessor: keras.layers.Layer,
        num_iterations: int = 32,
        momentum: float = 0.99,
        peak: float = 0.95,
        **kwargs,
    ):
        super().__init__(autocast=False, **kwargs)
        self.preprocessor = checks.instance_of(
            "preprocessor",
            preprocessor,
            SpeechPreprocessor,
            "a SpeechPreprocessor",
        )
        self.num_iterations = checks.integer(
            "num_iterations", num_iterations, least=0
        )
        self.momentum = checks.in_range("momentum", momentum, 0, 1)
        self.peak = checks.in_range("peak", peak, 0, 1, "(]")
        self._example_shape = (
            preprocessor.num_frames,
            preprocessor.num_mel_bins,
        )

    def build(self, input_shape):
        self._check_shape(input_shape)
        self.built = True

    def _check_shape(self, shape):
        sizes = ("batch", *self._example_shape)
        checks.shape("inputs", shape, sizes, (*sizes, 1))

    def call(self, inputs):
        self._check_shape(inputs.shape)
        spectrogram = self.preprocessor.mel_spectrogram
        inputs = ops.reshape(
            ops.cast(inputs, "float32"), (-1, *self._example_shape)
        )
        # Powers of up to 1; what the preprocessor cuts off is no sound.
        bels = self.preprocessor.dynamic_range / 10.0
        mel = 10.0 ** (bels * (ops.clip(inputs, 0.0, 1.0) - 1.0))
        mel = ops.maximum(mel - 10.0**-bels, 0.0)
        power = mel_to_power(mel, self.preprocessor.mel_matrix)
        waveforms = griffin_lim(
            ops.sqrt(power),
            spectrogram.sequence_length,
            spectrogram.sequence_stride,
            spectrogram.fft_length,
            num_iterations=self.num_iterations,
            momentum=self.momentum,
        )
        loudest = ops.max(ops.abs(waveforms), axis=1, keepdims=True)
        waveforms = waveforms * (self.peak / ops.maximum(loudest, 1e-12))
        missing = self.preprocessor.num_samples - waveforms.shape[1]
        return ops.pad(waveforms, [[0, 0], [0, missing]])

    def compute_output_spec(self, inputs):
        shape = self.compute_output_shape(inputs.shape)
        return keras.KerasTensor(shape, "float32")

    def compute_output_shape(self, input_shape):
        self._check_shape(input_shape)
        return (input_shape[0], self.preprocessor.num_samples)
