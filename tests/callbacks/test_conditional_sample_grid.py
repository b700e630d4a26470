import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_xmodal as kx
from keras_xmodal.callbacks import ConditionalSampleGrid
from tests.callbacks.test_sample_grid import shown


def make_gan(conditional=True, rate=0.0, **kwargs):
    """Images of one gray: `tanh` of the noise plus three times the class."""
    keras.utils.set_random_seed(0)
    z = keras.Input((1,))
    inputs, image, target = z, z, keras.Input((4, 4, 1))
    logit_inputs, features = target, keras.layers.Flatten()(target)
    if conditional:
        condition, other = keras.Input((1,)), keras.Input((1,))
        inputs, logit_inputs = [z, condition], [target, other]
        image = keras.layers.Concatenate()(inputs)
        features = keras.layers.Concatenate()([features, other])
    image = keras.layers.Dense(1, "tanh", name="gray")(image)
    image = keras.layers.Reshape((1, 1, 1))(image)
    image = keras.layers.UpSampling2D(4)(image)
    gan = kx.GANModel(
        generator=keras.Model(inputs, image),
        discriminator=keras.Model(
            logit_inputs, keras.layers.Dense(1)(features)
        ),
        latent_dim=1,
        conditional=conditional,
        ema_momentum=0.5,
        seed=0,
        **kwargs,
    )
    if conditional:
        gan.build((None, 1))
    weights = [np.array([[1.0], [3.0]][: 1 + conditional]), np.zeros(1)]
    gan.generator.get_layer("gray").set_weights(weights)
    gan.ema_generator.get_layer("gray").set_weights(weights)
    rates = [keras.optimizers.SGD(rate) for _ in range(2)]
    gan.compile(*rates, run_eagerly=True)
    return gan


def images(examples=8):
    rng = np.random.default_rng(0)
    return rng.uniform(-1, 1, (examples, 4, 4, 1)).astype("float32")


def rows(figure, num_rows):
    return np.array(shown(figure), object).reshape(num_rows, -1)


@pytest.mark.parametrize("value_range", [(-1, 1), (-2.0, 3.0)])
def test_rows_are_conditions_and_columns_are_noise(tmp_path, value_range):
    gan = make_gan()
    conditions = np.array([[-0.5], [0.0], [0.5]], "float32")
    grid = ConditionalSampleGrid(
        conditions,
        folder=tmp_path,
        num_examples=5,
        seed=7,
        row_titles=["dark", "gray", "light"],
        value_range=value_range,
    )
    found = rows(grid.draw(gan), 3)
    assert list(found[:, 0]) == ["dark", "gray", "light"]
    noise = np.asarray(gan.sample_latents(5, seed=7))[:, 0]
    low, high = value_range
    for condition, row in zip(conditions[:, 0], found[:, 1:], strict=True):
        expected = (np.tanh(noise + 3 * condition) - low) / (high - low)
        np.testing.assert_allclose(row.astype(float), expected, rtol=1e-4)
    assert np.ptp(expected) > 0.05


@pytest.mark.parametrize(
    ("conditions", "expected"),
    [
        (["cat", "dog"], ["cat", "dog"]),
        (tf.constant(["cat", "dog"]), ["cat", "dog"]),
        (np.array([7, 123456]), ["7", "123456"]),
        (np.array([[7], [8]]), ["7", "8"]),
        (np.full((2, 4, 4, 3), 51, "uint8"), [0.2, 0.2]),
        ({"a": np.zeros((2, 3)), "b": np.zeros(2)}, None),
    ],
)
def test_what_stands_before_the_samples(tmp_path, conditions, expected):
    class Fake:
        def sample_latents(self, num_examples, seed):
            return np.zeros((num_examples, 1))

        def generate(self, condition, z):
            assert len(z) == 6
            return np.zeros((6, 4, 4, 1))

    grid = ConditionalSampleGrid(conditions, folder=tmp_path, num_examples=3)
    found = rows(grid.draw(Fake()), 2)
    assert (found[:, -3:] == 0.5).all()
    if expected is None:
        assert found.shape == (2, 3)
    else:
        assert list(found[:, 0]) == pytest.approx(expected)


def test_a_model_without_conditions_has_one_row(tmp_path):
    gan = make_gan(conditional=False)
    found = rows(
        ConditionalSampleGrid(folder=tmp_path, num_examples=4).draw(gan), 1
    )
    noise = np.asarray(gan.sample_latents(4, seed=0))[:, 0]
    np.testing.assert_allclose(
        found[0].astype(float), np.tanh(noise) / 2 + 0.5, rtol=1e-5
    )


@pytest.mark.parametrize("conditional", [True, False])
def test_fit_draws_the_same_noise_in_every_epoch(tmp_path, conditional):
    gan = make_gan(conditional)
    x, y = (np.zeros((8, 1)), images()) if conditional else (images(), None)
    conditions = np.array([[0.0], [1.0]]) if conditional else None
    grid = ConditionalSampleGrid(conditions, folder=tmp_path, num_examples=3)
    gan.fit(x, y, epochs=2, verbose=0, callbacks=[grid])
    pictures = [
        tf.io.decode_png((tmp_path / f"samples_000{i}.png").read_bytes())
        for i in (1, 2)
    ]
    np.testing.assert_array_equal(*pictures)
    assert np.std(pictures[0]) > 10
    other = ConditionalSampleGrid(
        conditions, folder=tmp_path, num_examples=3, seed=1
    ).draw(gan)
    assert shown(other) != shown(grid.draw(gan))


def test_the_average_draws_and_training_is_left_as_it_was(tmp_path):
    weights = []
    for grids in (
        [],
        [ConditionalSampleGrid([[0.0]], folder=tmp_path, num_examples=2)],
    ):
        gan = make_gan(rate=0.1)
        gan.fit(
            np.zeros((8, 1)), images(), epochs=2, verbose=0, callbacks=grids
        )
        weights.append(gan.get_weights())
    for a, b in zip(*weights, strict=True):
        np.testing.assert_array_equal(a, b)
    before = shown(grids[0].draw(gan))
    gan.generator.set_weights(
        [np.zeros_like(w) for w in gan.generator.get_weights()]
    )
    assert shown(grids[0].draw(gan)) == before


def test_raw_conditions_are_preprocessed(tmp_path):
    gan = make_gan(
        condition="kind",
        target="image",
        preprocessors={"kind": keras.layers.Rescaling(0.5)},
    )
    grid = ConditionalSampleGrid(
        [[1.0]], folder=tmp_path, num_examples=2, value_range=(-1, 1)
    )
    x = {"kind": np.zeros((8, 1), "float32"), "image": images()}
    gan.fit(x, verbose=0, callbacks=[grid])
    noise = np.asarray(gan.sample_latents(2, seed=0))[:, 0]
    found = rows(grid.draw(gan), 1)[0, 1:].astype(float)
    np.testing.assert_allclose(found, np.tanh(noise + 1.5) / 2 + 0.5, rtol=1e-5)


@pytest.mark.parametrize(
    ("arguments", "error", "match"),
    [
        ({"num_examples": 0}, ValueError, "`num_examples` must be a positive"),
        ({"seed": None}, TypeError, "`seed` must be an integer"),
        ({"data": []}, ValueError, "`data` must .* at least one"),
        ({"row_titles": [1, 2]}, TypeError, "`row_titles` must be a sequence"),
        ({"row_titles": ["a"]}, ValueError, "`row_titles` .* 1 for 2 rows"),
        (
            {"data": None, "row_titles": ["a", "b"]},
            ValueError,
            "`row_titles` .* 2 for 1 rows",
        ),
        ({"value_range": (1, 1)}, ValueError, "`value_range` must be a pair"),
        ({"value_range": 3}, TypeError, "`value_range` must be a pair"),
    ],
)
def test_bad_arguments(tmp_path, arguments, error, match):
    with pytest.raises(error, match=match):
        ConditionalSampleGrid(
            **{"data": [0, 1], "folder": tmp_path, **arguments}
        )


def test_a_model_that_does_not_fit_is_refused_before_training(tmp_path):
    gan = make_gan()
    with pytest.raises(ValueError, match="`condition` must be given exactly"):
        gan.fit(
            np.zeros((8, 1)),
            images(),
            verbose=0,
            callbacks=[ConditionalSampleGrid(folder=tmp_path / "pictures")],
        )
    assert int(gan.step) == 0
    assert not (tmp_path / "pictures").exists()
