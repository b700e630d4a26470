"""Examples of any modality as small pictures and texts."""

import numpy as np
import tensorflow as tf

from keras_xmodal.media.image import decode_image
from keras_xmodal.media.kind import kind_of
from keras_xmodal.media.video import read_video
from keras_xmodal.media.wav import decode_wav

_LONGEST_SIDE = 160  # pixels, of a picture from a file
_WINDOW = 256  # samples, of a spectrogram
_MAX_COLUMNS = 200  # of a spectrogram
_DECIBELS = 70  # from the loudest to what is black


def to_cells(values, to_text=None):
    """Turn examples of one modality into what a grid shows.

    Returns:
        List of texts; of pictures `(height, width, channels)` in [0, 1], of
        clips the frame in the middle; or of heat-maps `(height, width)` in
        [0, 1], of recordings the spectrogram, low frequencies at the bottom.
    """
    kind = _kind(values)
    if to_text is None and kind in ("image", "video", "speech"):
        return [_CELLS[kind](value) for value in _plain(values)]
    values = np.asarray(values)
    if values.dtype.kind in "OUST":
        return [_text(value) for value in values.ravel()]
    if to_text is not None:
        texts = list(to_text(values))
        if len(texts) != len(values):
            raise ValueError(
                "`to_text` must return one string for each example. "
                f"Received: {len(texts)} for {len(values)} examples"
            )
        return [str(text) for text in texts]
    if values.ndim == 1:
        return [f"{value:.4g}" for value in values]
    values = np.nan_to_num(values.astype("float32"))
    values = values - values.min()
    values = values / max(values.max(), 1e-9)
    height = 1 if values.ndim == 2 else values.shape[1]
    return list(values.reshape(len(values), height, -1))


def _kind(values):
    """Kind of the values, or None where they are none."""
    try:
        return kind_of(values)
    except (ValueError, TypeError):
        return None


def _plain(values):
    return values if isinstance(values, (list, tuple)) else np.asarray(values)


def _text(value):
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return str(value)


def _picture(value):
    """Pixels in [0, 1] of a picture's file, or of an array."""
    if isinstance(value, bytes):
        value = _shrunk(decode_image(value, 3).numpy())
    value = np.asarray(value)
    scale = 255 if value.dtype == np.uint8 else 1
    return np.clip(np.nan_to_num(value.astype("float32")) / scale, 0, 1)


def _middle_frame(value):
    """The picture in the middle of a clip."""
    if isinstance(value, bytes):
        return _picture(_shrunk(read_video(value, num_frames=1)[0]))
    return _picture(np.asarray(value)[len(value) // 2])


def _shrunk(picture):
    height, width = picture.shape[:2]
    scale = _LONGEST_SIDE / max(height, width, _LONGEST_SIDE)
    size = [max(1, round(height * scale)), max(1, round(width * scale))]
    if size == [height, width]:
        return picture
    small = tf.image.resize(picture, size, "area").numpy()
    return np.rint(small).astype("uint8")


def _spectrogram(value):
    """Loudness by frequency and time, of a WAV file or a waveform."""
    if isinstance(value, bytes):
        value = decode_wav(value)[0]
    wave = np.nan_to_num(np.asarray(value, "float32"))
    wave = np.pad(wave, (0, max(0, _WINDOW - len(wave))))
    last = len(wave) - _WINDOW
    count = min(_MAX_COLUMNS, 1 + last // (_WINDOW // 2))
    starts = np.linspace(0, last, count).astype(int)
    frames = wave[starts[:, None] + np.arange(_WINDOW)] * np.hanning(_WINDOW)
    loudness = np.abs(np.fft.rfft(frames, axis=1)) + 1e-9
    decibels = 20 * np.log10(loudness / loudness.max())
    return np.clip(1 + decibels / _DECIBELS, 0, 1).T[::-1]


_CELLS = {"image": _picture, "video": _middle_frame, "speech": _spectrogram}
