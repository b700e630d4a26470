"""Likelihoods p(x|z) of one modality, given what a decoder returns."""

from keras_xmodal.likelihoods.bernoulli import Bernoulli
from keras_xmodal.likelihoods.calibrated_normal import CalibratedNormal
from keras_xmodal.likelihoods.categorical import Categorical
from keras_xmodal.likelihoods.continuous_bernoulli import ContinuousBernoulli
from keras_xmodal.likelihoods.discretized_logistic import DiscretizedLogistic
from keras_xmodal.likelihoods.heteroscedastic_normal import (
    HeteroscedasticNormal,
)
from keras_xmodal.likelihoods.laplace import Laplace
from keras_xmodal.likelihoods.likelihood import Likelihood
from keras_xmodal.likelihoods.normal import Normal
from keras_xmodal.likelihoods.token_sequence import TokenSequence

__all__ = [
    "Bernoulli",
    "CalibratedNormal",
    "Categorical",
    "ContinuousBernoulli",
    "DiscretizedLogistic",
    "HeteroscedasticNormal",
    "Laplace",
    "Likelihood",
    "Normal",
    "TokenSequence",
]
