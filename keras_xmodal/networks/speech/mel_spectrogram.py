"""The layer that makes mel spectrograms of waveforms, and its matrix."""

import keras
import numpy as np
import tensorflow as tf


def mel_spectrogram(
    num_samples,
    sampling_rate,
    num_mel_bins,
    frame_length,
    frame_step,
    fft_length,
    min_frequency,
    max_frequency,
):
    """Make a layer of `SpeechPreprocessor`'s arguments, which it checks."""
    length = round(frame_length * sampling_rate)
    step = round(frame_step * sampling_rate)
    fft_length = fft_length or 2 ** max(length - 1, 1).bit_length()
    if not 1 <= step <= length <= fft_length:
        raise ValueError(
            "`frame_step` must be a sample or more, and not more than "
            "`frame_length`, which must fit into `fft_length`. Received: "
            f"{step}, {length} and {fft_length} samples"
        )
    # The waveform is mirrored by half of a Fourier transform.
    if num_samples < fft_length + step:
        raise ValueError(
            "`duration` must hold a Fourier transform and a step. Received: "
            f"{num_samples} samples, where they take {fft_length} + {step}"
        )
    highest = sampling_rate / 2 if max_frequency is None else max_frequency
    if not 0 <= min_frequency < highest <= sampling_rate / 2:
        raise ValueError(
            "`min_frequency` must be 0 or more and below `max_frequency`, "
            "which must not exceed half of `sampling_rate`. Received: "
            f"min_frequency={min_frequency}, max_frequency={max_frequency}, "
            f"sampling_rate={sampling_rate}"
        )
    layer = keras.layers.MelSpectrogram(
        fft_length=fft_length,
        sequence_stride=step,
        sequence_length=length,
        sampling_rate=sampling_rate,
        num_mel_bins=num_mel_bins,
        min_freq=min_frequency,
        max_freq=highest,
        power_to_db=False,  # its cutoff is that of a whole batch
        dtype="float32",
    )
    with tf.init_scope():
        matrix = layer.linear_to_mel_weight_matrix(
            num_mel_bins,
            fft_length // 2 + 1,
            sampling_rate,
            min_frequency,
            highest,
        )
    matrix = keras.ops.convert_to_numpy(matrix)
    empty = int(np.sum(~matrix.any(axis=0)))
    if empty:
        raise ValueError(
            "`num_mel_bins` must leave no bin without a frequency: lower it or "
            f"raise `fft_length`. Received: num_mel_bins={num_mel_bins}, "
            f"fft_length={fft_length}, {empty} empty bins"
        )
    return layer, matrix
