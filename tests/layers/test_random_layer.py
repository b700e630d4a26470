"""What is loaded draws on as what was saved would have."""

import pathlib

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_xmodal as kx
from keras_xmodal.layers.random_layer import RandomLayer
from keras_xmodal.ops.noise import Noise

RNG = np.random.default_rng(0)
IMAGES = RNG.random((4, 16, 16, 3), "float32")
RANDOM = {
    "ImageAugmentation": (kx.layers.ImageAugmentation, IMAGES),
    "VideoAugmentation": (kx.layers.VideoAugmentation, IMAGES[:, None]),
    "SpecAugment": (kx.layers.SpecAugment, IMAGES[..., 0]),
    "SpeechAugmentation": (kx.layers.SpeechAugmentation, IMAGES[:, 0, :, 0]),
    "GumbelSoftmax": (kx.layers.GumbelSoftmax, IMAGES),
}


@pytest.mark.parametrize("seed", [3, None])
@pytest.mark.parametrize("name", RANDOM)
def test_a_loaded_layer_goes_on(name, seed, tmp_path):
    cls, x = RANDOM[name]
    kwargs = {"max_frequency_mask": 4} if name == "SpecAugment" else {}
    model = keras.Sequential([keras.Input(x.shape[1:])])
    model.add(cls(seed=seed, **kwargs))
    for _ in range(2):
        before = model(x, training=True)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    expected = model(x, training=True)
    assert np.any(before != expected)
    np.testing.assert_array_equal(loaded(x, training=True), expected)


@pytest.mark.parametrize("seed", [3, None])
@pytest.mark.parametrize("name", ["GaussianSampling", "MixtureOfExperts"])
def test_a_loaded_sampler_goes_on(name, seed, tmp_path):
    inputs = [keras.Input((8,)) for _ in range(4)]
    layer = getattr(kx.layers, name)(seed=seed)
    outputs = (
        layer(inputs[:2])
        if name == "GaussianSampling"
        else layer(inputs[:2], inputs[2:])
    )
    model = keras.Model(inputs, outputs)
    x = list(RNG.standard_normal((4, 64, 8)).astype("float32"))
    model(x)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    for actual, expected in zip(
        keras.tree.flatten(loaded(x)), keras.tree.flatten(model(x)), strict=True
    ):
        np.testing.assert_array_equal(actual, expected)


def test_a_loaded_text_decoder_drops_the_tokens_it_would_have(tmp_path):
    decoder = kx.networks.TextDecoder(9, 5, dropout=0.0, token_dropout=0.5)
    z, tokens = IMAGES[:, 0, :, 0], np.ones((4, 5), "int32")
    decoder(z, tokens, training=True)
    decoder.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    expected = decoder(z, tokens, training=True)
    np.testing.assert_array_equal(loaded(z, tokens, training=True), expected)


def test_an_interrupted_training_is_an_uninterrupted_one(tmp_path):
    """With augmentation of raw data, in a model that is saved."""

    def make_model():
        keras.utils.set_random_seed(1)
        augmentation = kx.layers.ImageAugmentation(seed=2)
        model = kx.EmbeddingModel(
            encoders={
                "image": keras.layers.Flatten(),
                "text": keras.layers.Identity(),
            },
            preprocessors={
                "image": kx.networks.ImagePreprocessor((16, 16), augmentation)
            },
            embedding_dim=4,
        )
        model.compile(keras.optimizers.Adam(0.01))
        return model

    text = RNG.standard_normal((4, 6)).astype("float32")
    x = {"image": (255 * IMAGES).astype("uint8"), "text": text}

    def losses(model):
        images = model.preprocessors["image"](x["image"], training=True)
        batch = {"image": images, "text": text}
        return model.fit(batch, verbose=0).history["loss"]

    model = make_model()
    expected = [losses(model) for _ in range(4)]
    model = make_model()
    actual = [losses(model) for _ in range(2)]
    model.save(tmp_path / "model.keras")
    model = keras.saving.load_model(tmp_path / "model.keras")
    actual += [losses(model) for _ in range(2)]
    assert actual == expected


def test_noise_of_rows_is_that_of_seed_and_step():
    class Layer(RandomLayer):
        pass

    layer = Layer(seed=5)
    for step in range(2):
        noise = layer.noise_of_rows(3).normal((3, 2))
        by_hand = Noise(5, step).rows(3).normal((3, 2))
        np.testing.assert_array_equal(noise, by_hand)


def test_layers_of_replicas_draw_what_one_device_would():
    strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    with strategy.scope():
        layer = kx.layers.GumbelSoftmax(seed=1)
        layer.build((None, 5))
    x = np.zeros((4, 5), "float32")
    parts = strategy.experimental_distribute_values_from_function(
        lambda context: tf.constant(
            x[2 * context.replica_id_in_sync_group :][:2]
        )
    )
    outputs = strategy.run(lambda part: layer(part, training=True), (parts,))
    outputs = np.concatenate(strategy.experimental_local_results(outputs))
    alone = kx.layers.GumbelSoftmax(seed=1)(x, training=True)
    np.testing.assert_array_equal(outputs, alone)


def test_no_generator_is_left_unsaved():
    package = pathlib.Path(kx.__file__).parent
    files = [
        p for p in package.rglob("*.py") if "SeedGenerator(" in p.read_text()
    ]
    assert files
    for path in files:
        if "random.SeedGenerator(" in path.read_text():
            assert "(SavedSeedGenerator, " in path.read_text(), path
