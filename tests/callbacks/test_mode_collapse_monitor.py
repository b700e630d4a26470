import itertools

import keras
import numpy as np
import pytest

from keras_xmodal.callbacks import ModeCollapseMonitor
from tests.callbacks.known_gan import (
    SetWeights,
    data,
    fit,
    make_gan,
    set_weights,
)

COLLAPSED = {"noise": 0.0, "condition": 0.0}


def make_monitor(**kwargs):
    labels, targets = data(240)
    return ModeCollapseMonitor((labels, targets), **kwargs)


def mean_distance(samples, labels=None):
    """Written down a second time."""
    return np.mean(
        [
            np.linalg.norm(samples[i] - samples[j])
            for i, j in itertools.combinations(range(len(samples)), 2)
            if labels is None or labels[i] == labels[j]
        ]
    )


def test_diversity_by_hand():
    gan, monitor = make_gan(), make_monitor(num_examples=30, seed=4)
    set_weights(gan, noise=0.5, condition=2.0)
    found = monitor.evaluate(gan)
    targets, labels = monitor.targets, monitor.conditions
    assert len(targets) == 30
    samples = gan.generate(labels, seed=4)
    expected = {
        "val_diversity": mean_distance(samples) / mean_distance(targets),
        "val_conditional_diversity": mean_distance(samples, labels)
        / mean_distance(targets, labels),
    }
    assert found == pytest.approx(expected, rel=1e-5)
    assert all(type(value) is float for value in found.values())
    report = monitor.report
    assert report["conditional_real_distance"] == pytest.approx(
        mean_distance(targets, labels)
    )
    assert report["generated_distance"] == pytest.approx(
        mean_distance(samples), rel=1e-5
    )


def test_real_like_one_output_and_noise_ignored():
    gan, monitor = make_gan(), make_monitor()
    found = monitor.evaluate(gan)
    assert found["val_diversity"] == pytest.approx(1, abs=0.05)
    assert found["val_conditional_diversity"] == pytest.approx(1, abs=0.05)
    set_weights(gan, **COLLAPSED)
    assert list(monitor.evaluate(gan).values()) == [0, 0]
    set_weights(gan, noise=0.0)
    found = monitor.evaluate(gan)
    assert found["val_diversity"] > 0.5
    assert found["val_conditional_diversity"] == 0


def test_features_of_an_extractor():
    extractor = keras.Sequential(
        [keras.Input((4,)), keras.layers.Dense(1, use_bias=False)]
    )
    extractor.set_weights([np.array([[0.0], [0.0], [0.0], [1.0]])])
    gan, monitor = make_gan(), make_monitor(extractor=extractor)
    # The extractor sees the last number, on which no condition acts.
    set_weights(gan, condition=0.0)
    assert monitor.evaluate(gan)["val_diversity"] == pytest.approx(1, abs=0.1)
    set_weights(gan, noise=0.0)
    assert monitor.evaluate(gan)["val_diversity"] == 0


@pytest.mark.parametrize(
    ("conditions", "repeated"),
    [
        ([["a"], ["b"], ["a"], ["c"]], True),
        (np.array([b"a", b"b", b"a", b"c"], object), True),
        ([[0.5, 1], [0.5, 2], [0.5, 1], [1, 1]], True),
        ({"a": [1, 1, 1, 2], "b": ["a", "b", "a", "a"]}, True),
        ({"a": [1, 1, 2, 2], "b": ["a", "b", "a", "b"]}, False),
        (np.arange(4), False),
    ],
)
def test_conditions_that_repeat(conditions, repeated):
    class Fake:
        def generate(self, condition, seed, num_examples, batch_size):
            # Of the two with one condition, none is like the other.
            return 3 * monitor.targets

    targets = np.array([[0.0], [1.0], [4.0], [9.0]])
    monitor = ModeCollapseMonitor((conditions, targets))
    found = monitor.evaluate(Fake())
    assert found["val_diversity"] == pytest.approx(3)
    assert ("val_conditional_diversity" in found) == repeated
    if repeated:
        assert found["val_conditional_diversity"] == pytest.approx(3)
        assert monitor.report["conditional_real_distance"] == 4


def test_history_and_checkpoint(tmp_path):
    gan = make_gan()
    path = tmp_path / "best.keras"
    checkpoint = keras.callbacks.ModelCheckpoint(
        path, monitor="val_diversity", mode="max", save_best_only=True
    )
    noise = [0.5, 1.0, 0.6]
    history = fit(
        gan,
        SetWeights(*({"noise": value} for value in noise)),
        make_monitor(),
        checkpoint,
        epochs=3,
    )
    assert np.argmax(history["val_diversity"]) == 1
    best = keras.saving.load_model(path)
    assert best.ema_generator.get_weights()[0][0, 0] == 1


def run(monitor, *weights):
    fit(make_gan(), SetWeights(*weights), monitor, epochs=len(weights))


def test_a_collapse_is_warned_of_once(recwarn):
    monitor = make_monitor()
    run(monitor, COLLAPSED, {}, COLLAPSED, {})
    assert not recwarn
    with pytest.warns(
        UserWarning,
        match=r"collapsed.*of all of 0, that of real targets being \d\.\d+: "
        "`diversity` is 0, below 0.1.*may help",
    ) as record:
        run(monitor, {}, *[COLLAPSED] * 4, {}, *[COLLAPSED] * 2)
    assert len(record) == 1


def test_noise_that_is_ignored_is_warned_of():
    with pytest.warns(
        UserWarning, match="with one condition.*`conditional_diversity` is 0,"
    ):
        run(make_monitor(), {"noise": 0.0}, {"noise": 0.0})


def test_the_last_evaluation_counts_as_well():
    with pytest.warns(UserWarning, match="has collapsed"):
        run(make_monitor(), {}, COLLAPSED)


def test_repeated_results_do_not_count_twice(recwarn):
    run(make_monitor(frequency=3), COLLAPSED, {}, {})
    run(make_monitor(frequency=2), {}, COLLAPSED, COLLAPSED, {})
    run(make_monitor(threshold=0), COLLAPSED, COLLAPSED)
    assert not recwarn


def test_samples_that_are_not_finite_give_nan():
    gan, monitor = make_gan(), make_monitor()
    set_weights(gan, noise=np.nan)
    with pytest.warns(UserWarning, match="240 of 240 with NaN"):
        found = monitor.evaluate(gan)
    assert np.isnan(list(found.values())).all()


@pytest.mark.parametrize(
    ("change", "error", "match"),
    [
        ({"threshold": 1}, ValueError, r"`threshold` must be in \[0, 1\)"),
        ({"threshold": -0.1}, ValueError, "threshold=-0.1"),
        ({"extractor": np.mean}, TypeError, "`extractor` must be a Keras"),
        ({"num_examples": 0}, ValueError, "`num_examples` must be a positive"),
        (
            {"data": np.ones((5, 4))},
            ValueError,
            "different targets. Received: 5 that are",
        ),
        ({"num_examples": 1}, ValueError, "different targets. Received: 1"),
    ],
)
def test_bad_arguments(change, error, match):
    labels, targets = data(30)
    with pytest.raises(error, match=match):
        ModeCollapseMonitor(**{"data": (labels, targets), **change})
