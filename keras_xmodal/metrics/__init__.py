"""Retrieval metrics, with ties counted against the model."""

from keras_xmodal.metrics.hit_rate import HitRate
from keras_xmodal.metrics.mean_average_precision import MeanAveragePrecision
from keras_xmodal.metrics.mean_reciprocal_rank import MeanReciprocalRank
from keras_xmodal.metrics.median_rank import MedianRank
from keras_xmodal.metrics.ndcg import NDCG
from keras_xmodal.metrics.r_precision import RPrecision
from keras_xmodal.metrics.recall import Recall
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
    "retrieval_report",
]
