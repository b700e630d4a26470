"""Data sets, bundled, fetched and your own, and the files they are made of."""

from keras_xmodal.datasets.check_pairs import check_pairs
from keras_xmodal.datasets.fetching.fetch import fetch
from keras_xmodal.datasets.from_csv import from_csv
from keras_xmodal.datasets.from_folder import from_folder
from keras_xmodal.datasets.from_tfds import from_tfds
from keras_xmodal.datasets.load import load
from keras_xmodal.datasets.split import split
from keras_xmodal.media.gif import write_gif
from keras_xmodal.media.kind import kind_of
from keras_xmodal.media.video import read_video
from keras_xmodal.media.wav import decode_wav, write_wav

__all__ = [
    "check_pairs",
    "decode_wav",
    "fetch",
    "from_csv",
    "from_folder",
    "from_tfds",
    "kind_of",
    "load",
    "read_video",
    "split",
    "write_gif",
    "write_wav",
]
