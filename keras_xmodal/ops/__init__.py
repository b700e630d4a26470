"""Pure tensor functions, written with `keras.ops`.

Public is what a user measures with, and builds an own objective, metric or
similarity of. The rest of the maths is in the files of this folder.
"""

from keras_xmodal.ops.diagnostics import alignment, modality_gap, uniformity
from keras_xmodal.ops.experts import mixture_log_prob, product_of_experts
from keras_xmodal.ops.gaussian import (
    gaussian_kl,
    gaussian_log_prob,
    sample_gaussian,
)
from keras_xmodal.ops.ranks import best_rank, sorted_relevance
from keras_xmodal.ops.sample_frames import sample_frames
from keras_xmodal.ops.similarity import l2_normalize, relative_representation

__all__ = [
    "alignment",
    "best_rank",
    "gaussian_kl",
    "gaussian_log_prob",
    "l2_normalize",
    "mixture_log_prob",
    "modality_gap",
    "product_of_experts",
    "relative_representation",
    "sample_frames",
    "sample_gaussian",
    "sorted_relevance",
    "uniformity",
]
