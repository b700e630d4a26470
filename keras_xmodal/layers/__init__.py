"""Layers of cross-modal models."""

from keras_xmodal.layers.color_cells import ColorCells
from keras_xmodal.layers.image_augmentation import ImageAugmentation
from keras_xmodal.layers.logit_scale import LogitScale
from keras_xmodal.layers.oriented_gradients import OrientedGradients

__all__ = [
    "ColorCells",
    "ImageAugmentation",
    "LogitScale",
    "OrientedGradients",
]
