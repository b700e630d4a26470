"""Pictures of what queries find."""

import numpy as np
import pytest
import tensorflow as tf

import keras_xmodal as kx
from keras_xmodal.callbacks import RetrievalGrid

X = {"image": np.eye(6), "text": np.eye(6)}
IDS = np.arange(6)


@pytest.fixture(scope="module")
def model():
    """Finds for each query its own candidate, then the next one."""
    model = kx.EmbeddingModel({"image": 6, "text": 6}, 6)
    model.compile("sgd", run_eagerly=True)
    model.encode(X)
    kernel = np.eye(6) + 0.5 * np.roll(np.eye(6), 1, axis=1)
    for name in X:
        model.projections[name].set_weights([kernel, np.zeros(6)])
    return model


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_pictures_of_each_epoch(model, tmp_path):
    grid = RetrievalGrid((X, IDS), "text", "image", folder=tmp_path)
    other = RetrievalGrid((X, IDS), "image", "text", folder=tmp_path)
    model.optimizer.learning_rate = 0.0
    model.fit(X, IDS, epochs=2, verbose=0, callbacks=[grid, other])
    assert names(tmp_path) == [
        f"{title}_000{epoch}.png"
        for title in ("image_to_text", "text_to_image")
        for epoch in (1, 2)
    ]
    picture = (tmp_path / "text_to_image_0001.png").read_bytes()
    assert picture == (tmp_path / "text_to_image_0002.png").read_bytes()
    assert min(tf.io.decode_png(picture).shape[:2]) > 400


def test_queries_are_those_with_an_answer(model, tmp_path):
    weights = {"image": np.array([1, 1, 0, 0, 1, 1]), "text": np.ones(6)}
    x = {name: np.repeat(values, 2, axis=0) for name, values in X.items()}
    weights = {name: np.repeat(w, 2) for name, w in weights.items()}
    data = tf.data.Dataset.from_tensor_slices((x, np.repeat(IDS, 2), weights))
    grid = RetrievalGrid(data.batch(5), "text", "image", folder=tmp_path, k=9)
    figure = grid.draw(model)
    # Four queries, four candidates: each row once.
    assert len(figure.axes) == 4 * (1 + 4)
    labels = [axes.get_ylabel() for axes in figure.axes]
    assert labels.count("rank 1") == 4
    grid = RetrievalGrid(data.batch(5), "text", "image", folder=tmp_path, k=2)
    grid.num_queries = 3
    chosen = []
    for seed in range(5):
        grid.seed = seed
        axes = grid.draw(model).axes[0]
        chosen.append(axes.images[0].get_array().tobytes())
    assert len(set(chosen)) > 1


def test_errors(model, tmp_path):
    data = (X, IDS)
    with pytest.raises(TypeError, match="`source` must be a string"):
        RetrievalGrid(data, 3, "image", folder=tmp_path)
    with pytest.raises(ValueError, match="`k` must be a positive integer"):
        RetrievalGrid(data, "text", "image", folder=tmp_path, k=0)
    with pytest.raises(TypeError, match="must yield batches"):
        RetrievalGrid(X["image"][0, 0], "text", "image", folder=tmp_path)
    grid = RetrievalGrid(data, "text", "sound", folder=tmp_path)
    with pytest.raises(ValueError, match="`target` must be one of"):
        model.fit(X, IDS, verbose=0, callbacks=[grid])
    weights = {"image": IDS < 3, "text": IDS >= 3}
    grid = RetrievalGrid((*data, weights), "text", "image", folder=tmp_path)
    with pytest.raises(ValueError, match="an id of both 'text' and 'image'"):
        grid.draw(model)
    grid = RetrievalGrid({"text": X["text"]}, "text", "image", folder=tmp_path)
    with pytest.raises(ValueError, match=r"rows of each of.*\['image'\]"):
        grid.draw(model)
