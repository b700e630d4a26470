import doctest

import numpy as np
import pytest

from keras_xmodal.metrics import MedianRank, median_rank
from tests.helpers import check_config
from tests.metrics.check_metric import (
    check_compiled_metric,
    ranking,
    tied_problem,
)


def update_with_ranks(metric, ranks, candidates=50, sample_weight=None):
    relevance = np.zeros((len(ranks), candidates))
    relevance[np.arange(len(ranks)), np.asarray(ranks) - 1] = 1
    scores = np.tile(-np.arange(candidates), (len(ranks), 1))
    metric.update_state(relevance, scores, sample_weight)


def test_config_and_use():
    check_config(MedianRank, {"max_rank": 50, "name": "a", "dtype": "float32"})
    check_compiled_metric(MedianRank, {"max_rank": 50})
    assert doctest.testmod(median_rank).failed == 0


def test_matches_brute_force_with_ties():
    relevance, scores = tied_problem()
    ranks = [
        ranking(row, score).index(1.0)
        for row, score in zip(relevance, scores, strict=True)
        if any(row)
    ]
    metric = MedianRank()
    metric.update_state(relevance, scores)
    assert metric.result() == np.floor(np.median(ranks)) + 1


def test_streams_exactly_and_resets():
    rng = np.random.default_rng(0)
    for size in (1, 2, 9, 40):
        metric = MedianRank(max_rank=50)
        ranks = rng.integers(1, 51, size=size)
        for part in np.array_split(ranks, 3):
            update_with_ranks(metric, part)
        assert metric.result() == np.floor(np.median(ranks - 1)) + 1
    metric.reset_state()
    assert metric.result() == 0
    update_with_ranks(metric, [7])
    assert metric.result() == 7


def test_even_number_of_queries_rounds_down():
    metric = MedianRank()
    update_with_ranks(metric, [1, 2, 5, 9])
    assert metric.result() == 3
    metric.reset_state()
    update_with_ranks(metric, [1, 2])
    assert metric.result() == 1


def test_weights_count_as_repetitions():
    weighted, repeated = MedianRank(), MedianRank()
    update_with_ranks(weighted, [1, 4, 30, 8], sample_weight=[1, 2, 3, 0])
    update_with_ranks(repeated, [1, 4, 4, 30, 30, 30])
    assert weighted.result() == repeated.result() == 17


def test_median_beyond_max_rank_is_infinite():
    metric = MedianRank(max_rank=10)
    update_with_ranks(metric, [1, 11, 50])
    assert np.isinf(metric.result())
    update_with_ranks(metric, [1, 10])
    assert metric.result() == 10


def test_max_rank_is_checked():
    with pytest.raises(ValueError, match=r"`max_rank` must be a positive.*=0"):
        MedianRank(max_rank=0)
    with pytest.raises(TypeError, match=r"`max_rank` must be a positive"):
        MedianRank(max_rank=10.0)
