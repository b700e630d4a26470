"""A page to play in, for what has been trained."""

from keras_xmodal.play.serve import serve

__all__ = ["serve"]
