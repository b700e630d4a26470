"""Pictures, recordings and clips of the rows of a run, and nothing else."""

import io
import pathlib

import numpy as np
import tensorflow as tf
from PIL import Image

from keras_xmodal.media.image import decode_image, is_whole_image
from keras_xmodal.media.wav import is_whole_wav
from keras_xmodal.play.cards import to_png
from keras_xmodal.play.queries import MAX_BYTES
from keras_xmodal.runs import raw

SIDE = 480  # pixels, of the longer side at most


class ItemFiles:
    """Files of items, asked for by numbers.

    No path comes from outside. What a run names is read only where it is a
    regular file of a picture, a recording or a clip, by its content.

    Args:
        run: `Run`.
    """

    def __init__(self, run):
        self._run = run

    def read(self, place, row, small=False):
        """Read what a row of the index shows or sounds like.

        Args:
            place: Integer, of the modality among those of the index.
            row: Integer, from 0.
            small: Whether the run's thumbnail is preferred.

        Returns:
            Pair of bytes and their media type, or None where there is none.
        """
        modalities = self._run.index.modalities
        if not 0 <= place < len(modalities):
            return None
        modality = modalities[place]
        ids, _ = self._run.index.rows(modality)
        if not 0 <= row < len(ids):
            return None
        item = str(ids[row])
        readers = [self._file, self._thumbnail]
        for reader in reversed(readers) if small else readers:
            found = reader(modality, item)
            if found is not None:
                return found
        return None

    def _thumbnail(self, modality, item):
        picture = self._run.thumbnail(modality, item)
        if picture is None:
            return None
        return to_png(np.asarray(picture)), "image/png"

    def _file(self, modality, item):
        path = self._run.items.get(modality, {}).get(item, {}).get("file")
        if path is None:
            return None
        path = pathlib.Path(self._run.path) / path
        try:
            if not path.is_file() or path.stat().st_size > MAX_BYTES:
                return None
            content = path.read_bytes()
            (kind, *_) = raw.kinds_of(content)
        except (OSError, ValueError):
            return None
        if kind == "speech":
            return (content, "audio/wav") if is_whole_wav(content) else None
        if content.startswith(b"GIF8"):
            return (content, "image/gif") if is_whole_image(content) else None
        return _small_picture(content)


def _small_picture(content):
    try:
        picture = Image.fromarray(decode_image(content, 3).numpy())
    except tf.errors.InvalidArgumentError:
        return None
    picture.thumbnail((SIDE, SIDE))
    stream = io.BytesIO()
    picture.save(stream, "webp", quality=90)
    return stream.getvalue(), "image/webp"
