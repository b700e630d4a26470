"""Texts as what a `GANModel` generates, as tokens and as embeddings."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter

import keras_xmodal as kx
from tests.helpers import assert_close, check_train_step

# Two names of each class.
NAMES = np.array(
    [
        ["zero", "null"],
        ["one", "eins"],
        ["two", "zwei"],
        ["three", "drei"],
        ["four", "vier"],
        ["five", "fünf"],
        ["six", "sechs"],
        ["seven", "sieben"],
        ["eight", "acht"],
        ["nine", "neun"],
    ]
).T
RNG = np.random.default_rng(0)
PROTOTYPES = RNG.standard_normal((10, 16)).astype("float32")
LENGTH = 8
TEXTS = kx.networks.TextPreprocessor(
    split="character", sequence_length=LENGTH, end_token=True
)
TEXTS.adapt(NAMES.ravel())


def noisy(labels, rng):
    """Conditions: a vector for each class, and noise."""
    noise = rng.standard_normal((len(labels), 16))
    return (PROTOTYPES[labels] + 0.3 * noise).astype("float32")


def make_data(num_examples, seed=0):
    rng = np.random.default_rng(seed)
    labels = rng.integers(10, size=num_examples)
    names = NAMES[rng.integers(2, size=num_examples), labels]
    return noisy(labels, rng), names


def to_one_hot(names):
    size = TEXTS.vocabulary_size()
    return keras.ops.one_hot(TEXTS(names), size, dtype="float32").numpy()


def to_names(one_hot):
    return np.array(TEXTS.detokenize(np.argmax(one_hot, axis=-1)))


def make_token_gan(
    filters=(16, 8), learning_rate=3e-3, run_eagerly=True, **kwargs
):
    keras.utils.set_random_seed(kwargs.get("seed", 0))
    z, condition = keras.Input((16,)), keras.Input((16,))
    logits = kx.networks.ConvGenerator(
        (LENGTH, TEXTS.vocabulary_size()), filters, activation=None
    )([z, condition])
    options = {"latent_dim": 16, "ema_momentum": 0.99, "seed": 0, **kwargs}
    gan = kx.GANModel(
        generator=keras.Model(
            [z, condition], kx.layers.GumbelSoftmax(seed=1)(logits)
        ),
        discriminator=kx.networks.ConvDiscriminator(filters[::-1]),
        **options,
    )
    gan.compile(
        keras.optimizers.Adam(learning_rate, beta_1=0.0, beta_2=0.99),
        keras.optimizers.Adam(learning_rate, beta_1=0.0, beta_2=0.99),
        run_eagerly=run_eagerly,
    )
    return gan


def evaluate(to_texts, generate):
    """Share of right names, and of classes of which both names are made."""
    labels = np.repeat(np.arange(10), 40)
    texts = to_texts(generate(noisy(labels, np.random.default_rng(1))))
    right = texts == NAMES[:, labels]  # (2, examples)
    shares = right.reshape(2, 10, 40).mean(axis=-1)
    return right.any(axis=0).mean(), (shares.min(axis=0) > 0.1).mean()


# Tokens.


@pytest.mark.large
def test_generates_names_in_characters():
    """A name is right by chance in a tenth of the cases, as is any one name."""
    x, names = make_data(2000)
    gan = make_token_gan((64, 32), run_eagerly=False)
    gan.fit(x, to_one_hot(names), batch_size=100, epochs=30, verbose=0)
    right, both = evaluate(to_names, lambda x: gan.generate(x, seed=5))
    assert right > 0.6
    assert both >= 0.3


@pytest.fixture(scope="module")
def gan():
    """After six steps; no test trains it any more."""
    gan = make_token_gan(condition="image", target="text")
    x, names = make_data(24)
    data = {"image": x, "text": to_one_hot(names)}
    gan.fit(data, batch_size=8, epochs=2, verbose=0)
    return gan


def test_what_is_generated_is_one_hot_and_a_function_of_the_seed(gan):
    x, _ = make_data(24)
    tokens = gan.generate(x, seed=3)
    assert tokens.shape == (24, LENGTH, TEXTS.vocabulary_size())
    assert set(np.unique(tokens)) == {0.0, 1.0}
    np.testing.assert_array_equal(tokens.sum(axis=-1), 1.0)
    np.testing.assert_array_equal(gan.generate(x, seed=3), tokens)
    seeds = np.arange(24)
    np.testing.assert_array_equal(
        gan.generate(x[5:9], seed=seeds[5:9]), gan.generate(x, seed=seeds)[5:9]
    )


def test_noise_of_tokens_goes_with_the_steps(gan):
    gan.generate(make_data(24)[0], seed=0)
    for generator in (gan.generator, gan.ema_generator):
        assert int(generator.layers[-1].step) == int(gan.step) == 6


def test_every_weight_of_the_generator_learns(gan):
    untrained = make_token_gan().generator
    for old, new in zip(
        untrained.trainable_variables,
        gan.generator.trainable_variables,
        strict=True,
    ):
        assert np.abs(new.numpy() - old.numpy()).max() > 0, new.path


def test_texts_come_back():
    _, names = make_data(24)
    assert list(to_names(to_one_hot(names))) == list(names)


@pytest.mark.large
def test_exports(gan, tmp_path):
    x, _ = make_data(24)
    seeds = np.arange(24, dtype="int32")
    expected = gan.generate(x, seed=seeds)
    kx.export.saved_model(gan, tmp_path / "server")
    served = tf.saved_model.load(str(tmp_path / "server")).signatures[
        "generate"
    ](image=tf.constant(x), seed=tf.constant(seeds))
    np.testing.assert_array_equal(served["text"], expected)
    kx.export.litert(gan, tmp_path / "device")
    interpreter = Interpreter(str(tmp_path / "device" / "generate.tflite"))
    generate = interpreter.get_signature_runner("generate")
    np.testing.assert_array_equal(
        generate(image=x, seed=seeds)["text"], expected
    )


@pytest.mark.large
def test_a_step_of_xla_is_that_of_eager():
    x, names = make_data(8)

    def make():
        gan = make_token_gan(learning_rate=1e-4)
        gan.build((None, 16))
        return gan

    check_train_step(make, (tf.constant(x), tf.constant(to_one_hot(names))))


def test_going_on_after_loading(tmp_path):
    x, names = make_data(24)
    y = to_one_hot(names)
    options = {"batch_size": 8, "shuffle": False, "verbose": 0}
    gan = make_token_gan()
    gan.fit(x, y, **options)
    path = str(tmp_path / "gan.keras")
    gan.save(path)
    loaded = keras.saving.load_model(path)
    np.testing.assert_array_equal(
        loaded.generate(x, seed=1), gan.generate(x, seed=1)
    )
    histories = [m.fit(x, y, **options).history for m in (gan, loaded)]
    assert histories[0] == histories[1]
    assert_close(loaded.get_weights(), gan.get_weights(), atol=0)


def test_mixed_precision():
    previous = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        gan = make_token_gan()
    finally:
        keras.config.set_dtype_policy(previous)
    x, names = make_data(24)
    history = gan.fit(x, to_one_hot(names), batch_size=8, verbose=0).history
    assert np.isfinite(list(history.values())).all()
    assert set(np.unique(gan.generate(x, seed=0))) == {0.0, 1.0}


# Embeddings.


@pytest.mark.large
def test_generates_embeddings_of_names():
    """Of twenty names, the nearest is a right one by chance in a tenth."""
    vectors = RNG.standard_normal((20, 12))
    vectors /= np.linalg.norm(vectors, axis=-1, keepdims=True)
    index = kx.retrieval.ExactIndex()
    index.add(vectors, ids=NAMES.ravel(), modality="text")
    embeddings = dict(zip(NAMES.ravel(), vectors, strict=True))

    x, names = make_data(2000)
    y = np.array([embeddings[name] for name in names])
    keras.utils.set_random_seed(0)
    z, condition = keras.Input((8,)), keras.Input((16,))
    vector = kx.networks.DenseGenerator(12, (64, 64), activation=None)
    gan = kx.GANModel(
        generator=keras.Model(
            [z, condition],
            keras.layers.UnitNormalization()(vector([z, condition])),
        ),
        discriminator=kx.networks.DenseDiscriminator((64, 64)),
        latent_dim=8,
        ema_momentum=0.99,
        seed=0,
    )
    gan.compile(
        keras.optimizers.Adam(2e-3, beta_1=0.0, beta_2=0.99),
        keras.optimizers.Adam(2e-3, beta_1=0.0, beta_2=0.99),
    )
    gan.fit(x, y, batch_size=100, epochs=30, verbose=0)

    def nearest(generated):
        found, _ = index.search(generated, k=1)
        return found[:, 0]

    generated = gan.generate(x, seed=5)
    assert_close(np.linalg.norm(generated, axis=-1), np.ones(2000), atol=1e-5)
    right, both = evaluate(nearest, lambda x: gan.generate(x, seed=5))
    assert right > 0.8
    assert both >= 0.5
