"""Recordings as they come, made into log-mel spectrograms."""

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from keras_xmodal import checks
from keras_xmodal.media.wav import decode_wav
from keras_xmodal.networks.speech.mel_spectrogram import mel_spectrogram
from keras_xmodal.networks.speech.resample import num_input_samples, resample
from keras_xmodal.saving import register

_ARGUMENTS = (
    "sampling_rate",
    "duration",
    "num_mel_bins",
    "frame_length",
    "frame_step",
    "fft_length",
    "min_frequency",
    "max_frequency",
    "dynamic_range",
    "input_sampling_rate",
)


@register
class SpeechPreprocessor(keras.layers.Layer):
    """Turn recordings into log-mel spectrograms of one size.

    The same layer works eagerly, in `tf.data.Dataset.map` and inside an
    exported graph, and takes the bytes of WAV files or waveforms:

    1. A file is decoded, of any format that `decode_wav` reads; channels are
       averaged. Waveform or file, it is brought to `sampling_rate` and cut or
       padded with silence to `duration`. The filter against aliasing is that
       of `scipy.signal.resample_poly`: a tone that is 1% above half of the
       lower rate comes back 7 dB quieter, an eighth above 31 dB, a fifth above
       55 dB.
    2. `augmentation` changes waveforms, in training.
    3. The power of the short-time Fourier transform (Hann window, frames
       centred at multiples of `frame_step`, the waveform mirrored at its ends)
       is summed under triangles that are evenly spaced on the mel scale,
       `2595 log10(1 + f / 700)`, as in HTK (`keras.layers.MelSpectrogram`).
    4. Decibels below the recording's loudest value, of `-dynamic_range` to 0,
       are scaled to [0, 1]. So 0 is silence, and padding, and the loudness of
       a recording does not matter: one that exceeds 1 is divided by its
       loudest sample before all of this. A recording of nothing but zeros is 0.

    The scale is the same for all recordings: nothing is learned from data, and
    `GriffinLim` finds the way back to sound. Where an encoder needs a mean of
    0 and a variance of 1 for each bin, `keras.layers.Normalization` follows.

    Args:
        sampling_rate: Positive integer, of the spectrograms, in Hz.
        duration: Positive number, in seconds.
        num_mel_bins: Positive integer.
        frame_length: Positive number, of the window, in seconds.
        frame_step: Positive number, from frame to frame, in seconds.
        fft_length: Integer, samples of the Fourier transform. Defaults to the
            smallest power of two that holds a frame.
        min_frequency: Non-negative number, lower edge of the first bin, in Hz.
        max_frequency: Number, upper edge of the last bin, in Hz. Defaults to
            half of `sampling_rate`.
        dynamic_range: Positive number, in decibels: what is that much below
            the loudest, or more, is 0.
        input_sampling_rate: Positive integer, of waveforms, in Hz. Defaults to
            `sampling_rate`. Files say their own.
        augmentation: Keras layer on waveforms of shape `(batch, samples)`,
            called with `training=True` only, or `None`.
        **kwargs: Further arguments of `keras.layers.Layer`. The result is
            float32 under every `dtype` policy.

    Call arguments:
        speech: String tensor of shape `(batch,)` or `()`, the content of
            WAV files; or finite floats of shape `(batch, samples)` or
            `(samples,)`, waveforms, padded with zeros if need be.
        training: Boolean, whether to augment.

    Returns:
        Float32 tensor of shape `(batch, frames, num_mel_bins)`, or `(frames,
        num_mel_bins)` for a single recording, in [0, 1]; `frames` is
        `duration / frame_step`, rounded down.

    Raises:
        TypeError: If `augmentation` is no Keras layer, or the recordings are
            neither strings nor floats.
        ValueError: If an argument is out of range, a mel bin would be empty,
            the recordings have another rank or are not finite, or a file cannot
            be decoded.
        tf.errors.InvalidArgumentError: If a file cannot be decoded or a
            waveform is not finite, inside a graph.

    Example:
        ```python
        import keras_xmodal as kx
        import numpy as np

        preprocessor = kx.networks.SpeechPreprocessor(duration=0.5)
        tone = np.sin(2 * np.pi * 440 * np.arange(4000) / 8000)
        preprocessor(tone[None]).shape  # (1, 50, 40)

        kx.datasets.write_wav("tone.wav", tone, 8000)
        with open("tone.wav", "rb") as file:
            preprocessor(np.array([file.read()], object)).shape  # (1, 50, 40)
        ```

    Reference:
        - Stevens et al., 1937, https://doi.org/10.1121/1.1915893 (mel scale)
        - Radford et al., 2022, https://arxiv.org/abs/2212.04356, section 2.2
          (log-mel spectrograms, scaled below their maximum)
    """

    def __init__(
        self,
        sampling_rate: int = 8000,
        duration: float = 1.0,
        num_mel_bins: int = 40,
        frame_length: float = 0.025,
        frame_step: float = 0.01,
        fft_length: int | None = None,
        min_frequency: float = 20.0,
        max_frequency: float | None = None,
        dynamic_range: float = 60.0,
        input_sampling_rate: int | None = None,
        augmentation: keras.layers.Layer | None = None,
        **kwargs,
    ):
        # Half precision would spoil what is meant as float32.
        super().__init__(autocast=False, **kwargs)
        self.sampling_rate = checks.positive_integer(
            "sampling_rate", sampling_rate
        )
        self.duration = checks.positive("duration", duration)
        self.num_mel_bins = checks.positive_integer(
            "num_mel_bins", num_mel_bins
        )
        self.frame_length = checks.positive("frame_length", frame_length)
        self.frame_step = checks.positive("frame_step", frame_step)
        self.fft_length = checks.positive_integer(
            "fft_length", fft_length, optional=True
        )
        self.min_frequency = checks.not_negative("min_frequency", min_frequency)
        self.max_frequency = checks.positive(
            "max_frequency", max_frequency, optional=True
        )
        self.dynamic_range = checks.positive("dynamic_range", dynamic_range)
        self.input_sampling_rate = checks.positive_integer(
            "input_sampling_rate", input_sampling_rate, optional=True
        )
        self.augmentation = checks.keras_layer(
            "augmentation", augmentation, optional=True
        )
        self.num_samples = round(self.duration * self.sampling_rate)
        self.mel_spectrogram, self.mel_matrix = mel_spectrogram(
            self.num_samples,
            self.sampling_rate,
            self.num_mel_bins,
            self.frame_length,
            self.frame_step,
            self.fft_length,
            min_frequency,
            max_frequency,
        )
        step = self.mel_spectrogram.sequence_stride
        self.num_frames = self.num_samples // step
        self._allow_non_tensor_positional_args = True
        self._convert_input_args = False
        self.built = True  # a layer in `augmentation` builds itself

    def call(self, speech, training=False):
        speech = ops.convert_to_tensor(checks.array("speech", speech))
        dtype = keras.backend.standardize_dtype(speech.dtype)
        strings = dtype == "string"
        if not strings and not dtype.startswith(("float", "bfloat")):
            raise TypeError(
                "`speech` must be strings holding WAV files, or floats. "
                f"Received: dtype={dtype}"
            )
        rank = len(speech.shape) + strings
        if rank not in (1, 2) or (not strings and speech.shape[-1] == 0):
            raise ValueError(
                "`speech` must have shape (batch, samples) or (samples,), "
                "with at least one sample, or (batch,) or () where they are "
                f"strings. Received: dtype={dtype}, shape={speech.shape}"
            )
        if rank == 1:
            speech = ops.expand_dims(speech, 0)
        if strings:
            waveforms = self._decode(speech)
        else:
            rate = self.input_sampling_rate or self.sampling_rate
            waveforms = ops.cast(speech, "float32")
            largest = float(np.finfo("float32").max)
            waveforms = checks.values(
                "speech", waveforms, -largest, largest, "finite"
            )
            waveforms = self._fit(waveforms, rate)
        if training and self.augmentation is not None:
            waveforms = self.augmentation(waveforms, training=True)
            waveforms = ops.cast(waveforms, "float32")
        outputs = self._log_mel(waveforms)
        return outputs[0] if rank == 1 else outputs

    def _log_mel(self, waveforms):
        count = tf.shape(waveforms)[0]
        if not waveforms.shape[0]:
            # TensorFlow mirrors no empty batch: one more row, for a while.
            more = tf.cast(count == 0, tf.int32)
            waveforms = tf.pad(waveforms, [[0, more], [0, 0]])
        mel = self.mel_spectrogram(waveforms)
        # (batch, bins, frames) -> (batch, frames, bins)
        mel = ops.transpose(mel, (0, 2, 1))[:, : self.num_frames]
        loudest = ops.max(mel, axis=(1, 2), keepdims=True)
        # Not `divide_no_nan`: powers may be too small to divide by.
        mel = mel / ops.maximum(loudest, 1e-30)
        bels = ops.log10(ops.maximum(mel, 10 ** (-self.dynamic_range / 10)))
        mel = ops.clip(1.0 + 10.0 / self.dynamic_range * bels, 0.0, 1.0)
        return mel[:count]

    def _decode(self, contents):
        if tf.executing_eagerly():
            # Faster than an eager `map_fn`, and says which one is wrong.
            waveforms = [
                self._decode_one(content, f"speech[{index}]")
                for index, content in enumerate(contents)
            ]
            return tf.reshape(waveforms, (-1, self.num_samples))
        signature = tf.TensorSpec((self.num_samples,), tf.float32)
        return tf.map_fn(
            self._decode_one, contents, fn_output_signature=signature
        )

    def _decode_one(self, content, name="speech"):
        waveform, rate = decode_wav(content, name)
        return self._fit(waveform[None], rate)[0]

    def _fit(self, waveforms, rate):
        """Waveforms at the sampling rate and of the duration."""
        needed = num_input_samples(self.num_samples, rate, self.sampling_rate)
        waveforms = waveforms[:, :needed]
        # Sums and powers of larger samples might leave the range of floats.
        loudest = tf.reduce_max(tf.abs(waveforms), axis=1, keepdims=True)
        waveforms = waveforms / tf.maximum(loudest, 1.0)
        waveforms = resample(waveforms, rate, self.sampling_rate)
        waveforms = waveforms[:, : self.num_samples]
        missing = self.num_samples - tf.shape(waveforms)[1]
        waveforms = tf.pad(waveforms, [[0, 0], [0, missing]])
        return tf.ensure_shape(waveforms, (None, self.num_samples))

    def compute_output_spec(self, speech, training=False):
        strings = keras.backend.standardize_dtype(speech.dtype) == "string"
        single = len(speech.shape) + strings == 1
        shape = () if single else tuple(speech.shape[:1])
        shape = (*shape, self.num_frames, self.num_mel_bins)
        return keras.KerasTensor(shape, dtype="float32")

    def compute_output_shape(self, input_shape):
        # A shape of rank 1 is that of a batch of files.
        batch_shape = tuple(input_shape[:1])
        return (*batch_shape, self.num_frames, self.num_mel_bins)
