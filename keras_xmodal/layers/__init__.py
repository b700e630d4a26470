"""Layers of cross-modal models."""

from keras_xmodal.layers.adaptive_augmentation import AdaptiveAugmentation
from keras_xmodal.layers.bigram_counts import BigramCounts
from keras_xmodal.layers.ctc_bigram_counts import CTCBigramCounts
from keras_xmodal.layers.diff_augment import DiffAugment
from keras_xmodal.layers.film import FiLM
from keras_xmodal.layers.gaussian_sampling import GaussianSampling
from keras_xmodal.layers.gumbel_softmax import GumbelSoftmax
from keras_xmodal.layers.image_augmentation import ImageAugmentation
from keras_xmodal.layers.logit_scale import LogitScale
from keras_xmodal.layers.minibatch_standard_deviation import (
    MinibatchStandardDeviation,
)
from keras_xmodal.layers.mixture_of_experts import MixtureOfExperts
from keras_xmodal.layers.oriented_gradients import OrientedGradients
from keras_xmodal.layers.product_of_experts import ProductOfExperts
from keras_xmodal.layers.projection_logit import ProjectionLogit
from keras_xmodal.layers.spec_augment import SpecAugment
from keras_xmodal.layers.spectral_normalization import SpectralNormalization
from keras_xmodal.layers.speech_augmentation import SpeechAugmentation
from keras_xmodal.layers.token_attention import TokenAttention
from keras_xmodal.layers.video_augmentation import VideoAugmentation

__all__ = [
    "AdaptiveAugmentation",
    "BigramCounts",
    "CTCBigramCounts",
    "DiffAugment",
    "FiLM",
    "GaussianSampling",
    "GumbelSoftmax",
    "ImageAugmentation",
    "LogitScale",
    "MinibatchStandardDeviation",
    "MixtureOfExperts",
    "OrientedGradients",
    "ProductOfExperts",
    "ProjectionLogit",
    "SpecAugment",
    "SpectralNormalization",
    "SpeechAugmentation",
    "TokenAttention",
    "VideoAugmentation",
]
