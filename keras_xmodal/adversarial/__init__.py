"""What a GAN optimises: losses, and penalties on the discriminator."""

from keras_xmodal.adversarial.adversarial_loss import AdversarialLoss
from keras_xmodal.adversarial.gradient_penalty import GradientPenalty
from keras_xmodal.adversarial.hinge import Hinge
from keras_xmodal.adversarial.least_squares import LeastSquares
from keras_xmodal.adversarial.matching_aware_gradient_penalty import (
    MatchingAwareGradientPenalty,
)
from keras_xmodal.adversarial.minimax import Minimax
from keras_xmodal.adversarial.non_saturating import NonSaturating
from keras_xmodal.adversarial.penalty import Penalty
from keras_xmodal.adversarial.r1 import R1
from keras_xmodal.adversarial.r2 import R2
from keras_xmodal.adversarial.relativistic import Relativistic
from keras_xmodal.adversarial.wasserstein import Wasserstein

__all__ = [
    "AdversarialLoss",
    "GradientPenalty",
    "Hinge",
    "LeastSquares",
    "MatchingAwareGradientPenalty",
    "Minimax",
    "NonSaturating",
    "Penalty",
    "R1",
    "R2",
    "Relativistic",
    "Wasserstein",
]
