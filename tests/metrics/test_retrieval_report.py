import itertools
import json

import numpy as np
import pytest

from keras_xmodal import metrics
from keras_xmodal.metrics import retrieval_report
from keras_xmodal.metrics.near_ranks import NearRanks
from keras_xmodal.metrics.retrieval_report import _rank_all


def unit(rows, dim=8, seed=0):
    x = np.random.default_rng(seed).normal(size=(rows, dim))
    return (x / np.linalg.norm(x, axis=1, keepdims=True)).astype("float32")


def captions_problem(images=12, captions=5, noise=0.5):
    """Image embeddings, five captions each, and their ids."""
    x = unit(images)
    y = np.repeat(x, captions, axis=0)
    y = y + noise * unit(len(y), seed=1)
    return x, y, np.arange(images), np.repeat(np.arange(images), captions)


def brute_force(queries, candidates, query_ids, candidate_ids):
    """Ranks and average precisions at 10, in plain Python."""
    best, precisions = [], []
    for query, wanted in zip(queries, query_ids, strict=True):
        relevance = [i == wanted for i in candidate_ids]
        if not any(relevance):
            continue
        scores = [float(np.float32(query @ c)) for c in candidates]
        order = sorted(
            range(len(scores)), key=lambda i: (-scores[i], relevance[i])
        )
        hits = [p + 1 for p, i in enumerate(order) if relevance[i]]
        best.append(hits[0])
        precisions.append(
            sum((n + 1) / p for n, p in enumerate(hits) if p <= 10)
            / min(10, len(hits))
        )
    return np.array(best), np.array(precisions)


@pytest.mark.parametrize("swap", [False, True])
def test_matches_brute_force(swap):
    x, y, x_ids, y_ids = captions_problem()
    x_ids = np.where(x_ids == 3, 99, x_ids)  # its captions have no image
    if swap:
        x, y, x_ids, y_ids = y, x, y_ids, x_ids
    best, precisions = brute_force(
        x.astype("float64"), y.astype("float64"), x_ids, y_ids
    )
    report = retrieval_report(x, y, x_ids, y_ids, ks=(1, 2, 5))
    for k in (1, 2, 5):
        assert report[f"R@{k}"] == pytest.approx(np.mean(best <= k))
    assert report["MedR"] == np.floor(np.median(best - 1)) + 1
    assert report["MeanR"] == pytest.approx(best.mean())
    assert report["MRR"] == pytest.approx(np.mean(1 / best))
    assert report["mAP@10"] == pytest.approx(np.mean(precisions))
    assert report["num_queries"] == (55 if swap else 11)
    assert report["num_candidates"] == len(y)


def test_agrees_with_the_metrics():
    x, y, x_ids, y_ids = captions_problem()
    relevance, scores = x_ids[:, None] == y_ids[None, :], x @ y.T
    report = retrieval_report(x, y, x_ids, y_ids)
    for key, metric in [
        ("R@1", metrics.HitRate(1)),
        ("R@10", metrics.HitRate(10)),
        ("MedR", metrics.MedianRank()),
        ("MRR", metrics.MeanReciprocalRank()),
        ("mAP@10", metrics.MeanAveragePrecision(10)),
    ]:
        metric.update_state(relevance, scores)
        assert report[key] == pytest.approx(float(metric.result()), rel=1e-6)


def test_chunks_and_order_change_nothing():
    x, y, x_ids, y_ids = captions_problem()
    expected = retrieval_report(x, y, x_ids, y_ids)
    for chunk_size in (1, 7, 1000):
        assert retrieval_report(
            x, y, x_ids, y_ids, chunk_size=chunk_size
        ) == pytest.approx(expected, rel=1e-12)
    rng = np.random.default_rng(0)
    rows, columns = rng.permutation(len(x)), rng.permutation(len(y))
    shuffled = retrieval_report(
        x[rows], y[columns], x_ids[rows], y_ids[columns]
    )
    assert shuffled == pytest.approx(expected, rel=1e-12)


def test_full_score_matrix_is_never_held():
    tracemalloc = pytest.importorskip("tracemalloc")
    x = unit(6000, dim=4)
    tracemalloc.start()
    retrieval_report(x[:50], x, np.arange(50), np.arange(6000), chunk_size=10)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 50 * 6000 * 8 / 2


def test_collapsed_model_scores_at_most_chance():
    # 128 columns, 831 rows: BLAS rounds equal float32 products differently.
    x = np.repeat(unit(1, 128), 831, axis=0)
    report = retrieval_report(x, x)
    assert report["R@10"] == 0
    assert report["MedR"] == report["MeanR"] == 831
    assert report["chance_R@10"] == pytest.approx(10 / 831)


def test_perfect_model():
    report = retrieval_report(unit(20), unit(20))
    assert report["R@1"] == report["MRR"] == report["mAP@10"] == 1
    assert report["MedR"] == 1


def test_chance_is_exact_for_several_positives():
    ids = np.array([0, 0, 0, 1, 2, 2, 3])
    queries = np.array([0, 1, 2, 9])
    report = retrieval_report(unit(4), unit(7), queries, ids, ks=(1, 2, 3, 9))
    for k in (1, 2, 3):
        expected = np.mean(
            [
                np.mean(
                    [
                        any(ids[i] == query for i in drawn)
                        for drawn in itertools.combinations(range(7), k)
                    ]
                )
                for query in queries[:3]
            ]
        )
        assert report[f"chance_R@{k}"] == pytest.approx(expected)
    assert report["chance_R@9"] == report["R@9"] == 1


def test_random_embeddings_are_at_chance():
    report = retrieval_report(unit(500, 32), unit(500, 32, seed=1))
    error = np.sqrt(0.02 * 0.98 / 500)
    assert abs(report["R@10"] - report["chance_R@10"]) < 4 * error


def test_ids_of_any_type():
    x, y, x_ids, y_ids = captions_problem()
    expected = retrieval_report(x, y, x_ids, y_ids)
    for convert in (
        lambda ids: ids + 2**60,
        lambda ids: [f"item {i:0{i + 1}d}" for i in ids],
        lambda ids: ids.astype("uint8"),
        lambda ids: np.array([str(i) for i in ids], object),
    ):
        assert retrieval_report(x, y, convert(x_ids), convert(y_ids)) == (
            expected
        )
    mixed = retrieval_report(x, y, x_ids.astype("uint64"), y_ids)
    assert mixed == expected


def test_without_ids_rows_belong_together():
    x, y = unit(9), unit(9, seed=1)
    ids = np.arange(9)
    assert retrieval_report(x, y) == retrieval_report(x, y, ids, ids)


def test_values_are_python_numbers():
    report = retrieval_report(unit(5), unit(5))
    assert json.loads(json.dumps(report)) == report
    assert isinstance(report["num_queries"], int)


@pytest.mark.parametrize(
    ("change", "error", "match"),
    [
        ({"queries": unit(4)[0]}, ValueError, r"`queries` must have shape"),
        ({"queries": unit(4, 3)}, ValueError, r"same dim.*\(4, 3\).*\(4, 8\)"),
        ({"candidates": unit(4) * np.nan}, ValueError, "`candidates` must be"),
        ({"queries": unit(4)[:0]}, ValueError, r"`queries` must .*\(0, 8\)"),
        ({"query_ids": [1, 2]}, ValueError, r"`query_ids` must .* \(4,\)"),
        ({"candidate_ids": None}, ValueError, "both `query_ids` and"),
        ({"query_ids": [9] * 4}, ValueError, "ids in common"),
        ({"query_ids": list("abcd")}, TypeError, "must be of one kind"),
        ({"ks": ()}, ValueError, "`ks` must be a tuple"),
        ({"ks": (0,)}, ValueError, "`ks` must be a tuple of"),
        ({"ks": 5}, TypeError, "`ks` must be a tuple"),
        ({"chunk_size": 0}, ValueError, "`chunk_size` must be a positive"),
        (
            {"query_ids": None, "candidate_ids": None, "queries": unit(3)},
            ValueError,
            "equally many rows. Received: 3 queries, 4 candidates",
        ),
    ],
)
def test_bad_input(change, error, match):
    arguments = {
        "queries": unit(4),
        "candidates": unit(4, seed=1),
        "query_ids": [0, 1, 2, 3],
        "candidate_ids": [3, 2, 1, 0],
    }
    with pytest.raises(error, match=match):
        retrieval_report(**{**arguments, **change})


def near_each_other(rows, dim=40):
    """Products that float32 does not tell apart."""
    rng = np.random.default_rng(0)
    return rng.normal(size=dim) + 1e-4 * rng.normal(size=(rows, dim))


def random_rows(rows, dim=40, seed=0):
    return np.random.default_rng(seed).normal(size=(rows, dim))


@pytest.mark.parametrize(
    ("queries", "candidates"),
    [
        (random_rows(60), random_rows(3000, seed=1)),
        (random_rows(60), np.repeat(random_rows(1000, seed=1), 3, axis=0)),
        (random_rows(60, 3) * 1e4, random_rows(3000, 3, seed=1) * 1e-9),
        (random_rows(60), np.concatenate([near_each_other(20)] * 150)),
        (near_each_other(60), random_rows(3000, seed=1)),
    ],
)
@pytest.mark.parametrize("different", [1, 7, 900])
def test_float32_decides_as_float64_does(queries, candidates, different):
    queries, candidates = queries.astype("f4"), candidates.astype("f4")
    rng = np.random.default_rng(2)
    ids = rng.integers(different, size=len(candidates))
    query_ids = rng.choice(ids, len(queries))
    near = NearRanks(candidates, ids).rank(queries, query_ids)
    exact = _rank_all(queries, candidates, query_ids, ids)
    if near is None:  # Too many are too near to each other.
        scores = queries @ candidates.T
        assert len(np.unique(scores)) < scores.size / 20
        return
    np.testing.assert_array_equal(near[0], exact[0])
    np.testing.assert_allclose(near[1], exact[1], rtol=1e-6)


def test_products_that_float32_does_not_hold_are_left_to_float64():
    x, ids = random_rows(400).astype("f4"), np.arange(400)
    assert NearRanks(x, ids).rank(x, ids) is not None
    x *= np.float32(1e25)
    assert NearRanks(x, ids).rank(x, ids) is None
