"""Metrics: of retrieval, with ties counted against the model, and of VAEs."""

from keras_xmodal.metrics.coherence_report import coherence_report
from keras_xmodal.metrics.hit_rate import HitRate
from keras_xmodal.metrics.latent_report import latent_report
from keras_xmodal.metrics.linear_probe import linear_probe
from keras_xmodal.metrics.mean_average_precision import MeanAveragePrecision
from keras_xmodal.metrics.mean_reciprocal_rank import MeanReciprocalRank
from keras_xmodal.metrics.median_rank import MedianRank
from keras_xmodal.metrics.ndcg import NDCG
from keras_xmodal.metrics.r_precision import RPrecision
from keras_xmodal.metrics.recall import Recall
from keras_xmodal.metrics.reconstruction_report import reconstruction_report
from keras_xmodal.metrics.retrieval_metric import RetrievalMetric
from keras_xmodal.metrics.retrieval_report import retrieval_report

__all__ = [
    "HitRate",
    "MeanAveragePrecision",
    "MeanReciprocalRank",
    "MedianRank",
    "NDCG",
    "RPrecision",
    "Recall",
    "RetrievalMetric",
    "coherence_report",
    "latent_report",
    "linear_probe",
    "reconstruction_report",
    "retrieval_report",
]
