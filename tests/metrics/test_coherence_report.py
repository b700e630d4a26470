import json

import keras
import numpy as np
import pytest

import keras_xmodal as kx
from keras_xmodal.metrics import coherence_report

CLASSES = 3


class Generator:
    """Writes classes as one-hot rows; which, is decided by the test.

    `errors` says of how many of the first examples a translation is wrong, by
    `(given, to)`; `classes` is what `generate` gives.
    """

    def __init__(self, modalities, errors=None, classes=None):
        self.modalities = modalities
        self.errors, self.classes = errors or {}, classes or {}
        self.calls, self.seeds = [], set()

    def translate(self, x, to, latent, output, seed):
        # The mean of a mixture's latents may be like none of them.
        assert (latent, output) == ("sample", "mean")
        self.seeds.add(seed)
        given = "+".join(x)
        self.calls.append((given, to))
        labels = np.argmax(next(iter(x.values())), axis=1)
        wrong = np.arange(len(labels)) < self.errors.get((given, to), 0)
        return np.eye(CLASSES)[(labels + wrong) % CLASSES]

    def generate(self, num_examples, output, seed):
        assert output == "mean"
        self.seeds.add(seed)
        return {
            name: np.eye(CLASSES)[self.classes[name]]
            for name in self.modalities
        }


def identity(scores):
    return scores


def problem(modalities, examples=10):
    labels = np.arange(examples) % CLASSES
    x = {name: np.eye(CLASSES)[labels] for name in modalities}
    return x, labels, dict.fromkeys(modalities, identity)


def test_every_subset_of_the_others_is_given_once():
    names = ("a", "b", "c")
    errors = {("a", "b"): 3, ("c", "b"): 5, ("a+c", "b"): 1}
    classes = {name: [0, 1, 2, 2] for name in names}
    model = Generator(names, errors, classes)
    report = coherence_report(model, *problem(names), num_examples=4, seed=7)
    assert model.seeds == {7}
    assert sorted(model.calls) == sorted(
        [(g, to) for g in "abc" for to in "abc" if g != to]
        + [("a+b", "c"), ("a+c", "b"), ("b+c", "a")]
    )
    assert report["pairs"]["a_to_b"] == pytest.approx(0.7)
    assert report["pairs"]["c_to_b"] == pytest.approx(0.5)
    assert report["pairs"]["a+c_to_b"] == pytest.approx(0.9)
    assert report["pairs"]["a_to_c"] == 1
    assert len(report["pairs"]) == 9
    assert report["conditional"] == {
        1: pytest.approx((4 + 0.7 + 0.5) / 6),
        2: pytest.approx((2 + 0.9) / 3),
    }
    assert report["chance_conditional"] == pytest.approx(0.4)
    assert report["joint"] == 1
    assert report["num_examples"] == 10
    assert report["num_generated"] == 4


def test_joint_coherence_needs_all_to_agree():
    names = ("a", "b", "c")
    classes = {"a": [0, 1, 2, 0], "b": [0, 1, 2, 1], "c": [0, 1, 0, 1]}
    report = coherence_report(
        Generator(names, classes=classes), *problem(names), num_examples=4
    )
    assert report["joint"] == 0.5
    # Shares .5 .25 .25, .25 .5 .25 and .5 .5 0.
    expected = 0.5 * 0.25 * 0.5 + 0.25 * 0.5 * 0.5
    assert report["chance_joint"] == pytest.approx(expected)


def test_a_model_of_one_class_is_at_chance():
    names = ("a", "b")
    model = Generator(names, classes=dict.fromkeys(names, [1] * 5))
    report = coherence_report(model, *problem(names), num_examples=5)
    assert report["joint"] == report["chance_joint"] == 1


def test_report_is_json():
    names = ("a", "b")
    model = Generator(names, classes=dict.fromkeys(names, [1] * 5))
    report = coherence_report(model, *problem(names), num_examples=5)
    found = json.loads(json.dumps(report))
    assert found.pop("conditional") == {"1": 1.0}
    assert found == {k: v for k, v in report.items() if k != "conditional"}


def test_keras_classifiers():
    names = ("a", "b")
    classes = {"a": [0, 1, 2, 1], "b": [0, 1, 2, 1]}
    model = Generator(names, {("a", "b"): 4}, classes)
    x, labels, classifiers = problem(names)
    classifiers["b"] = keras.Sequential(
        [
            keras.Input((3,)),
            keras.layers.Dense(3, kernel_initializer="identity"),
        ]
    )
    report = coherence_report(model, x, labels, classifiers, num_examples=4)
    assert report["pairs"] == {"a_to_b": 0.6, "b_to_a": 1.0}
    assert report["joint"] == 1


def trained(labels):
    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    x = {
        "a": np.eye(3)[labels] @ rng.normal(size=(3, 6)) * 2,
        "b": np.eye(3)[labels] @ rng.normal(size=(3, 4)) * 2,
    }
    model = kx.VAEModel({"a": 6, "b": 4}, 3)
    model.compile(keras.optimizers.Adam(0.02))
    model.fit(x, epochs=40, batch_size=64, verbose=0)
    # The nearest class mean reads a modality.
    means = {
        name: np.stack([value[labels == c].mean(axis=0) for c in range(3)])
        for name, value in x.items()
    }
    classifiers = {
        name: lambda v, name=name: (
            -np.square(v[:, None] - means[name]).sum(axis=-1)
        )
        for name in x
    }
    return model, x, classifiers


@pytest.mark.large
def test_a_trained_model_is_coherent_and_an_untrained_one_is_not():
    labels = np.arange(384) % 3
    model, x, classifiers = trained(labels)
    report = coherence_report(model, x, labels, classifiers, num_examples=300)
    assert report["conditional"][1] > 0.95
    assert report["joint"] > report["chance_joint"] + 0.2
    again = coherence_report(model, x, labels, classifiers, num_examples=300)
    assert again == report
    shuffled = np.random.default_rng(1).permutation(labels)
    report = coherence_report(model, x, shuffled, classifiers, num_examples=300)
    error = np.sqrt(1 / 3 * 2 / 3 / 384)
    assert abs(report["conditional"][1] - 1 / 3) < 4 * error


@pytest.mark.parametrize(
    ("change", "error", "match"),
    [
        ({"x": {"a": np.eye(3)}}, ValueError, r"all modalities.*\['a'\]"),
        ({"x": np.eye(3)}, TypeError, "must be a dict"),
        ({"labels": [0, 1]}, ValueError, r"`labels` must have shape \(10,\)"),
        ({"labels": [0.5] * 10}, TypeError, "`labels` must be integers"),
        ({"labels": [3] * 10}, ValueError, "from 0 to 2.*from 3 to 3"),
        (
            {"classifiers": {"a": identity}},
            ValueError,
            r"`classifiers` must have one for each.*\['a'\].*\['a', 'b'\]",
        ),
        (
            {"classifiers": {"a": identity, "b": lambda s: s[:, :1]}},
            ValueError,
            r"`classifiers\['b'\]` must return.*\(5, 1\)",
        ),
        (
            {"num_examples": 0},
            ValueError,
            "`num_examples` must be a positive",
        ),
    ],
)
def test_bad_input(change, error, match):
    names = ("a", "b")
    model = Generator(names, classes=dict.fromkeys(names, [0] * 5))
    x, labels, classifiers = problem(names)
    arguments = {
        "x": x,
        "labels": labels,
        "classifiers": classifiers,
        "num_examples": 5,
    }
    with pytest.raises(error, match=match):
        coherence_report(model, **{**arguments, **change})


def test_one_modality_has_nothing_to_agree_with():
    model = Generator(("a",))
    with pytest.raises(ValueError, match="two at least"):
        coherence_report(model, *problem(("a",)))
