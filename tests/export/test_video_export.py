import numpy as np
import pytest
import tensorflow as tf

import keras_xmodal as kx
from keras_xmodal.datasets import read_video, write_gif


@pytest.fixture
def files(tmp_path):
    """GIF files of different lengths and sizes."""
    rng = np.random.default_rng(0)
    contents = []
    for length, height, width in [(2, 8, 12), (7, 10, 9), (1, 8, 8)]:
        frames = rng.integers(0, 256, (length, height, width, 3))
        write_gif(tmp_path / "clip.gif", frames)
        contents.append((tmp_path / "clip.gif").read_bytes())
    return contents


def test_served_model_takes_the_bytes_of_clips(files, tmp_path):
    encoder = kx.networks.VideoEncoder(
        4, (8, 8), filters=(4, 8), hidden_dim=8, num_layers=1, num_heads=2
    )
    preprocessor = kx.networks.VideoPreprocessor(4, (8, 8))
    model = kx.EmbeddingModel(
        encoders={"video": encoder},
        embedding_dim=5,
        preprocessors={"video": preprocessor},
    )
    path = tmp_path / "clips" / "1"
    report = kx.export.saved_model(
        model, path, evaluation=({"video": files}, np.arange(3))
    )
    assert set(report["endpoints"]) == {"embed_video", "embed_video_bytes"}
    assert report["max_abs_error"] < 1e-5

    clips = [preprocessor(read_video(content)) for content in files]
    expected = model({"video": tf.stack(clips)})["video"]
    signatures = tf.saved_model.load(str(path)).signatures
    served = signatures["embed_video_bytes"](video=tf.constant(files))
    np.testing.assert_allclose(served["embedding"], expected, atol=1e-5)
