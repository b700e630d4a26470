"""Run folders: a trained model, what it finds, and how good it is."""

from keras_xmodal.runs.run import Run
from keras_xmodal.runs.write_run import write_run

__all__ = ["Run", "write_run"]
