"""Waveforms, made into WAV files."""

import os
import pathlib
import uuid

import numpy as np
import tensorflow as tf


def write_wav(
    path: str | os.PathLike, waveform: np.ndarray, sampling_rate: int
) -> None:
    """Write a waveform as a WAV file of 16-bit PCM, one channel.

    The file appears complete or not at all; one of its name is replaced.

    Args:
        path: Path of the file, in a folder that exists.
        waveform: Float array or tensor of shape `(samples,)`, in [-1, 1];
            what is beyond is clipped.
        sampling_rate: Positive integer, in Hz.

    Raises:
        ValueError: If the waveform has another rank, no samples or values
            that are not finite, or the sampling rate is not positive.

    Example:
        ```python
        import keras_xmodal as kx
        import numpy as np

        tone = 0.5 * np.sin(2 * np.pi * 440 * np.arange(8000) / 8000)
        kx.datasets.write_wav("tone.wav", tone, 8000)
        ```
    """
    content = encode_wav(waveform, sampling_rate)
    path = pathlib.Path(path)
    beside = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        beside.write_bytes(content)
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)


def encode_wav(waveform: np.ndarray, sampling_rate: int) -> bytes:
    """Make the content of a WAV file, as `write_wav` writes it."""
    waveform = np.asarray(waveform, "float32")
    if waveform.ndim != 1 or not len(waveform):
        raise ValueError(
            "`waveform` must have shape (samples,), with at least one sample. "
            f"Received: shape={waveform.shape}"
        )
    if not np.isfinite(waveform).all():
        raise ValueError(
            "`waveform` must be finite. Received: "
            f"{np.sum(~np.isfinite(waveform))} of {len(waveform)} samples that "
            "are not"
        )
    if sampling_rate < 1:
        raise ValueError(
            "`sampling_rate` must be positive. "
            f"Received: sampling_rate={sampling_rate}"
        )
    content = tf.audio.encode_wav(waveform[:, None], int(sampling_rate))
    return content.numpy()
