"""Search and classification over embeddings."""

from keras_xmodal.retrieval.embed_corpus import embed_corpus
from keras_xmodal.retrieval.exact_index import ExactIndex
from keras_xmodal.retrieval.faiss_index import FaissIndex
from keras_xmodal.retrieval.read_corpus import read_corpus
from keras_xmodal.retrieval.recall_report import recall_report
from keras_xmodal.retrieval.usearch_index import UsearchIndex
from keras_xmodal.retrieval.zero_shot_classifier import ZeroShotClassifier

__all__ = [
    "ExactIndex",
    "FaissIndex",
    "UsearchIndex",
    "ZeroShotClassifier",
    "embed_corpus",
    "read_corpus",
    "recall_report",
]
