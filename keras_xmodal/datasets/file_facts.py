"""What files hold: each read and decoded once, before a training."""

import concurrent.futures
import hashlib
import os
from typing import NamedTuple

import tensorflow as tf

from keras_xmodal.datasets.file_reader import check_content, read_file
from keras_xmodal.media.header import read_header
from keras_xmodal.media.image import is_whole_image
from keras_xmodal.media.kind import SUFFIXES, kind_of_file
from keras_xmodal.media.wav import seconds_of_wav


class FileFacts(NamedTuple):
    """Of one file: what is wrong with it or "", and what it is."""

    error: str
    kind: str | None = None
    digest: str = ""
    sizes: tuple = ()  # height and width, or seconds


def read_facts(paths, progress=None):
    """Facts of files by path, read in parallel threads.

    `progress` is called with the number of files done and that of all.
    """
    paths = list(dict.fromkeys(paths))
    facts = {}
    workers = min(8, os.cpu_count() or 1)
    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
        try:
            for path, fact in zip(paths, pool.map(_read, paths), strict=True):
                facts[path] = fact
                if progress is not None:
                    progress(len(facts), len(paths))
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return facts


def _read(path):
    kind = None
    try:
        content = read_file(path)
        kind = kind_of_file(content)
        if kind == "speech" and not content.startswith(b"RIFF"):
            raise ValueError(
                "A recording must be a WAV file, which `ffmpeg -i IN OUT.wav` "
                f"makes of it. Received: {path!r}"
            )
        check_content(content, path)
    except (OSError, ValueError) as error:
        return FileFacts(str(error), kind)
    whole, sizes = True, ()
    if kind == "speech":
        sizes = (seconds_of_wav(content),)
        whole = sizes[0] is not None
    elif kind in ("image", "gif", "clip gif"):
        # Where the suffix has not said what to check.
        whole = _suffix(path) in SUFFIXES or is_whole_image(content)
        sizes = tuple(map(int, read_header(tf.constant(content))[1:3]))
    error = "" if whole else f"The file must be whole. Received: {path!r}"
    return FileFacts(error, kind, hashlib.sha256(content).hexdigest(), sizes)


def _suffix(path):
    return os.path.splitext(path)[1].lower()
