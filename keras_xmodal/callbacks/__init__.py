"""Callbacks that look at a whole data set."""

from keras_xmodal.callbacks.retrieval_evaluation import RetrievalEvaluation

__all__ = ["RetrievalEvaluation"]
