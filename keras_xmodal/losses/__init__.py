"""Losses: contrastive, of `EmbeddingModel`; adversarial, of `GANModel`."""

from keras_xmodal.losses.adversarial_loss import AdversarialLoss
from keras_xmodal.losses.contrastive_loss import ContrastiveLoss
from keras_xmodal.losses.get import get
from keras_xmodal.losses.hinge import Hinge
from keras_xmodal.losses.info_nce import InfoNCE
from keras_xmodal.losses.least_squares import LeastSquares
from keras_xmodal.losses.minimax import Minimax
from keras_xmodal.losses.non_saturating import NonSaturating
from keras_xmodal.losses.relativistic import Relativistic
from keras_xmodal.losses.sigmoid_contrastive import SigmoidContrastive
from keras_xmodal.losses.triplet_all_negatives import TripletAllNegatives
from keras_xmodal.losses.triplet_hard_negative import TripletHardNegative
from keras_xmodal.losses.triplet_semi_hard_negative import (
    TripletSemiHardNegative,
)
from keras_xmodal.losses.wasserstein import Wasserstein

__all__ = [
    "AdversarialLoss",
    "ContrastiveLoss",
    "Hinge",
    "InfoNCE",
    "LeastSquares",
    "Minimax",
    "NonSaturating",
    "Relativistic",
    "SigmoidContrastive",
    "TripletAllNegatives",
    "TripletHardNegative",
    "TripletSemiHardNegative",
    "Wasserstein",
    "get",
]
