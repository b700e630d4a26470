"""Layers of cross-modal models."""

from keras_xmodal.layers.color_cells import ColorCells
from keras_xmodal.layers.gaussian_sampling import GaussianSampling
from keras_xmodal.layers.image_augmentation import ImageAugmentation
from keras_xmodal.layers.logit_scale import LogitScale
from keras_xmodal.layers.mixture_of_experts import MixtureOfExperts
from keras_xmodal.layers.oriented_gradients import OrientedGradients
from keras_xmodal.layers.product_of_experts import ProductOfExperts

__all__ = [
    "ColorCells",
    "GaussianSampling",
    "ImageAugmentation",
    "LogitScale",
    "MixtureOfExperts",
    "OrientedGradients",
    "ProductOfExperts",
]
