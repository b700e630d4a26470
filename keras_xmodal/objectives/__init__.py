"""Objectives of multimodal variational autoencoders."""

from keras_xmodal.objectives.cvae import CVAE
from keras_xmodal.objectives.jmvae import JMVAE
from keras_xmodal.objectives.mmvae import MMVAE
from keras_xmodal.objectives.mmvae_plus import MMVAEPlus
from keras_xmodal.objectives.mopoe import MoPoE
from keras_xmodal.objectives.mvae import MVAE
from keras_xmodal.objectives.mvtcae import MVTCAE
from keras_xmodal.objectives.objective import Objective
from keras_xmodal.objectives.telbo import TELBO

__all__ = [
    "CVAE",
    "JMVAE",
    "MMVAE",
    "MVAE",
    "MVTCAE",
    "TELBO",
    "MMVAEPlus",
    "MoPoE",
    "Objective",
]
