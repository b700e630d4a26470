"""From spectrograms back to waveforms."""

import math

from keras import ops

from keras_xmodal.ops.noise import stateless_uniform
from keras_xmodal.types import Tensor, TensorLike


def mel_to_power(
    mel: TensorLike, mel_matrix: TensorLike, num_iterations: int = 50
) -> Tensor:
    """Power spectra, none negative, whose mel spectra are the given ones.

    There are fewer mel bins than frequencies. From an even spread, multiplying
    by ratios of given and present mel bins comes near to the given ones, in
    the Kullback-Leibler divergence, and keeps every value non-negative.

    Args:
        mel: Non-negative tensor of shape `(..., bins)`.
        mel_matrix: Non-negative array of shape `(frequencies, bins)`, of which
            no column is zero.
        num_iterations: Positive integer.

    Returns:
        Tensor of shape `(..., frequencies)`. Frequencies that no bin holds
        are zero.

    Reference:
        - Lee and Seung, 2000, "Algorithms for non-negative matrix
          factorization", equation 5
    """
    mel = ops.convert_to_tensor(mel, "float32")
    matrix = ops.convert_to_tensor(mel_matrix, "float32")
    transposed = ops.transpose(matrix)
    weight = ops.sum(matrix, axis=1)

    def spread(bins):
        return ops.divide_no_nan(ops.matmul(bins, transposed), weight)

    power = spread(ops.divide_no_nan(mel, ops.sum(matrix, axis=0)))

    def update(_, power):
        return power * spread(ops.divide_no_nan(mel, ops.matmul(power, matrix)))

    return ops.fori_loop(0, num_iterations, update, power)


def griffin_lim(
    magnitudes: TensorLike,
    sequence_length: int,
    sequence_stride: int,
    fft_length: int,
    num_iterations: int = 32,
    momentum: float = 0.99,
    seed: int = 0,
) -> Tensor:
    """Find waveforms whose spectrograms have the given magnitudes.

    The phases start at random and become those of a waveform's spectrogram,
    again and again, each time somewhat further than they should. The arguments
    are those of `keras.ops.stft`, with a Hann window and `center=True`.

    Args:
        magnitudes: Tensor of shape `(batch, frames, fft_length // 2 + 1)`.
        sequence_length: Positive integer, samples of the window.
        sequence_stride: Positive integer, samples from frame to frame.
        fft_length: Integer of at least `sequence_length`.
        num_iterations: Non-negative integer.
        momentum: Float in [0, 1]; 0 is the algorithm of Griffin and Lim.
        seed: Integer, of the phases to start from.

    Returns:
        Float32 tensor of shape `(batch, (frames - 1) * sequence_stride)`.

    Raises:
        ValueError: If the magnitudes have another rank or number of
            frequencies, or are of too few frames for half of `fft_length`.

    Reference:
        - Griffin and Lim, 1984, https://doi.org/10.1109/TASSP.1984.1164317
        - Perraudin et al., 2013, https://doi.org/10.1109/WASPAA.2013.6701851,
          algorithm 2
    """
    magnitudes = ops.convert_to_tensor(magnitudes, "float32")
    shape = magnitudes.shape
    if len(shape) != 3 or shape[2] != fft_length // 2 + 1:
        raise ValueError(
            "`magnitudes` must have shape (batch, frames, fft_length // 2 + "
            f"1). Received: shape={tuple(shape)}, fft_length={fft_length}"
        )
    num_samples = (shape[1] - 1) * sequence_stride
    if num_samples <= fft_length // 2:
        raise ValueError(
            "`magnitudes` must be of more than `fft_length / (2 * "
            f"sequence_stride) + 1` frames. Received: shape={tuple(shape)}, "
            f"fft_length={fft_length}, sequence_stride={sequence_stride}"
        )
    transform = (sequence_length, sequence_stride, fft_length)
    # The same for every row: none depends on the others of its batch.
    phases = 2 * math.pi * stateless_uniform((1, *shape[1:]), seed)
    spectrum = magnitudes * ops.cos(phases), magnitudes * ops.sin(phases)

    def to_waveform(spectrum):
        waveform = ops.istft(spectrum, *transform, length=num_samples)
        return ops.reshape(waveform, (-1, num_samples))

    def update(_, state):
        spectrum, previous = state[:2], state[2:]
        consistent = tuple(
            ops.reshape(part, (-1, *shape[1:]))
            for part in ops.stft(to_waveform(spectrum), *transform)
        )
        real, imaginary = (
            new + momentum * (new - old)
            for new, old in zip(consistent, previous, strict=True)
        )
        scale = magnitudes / ops.sqrt(
            ops.maximum(real**2 + imaginary**2, 1e-24)
        )
        return (real * scale, imaginary * scale, *consistent)

    zeros = ops.zeros_like(magnitudes)
    state = ops.fori_loop(0, num_iterations, update, (*spectrum, zeros, zeros))
    return to_waveform(state[:2])
