import keras
import numpy as np
import pytest

import keras_xmodal as kx

RNG = np.random.default_rng(0)


def unit(*shape):
    x = RNG.normal(size=shape).astype("float32")
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


CANDIDATES, TARGETS, FOUND = unit(9, 4), unit(6, 4), unit(6, 4)


def reference(y_true, y_pred, temperature):
    p, q = (
        np.exp(y @ CANDIDATES.T.astype("float64") / temperature)
        for y in (y_true, y_pred)
    )
    p, q = (x / x.sum(axis=1, keepdims=True) for x in (p, q))
    return (p * np.log(p / q)).sum(axis=1)


@pytest.mark.parametrize("temperature", [0.02, 1.0])
def test_value(temperature):
    loss = kx.losses.SimilarityDistillation(CANDIDATES, temperature)
    expected = reference(TARGETS, FOUND, temperature)
    assert float(loss(TARGETS, FOUND)) == pytest.approx(expected.mean(), 1e-4)
    weight = np.arange(6)
    found = loss(TARGETS, FOUND, sample_weight=weight)
    assert float(found) == pytest.approx((expected * weight).mean(), 1e-4)


def test_least_where_similarities_are_equal():
    loss = kx.losses.SimilarityDistillation(CANDIDATES)
    assert float(loss(TARGETS, TARGETS)) == pytest.approx(0, abs=1e-6)
    # What no candidate tells apart does not count.
    flat = kx.losses.SimilarityDistillation(CANDIDATES * [1, 1, 1, 0])
    other = TARGETS + [0, 0, 0, 0.5]
    assert float(flat(TARGETS, other)) == pytest.approx(0, abs=1e-6)
    assert float(loss(TARGETS, other)) > 0.1


def test_config_and_a_compiled_model(tmp_path):
    loss = kx.losses.SimilarityDistillation(CANDIDATES, 0.3, "sum", "other")
    again = type(loss).from_config(loss.get_config())
    np.testing.assert_array_equal(again.candidates, CANDIDATES)
    assert (again.temperature, again.reduction) == (0.3, "sum")
    assert again.name == "other"
    model = kx.EmbeddingModel({"text": 5}, 4)
    model.compile("sgd", loss)
    x = {"text": RNG.normal(size=(6, 5))}
    model.fit(x, {"text": TARGETS}, verbose=0)
    expected = model.evaluate(x, {"text": TARGETS}, verbose=0)
    model.save(tmp_path / "model.keras")
    model = keras.saving.load_model(tmp_path / "model.keras")
    found = model.evaluate(x, {"text": TARGETS}, verbose=0)
    assert found == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    ("arguments", "error", "match"),
    [
        ((CANDIDATES[0],), ValueError, "`candidates` must have shape"),
        ((CANDIDATES * np.nan,), ValueError, "`candidates` must be finite"),
        ((["a"],), TypeError, "`candidates`"),
        ((CANDIDATES, 0), ValueError, "temperature=0"),
    ],
)
def test_wrong_arguments(arguments, error, match):
    with pytest.raises(error, match=match):
        kx.losses.SimilarityDistillation(*arguments)


def test_candidates_of_another_size():
    model = kx.EmbeddingModel({"text": 5}, 3)
    model.compile("sgd", kx.losses.SimilarityDistillation(CANDIDATES))
    x, y = {"text": np.ones((6, 5))}, {"text": TARGETS[:, :3]}
    with pytest.raises(ValueError, match=r"`y_true` must have shape \(None, 4"):
        model.fit(x, y, verbose=0)
    assert int(model.optimizer.iterations) == 0
