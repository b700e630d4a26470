import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_xmodal as kx
from keras_xmodal.callbacks import SampleGrid
from tests.callbacks.fake_generator import FakeGenerator, to_text


def shown(figure):
    """What each cell shows: a text, or the first value of a picture."""
    return [
        axes.texts[0].get_text()
        if axes.texts
        else float(np.asarray(axes.images[0].get_array()).ravel()[0])
        for axes in figure.axes
    ]


def test_a_column_is_an_example(tmp_path):
    model = FakeGenerator()
    grid = SampleGrid(
        folder=tmp_path, num_examples=5, seed=3, to_text={"text": to_text}
    )
    figure = grid.draw(model)
    gray = np.random.default_rng(3).random(5)
    np.testing.assert_allclose(shown(figure)[:5], gray, rtol=1e-6)
    assert shown(figure)[5:] == [f"word {int(g * 10)}" for g in gray]
    assert [a.get_ylabel() for a in figure.axes[::5]] == ["image", "text"]
    # Images by their mean, texts by their most probable tokens.
    assert sorted(model.calls) == [(5, "mean", 3), (5, "mode", 3)]


def test_probabilities_without_a_function_for_texts(tmp_path):
    model = FakeGenerator()
    figure = SampleGrid(folder=tmp_path, num_examples=2).draw(model)
    assert figure.axes[2].images[0].get_array().shape == (1, 10)
    assert model.calls == [(2, "mean", 0)]


@pytest.mark.parametrize("single", [False, True])
def test_fit_draws_the_same_latents_in_every_epoch(tmp_path, single):
    keras.utils.set_random_seed(0)
    model = kx.VAEModel(6, 3) if single else kx.VAEModel({"a": 6, "b": 4}, 3)
    model.compile(keras.optimizers.SGD(0.0))
    x = np.random.default_rng(0).normal(size=(8, 6)).astype("float32")
    x = x if single else {"a": x, "b": x[:, :4]}
    grid = SampleGrid(folder=tmp_path, num_examples=3)
    model.fit(x, epochs=2, verbose=0, callbacks=[grid])
    pictures = [
        tf.io.decode_png((tmp_path / f"samples_000{i}.png").read_bytes())
        for i in (1, 2)
    ]
    # Nothing was learned, and nothing else may differ.
    np.testing.assert_array_equal(*pictures)
    assert np.std(pictures[0]) > 10
    other = shown(
        SampleGrid(folder=tmp_path, num_examples=3, seed=1).draw(model)
    )
    assert other != shown(grid.draw(model))


def test_training_is_left_as_it_was(tmp_path):
    x = np.random.default_rng(0).normal(size=(8, 6)).astype("float32")
    weights = []
    for callbacks in ([], [SampleGrid(folder=tmp_path, num_examples=2)]):
        keras.utils.set_random_seed(0)
        model = kx.VAEModel({"a": 6, "b": 4}, 3)
        model.compile(keras.optimizers.SGD(0.1), run_eagerly=True)
        model.fit(
            {"a": x, "b": x[:, :4]}, epochs=2, verbose=0, callbacks=callbacks
        )
        weights.append(model.get_weights())
    for a, b in zip(*weights, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(
    ("arguments", "error", "match"),
    [
        ({"num_examples": 0}, ValueError, "`num_examples` must be a positive"),
        ({"seed": None}, TypeError, "`seed` must be an integer"),
        ({"seed": True}, TypeError, "`seed` must be an integer"),
    ],
)
def test_bad_arguments(tmp_path, arguments, error, match):
    with pytest.raises(error, match=match):
        SampleGrid(folder=tmp_path, **arguments)


def test_a_model_with_conditions_is_refused_before_training(tmp_path):
    model = kx.VAEModel(
        {"a": 6, "b": 4}, 3, objective=kx.objectives.CVAE(target="a")
    )
    model.compile("adam")
    x = {"a": np.zeros((8, 6)), "b": np.zeros((8, 4))}
    with pytest.raises(ValueError, match=r"\['a', 'b'\] that .* \['a'\]"):
        model.fit(
            x, verbose=0, callbacks=[SampleGrid(folder=tmp_path / "pictures")]
        )
    assert not (tmp_path / "pictures").exists()
