"""Layers of cross-modal models."""

from keras_xmodal.layers.logit_scale import LogitScale

__all__ = ["LogitScale"]
