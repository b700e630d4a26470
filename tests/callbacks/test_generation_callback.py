import keras
import numpy as np
import pytest

from keras_xmodal.callbacks.generation_callback import GenerationCallback
from tests.callbacks.known_gan import data, fit, make_gan


class Count(GenerationCallback):
    """Logs the number of evaluations; lower is better."""

    count, sign = 0, 1

    def evaluate(self, model):
        self.count += 1
        return {f"{self.prefix}count": float(self.sign * self.count)}


def callback(**kwargs):
    labels, targets = data()
    options = {
        "num_examples": None,
        "frequency": 1,
        "prefix": "val_",
        "seed": 0,
        "batch_size": 128,
    }
    return Count(**{"data": (labels, targets), **options, **kwargs})


def test_every_epoch_has_the_last_results():
    counts = callback(frequency=3, prefix="a_")
    history = fit(make_gan(), counts, epochs=7)
    assert history["a_count"] == [1, 1, 2, 2, 2, 3, 4]
    # Another training does not begin with the results of this one.
    history = fit(make_gan(), counts, epochs=8, initial_epoch=7)
    assert history["a_count"] == [5]


def test_the_best_model_is_not_saved_over(tmp_path):
    """Without its metric in an epoch, Keras saves then, with a warning."""
    gan = make_gan(rates=(0.01, 0.01))
    checkpoint = keras.callbacks.ModelCheckpoint(
        tmp_path / "best.keras", "val_count", mode="min", save_best_only=True
    )
    fit(gan, callback(frequency=2), checkpoint, epochs=5)
    best = keras.saving.load_model(tmp_path / "best.keras")
    assert int(best.step) == 2  # Those of the first epoch.


def test_pairs_are_drawn_and_noise_is_the_same():
    labels, targets = data()
    drawn = callback(num_examples=10, seed=2)
    rows = [
        np.flatnonzero((targets == target).all(axis=1))[0]
        for target in drawn.targets
    ]
    assert len(set(rows)) == 10
    assert rows != sorted(rows)
    np.testing.assert_array_equal(drawn.conditions, labels[rows])
    gan = make_gan()
    samples = drawn.generate(gan, 10)
    np.testing.assert_array_equal(samples, drawn.generate(gan, 10))
    np.testing.assert_allclose(
        samples, gan.generate(labels[rows], seed=2), rtol=1e-6
    )
    other = callback(num_examples=10, seed=3)
    assert (other.targets != drawn.targets).any()


def test_samples_that_are_not_finite():
    gan = make_gan()
    gan.ema_generator.set_weights([np.full((7, 4), np.nan), np.zeros(4)])
    with pytest.warns(UserWarning, match="NaN .* Received: 120 of 120 with"):
        assert callback().generate(gan, 120) is None


@pytest.mark.parametrize(
    ("change", "error", "match"),
    [
        ({"data": np.zeros(3)}, ValueError, r"`targets` must have shape"),
        ({"data": [["a"]]}, TypeError, "`targets` must be real numbers"),
        (
            {"data": ([1, 2], np.zeros((120, 4)))},
            ValueError,
            "`data` .* for 120 targets",
        ),
        ({"data": (1, 2, 3)}, ValueError, "`data` must be a pair.* tuple of 3"),
        ({"data": {"a": [1.0]}}, TypeError, r"array of targets.*keys \['a'\]"),
        ({"frequency": 0}, ValueError, "`frequency` must be a positive"),
        ({"prefix": None}, TypeError, "`prefix` must be a string"),
        ({"seed": None}, TypeError, "`seed` must be an integer"),
        ({"batch_size": 0}, ValueError, "`batch_size` must be a positive"),
    ],
)
def test_bad_arguments(change, error, match):
    with pytest.raises(error, match=match):
        callback(**change)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (
            {"data": (np.zeros(120), np.zeros((120, 5)))},
            r"\(None, 4\).*\(120, 5\)",
        ),
        ({"data": np.zeros((120, 4))}, "`condition` must be given exactly"),
    ],
)
def test_what_is_found_before_training(change, match):
    gan = make_gan()
    with pytest.raises(ValueError, match=match):
        fit(gan, callback(**change))
    assert int(gan.step) == 0
