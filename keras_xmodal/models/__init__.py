"""Models over dicts of modalities."""

from keras_xmodal.models.embedding.embedding_model import EmbeddingModel
from keras_xmodal.models.embedding.interpolate_weights import (
    interpolate_weights,
)
from keras_xmodal.models.embedding.merge_lora import merge_lora
from keras_xmodal.models.embedding.replace_towers import replace_towers
from keras_xmodal.models.embedding.ridge_warm_start import ridge_warm_start
from keras_xmodal.models.gan.cycle_gan_model import CycleGANModel
from keras_xmodal.models.gan.gan_model import GANModel
from keras_xmodal.models.preprocessed import Preprocessed
from keras_xmodal.models.vae.vae_model import VAEModel

__all__ = [
    "CycleGANModel",
    "EmbeddingModel",
    "GANModel",
    "Preprocessed",
    "VAEModel",
    "interpolate_weights",
    "merge_lora",
    "replace_towers",
    "ridge_warm_start",
]
