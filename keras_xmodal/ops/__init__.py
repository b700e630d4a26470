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
from keras_xmodal.ops.similarity import dot_similarity, l2_normalize

__all__ = [
    "anchor_weights",
    "dot_similarity",
    "info_nce",
    "l2_normalize",
    "positives_from_ids",
    "sigmoid_contrastive",
    "triplet_all_negatives",
    "triplet_hard_negative",
    "triplet_semi_hard_negative",
]
