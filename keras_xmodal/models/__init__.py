"""Models over dicts of modalities."""

from keras_xmodal.models.embedding_model import EmbeddingModel

__all__ = ["EmbeddingModel"]
