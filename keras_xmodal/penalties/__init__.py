"""Penalties on the gradient of a discriminator."""

from keras_xmodal.penalties.get import get
from keras_xmodal.penalties.gradient_penalty import GradientPenalty
from keras_xmodal.penalties.matching_aware_gradient_penalty import (
    MatchingAwareGradientPenalty,
)
from keras_xmodal.penalties.penalty import Penalty
from keras_xmodal.penalties.r1 import R1
from keras_xmodal.penalties.r2 import R2

__all__ = [
    "GradientPenalty",
    "MatchingAwareGradientPenalty",
    "Penalty",
    "R1",
    "R2",
    "get",
]
