"""Data of callbacks is raw, as that of `fit`, or says that it is not."""

import keras
import numpy as np
import pytest

import keras_xmodal as kx
from keras_xmodal import callbacks


def data():
    rng = np.random.default_rng(0)
    return {
        "a": rng.normal(size=(12, 6)).astype("float32"),
        "b": rng.normal(size=(12, 4)).astype("float32"),
    }


@pytest.fixture(scope="module")
def vae():
    keras.utils.set_random_seed(0)
    return kx.VAEModel(
        {"a": 6, "b": 4}, 3, preprocessors={"a": keras.layers.Rescaling(-9.0)}
    )


def points(figure):
    return np.concatenate(
        [
            np.asarray(c.get_offsets())
            for axes in figure.axes
            for c in axes.collections
        ]
    )


def translations(figure):
    """Of the columns a, a → b, b and b → a, those of the translations."""
    cells = [axes.images[0].get_array() for axes in figure.axes]
    return np.concatenate([*cells[1::4], *cells[3::4]], axis=1)


MEASURES = {
    "LatentEvaluation": lambda x, model, folder: list(
        callbacks.LatentEvaluation(x).evaluate(model).values()
    ),
    "LatentPlot": lambda x, model, folder: points(
        callbacks.LatentPlot(x, folder=folder).draw(model)
    ),
    "TranslationGrid": lambda x, model, folder: translations(
        callbacks.TranslationGrid(x, folder=folder).draw(model)
    ),
}


@pytest.mark.parametrize("name", MEASURES)
def test_of_a_vae(vae, name, tmp_path):
    raw = data()
    expected = MEASURES[name](raw, vae, tmp_path)
    found = MEASURES[name](vae.preprocess(raw), vae, tmp_path)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    # As it is, it would be something else.
    wrong = MEASURES[name](kx.models.Preprocessed(raw), vae, tmp_path)
    assert not np.allclose(wrong, expected, rtol=1e-2, atol=1e-2)


def test_of_an_embedding_model():
    keras.utils.set_random_seed(0)
    raw = data()
    model = kx.EmbeddingModel(
        {"a": 6, "b": 4}, 3, preprocessors={"a": keras.layers.Rescaling(-1.0)}
    )
    found = [
        callbacks.RetrievalEvaluation(x).evaluate(model)
        for x in (raw, model.preprocess(raw), kx.models.Preprocessed(raw))
    ]
    assert found[0] == pytest.approx(found[1], rel=1e-5)
    assert found[0] != pytest.approx(found[2], rel=1e-2)


@pytest.mark.parametrize("x", [3.0, np.zeros((0, 4))])
def test_data_without_an_example_is_refused(x, tmp_path):
    with pytest.raises(
        ValueError, match=r"`data` must .* at least one example"
    ):
        callbacks.LatentPlot(x, folder=tmp_path)
    with pytest.raises(
        ValueError, match=r"`data` must .* at least one example"
    ):
        callbacks.LatentEvaluation(x)
