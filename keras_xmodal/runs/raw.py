"""Raw examples of each kind: told by content, checked, made ready to encode.

Files go to a preprocessor as bytes, so that whatever their sizes, one function
is compiled for all of them.
"""

import os
import pathlib

import keras
import numpy as np
import tensorflow as tf

from keras_xmodal import checks
from keras_xmodal.export.towers import MAX_TEXT_BYTES, find_towers
from keras_xmodal.media import header
from keras_xmodal.media.gif import encode_gif
from keras_xmodal.media.image import MAX_PIXELS, decode_image, is_whole_image
from keras_xmodal.media.kind import KINDS_OF_DATA, kind_of_file
from keras_xmodal.media.video import read_video
from keras_xmodal.media.wav import decode_wav, encode_wav, is_whole_wav
from keras_xmodal.models import Preprocessed
from keras_xmodal.networks import ImagePreprocessor, SpeechPreprocessor

KINDS = KINDS_OF_DATA
CALLED = {
    "image": "a picture",
    "text": "a text",
    "speech": "a recording",
    "video": "a clip",
    "numbers": "numbers",
}
_OF_TOWERS = {
    "picture": "image",
    "text": "text",
    "recording": "speech",
    "clip": "video",
    None: "numbers",
}
_RULES = {
    "image": "a whole JPEG, PNG, GIF, BMP or WebP picture of at most "
    f"{MAX_PIXELS} pixels",
    "speech": "a whole WAV file with samples",
    "video": "a whole clip, such as a GIF, WebP or MP4 file",
}
_PICTURES = (".png", ".jpg", ".jpeg", ".gif", ".bmp", ".webp")
_OTHERS = (".wav", ".mp4", ".webm", ".mov", ".avi", ".mkv", ".apng")
_OTHERS += (".mp3", ".flac", ".ogg", ".m4a")
_KINDS_OF_FILES = {
    "speech": ("speech",),
    "image": ("image", "video"),
    "gif": ("image", "video"),
    "clip gif": ("video", "image"),
    "video": ("video", "image"),
}
_MOST_BYTES = 2**30
_LONGEST_NAME = 255  # bytes, of a file


def kinds_of_model(model) -> dict[str, str]:
    """Kind of each modality of a model, by what its towers take."""
    return {tower.name: _OF_TOWERS[tower.holds] for tower in find_towers(model)}


def read_query(query):
    """The text of a query, or the content of the file that it names."""
    is_name = isinstance(query, str) and is_file_name(query)
    if is_name or isinstance(query, os.PathLike):
        return read_file(query)
    return query


def is_file_name(text: str) -> bool:
    """Whether a text is the path of a file, or is called like one of media."""
    path = pathlib.PurePath(text)
    # Unlike the methods of paths, also for texts that no path can be.
    possible = len(os.fsencode(path.name)) <= _LONGEST_NAME
    is_named = possible and path.suffix.lower() in (*_PICTURES, *_OTHERS)
    return is_named or os.path.isfile(text)


def read_file(path) -> bytes:
    """Content of a file of at most 1 GiB."""
    path = checks.path("path", path)
    size = path.stat().st_size
    if not size or size > _MOST_BYTES:
        raise ValueError(
            f"A file must hold from 1 to {_MOST_BYTES} bytes. "
            f"Received: {path} of {size} bytes"
        )
    return path.read_bytes()


def kinds_of(content: bytes, name: str = "the file") -> tuple[str, ...]:
    """Kinds that the content of a file can be, the best first."""
    kind = kind_of_file(content)
    if kind == "video" and _picture_kind(content) == "none":
        return ("video",)
    if kind in _KINDS_OF_FILES:
        return _KINDS_OF_FILES[kind]
    raise ValueError(
        "A file must be a picture (JPEG, PNG, GIF, BMP, WebP), a recording "
        f"(WAV) or a clip (GIF, WebP, MP4 and others). Received: {name} of "
        f"{len(content)} bytes that begin with {content[:16]!r}"
    )


def num_frames(model, modality) -> int | None:
    """Frames of a clip that a model looks at, if it is said."""
    preprocessor = model.preprocessors.get(modality)
    return getattr(preprocessor, "num_frames", None)


def prepare(kind, raw, name="the query", num_frames=None):
    """Check one raw example: text, bytes, or an array where it has to be.

    Of clips that are decoded here, only the frames that are looked at.
    """
    if kind == "text":
        return _text(raw, name)
    if kind == "numbers":
        array = checks.finite(name, checks.real_numbers(name, raw))
        checks.shape(name, array.shape, ("numbers",))
        return array.astype("float32")
    if isinstance(raw, (str, os.PathLike)):
        name = str(raw)
        raw = read_file(raw)
    if isinstance(raw, bytes):
        return _content(kind, raw, name, num_frames)
    array = np.asarray(checks.array(name, raw))
    if kind == "image" and array.dtype == np.uint8:
        checks.shape(name, array.shape, ("height", "width", "channels"))
        if not array.size:
            raise ValueError(
                f"{name} must have pixels. Received: shape {array.shape}"
            )
        return tf.io.encode_png(array).numpy()
    return array


def sample(model, modality, kind):
    """A made-up raw example."""
    if kind == "text":
        return "a"
    if kind == "numbers":
        (shape, _) = model.input_specs()[modality]
        return np.zeros(shape[-1], "float32")
    if kind == "speech":
        return encode_wav(np.zeros(800), 8000)
    pixels = np.zeros((2, 8, 8, 3), "uint8")
    if kind == "video":
        return encode_gif(pixels)
    return tf.io.encode_png(pixels[0]).numpy()


def embed(model, modality, kind, examples) -> np.ndarray:
    """Embed what `prepare` returns.

    Args:
        model: `EmbeddingModel`.
        modality: Name of the modality.
        kind: Of `KINDS`.
        examples: List of prepared examples, or of what the encoder takes of
            each, `Preprocessed`.

    Returns:
        Array of shape `(examples, dim)`.

    Raises:
        ValueError: If a preprocessor refuses an example.
    """
    try:
        if kind == "numbers":
            return model.encode(np.stack(examples), modality)
        if kind == "text":
            return model.encode(list(examples), modality)
        if _reads_files(model, modality) and all(
            isinstance(example, bytes) for example in examples
        ):
            return model.encode(list(examples), modality)
        parts = [
            dict(e)
            if isinstance(e, Preprocessed)
            else _preprocess(model, modality, kind, e)
            for e in examples
        ]
        x = keras.tree.map_structure(
            lambda *leaves: np.concatenate(leaves), *parts
        )
        return model.encode(Preprocessed(x), modality)
    except tf.errors.InvalidArgumentError as error:
        message = (error.message or str(error)).strip().splitlines()[0]
        raise ValueError(message) from error


def _preprocess(model, modality, kind, example):
    """One example as the encoder takes it, without a graph for its size."""
    if isinstance(example, bytes) and not _reads_files(model, modality):
        example = decode(kind, example)
    batch = [example] if isinstance(example, bytes) else example[np.newaxis]
    x = {modality: batch}
    if modality in model.preprocessors:
        x = dict(model.preprocess(x))
    return keras.tree.map_structure(np.asarray, x)


def resizer(model, modality) -> ImagePreprocessor | None:
    """What makes of the pixels of a file what the encoder takes, if it can."""
    preprocessor = model.preprocessors.get(modality)
    return preprocessor if isinstance(preprocessor, ImagePreprocessor) else None


def read_pixels(content: bytes, name: str, max_pixels: int) -> np.ndarray:
    """The pixels of a whole picture, which is decoded once.

    Args:
        content: Content of the file.
        name: How errors call it.
        max_pixels: Integer, the most that it may have.

    Returns:
        Array of shape `(height, width, channels)`, uint8, of as many channels
        as the file has; of a GIF file or an animated one, the first frame.

    Raises:
        ValueError: If the file is not whole.
    """
    content = _content("image", content, name, None, checked=False)
    if content.startswith(b"GIF8") and not is_whole_image(content):
        raise _refusal("image", content, name)  # in a frame after the first
    try:
        return decode_image(content, max_pixels=max_pixels).numpy()
    except tf.errors.InvalidArgumentError as error:
        raise _refusal("image", content, name) from error


def _reads_files(model, modality):
    preprocessor = model.preprocessors.get(modality)
    reads = isinstance(preprocessor, SpeechPreprocessor)
    return reads or hasattr(preprocessor, "decode")


def decode(kind, content):
    """Samples, frames or pixels of the content of a file."""
    if kind == "speech":
        return decode_wav(content)[0].numpy()
    if kind == "video":
        return read_video(content)
    return decode_image(content, 3).numpy()


def _text(raw, name):
    text = checks.string(name, raw)
    try:
        size = len(text.encode("utf-8"))
    except UnicodeEncodeError as error:
        raise ValueError(
            f"A text must be UTF-8. Received: {name}, {error}"
        ) from error
    if not text.strip() or size > MAX_TEXT_BYTES:
        raise ValueError(
            f"A text must hold a word, in at most {MAX_TEXT_BYTES} bytes. "
            f"Received: {name}, {size} bytes that begin with {text[:16]!r}"
        )
    return text


def _content(kind, content, name, num_frames, checked=True):
    """The content of a whole file, or the frames of a clip that need it."""
    if kind == "video":
        return _clip(content, name, num_frames)
    sound = is_whole_wav if kind == "speech" else is_whole_image
    if kind == "image" and _picture_kind(content) == "animated webp":
        # Which TensorFlow does not decode.
        frame = _read_frames(content, name, None)[0]
        return tf.io.encode_png(frame).numpy()
    if checked and not sound(content):
        raise _refusal(kind, content, name)
    return content


def _clip(content, name, num_frames):
    """Bytes that a graph decodes, or frames."""
    kind = _picture_kind(content)
    if kind == "none" or kind.startswith("animated"):
        return _read_frames(content, name, num_frames)
    if not is_whole_image(content):
        raise _refusal("video", content, name)
    return content


def _read_frames(content, name, num_frames):
    try:
        return read_video(content, num_frames)
    except ValueError as error:
        raise _refusal("video", content, name) from error


def _refusal(kind, content, name):
    return ValueError(
        f"The file must be {_RULES[kind]}. Received: {name} of {len(content)} "
        f"bytes that begin with {content[:16]!r}"
    )


def _picture_kind(content):
    try:
        return header.KINDS[int(header.read_header(tf.constant(content))[0])]
    except tf.errors.InvalidArgumentError:  # A JPEG file that is cut short.
        return "jpeg"
