"""Models over dicts of modalities."""

from keras_xmodal.models.embedding_model import EmbeddingModel
from keras_xmodal.models.ridge_warm_start import ridge_warm_start

__all__ = ["EmbeddingModel", "ridge_warm_start"]
