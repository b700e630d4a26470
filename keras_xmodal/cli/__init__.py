"""The command line, thin over the library."""

from keras_xmodal.cli.main import main

__all__ = ["main"]
