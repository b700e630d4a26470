"""Metrics: of retrieval, with ties counted against the model, VAEs and GANs."""

from keras_xmodal.metrics.character_error_rate import character_error_rate
from keras_xmodal.metrics.classification_accuracy_score import (
    classification_accuracy_score,
)
from keras_xmodal.metrics.coherence_report import coherence_report
from keras_xmodal.metrics.frechet_distance import frechet_distance
from keras_xmodal.metrics.generation_report import generation_report
from keras_xmodal.metrics.hit_rate import HitRate
from keras_xmodal.metrics.kernel_distance import kernel_distance
from keras_xmodal.metrics.latent_report import latent_report
from keras_xmodal.metrics.linear_probe import linear_probe
from keras_xmodal.metrics.manifold_report import manifold_report
from keras_xmodal.metrics.mean_average_precision import MeanAveragePrecision
from keras_xmodal.metrics.mean_reciprocal_rank import MeanReciprocalRank
from keras_xmodal.metrics.median_rank import MedianRank
from keras_xmodal.metrics.mode_report import mode_report
from keras_xmodal.metrics.ndcg import NDCG
from keras_xmodal.metrics.r_precision import RPrecision
from keras_xmodal.metrics.recall import Recall
from keras_xmodal.metrics.reconstruction_report import reconstruction_report
from keras_xmodal.metrics.retrieval_metric import RetrievalMetric
from keras_xmodal.metrics.retrieval_report import retrieval_report
from keras_xmodal.metrics.text_r_precision import text_r_precision
from keras_xmodal.metrics.word_error_rate import word_error_rate

__all__ = [
    "HitRate",
    "MeanAveragePrecision",
    "MeanReciprocalRank",
    "MedianRank",
    "NDCG",
    "RPrecision",
    "Recall",
    "RetrievalMetric",
    "text_r_precision",
    "character_error_rate",
    "classification_accuracy_score",
    "coherence_report",
    "frechet_distance",
    "generation_report",
    "kernel_distance",
    "latent_report",
    "linear_probe",
    "manifold_report",
    "mode_report",
    "reconstruction_report",
    "retrieval_report",
    "word_error_rate",
]
