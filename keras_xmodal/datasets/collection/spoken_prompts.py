"""Prompts of a telephone exchange, spoken in three languages.

`spoken_prompts_files` makes the files; see there for what they hold.
"""

import json
import os

import numpy as np
import tensorflow as tf

from keras_xmodal import checks
from keras_xmodal.datasets.fetching.folder import (
    check_files,
    check_whole,
    data_folder,
)

LANGUAGES = ("en", "es", "fr")
SPLITS = ("train", "test")
MODALITIES = ("speech", "text")
DEFAULT_MODALITIES = MODALITIES
OPTIONS = ("languages", "data_dir")


def examples(
    split: str,
    modalities: tuple[str, ...],
    languages: tuple[str, ...] = ("en",),
    data_dir: str | os.PathLike | None = None,
) -> tf.data.Dataset:
    """Put the examples of a split together; see `load` for what they hold."""
    languages = checks.some_of("languages", languages, LANGUAGES)
    data_dir = data_folder(data_dir)
    check_files("spoken_prompts", data_dir, ["spoken_prompts/prompts.json"])
    with check_whole("spoken_prompts", data_dir):
        path = data_dir / "spoken_prompts" / "prompts.json"
        prompts = json.loads(path.read_text(encoding="utf-8"))
    prompts = [
        prompt
        for prompt in prompts
        if prompt["split"] == split and prompt["language"] in languages
    ]
    arrays = {
        "id": np.array([prompt["id"] for prompt in prompts], np.int64),
        "language": np.array([p["language"] for p in prompts], object),
    }
    if "speech" in modalities:
        paths = [f"spoken_prompts/{prompt['path']}" for prompt in prompts]
        check_files("spoken_prompts", data_dir, paths)
        files = [(data_dir / path).read_bytes() for path in paths]
        arrays["speech"] = np.array(files, object)
        samples = [prompt["samples"] for prompt in prompts]
        arrays["speech_length"] = np.array(samples, np.int64)
    if "text" in modalities:
        arrays["text"] = np.array([p["text"] for p in prompts], object)
    return tf.data.Dataset.from_tensor_slices(arrays)
