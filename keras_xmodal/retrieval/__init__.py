"""Search and classification over embeddings."""

from keras_xmodal.retrieval.exact_index import ExactIndex
from keras_xmodal.retrieval.zero_shot_classifier import ZeroShotClassifier

__all__ = ["ExactIndex", "ZeroShotClassifier"]
