import keras
import numpy as np
import pytest

from keras_xmodal.callbacks import GenerationEvaluation
from keras_xmodal.metrics import frechet_distance, manifold_report
from tests.callbacks.known_gan import (
    SetWeights,
    data,
    fit,
    make_gan,
    set_weights,
)


def make_extractor():
    """Features that are the targets themselves."""
    inputs = keras.Input((4,))
    return keras.Model(inputs, keras.layers.Identity()(inputs), name="same")


def make_evaluation(examples=1200, **kwargs):
    labels, targets = data(examples)
    options = {"num_subsets": 2, "subset_size": 100}
    return GenerationEvaluation(
        (labels, targets), make_extractor(), **{**options, **kwargs}
    )


def test_results_are_those_of_the_halves():
    gan, evaluation = make_gan(), make_evaluation()
    set_weights(gan, shift=0.5)
    found = evaluation.evaluate(gan)
    labels, targets = data(1200)
    order = np.random.default_rng(0).permutation(1200)
    real, other = order[:600], order[600:]
    generated = gan.generate(labels[other], seed=0)
    assert found["val_frechet_distance"] == pytest.approx(
        frechet_distance(targets[real], generated), rel=1e-5
    )
    manifold = manifold_report(targets[real], generated)
    for name in ("precision", "recall", "density", "coverage"):
        assert found[f"val_{name}"] == pytest.approx(manifold[name])
    assert len(found) == 6
    assert all(type(value) is float for value in found.values())
    report = evaluation.report
    assert report["num_samples"] == 600
    assert report["extractor"] == "same"
    assert report["floor"]["frechet_distance"] == pytest.approx(
        frechet_distance(targets[real], targets[other]), rel=1e-5
    )
    # Four features, each 0.5 off.
    assert found["val_frechet_distance"] == pytest.approx(1.0, abs=0.3)


def test_the_real_distribution_comes_to_the_floor():
    gan, evaluation = make_gan(), make_evaluation()
    found = evaluation.evaluate(gan)
    floor = evaluation.report["floor"]
    assert found["val_frechet_distance"] < 2 * floor["frechet_distance"] < 0.1
    assert found["val_recall"] > floor["recall"] - 0.05
    set_weights(gan, noise=0.0)
    assert evaluation.evaluate(gan)["val_recall"] == 0


def test_the_model_of_the_best_metric_is_saved(tmp_path):
    gan, evaluation = make_gan(), make_evaluation(300)
    shifts = [0.6, 0.2, 0.8, 0.4]
    path = tmp_path / "best.keras"
    checkpoint = keras.callbacks.ModelCheckpoint(
        path, monitor="val_frechet_distance", mode="min", save_best_only=True
    )
    change = SetWeights(*({"shift": shift} for shift in shifts))
    history = fit(gan, change, evaluation, checkpoint, epochs=4)
    distances = history["val_frechet_distance"]
    assert np.argmin(distances) == 1
    best = keras.saving.load_model(path)
    found = evaluation.evaluate(best)["val_frechet_distance"]
    assert found == pytest.approx(min(distances), rel=1e-6)
    assert found < 0.5 * evaluation.evaluate(gan)["val_frechet_distance"]
    np.testing.assert_allclose(
        best.generate([0], z=np.zeros((1, 4))), [[3.2, 0.2, 0.2, 0.2]]
    )


def test_early_stopping_goes_back_to_the_best():
    gan, evaluation = make_gan(), make_evaluation(300)
    stop = keras.callbacks.EarlyStopping(
        "val_recall", mode="max", patience=2, restore_best_weights=True
    )
    noise = [0.0, 1.0, 0.0, 0.0, 0.0]
    change = SetWeights(*({"noise": value} for value in noise))
    history = fit(gan, change, evaluation, stop, epochs=5)
    assert len(history["val_recall"]) == 4
    assert gan.ema_generator.get_weights()[0][0, 0] == 1


def test_training_is_left_as_it_was():
    weights = []
    for evaluations in ([], [make_evaluation(60)]):
        gan = make_gan(rates=(0.1, 0.1))
        fit(gan, *evaluations, epochs=2)
        weights.append(gan.get_weights())
    for a, b in zip(*weights, strict=True):
        np.testing.assert_array_equal(a, b)


def test_samples_that_are_not_finite_give_nan():
    gan, evaluation = make_gan(), make_evaluation(60)
    set_weights(gan, shift=np.nan)
    with pytest.warns(UserWarning, match="30 of 30 with NaN"):
        found = evaluation.evaluate(gan)
    assert len(found) == 6
    assert np.isnan(list(found.values())).all()
    assert evaluation.report == {}


def test_number_of_samples():
    evaluation = make_evaluation(61, num_examples=20)
    evaluation.evaluate(make_gan())
    assert evaluation.report["num_samples"] == 20
    evaluation = make_evaluation(61)
    evaluation.evaluate(make_gan())
    assert evaluation.report["num_samples"] == 30


@pytest.mark.parametrize(
    ("change", "error", "match"),
    [
        (
            {"num_examples": 31},
            ValueError,
            "half of the targets.*num_examples=31",
        ),
        ({"num_examples": 5}, ValueError, "num_examples=5, num_neighbors=5"),
        ({"num_examples": 0}, ValueError, "`num_examples` must be a positive"),
        (
            {"num_neighbors": 30},
            ValueError,
            "num_examples=30, num_neighbors=30",
        ),
        ({"subset_size": 1}, ValueError, "`subset_size` must be an integer of"),
        ({"num_subsets": 0}, ValueError, "`num_subsets` must be a positive"),
    ],
)
def test_bad_arguments(change, error, match):
    with pytest.raises(error, match=match):
        make_evaluation(60, **change)


def test_an_extractor_that_is_no_model():
    with pytest.raises(TypeError, match="`extractor` must be a Keras model"):
        GenerationEvaluation(data()[1], np.mean)
