import importlib
import json

import numpy as np
import pytest

from keras_xmodal.metrics import text_r_precision

# In the package, the function of its name stands for the module.
module = importlib.import_module("keras_xmodal.metrics.text_r_precision")


def embeddings(rows=40, dim=4, noise=1.0, seed=0):
    rng = np.random.default_rng(seed)
    captions = rng.normal(size=(rows, dim))
    return captions + noise * rng.normal(size=(rows, dim)), captions


def cosines(images, captions):
    images = images / np.linalg.norm(images, axis=1, keepdims=True)
    return images @ (captions / np.linalg.norm(captions, axis=1)[:, None]).T


def by_draws(images, captions, ids, num_candidates, num_draws):
    """As the papers do it: another draw of other captions for each image."""
    rng = np.random.default_rng(0)
    scores = cosines(images, captions)
    found = []
    for _ in range(num_draws):
        hits = []
        for i in range(len(ids)):
            others = np.flatnonzero(ids != ids[i])
            drawn = rng.choice(others, num_candidates - 1, replace=False)
            hits.append(scores[i, i] > scores[i, drawn].max())
        found.append(np.mean(hits))
    return np.mean(found), np.std(found) / np.sqrt(num_draws)


def test_expectation_over_draws():
    images, captions = embeddings()
    ids = np.arange(40) // 3
    report = text_r_precision(images, captions, ids, num_candidates=6)
    expected, error = by_draws(images, captions, ids, 6, num_draws=200)
    assert 0.3 < expected < 0.9
    assert error < 0.01
    assert abs(report["r_precision"] - expected) < 4 * error


def test_with_all_captions_it_is_the_share_of_first_ranks():
    images, captions = embeddings()
    report = text_r_precision(images, captions, num_candidates=40)
    first = cosines(images, captions).argmax(axis=1) == np.arange(40)
    assert 0.1 < first.mean() < 0.9
    assert report["r_precision"] == pytest.approx(first.mean())
    error = first.std(ddof=1) / np.sqrt(40)
    assert report["standard_error"] == pytest.approx(error)


def test_noise_is_at_chance():
    images, captions = np.random.default_rng(0).normal(size=(2, 2000, 8))
    report = text_r_precision(images, captions)
    assert report["chance"] == 0.01
    assert report["num_candidates"] == 100
    assert report["num_images"] == 2000
    assert report["standard_error"] < 0.002
    # Images share the captions, so the error is but about that of the mean.
    assert abs(report["r_precision"] - 0.01) < 5 * report["standard_error"]


def test_perfect_images():
    _, captions = embeddings(120)
    report = text_r_precision(3 * captions, captions)
    assert report["r_precision"] == 1
    assert report["standard_error"] == 0


@pytest.mark.parametrize("side", [0, 1])
@pytest.mark.parametrize("value", [0.0, 0.3])
def test_collapsed_embeddings_score_nothing(side, value):
    pair = list(embeddings(120, dim=5))
    pair[side] = np.full((120, 5), value, "float32")
    report = text_r_precision(*pair)
    # Of collapsed images, the one caption that is nearest to all still wins.
    assert report["r_precision"] <= 0.05
    if side == 1 or value == 0:
        assert report["r_precision"] == 0


def test_equal_captions_tie_unless_their_ids_say_so():
    _, captions = embeddings(30, dim=7)
    captions = np.repeat(captions, 4, axis=0)
    ids = np.repeat([f"caption {i}" for i in range(30)], 4)
    arguments = {"num_candidates": 117}
    report = text_r_precision(captions, captions, ids, **arguments)
    assert report["r_precision"] == 1
    arguments = {"num_candidates": 120}
    report = text_r_precision(captions, captions, **arguments)
    assert report["r_precision"] == 0


def test_lengths_do_not_count():
    images, captions = embeddings()
    scale = np.random.default_rng(1).uniform(0.1, 9, size=(40, 1))
    report = text_r_precision(images, captions, num_candidates=9)
    found = text_r_precision(scale * images, captions / scale, num_candidates=9)
    assert found["r_precision"] == pytest.approx(report["r_precision"])


def test_chunks_change_nothing(monkeypatch):
    report = text_r_precision(*embeddings(), num_candidates=9)
    monkeypatch.setattr(module, "_MAX_SCORES", 130)
    found = text_r_precision(*embeddings(), num_candidates=9)
    assert found == pytest.approx(report)
    assert json.loads(json.dumps(report)) == report


@pytest.mark.parametrize(
    ("change", "error", "match"),
    [
        (
            {"image_embeddings": np.ones(4)},
            ValueError,
            "`image_embeddings` must have shape",
        ),
        (
            {"text_embeddings": np.full((40, 4), np.nan)},
            ValueError,
            "`text_embeddings` must be finite",
        ),
        (
            {"text_embeddings": np.ones((40, 3))},
            ValueError,
            r"must have the same shape.*\(40, 4\).*\(40, 3\)",
        ),
        (
            {"text_embeddings": np.ones((39, 4))},
            ValueError,
            r"must have the same shape.*\(40, 4\).*\(39, 4\)",
        ),
        ({"text_ids": [1, 2]}, ValueError, r"`text_ids` must have.*=\(2"),
        ({"text_ids": [None] * 40}, TypeError, "`text_ids` must be"),
        (
            {"text_ids": [0] * 22 + list(range(1, 19))},
            ValueError,
            "at least 19 captions of other ids.*with 18, among 40",
        ),
        ({"num_candidates": 41}, ValueError, "at least 40.*with 39, among 40"),
        (
            {"num_candidates": 1},
            ValueError,
            "`num_candidates` must be an integer of",
        ),
        ({"num_candidates": 2.0}, TypeError, "`num_candidates` must be an int"),
    ],
)
def test_bad_input(change, error, match):
    images, captions = embeddings()
    arguments = {
        "image_embeddings": images,
        "text_embeddings": captions,
        "num_candidates": 20,
    }
    with pytest.raises(error, match=match):
        text_r_precision(**{**arguments, **change})
