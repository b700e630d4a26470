"""Pure tensor functions, written with `keras.ops`."""

from keras_xmodal.ops.contrastive import (
    anchor_weights,
    info_nce,
    positives_from_ids,
    sigmoid_contrastive,
    triplet_all_negatives,
    triplet_hard_negative,
    triplet_semi_hard_negative,
)
from keras_xmodal.ops.diagnostics import alignment, modality_gap, uniformity
from keras_xmodal.ops.ranks import (
    average_precision,
    best_rank,
    ndcg,
    r_precision,
    recall,
    sorted_relevance,
)
from keras_xmodal.ops.similarity import dot_similarity, l2_normalize

__all__ = [
    "alignment",
    "anchor_weights",
    "average_precision",
    "best_rank",
    "dot_similarity",
    "info_nce",
    "l2_normalize",
    "modality_gap",
    "ndcg",
    "positives_from_ids",
    "r_precision",
    "recall",
    "sigmoid_contrastive",
    "sorted_relevance",
    "triplet_all_negatives",
    "triplet_hard_negative",
    "triplet_semi_hard_negative",
    "uniformity",
]
