import numpy as np
import tensorflow as tf

import keras_xmodal as kx


def test_served_model_takes_the_bytes_of_recordings(tmp_path):
    """Without examples: recordings are made up for the comparison."""
    preprocessor = kx.networks.SpeechPreprocessor(duration=0.2)
    frames = preprocessor.num_frames
    model = kx.EmbeddingModel(
        encoders={
            "speech": kx.networks.SpeechEncoder(
                frames, filters=(4,), hidden_dim=8, num_layers=1, num_heads=2
            )
        },
        embedding_dim=5,
        preprocessors={"speech": preprocessor},
    )
    model({"speech": np.zeros((1, frames, 40))})
    path = tmp_path / "speech" / "1"
    report = kx.export.saved_model(model, path)
    assert set(report["endpoints"]) == {"embed_speech", "embed_speech_bytes"}
    assert report["max_abs_error"] < 1e-5

    tone = np.sin(np.arange(3000) / 5)
    kx.datasets.write_wav(tmp_path / "tone.wav", tone, 11_025)
    content = (tmp_path / "tone.wav").read_bytes()
    expected = model(model.preprocess({"speech": np.array([content], object)}))
    signatures = tf.saved_model.load(str(path)).signatures
    served = signatures["embed_speech_bytes"](speech=tf.constant([content]))
    np.testing.assert_allclose(
        served["embedding"], expected["speech"], atol=1e-5
    )
