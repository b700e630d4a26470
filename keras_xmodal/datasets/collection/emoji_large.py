"""Emoji of three makers at 64 x 64 pixels, named in 13 languages.

`emoji_large_files` makes the files; see there for what they hold.
"""

import json
import os
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from keras_xmodal import checks
from keras_xmodal.datasets.collection.emoji import name_of
from keras_xmodal.datasets.fetching.folder import (
    check_files,
    check_whole,
    data_folder,
)

LANGUAGES = (
    *("en", "de", "es", "fr", "hi", "it", "ja"),
    *("ko", "pl", "pt", "ru", "uk", "zh"),
)
MODALITIES = ("image", "text")
DEFAULT_MODALITIES = MODALITIES
OPTIONS = ("languages", "data_dir")
NUM_KEYWORDS = 17
SIZE = 64  # pixels


class Split(NamedTuple):
    """The question that a split asks: which styles, which concepts."""

    styles: tuple[str, ...]
    concepts: str


SPLITS = {
    "train": Split(("google", "twitter"), "seen"),
    "test_style": Split(("fluent3d",), "seen"),
    "test_concept": Split(("google", "twitter"), "unseen"),
    "test_style_concept": Split(("fluent3d",), "unseen"),
}


def examples(
    split: str,
    modalities: tuple[str, ...],
    languages: tuple[str, ...] = ("en",),
    data_dir: str | os.PathLike | None = None,
) -> tf.data.Dataset:
    """Put the examples of a split together; see `load` for what they hold."""
    languages = checks.some_of("languages", languages, LANGUAGES)
    data_dir = data_folder(data_dir)
    files = ["emoji_large/concepts.json", "emoji_large/emoji.npz"]
    check_files("emoji_large", data_dir, files)
    with check_whole("emoji_large", data_dir):
        concepts, ids, images, styles = _read(data_dir, SPLITS[split])
    if "text" not in modalities:
        languages = languages[:1]
    # A row for each picture and caption.
    picture = np.repeat(np.arange(len(ids)), len(languages))
    language = np.tile(np.array(languages, object), len(ids))
    arrays = {
        "id": ids[picture],
        "keywords": _keywords(concepts)[ids[picture]],
        "picture": picture,
    }
    if "image" in modalities:
        arrays["style"] = styles[picture]
    if "text" in modalities:
        names = [
            name_of(concepts[index], its_language)
            for index, its_language in zip(ids[picture], language, strict=True)
        ]
        arrays["text"] = np.array(names, object)
        arrays["language"] = language
    images = tf.constant(images)

    def with_image(row):
        index = row.pop("picture")
        return {**row, "image": images[index]} if "image" in modalities else row

    # Not a copy of the picture for each caption.
    return tf.data.Dataset.from_tensor_slices(arrays).map(with_image)


def _read(data_dir, spec):
    """Read all concepts; and the pictures of a split, their ids and styles."""
    folder = data_dir / "emoji_large"
    text = (folder / "concepts.json").read_text(encoding="utf-8")
    concepts = json.loads(text)
    wanted = np.array([c["split"] == spec.concepts for c in concepts])
    ids, images, styles = [], [], []
    # Given a path of a damaged file, `np.load` would leave it open.
    with open(folder / "emoji.npz", "rb") as file, np.load(file) as arrays:
        for style in spec.styles:
            keep = wanted[arrays[f"{style}_concepts"]]
            ids.append(arrays[f"{style}_concepts"][keep])
            images.append(arrays[f"{style}_images"][keep])
            styles.append(np.full(keep.sum(), style, object))
    return concepts, *map(np.concatenate, (ids, images, styles))


def _keywords(concepts):
    """Pad the keywords of each concept: object (concepts, 17)."""
    padded = np.full((len(concepts), NUM_KEYWORDS), "", object)
    for row, concept in zip(padded, concepts, strict=True):
        keywords = concept["keywords"][:NUM_KEYWORDS]
        row[: len(keywords)] = keywords
    return padded
