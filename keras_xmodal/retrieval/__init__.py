"""Search and classification over embeddings."""

from keras_xmodal.retrieval.embed_corpus import embed_corpus
from keras_xmodal.retrieval.exact_index import ExactIndex
from keras_xmodal.retrieval.read_corpus import read_corpus
from keras_xmodal.retrieval.zero_shot_classifier import ZeroShotClassifier

__all__ = ["ExactIndex", "ZeroShotClassifier", "embed_corpus", "read_corpus"]
