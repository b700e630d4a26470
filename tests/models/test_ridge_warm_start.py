import keras
import numpy as np
import pytest

import keras_xmodal as kx

RNG = np.random.default_rng(0)
X = RNG.normal(size=(40, 6)).astype("float32")
TARGETS = RNG.normal(size=(40, 4)).astype("float32")


def make_model(encoder=None):
    encoders = {
        "image": encoder or keras.layers.Identity(),
        "text": keras.layers.Identity(),
    }
    model = kx.EmbeddingModel(encoders=encoders, embedding_dim=4)
    model({"image": X[:1], "text": X[:1]})
    return model


def up_to_scale(kernel, bias):
    return np.concatenate([kernel.ravel(), bias]) / np.linalg.norm(kernel)


def test_solution_minimises_the_weighted_squares():
    model = make_model()
    weight = RNG.uniform(0.5, 2, size=40)
    kx.models.ridge_warm_start(
        model, {"image": X}, TARGETS, penalty=0.5, sample_weight=weight
    )
    mean = np.average(X, axis=0, weights=weight)
    target_mean = np.average(TARGETS, axis=0, weights=weight)
    root = np.sqrt(weight)[:, None]
    a, b = root * (X - mean), root * (TARGETS - target_mean)
    penalty = 0.5 * np.trace(a.T @ a) / 6
    kernel = np.linalg.lstsq(
        np.concatenate([a, np.sqrt(penalty) * np.eye(6)]),
        np.concatenate([b, np.zeros((6, 4))]),
        rcond=None,
    )[0]
    np.testing.assert_allclose(
        up_to_scale(*model.projections["image"].get_weights()),
        up_to_scale(kernel, target_mean - mean @ kernel),
        atol=1e-4,
    )


def test_a_linear_relation_is_found():
    """Through an encoder, and without touching the other modality."""
    encoder = keras.layers.Rescaling(3.0, offset=1.0)
    model = make_model(encoder)
    before = model.projections["text"].get_weights()
    targets = X @ RNG.normal(size=(6, 4)) + 0.3
    kx.models.ridge_warm_start(model, {"image": X}, targets, penalty=1e-6)
    expected = targets / np.linalg.norm(targets, axis=1, keepdims=True)
    np.testing.assert_allclose(model.encode(X, "image"), expected, atol=1e-3)
    for a, b in zip(
        model.projections["text"].get_weights(), before, strict=True
    ):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"x": {"sound": X}}, "'sound'"),
        ({"x": {"image": X, "text": X}}, "one modality"),
        ({"targets": TARGETS[:3]}, r"\(40, 4\).*\(3, 4\)"),
        ({"penalty": -1}, "penalty=-1"),
    ],
)
def test_wrong_arguments(change, match):
    arguments = {"x": {"image": X}, "targets": TARGETS}
    with pytest.raises(ValueError, match=match):
        kx.models.ridge_warm_start(make_model(), **{**arguments, **change})


@pytest.mark.parametrize(
    "change",
    [
        {"targets": np.where(np.arange(40)[:, None] == 3, np.nan, TARGETS)},
        {"targets": TARGETS * np.inf},
        {"targets": TARGETS.astype("complex64")},
        {"targets": TARGETS.astype(str)},
        {"penalty": np.nan},
        {"penalty": np.inf},
        {"sample_weight": np.full(40, np.nan)},
        {"sample_weight": np.zeros(40)},
        {"sample_weight": np.arange(40) - 1.0},
        {"sample_weight": np.ones((40, 1))},
        {"sample_weight": 2.0},
        {"sample_weight": ["many"] * 40},
        {"x": {"image": X * np.nan}},
        {"x": {"image": X * 1e30}},
    ],
)
def test_what_is_not_finite_changes_no_weight(change):
    encoder = keras.layers.Rescaling(1e20 if "x" in change else 1.0)
    model = make_model(encoder)
    before = model.projections["image"].get_weights()
    arguments = {"x": {"image": X}, "targets": TARGETS, **change}
    match = "features|image" if "x" in change else f"`{next(iter(change))}`"
    with pytest.raises((ValueError, TypeError), match=match):
        kx.models.ridge_warm_start(model, **arguments)
    for a, b in zip(
        model.projections["image"].get_weights(), before, strict=True
    ):
        np.testing.assert_array_equal(a, b)


def test_a_model_without_weights_is_refused():
    model = kx.EmbeddingModel({"image": 6, "text": 6}, 4)
    with pytest.raises(ValueError, match="called once"):
        kx.models.ridge_warm_start(model, {"image": X}, TARGETS)


def test_data_whose_solution_is_not_finite_changes_nothing():
    model = kx.EmbeddingModel({"a": 3, "b": 2}, 4)
    model({"a": np.ones((2, 3)), "b": np.ones((2, 2))})
    before = model.get_weights()
    x = np.random.default_rng(0).normal(size=(9, 3)) * 1e30
    with (
        np.errstate(over="ignore", invalid="ignore"),
        pytest.raises(ValueError, match=r"squares float32 holds.*e\+30"),
    ):
        kx.models.ridge_warm_start(model, {"a": x}, np.ones((9, 4)))
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
