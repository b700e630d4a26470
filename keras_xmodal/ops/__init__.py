"""Pure tensor functions, written with `keras.ops`."""

from keras_xmodal.ops.adversarial import (
    hinge,
    least_squares,
    minimax,
    non_saturating,
    relativistic,
    wasserstein,
)
from keras_xmodal.ops.bigrams import bigram_counts, ctc_bigram_counts
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
from keras_xmodal.ops.experts import (
    all_subsets,
    component_index,
    fill_missing,
    mixture_log_prob,
    product_of_experts,
    product_of_subsets,
    select_component,
)
from keras_xmodal.ops.gaussian import (
    clip_log_variance,
    gaussian_kl,
    gaussian_log_prob,
    sample_gaussian,
)
from keras_xmodal.ops.gumbel import gumbel_softmax, stateless_gumbel
from keras_xmodal.ops.importance import (
    iwae_bound,
    normalized_weights,
    scale_gradient_later,
)
from keras_xmodal.ops.noise import (
    fold_in,
    stateless_normal,
    stateless_uniform,
)
from keras_xmodal.ops.ranks import (
    average_precision,
    best_rank,
    ndcg,
    r_precision,
    recall,
    sorted_relevance,
)
from keras_xmodal.ops.similarity import (
    dot_similarity,
    l2_normalize,
    relative_representation,
)
from keras_xmodal.ops.spectrogram import griffin_lim, mel_to_power

__all__ = [
    "alignment",
    "all_subsets",
    "anchor_weights",
    "average_precision",
    "best_rank",
    "bigram_counts",
    "clip_log_variance",
    "component_index",
    "ctc_bigram_counts",
    "dot_similarity",
    "fill_missing",
    "fold_in",
    "gaussian_kl",
    "gaussian_log_prob",
    "griffin_lim",
    "gumbel_softmax",
    "hinge",
    "info_nce",
    "iwae_bound",
    "l2_normalize",
    "least_squares",
    "mel_to_power",
    "minimax",
    "mixture_log_prob",
    "modality_gap",
    "ndcg",
    "non_saturating",
    "normalized_weights",
    "positives_from_ids",
    "product_of_experts",
    "product_of_subsets",
    "r_precision",
    "recall",
    "relative_representation",
    "relativistic",
    "sample_gaussian",
    "scale_gradient_later",
    "select_component",
    "sigmoid_contrastive",
    "sorted_relevance",
    "stateless_gumbel",
    "stateless_normal",
    "stateless_uniform",
    "triplet_all_negatives",
    "triplet_hard_negative",
    "triplet_semi_hard_negative",
    "uniformity",
    "wasserstein",
]
