"""Functions of raw examples: compiled once, fresh when a model changes."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_xmodal as kx

RNG = np.random.default_rng(0)
TEXTS = np.array(["red apple", "green tree", "blue sky", "yellow sun"])
IMAGES = RNG.integers(0, 256, (4, 9, 9, 3), "uint8")


def preprocessors():
    text = kx.networks.TextPreprocessor(sequence_length=4)
    text.adapt(TEXTS)
    return {"image": kx.networks.ImagePreprocessor((8, 8)), "text": text}


def text_encoder():
    return keras.Sequential(
        [
            keras.Input((4,), dtype="int32"),
            keras.layers.Embedding(20, 6),
            keras.layers.GlobalAveragePooling1D(),
        ]
    )


def image_encoder():
    return keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Flatten()])


def encoders():
    return {"image": image_encoder(), "text": text_encoder()}


def embedding_model():
    return kx.EmbeddingModel(
        encoders=encoders(), embedding_dim=4, preprocessors=preprocessors()
    )


def vae_model():
    pixels = [keras.layers.Dense(192), keras.layers.Reshape((8, 8, 3))]
    return kx.VAEModel(
        latent_dim=2,
        encoders=encoders(),
        decoders={"image": keras.Sequential(pixels)},
        objective=kx.objectives.CVAE("image"),
        preprocessors=preprocessors(),
    )


@pytest.fixture
def traced(monkeypatch):
    """How often TensorFlow traces a function that a model compiles."""
    names = []
    function = tf.function

    def counting(python_function=None, **kwargs):
        if python_function is None:
            return lambda f: counting(f, **kwargs)

        def traced(*args):
            names.append(python_function.__name__)
            return python_function(*args)

        return function(traced, **kwargs)

    monkeypatch.setattr(tf, "function", counting)
    return names


def uses():
    """Uses of the models on any number of raw texts or pictures."""
    model = embedding_model()
    model({"image": np.ones((1, 8, 8, 3)), "text": np.ones((1, 4), "int32")})
    yield "text", lambda rows: model.encode(TEXTS[rows], "text")
    yield "image", lambda rows: model.encode({"image": IMAGES[rows]})

    index = kx.retrieval.ExactIndex(model)
    index.add({"image": IMAGES}, ids=range(4))
    yield "search", lambda rows: index.search({"text": TEXTS[rows]}, k=2)

    vae = vae_model()
    vae.predict_on_batch({"image": IMAGES, "text": TEXTS})
    yield (
        "translate",
        lambda rows: vae.translate({"text": TEXTS[rows]}, "image"),
    )

    gan = kx.GANModel(
        generator=joined(3),
        discriminator=joined(1),
        condition_encoder=text_encoder(),
        condition="text",
        target="vector",
        latent_dim=2,
        preprocessors={"text": preprocessors()["text"]},
    )
    yield "generate", lambda rows: gan.generate(TEXTS[rows], seed=0)


def joined(units):
    first, second = keras.Input((2 if units == 3 else 3,)), keras.Input((6,))
    x = keras.layers.Concatenate()([first, second])
    return keras.Model([first, second], keras.layers.Dense(units)(x))


def test_no_retracing_over_batches_of_all_sizes(traced):
    for name, use in uses():
        use(np.arange(2))
        before = len(traced)
        for size in RNG.integers(1, 30, 200):
            use(RNG.integers(0, 4, size))
        assert len(traced) == before, name


def test_pictures_of_all_sizes_take_two_traces(traced):
    model = embedding_model()
    for height, width in RNG.integers(4, 20, (30, 2)):
        model.encode(np.zeros((1, height, width, 3), "uint8"), "image")
    assert len(traced) <= 3


def test_rows_do_not_depend_on_the_batch_size():
    model = embedding_model()
    x = {"text": TEXTS, "image": IMAGES}
    for name, value in model.encode(x).items():
        for batch_size in (1, 3, 4, 100):
            again = model.encode(x, batch_size=batch_size)[name]
            np.testing.assert_allclose(value, again, atol=1e-6)


def test_preprocessor_that_adapts_again_is_read_again():
    model = embedding_model()
    first = model.encode(TEXTS, "text")
    model.preprocessors["text"].adapt(TEXTS[2:])
    second = model.encode(TEXTS, "text")
    ids = model.preprocess({"text": TEXTS})["text"]
    expected = model.predict_on_batch(kx.models.Preprocessed(text=ids))["text"]
    np.testing.assert_allclose(second, expected, atol=1e-6)
    assert np.abs(first - second).max() > 1e-3


def test_adapters_count_once_the_model_is_compiled_again():
    model = embedding_model()
    first = model.encode(TEXTS, "text")
    embedding = model.encoders["text"].layers[0]
    embedding.enable_lora(2)
    embedding.lora_embeddings_b.assign(np.ones((2, 6)))
    model.compile("adam")
    expected = model.predict_on_batch({"text": TEXTS})["text"]
    second = model.encode(TEXTS, "text")
    np.testing.assert_allclose(second, expected, atol=1e-6)
    assert np.abs(first - second).max() > 1e-3


def test_prepared_examples_are_not_prepared_again():
    model = embedding_model()
    x = model.preprocess({"image": IMAGES})
    raw, prepared = (model.encode(x)["image"] for x in ({"image": IMAGES}, x))
    np.testing.assert_allclose(raw, prepared, atol=1e-6)


def test_bad_examples_behind_the_first_are_told_as_the_first():
    """A graph checks them; the error is that of eager TensorFlow."""
    model = embedding_model()
    pictures = np.zeros((70, 9, 9, 3), "float32")
    pictures[65] = 255.0
    with pytest.raises(ValueError, match=r"Received: .*255"):
        model.encode(pictures, "image", batch_size=64)


def test_noise_does_not_depend_on_the_batch_size():
    x = {"image": RNG.normal(size=(7, 6)), "text": RNG.normal(size=(7, 5))}
    model = kx.VAEModel({"image": 6, "text": 5}, 3, seed=0)
    model.predict_on_batch(x)
    options = {"latent": "sample", "output": "sample"}
    uses = {
        "encode": lambda size: model.encode(
            x, output="sample", seed=1, batch_size=size
        ),
        "translate": lambda size: model.translate(
            {"image": x["image"]}, "text", **options, seed=1, batch_size=size
        ),
        "generate": lambda size: model.generate(
            7, "sample", seed=1, batch_size=size
        )["text"],
        "log_likelihood": lambda size: model.log_likelihood(
            x, 3, seed=1, batch_size=size
        ),
    }
    for name, use in uses.items():
        np.testing.assert_allclose(use(7), use(2), atol=1e-5, err_msg=name)
