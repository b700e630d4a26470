import keras
import numpy as np
import pytest

import keras_xmodal as kx
from keras_xmodal.callbacks import TranslationGrid
from tests.callbacks.fake_generator import FakeGenerator, to_text
from tests.callbacks.test_sample_grid import shown


def data(examples=6):
    gray = np.round(np.linspace(0.05, 0.95, examples), 2)
    return {
        "image": np.ones((examples, 4, 4, 1)) * gray[:, None, None, None],
        "text": gray[:, None],
    }, gray


def test_columns_are_sources_and_their_translations(tmp_path):
    x, gray = data()
    model = FakeGenerator()
    grid = TranslationGrid(
        x, folder=tmp_path, num_examples=3, to_text={"text": to_text}
    )
    figure = grid.draw(model)
    assert [axes.get_title() for axes in figure.axes[:4]] == [
        "image",
        "image → text",
        "text",
        "text → image",
    ]
    rows = np.array(shown(figure), object).reshape(3, 4)
    np.testing.assert_allclose(rows[:, 0].astype(float), gray[:3], rtol=1e-6)
    assert list(rows[:, 1]) == [f"word {int(10 - 10 * g)}" for g in gray[:3]]
    assert list(rows[:, 2]) == [f"word {g}" for g in gray[:3]]
    np.testing.assert_allclose(
        rows[:, 3].astype(float), 1 - gray[:3], rtol=1e-6
    )
    assert model.calls == [
        (("image",), "text", "mode"),
        (("text",), "image", "mean"),
    ]


def test_one_source_and_fewer_examples_than_rows(tmp_path):
    x, _ = data(2)
    grid = TranslationGrid({"image": x["image"]}, folder=tmp_path)
    figure = grid.draw(FakeGenerator())
    assert len(figure.axes) == 2 * 2


def test_what_cannot_be_generated_has_no_column(tmp_path):
    model = FakeGenerator()
    model.generated = ("text",)
    figure = TranslationGrid(data()[0], folder=tmp_path, num_examples=1).draw(
        model
    )
    assert [axes.get_title() for axes in figure.axes] == [
        "image",
        "image → text",
        "text",
    ]


def test_fit_writes_the_files(tmp_path):
    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    x = {"a": rng.normal(size=(8, 6)), "b": rng.normal(size=(8, 4))}
    model = kx.VAEModel({"a": 6, "b": 4}, 3)
    model.compile(keras.optimizers.SGD(0.1), run_eagerly=True)
    grid = TranslationGrid(x, folder=tmp_path, num_examples=2)
    model.fit(x, epochs=2, verbose=0, callbacks=[grid])
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "translations_0001.png",
        "translations_0002.png",
    ]
    # Four columns, of which the second is what `translate` gives, scaled.
    image = grid.draw(model).axes[1].images[0].get_array()
    b = model.translate({"a": x["a"][:2]}, "b")
    expected = (b[0] - b.min()) / (b.max() - b.min())
    np.testing.assert_allclose(image[0], expected, atol=1e-4)


def test_bad_arguments(tmp_path):
    x, _ = data()
    with pytest.raises(TypeError, match="`data` must be a dict"):
        TranslationGrid(x["image"], folder=tmp_path)
    with pytest.raises(ValueError, match="equally many"):
        TranslationGrid({**x, "text": x["text"][:2]}, folder=tmp_path)
    with pytest.raises(ValueError, match="`num_examples` must be a positive"):
        TranslationGrid(x, folder=tmp_path, num_examples=0)


def test_an_unknown_modality_is_found_before_training(tmp_path):
    model = kx.VAEModel({"a": 6, "b": 4}, 3)
    model.compile("adam")
    x = {"a": np.zeros((8, 6)), "b": np.zeros((8, 4))}
    grid = TranslationGrid({"c": x["a"]}, folder=tmp_path / "pictures")
    with pytest.raises(ValueError, match=r"of \['a', 'b'\].*keys \['c'\]"):
        model.fit(x, verbose=0, callbacks=[grid])
    assert not (tmp_path / "pictures").exists()
