import hashlib
import json

import keras
import numpy as np
import pytest

from keras_xmodal.metrics import (
    frechet_distance,
    generation_report,
    kernel_distance,
    manifold_report,
)

DIM = 4
KEYS = (
    "frechet_distance",
    "kernel_distance",
    "kernel_standard_deviation",
    "precision",
    "recall",
    "density",
    "coverage",
)


def identity(name="identity"):
    dense = keras.layers.Dense(DIM, kernel_initializer="identity")
    return keras.Sequential([keras.Input((DIM,)), dense], name=name)


def samples(rows, seed=0, shift=0.0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(rows, DIM)).astype("float32") + shift


def expected_numbers(real, generated, subset_size=1000):
    kernel = kernel_distance(real, generated, subset_size=subset_size)
    manifold = manifold_report(real, generated)
    return [
        frechet_distance(real, generated),
        kernel["mean"],
        kernel["standard_deviation"],
        *(manifold[key] for key in KEYS[3:]),
    ]


def numbers(report):
    return [report[key] for key in KEYS]


def test_numbers_of_generated_and_of_other_real_data():
    """All samples of the sides count, so their order does not."""
    real, generated = samples(60), samples(60, 1, shift=0.5)
    reference = samples(60, 2)
    report = generation_report(real, generated, identity(), reference)
    expected = expected_numbers(real, generated)
    assert numbers(report) == pytest.approx(expected, rel=1e-5)
    expected = expected_numbers(real, reference)
    assert numbers(report["floor"]) == pytest.approx(expected, rel=1e-5)
    assert report["num_samples"] == 60


def test_without_other_real_data_the_halves_of_it_are_compared():
    # Sorted by class, as data sets often are.
    real = np.concatenate([samples(500), samples(500, 1, shift=9)])
    generated = np.concatenate([samples(250, 2), samples(450, 3, shift=9)])
    report = generation_report(real, generated, identity())
    assert report["num_samples"] == 500
    unsorted = frechet_distance(real[:500], real[500:])
    assert report["floor"]["frechet_distance"] < 0.02 * unsorted
    assert report["floor"]["coverage"] > 0.9


def test_equally_many_samples_everywhere():
    report = generation_report(
        samples(100), samples(30, 1), identity(), samples(50, 2)
    )
    assert report["num_samples"] == 30
    report = generation_report(samples(101), samples(300, 1), identity())
    assert report["num_samples"] == 50
    # Else the distance to many would be nearer than the floor.
    one_distribution = [
        generation_report(
            samples(200, 3 * i), samples(2000, 3 * i + 1), identity(), seed=i
        )
        for i in range(4)
    ]
    ratio = np.mean([r["frechet_distance"] for r in one_distribution])
    floor = [r["floor"]["frechet_distance"] for r in one_distribution]
    assert 0.6 < ratio / np.mean(floor) < 1.6


def test_a_dropped_mode_is_far_above_the_floor():
    real = samples(400) + 6 * (np.arange(400) % 2)[:, None]
    report = generation_report(real, samples(200, 1), identity())
    floor = report["floor"]
    assert report["frechet_distance"] > 10 * floor["frechet_distance"]
    assert report["kernel_distance"] > 10 * abs(floor["kernel_distance"])
    assert report["recall"] < 0.6 < 0.8 < floor["recall"]
    assert report["coverage"] < 0.6 < 0.8 < floor["coverage"]
    assert report["precision"] > 0.8


def test_options_are_passed_on():
    real, generated, reference = samples(60), samples(60, 1), samples(60, 2)
    few = {"num_subsets": 3, "subset_size": 10, "num_neighbors": 1}
    report = generation_report(real, generated, identity(), reference, **few)
    assert report["kernel_standard_deviation"] > 0
    manifold = manifold_report(real, generated, 1)
    assert report["coverage"] == pytest.approx(manifold["coverage"])


def test_same_seed_same_report():
    arguments = samples(90), samples(90, 1), identity()
    report = generation_report(*arguments)
    assert generation_report(*arguments) == report
    assert json.loads(json.dumps(report)) == report
    assert generation_report(*arguments, seed=1) != report


def test_name_says_which_features():
    data = samples(20), samples(20, 1)
    report = generation_report(*data, identity("digits"))
    digest = hashlib.sha256()
    for weight in (np.eye(DIM, dtype="float32"), np.zeros(DIM, "float32")):
        digest.update(f"float32{weight.shape}".encode() + weight.tobytes())
    expected = digest.hexdigest()[:8]
    assert report["extractor"] == "digits"
    assert report["weights_hash"] == expected
    assert report["name"] == f"FD(digits@{expected})"
    other = identity("digits")
    other.layers[0].bias.assign([0, 0, 0, 1e-7])
    report = generation_report(*data, other)
    assert report["weights_hash"] != expected


def test_images_in_batches():
    sizes = []

    class Recorder(keras.layers.Layer):
        def call(self, x):
            sizes.append(x.shape[0])
            return keras.ops.mean(x, axis=(1, 2))

    extractor = keras.Sequential([keras.Input((6, 6, 3)), Recorder()])
    extractor.compile(run_eagerly=True)
    sizes.clear()
    rng = np.random.default_rng(0)
    real, generated, reference = rng.integers(
        256, size=(3, 15, 6, 6, 3), dtype="uint8"
    )
    report = generation_report(
        real, generated, extractor, reference, batch_size=8
    )
    assert sizes == [8, 7] * 3
    expected = frechet_distance(
        real.mean(axis=(1, 2)), generated.mean(axis=(1, 2))
    )
    assert report["frechet_distance"] == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize(
    ("change", "error", "match"),
    [
        ({"real": np.ones(9)}, ValueError, "`real` must have shape"),
        ({"generated": np.ones((20, 3))}, ValueError, "same shape"),
        ({"reference": np.ones((20, 3))}, ValueError, "`reference` must.*same"),
        (
            {"generated": np.full((20, DIM), np.nan)},
            ValueError,
            "`generated` must be finite",
        ),
        ({"extractor": np.square}, TypeError, "`extractor` must be a Keras"),
        ({"num_neighbors": 10}, ValueError, "10 on a side, num_neighbors=10"),
        ({"generated": np.ones((5, DIM))}, ValueError, "5 on a side"),
        (
            {"num_neighbors": 0},
            ValueError,
            "`num_neighbors` must be a positive",
        ),
        ({"batch_size": 0}, ValueError, "`batch_size` must be a positive"),
        ({"num_subsets": 0}, ValueError, "`num_subsets` must be a positive"),
        ({"subset_size": 1}, ValueError, "`subset_size` must be an integer of"),
    ],
)
def test_bad_input(change, error, match):
    arguments = {
        "real": samples(20),
        "generated": samples(20, 1),
        "extractor": identity(),
    }
    with pytest.raises(error, match=match):
        generation_report(**{**arguments, **change})


def test_features_of_a_wrong_shape_or_not_finite():
    shapeless = keras.Sequential([keras.layers.Reshape((2, 2))])
    with pytest.raises(ValueError, match=r"must return features.*\(10, 2, 2\)"):
        generation_report(samples(20), samples(20, 1), shapeless)
    broken = identity()
    broken.layers[0].bias.assign([np.nan] * DIM)
    with pytest.raises(ValueError, match="must return finite features"):
        generation_report(samples(20), samples(20, 1), broken)
