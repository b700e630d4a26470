"""Models over dicts of modalities."""

from keras_xmodal.models.cycle_gan_model import CycleGANModel
from keras_xmodal.models.embedding_model import EmbeddingModel
from keras_xmodal.models.gan_model import GANModel
from keras_xmodal.models.ridge_warm_start import ridge_warm_start
from keras_xmodal.models.vae_model import VAEModel

__all__ = [
    "CycleGANModel",
    "EmbeddingModel",
    "GANModel",
    "VAEModel",
    "ridge_warm_start",
]
