import doctest

import numpy as np
import pytest
import tensorflow as tf
from keras import ops

from keras_xmodal.ops import ranks


def order(relevance, scores):
    """Independent ranking: by falling score, then by rising relevance."""
    return sorted(
        range(len(scores)), key=lambda i: (-scores[i], relevance[i], i)
    )


def tied_problem(queries=40, candidates=17, levels=4, grades=2, seed=0):
    rng = np.random.default_rng(seed)
    relevance = rng.integers(grades, size=(queries, candidates))
    scores = rng.integers(levels, size=(queries, candidates)) - 1.0
    return relevance.astype("float32"), scores.astype("float32")


def jitted(function):
    return tf.function(function, jit_compile=True)


def test_doctests():
    assert doctest.testmod(ranks).failed == 0


@pytest.mark.parametrize("wrap", [lambda f: f, jitted])
def test_best_rank_matches_brute_force_with_ties(wrap):
    relevance, scores = tied_problem()
    relevance[0] = 0
    expected = []
    for row, values in zip(relevance, scores, strict=True):
        places = [p for p, i in enumerate(order(row, values)) if row[i] > 0]
        expected.append(places[0] + 1 if places else len(row) + 1)
    found = wrap(ranks.best_rank)(relevance, scores)
    assert found.dtype == tf.float32
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("wrap", [lambda f: f, jitted])
@pytest.mark.parametrize("grades", [2, 4])
@pytest.mark.parametrize("k", [None, 1, 3, 16, 17, 50])
def test_sorted_relevance_matches_brute_force_with_ties(k, grades, wrap):
    relevance, scores = tied_problem(grades=grades)
    expected = [
        [row[i] for i in order(row, values)][:k]
        for row, values in zip(relevance, scores, strict=True)
    ]
    found = wrap(lambda r, s: ranks.sorted_relevance(r, s, k))(
        relevance, scores
    )
    assert found.dtype == tf.float32
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("k", [None, 3])
@pytest.mark.parametrize("jit_compile", [False, True])
def test_unknown_shapes(k, jit_compile):
    relevance, scores = tied_problem(grades=3)
    spec = tf.TensorSpec((None, None), tf.float32)
    compiled = tf.function(
        lambda r, s: (
            ranks.best_rank(r, s),
            ranks.sorted_relevance(r, s, k),
            ranks.average_precision(r, s, k),
            ranks.r_precision(r, s),
            ranks.ndcg(r, s, k),
        ),
        input_signature=[spec, spec],
        jit_compile=jit_compile,
    )
    best, relevances, precision, r_precision, ndcg = compiled(relevance, scores)
    np.testing.assert_array_equal(best, ranks.best_rank(relevance, scores))
    np.testing.assert_array_equal(
        relevances, ranks.sorted_relevance(relevance, scores, k)
    )
    for found, function in [
        (precision, lambda: ranks.average_precision(relevance, scores, k)),
        (r_precision, lambda: ranks.r_precision(relevance, scores)),
        (ndcg, lambda: ranks.ndcg(relevance, scores, k)),
    ]:
        np.testing.assert_allclose(found, function(), rtol=1e-6)


def test_order_of_the_candidates_does_not_matter():
    relevance, scores = tied_problem(grades=3)
    shuffle = np.random.default_rng(1).permutation(scores.shape[1])
    for function in (
        ranks.best_rank,
        ranks.average_precision,
        ranks.r_precision,
        ranks.ndcg,
        lambda r, s: ranks.sorted_relevance(r, s, 5),
        lambda r, s: ranks.recall(r, s, 5),
    ):
        np.testing.assert_array_equal(
            function(relevance, scores),
            function(relevance[:, shuffle], scores[:, shuffle]),
        )


def test_collapsed_scores_rank_last():
    relevance = np.eye(5)
    scores = np.full((5, 5), 0.3)
    np.testing.assert_array_equal(ranks.best_rank(relevance, scores), 5)
    np.testing.assert_array_equal(ranks.recall(relevance, scores, 4), 0)


@pytest.mark.parametrize("wrap", [lambda f: f, jitted])
def test_nan_and_infinite_scores_never_help(wrap):
    nan, inf = np.nan, np.inf
    relevance = np.array([[1, 0, 0], [1, 0, 0], [1, 0, 0], [1, 1, 0]])
    scores = np.array(
        [[nan, 1, 2], [1, nan, 0], [nan, nan, nan], [-inf, nan, -inf]],
        "float32",
    )
    np.testing.assert_array_equal(
        wrap(ranks.best_rank)(relevance, scores), [3, 2, 3, 2]
    )
    np.testing.assert_array_equal(
        wrap(lambda r, s: ranks.sorted_relevance(r, s, 2))(relevance, scores),
        [[0, 0], [0, 1], [0, 0], [0, 1]],
    )


def test_negative_zero_ties_with_zero():
    relevance, scores = [[1.0, 0.0]], [[0.0, -0.0]]
    for function in (ranks.sorted_relevance, jitted(ranks.sorted_relevance)):
        found = function(tf.constant(relevance), tf.constant(scores))
        np.testing.assert_array_equal(found, [[0, 1]])


def test_boolean_integer_and_half_precision_inputs():
    relevance, scores = tied_problem()
    expected = ranks.average_precision(relevance, scores, 5)
    for dtype in (bool, "int32", "float16"):
        np.testing.assert_array_equal(
            ranks.average_precision(
                relevance.astype(dtype), ops.cast(scores, "bfloat16"), 5
            ),
            expected,
        )


@pytest.mark.parametrize("k", [1, 4, 30])
def test_recall_matches_brute_force(k):
    relevance, scores = tied_problem()
    expected = [
        sum(row[i] for i in order(row, values)[:k]) / row.sum()
        for row, values in zip(relevance, scores, strict=True)
    ]
    np.testing.assert_allclose(
        ranks.recall(relevance, scores, k), expected, rtol=1e-6
    )


def test_recall_of_five_captions_is_capped():
    relevance = [[1] * 5 + [0] * 15]
    scores = [list(range(20, 0, -1))]
    found = [ranks.recall(relevance, scores, k)[0] for k in (1, 5, 10)]
    np.testing.assert_allclose(found, [0.2, 1.0, 1.0])


@pytest.mark.parametrize("k", [None, 1, 4, 30])
def test_average_precision_matches_brute_force(k):
    relevance, scores = tied_problem()
    expected = []
    for row, values in zip(relevance, scores, strict=True):
        ranked = [row[i] for i in order(row, values)][:k]
        total = sum(
            hit * sum(ranked[: place + 1]) / (place + 1)
            for place, hit in enumerate(ranked)
        )
        expected.append(total / min(row.sum(), k or np.inf))
    np.testing.assert_allclose(
        ranks.average_precision(relevance, scores, k), expected, rtol=1e-5
    )


def test_perfect_ranking_scores_one():
    relevance = np.array([[1, 1, 1, 0, 0, 0]])
    scores = np.array([[6.0, 5, 4, 3, 2, 1]])
    for k in (None, 1, 2, 5):
        assert ranks.average_precision(relevance, scores, k)[0] == 1
        assert ranks.ndcg(relevance, scores, k)[0] == 1
    assert ranks.r_precision(relevance, scores)[0] == 1


def test_r_precision_matches_brute_force():
    relevance, scores = tied_problem()
    expected = []
    for row, values in zip(relevance, scores, strict=True):
        total = int(row.sum())
        first = order(row, values)[:total]
        expected.append(sum(row[i] for i in first) / total)
    np.testing.assert_allclose(
        ranks.r_precision(relevance, scores), expected, rtol=1e-6
    )


@pytest.mark.parametrize("k", [None, 1, 4, 30])
def test_ndcg_matches_brute_force(k):
    relevance, scores = tied_problem(grades=4)
    expected = []
    for row, values in zip(relevance, scores, strict=True):

        def gain(ranked):
            return sum(
                value / np.log2(place + 2)
                for place, value in enumerate(ranked[:k])
            )

        ranked = [row[i] for i in order(row, values)]
        expected.append(gain(ranked) / gain(sorted(row, reverse=True)))
    np.testing.assert_allclose(
        ranks.ndcg(relevance, scores, k), expected, rtol=1e-5
    )


def test_query_without_relevant_candidate():
    relevance, scores = np.zeros((1, 4)), np.arange(4.0)[None]
    assert ranks.best_rank(relevance, scores)[0] == 5
    assert ranks.recall(relevance, scores, 2)[0] == 0
    assert ranks.average_precision(relevance, scores)[0] == 0
    assert ranks.r_precision(relevance, scores)[0] == 0
    assert ranks.ndcg(relevance, scores)[0] == 0


def test_no_queries_or_candidates():
    no_queries, no_candidates = np.ones((0, 3)), np.ones((2, 0))
    assert ranks.best_rank(no_queries, no_queries).shape == (0,)
    assert ranks.ndcg(no_queries, no_queries, 2).shape == (0,)
    best = ranks.best_rank(no_candidates, no_candidates)
    assert best.numpy().tolist() == [1, 1]
