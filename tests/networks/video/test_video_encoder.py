import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_xmodal import EmbeddingModel
from keras_xmodal.networks import TextEncoder, VideoEncoder
from tests.helpers import assert_close
from tests.networks.check_network import check_network

SMALL = {
    "num_frames": 4,
    "image_size": (8, 12),
    "filters": (8, 12),
    "hidden_dim": 16,
    "num_layers": 1,
    "num_heads": 2,
    "dropout": 0.0,
}


@pytest.fixture
def clips():
    rng = np.random.default_rng(0)
    return rng.random((3, 4, 8, 12, 3)).astype("float32")


def test_encoder(clips, tmp_path):
    encoder = check_network(
        VideoEncoder,
        {
            **SMALL,
            "num_blocks": 1,
            "intermediate_dim": 24,
            "output_dim": 5,
            "dropout": 0.2,
            "name": "clips",
        },
        clips,
        (3, 5),
        tmp_path,
    )
    assert encoder.name == "clips"


def test_default_is_small():
    encoder = VideoEncoder()
    assert encoder.count_params() < 500_000
    assert encoder.output_shape == (None, 128)


def test_order_of_the_frames_matters(clips):
    encoder = VideoEncoder(**SMALL)
    features = encoder(clips).numpy()
    reversed_features = encoder(clips[:, ::-1]).numpy()
    assert np.abs(features - reversed_features).max(axis=1).min() > 0.05


def test_a_clip_does_not_see_the_others_of_its_batch(clips):
    encoder = VideoEncoder(**SMALL)
    whole = encoder(clips, training=True).numpy()
    for index in range(3):
        alone = encoder(clips[index : index + 1], training=True)
        assert_close(alone, whole[index : index + 1], atol=1e-5)


def test_mask(clips):
    encoder = VideoEncoder(**SMALL)
    features = encoder(clips).numpy()
    mask = np.array([[True] * 4, [True] * 3 + [False], [False] * 4])
    masked = encoder(clips, mask=mask).numpy()
    assert_close(masked[0], features[0], atol=1e-6)
    assert np.abs(masked[1] - features[1]).max() > 0.01
    assert_close(masked[2], np.zeros(16), atol=0)
    # Padding may hold anything.
    padded = np.where(mask[:, :, None, None, None], clips, np.float32(np.nan))
    assert_close(encoder(padded, mask=mask), masked, atol=1e-6)
    # The mask belongs to one call, not to the tensor.
    tensor = tf.constant(clips)
    encoder(tensor, mask=mask)
    assert_close(encoder(tensor), features, atol=1e-6)


def test_mask_in_graphs(clips, tmp_path):
    encoder = VideoEncoder(**SMALL)
    mask = np.array([[True] * 4, [True] * 3 + [False], [False] * 4])
    expected = encoder(clips, mask=mask)
    inputs = keras.Input((4, 8, 12, 3)), keras.Input((4,), dtype="bool")
    model = keras.Model(inputs, encoder(inputs[0], mask=inputs[1]))
    assert_close(model([clips, mask]), expected, atol=1e-6)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert_close(loaded([clips, mask]), expected, atol=1e-6)
    jitted = tf.function(lambda x, m: encoder(x, mask=m), jit_compile=True)
    assert_close(jitted(clips, tf.constant(mask)), expected, atol=2e-5)


def left_or_right(num_clips, seed):
    """Bars that go round, left or right: the same frames in another order."""
    rng = np.random.default_rng(seed)
    label = np.arange(num_clips) % 2
    step = np.where(label, 2, -2)[:, None] * np.arange(4)
    column = (rng.integers(8, size=(num_clips, 1)) + step) % 8
    row = rng.integers(7, size=num_clips)
    clips = np.ones((num_clips, 4, 8, 8, 3), "float32")
    for clip, top, columns in zip(clips, row, column, strict=True):
        color = 0.7 * rng.random(3)
        for frame, left in zip(clip, columns, strict=True):
            frame[top : top + 2, left] = color
    return clips, label


@pytest.mark.large
def test_training_tells_left_from_right_and_one_frame_does_not():
    accuracy = {}
    for num_frames in (4, 1):
        keras.utils.set_random_seed(0)
        encoder = VideoEncoder(
            **{**SMALL, "num_frames": num_frames, "image_size": (8, 8)}
        )
        model = keras.Sequential([encoder, keras.layers.Dense(2)])
        model.compile(
            keras.optimizers.Adam(3e-3),
            keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            metrics=["accuracy"],
        )
        x, y = left_or_right(256, seed=0)
        model.fit(x[:, :num_frames], y, epochs=12, verbose=0)
        x, y = left_or_right(256, seed=1)
        _, accuracy[num_frames] = model.evaluate(
            x[:, :num_frames], y, verbose=0
        )
    assert accuracy[4] > 0.95
    assert 0.35 < accuracy[1] < 0.65


def test_embedding_model_of_clips_and_captions(clips):
    model = EmbeddingModel(
        encoders={"video": VideoEncoder(**SMALL), "text": TextEncoder(20, 8)},
        embedding_dim=6,
    )
    model.compile("adam", run_eagerly=True)
    x = {"video": clips, "text": np.array([[3, 4], [5, 6], [7, 8]])}
    history = model.fit(x, np.arange(3), epochs=2, verbose=0)
    assert np.isfinite(history.history["loss"]).all()
    assert model({"video": clips})["video"].shape == (3, 6)


@pytest.mark.parametrize(
    ("kwargs", "match"),
    [
        ({"num_frames": 0}, "`num_frames` must be a positive"),
        ({"image_size": (32,)}, "`image_size` must be a pair"),
        ({"image_size": (32, 0)}, "`image_size` must be a pair"),
        ({"filters": (8, 0)}, "`filters` must be a tuple of"),
        ({"filters": ()}, "`filters` must be a tuple of"),
        ({"num_blocks": -1}, "`num_blocks` must be"),
        ({"hidden_dim": 0}, "`hidden_dim` must be"),
        ({"hidden_dim": 30}, "`hidden_dim` must be a multiple"),
        ({"num_layers": 0}, "`num_layers` must be"),
        ({"num_heads": 0}, "`num_heads` must be"),
        ({"intermediate_dim": 0}, "`intermediate_dim` must be"),
        ({"output_dim": 0}, "`output_dim` must be"),
        ({"dropout": 1.0}, "`dropout` must be"),
    ],
)
def test_wrong_arguments(kwargs, match):
    with pytest.raises(ValueError, match=match):
        VideoEncoder(**kwargs)
