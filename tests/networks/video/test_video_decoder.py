import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_xmodal import VAEModel, likelihoods
from keras_xmodal.networks import VideoDecoder, VideoEncoder
from tests.helpers import assert_close
from tests.networks.check_network import check_network


@pytest.fixture
def latents():
    rng = np.random.default_rng(0)
    return rng.standard_normal((3, 5)).astype("float32")


def test_decoder(latents, tmp_path):
    kwargs = {
        "num_frames": 5,
        "image_size": (6, 10),
        "channels": 6,
        "filters": (8, 6),
        "num_blocks": 1,
        "linear_path": True,
        "name": "clips",
    }
    check_network(VideoDecoder, kwargs, (latents,), (3, 5, 6, 10, 6), tmp_path)


def test_convolutions_alone_and_odd_sizes(latents):
    kwargs = {"channels": 1, "filters": (6, 4), "linear_path": False}
    decoder = VideoDecoder(3, (7, 9), **kwargs)
    assert decoder(latents).shape == (3, 3, 7, 9, 1)
    # The grid is the smallest that stages of twice its size cover.
    assert decoder.network.get_layer("grid").units == 6 * 1 * 2 * 3


def test_linear_path_alone_is_an_affine_map(latents):
    decoder = VideoDecoder(2, (2, 3), channels=1, filters=())
    outputs = decoder(latents)
    assert_close(outputs, np.zeros((3, 2, 2, 3, 1), "float32"), atol=0)
    rng = np.random.default_rng(1)
    kernel, bias = rng.standard_normal((5, 12)), rng.standard_normal(12)
    decoder.set_weights([kernel, bias])
    expected = (latents @ kernel + bias).reshape(3, 2, 2, 3, 1)
    assert_close(decoder(latents), expected.astype("float32"), atol=1e-5)


def test_a_clip_does_not_see_the_others_of_its_batch(latents):
    decoder = VideoDecoder(4, (8, 8), filters=(8, 8), num_blocks=1)
    whole = decoder(latents, training=True).numpy()
    for index in range(3):
        alone = decoder(latents[index : index + 1], training=True)
        assert_close(alone, whole[index : index + 1], atol=1e-5)


def test_training_draws_the_clips(latents):
    """Three latents, three clips: far below the clips' variance."""
    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    clips = tf.constant(rng.random((3, 2, 4, 4, 1)) > 0.5, "float32")
    decoder = VideoDecoder(2, (4, 4), channels=1, filters=(8,))
    decoder.compile(keras.optimizers.Adam(0.02), loss="mse")
    decoder.fit(latents, clips, epochs=40, batch_size=3, verbose=0)
    assert np.mean(np.square(decoder(latents) - clips)) < 0.05  # 0.25 at first


@pytest.mark.parametrize(
    "likelihood",
    [
        likelihoods.Bernoulli(),
        likelihoods.Normal(),
        likelihoods.DiscretizedLogistic(),
    ],
    ids=lambda likelihood: type(likelihood).__name__,
)
def test_parameters_fit_a_likelihood(likelihood, latents):
    clips = np.random.default_rng(0).random((3, 2, 4, 4, 3)).round()
    channels = likelihood.parameter_shape((2, 4, 4, 3))[-1]
    decoder = VideoDecoder(2, (4, 4), channels=channels, filters=(4,))
    log_probs = likelihood.log_prob(clips, decoder(latents))
    assert log_probs.shape == (3,)
    assert np.isfinite(log_probs).all()


def test_vae_of_clips():
    """Training on clips that are all alike explains them better and better."""
    keras.utils.set_random_seed(0)
    clips = np.random.default_rng(0).random((1, 2, 4, 4, 3)).round()
    clips = np.repeat(clips, 8, axis=0)
    encoder = VideoEncoder(
        2, (4, 4), filters=(4,), hidden_dim=4, num_layers=1, num_heads=1
    )
    model = VAEModel(
        latent_dim=2,
        encoders={"video": encoder},
        decoders={"video": VideoDecoder(2, (4, 4), filters=(4,))},
        likelihoods={"video": likelihoods.Bernoulli()},
    )
    model.compile(keras.optimizers.Adam(0.02), run_eagerly=True)
    history = model.fit({"video": clips}, epochs=5, batch_size=8, verbose=0)
    losses = history.history["loss"]
    assert np.isfinite(losses).all()
    assert losses[-1] < losses[0]
    assert model.generate(3)["video"].shape == (3, 2, 4, 4, 3)


@pytest.mark.parametrize(
    ("kwargs", "match"),
    [
        ({"num_frames": 0}, "`num_frames` must be a positive"),
        ({"image_size": (32,)}, "`image_size` must be a pair"),
        ({"image_size": (32, 0)}, "`image_size` must be a pair"),
        ({"channels": 0}, "`channels` must be"),
        ({"filters": (8, 0)}, "`filters` must be"),
        ({"filters": (), "linear_path": False}, "`filters` must not be empty"),
        ({"num_blocks": -1}, "`num_blocks` must be"),
    ],
)
def test_wrong_arguments(kwargs, match):
    with pytest.raises(ValueError, match=match):
        VideoDecoder(**kwargs)


def test_wrong_rank():
    with pytest.raises(ValueError, match="`inputs` must have shape"):
        VideoDecoder()(np.zeros((2, 3, 4), "float32"))
