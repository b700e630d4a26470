"""Losses of `EmbeddingModel`: contrastive ones, and distillation."""

from keras_xmodal.losses.contrastive_loss import ContrastiveLoss
from keras_xmodal.losses.info_nce import InfoNCE
from keras_xmodal.losses.sigmoid_contrastive import SigmoidContrastive
from keras_xmodal.losses.similarity_distillation import SimilarityDistillation
from keras_xmodal.losses.triplet_all_negatives import TripletAllNegatives
from keras_xmodal.losses.triplet_hard_negative import TripletHardNegative
from keras_xmodal.losses.triplet_semi_hard_negative import (
    TripletSemiHardNegative,
)

__all__ = [
    "ContrastiveLoss",
    "InfoNCE",
    "SigmoidContrastive",
    "SimilarityDistillation",
    "TripletAllNegatives",
    "TripletHardNegative",
    "TripletSemiHardNegative",
]
