import numpy as np
import tensorflow as tf

import keras_xmodal as kx
from keras_xmodal.demo import figures


def test_figures_are_pictures_of_some_size(tmp_path):
    model = kx.EmbeddingModel({"image": 12, "text": 12}, 4)
    rng = np.random.default_rng(0)

    class Flat:
        """Encodes pictures and words by their position in the data."""

        def encode(self, x, batch_size):
            x = {n: rng.random((len(v), 12), "float32") for n, v in x.items()}
            return model.encode(x, batch_size=batch_size)

    data = {
        "id": np.arange(9),
        "image": rng.integers(256, size=(9, 8, 8, 3), dtype="uint8"),
        "text": [f"name {i}" for i in range(9)],
    }
    figures.draw_retrieval(Flat(), data, tmp_path / "a.png", num_queries=2)
    figures.draw_training(
        {"loss": [3.0, 2.0], "test_style_image_to_text_R@1": [0.1]},
        tmp_path / "b.png",
    )
    for name in ("a.png", "b.png"):
        image = tf.io.decode_png((tmp_path / name).read_bytes(), channels=3)
        assert image.shape[0] > 100
        assert len(np.unique(image)) > 50
