"""Data sets: the bundled sample, and how it is split into questions."""

from keras_xmodal.datasets.load import load

__all__ = ["load"]
