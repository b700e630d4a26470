import functools

import keras
import numpy as np
import pytest
import scipy.special
import tensorflow as tf

from keras_xmodal.likelihoods import TokenSequence
from keras_xmodal.networks import TextDecoder, TextPreprocessor
from tests.helpers import assert_close
from tests.networks.check_network import (
    check_litert,
    check_network,
    litert_if_large,
)

LENGTH, SIZE, END = 5, 9, 2
TOKENS = np.array([[3, 4, 5, 2, 0], [7, 7, 8, 6, 2], [1, 2, 0, 0, 0]], "int32")


@pytest.fixture
def latents():
    rng = np.random.default_rng(0)
    return rng.standard_normal((3, 4)).astype("float32")


@pytest.fixture(scope="module")
def decoder():
    return make()


def make(**kwargs):
    """A decoder whose texts differ, as after training."""
    keras.utils.set_random_seed(1)
    arguments = {"hidden_dim": 8, "num_heads": 2, "end_id": END, **kwargs}
    decoder = TextDecoder(SIZE, LENGTH, **arguments)
    decoder.build((None, 4))
    for embedding in (decoder.token_embedding, decoder.position_embedding):
        (table,) = embedding.get_weights()
        embedding.set_weights([30 * table])
    return decoder


def kwargs_of_a_check():
    return {
        "vocabulary_size": SIZE,
        "sequence_length": LENGTH,
        "hidden_dim": 8,
        "num_layers": 2,
        "num_heads": 2,
        "intermediate_dim": 12,
        "dropout": 0.2,
        "token_dropout": 0.3,
        "start_id": 1,
        "end_id": END,
        "name": "texts",
    }


def test_with_tokens(latents, tmp_path):
    decoder = check_network(
        TextDecoder,
        kwargs_of_a_check(),
        (latents, TOKENS),
        (3, LENGTH, SIZE),
        tmp_path,
    )
    assert decoder.name == "texts"


@litert_if_large
def test_without_tokens(latents, litert, tmp_path):
    kwargs = {**kwargs_of_a_check(), "num_layers": 1, "token_dropout": 0.0}
    shape = (3, LENGTH, SIZE)
    check_network(
        TextDecoder, kwargs, (latents,), shape, tmp_path, litert=litert
    )


def test_logits_depend_on_earlier_tokens_only(decoder, latents):
    before = decoder(latents, TOKENS).numpy()
    for position in range(LENGTH):
        changed = TOKENS.copy()
        changed[:, position] = (changed[:, position] + 1) % SIZE
        after = decoder(latents, changed).numpy()
        upto = position + 1
        np.testing.assert_allclose(after[:, :upto], before[:, :upto], atol=1e-6)
        for later in range(upto, LENGTH):
            difference = np.abs(after[:, later] - before[:, later])
            assert (difference.max(axis=-1) > 1e-4).all()


def test_every_position_depends_on_the_latent(decoder, latents):
    difference = decoder(latents, TOKENS) - decoder(-latents, TOKENS)
    assert (np.abs(difference).max(axis=-1) > 1e-3).all()


def greedy(decoder, latents):
    """Feed the argmax back, one step at a time, in NumPy."""
    tokens = np.zeros((len(latents), LENGTH), "int32")
    for position in range(LENGTH):
        logits = decoder(latents, tokens).numpy()
        tokens[:, position] = logits[:, position].argmax(-1)
        if decoder.end_id is not None:
            ended = (tokens[:, :position] == decoder.end_id).any(axis=1)
            tokens[ended, position] = 0
    return tokens


@pytest.mark.parametrize("end_id", [None, END])
def test_greedy_text_is_its_own_argmax(end_id):
    latents = np.random.default_rng(1).standard_normal((40, 4))
    decoder = make(end_id=end_id)
    expected = greedy(decoder, latents.astype("float32"))
    assert len(np.unique(expected, axis=0)) > 5
    assert (expected == END).any()
    tokens = decoder.generate(latents)
    assert tokens.dtype == "int32"
    np.testing.assert_array_equal(tokens, expected)
    assert_close(decoder(latents), decoder(latents, expected), atol=1e-6)
    # Temperature towards 0 is the same.
    cold = decoder.generate(latents, temperature=1e-4, seed=1)
    assert (cold.numpy() == expected).all(axis=1).mean() > 0.95


def test_padding_behind_the_end(decoder):
    latents = np.random.default_rng(1).standard_normal((300, 4))
    tokens = decoder.generate(latents, temperature=1.0, seed=1).numpy()
    ended = np.cumsum(tokens == END, axis=1) - (tokens == END) > 0
    assert ended.any()
    assert (tokens[ended] == 0).all()
    assert (tokens[~ended] != 0).any()


def test_samples_follow_the_probabilities():
    """Of pairs of tokens, against their joint probabilities."""
    num_samples, temperature = 4000, 0.8
    keras.utils.set_random_seed(1)
    decoder = TextDecoder(4, 2, hidden_dim=8, num_heads=2)
    z = np.ones((1, 3), "float32")
    decoder(z)
    kernel, bias = decoder.output_layer.get_weights()
    decoder.output_layer.set_weights([2 * kernel, bias])

    first = np.arange(4)
    tokens = np.stack([first, np.zeros(4, int)], axis=1)
    logits = decoder(np.repeat(z, 4, 0), tokens).numpy() / temperature
    exponentials = np.exp(logits)
    probabilities = exponentials / exponentials.sum(-1, keepdims=True)
    joint = probabilities[0, 0][:, None] * probabilities[:, 1]  # (4, 4)

    tokens = decoder.generate(
        np.repeat(z, num_samples, 0), temperature, seed=5
    ).numpy()
    counts = np.zeros((4, 4))
    np.add.at(counts, tuple(tokens.T), 1)
    error = np.sqrt(joint * (1 - joint) / num_samples)
    assert (np.abs(counts / num_samples - joint) < 4.5 * error).all()
    assert joint.max() - joint.min() > 10 * error.max()


def test_beam_search_finds_the_most_probable_text():
    """Against all texts of two tokens, in NumPy."""
    latents = np.random.default_rng(1).standard_normal((40, 4))
    keras.utils.set_random_seed(1)
    decoder = TextDecoder(SIZE, 2, hidden_dim=8, num_heads=2, end_id=END)
    z = np.repeat(latents, SIZE, axis=0)  # each first token after each latent
    tokens = np.zeros((len(z), 2), "int32")
    tokens[:, 0] = np.tile(np.arange(SIZE), len(latents))
    logits = decoder(z, tokens).numpy().reshape(len(latents), SIZE, 2, SIZE)
    first, second = np.moveaxis(scipy.special.log_softmax(logits, -1), 2, 0)
    second[:, END] = np.where(np.arange(SIZE) == 0, 0.0, -np.inf)
    joint = first[:, 0, :, None] + second  # (latents, first, second)
    best = joint.reshape(len(latents), -1).argmax(axis=1)
    expected = np.stack(np.divmod(best, SIZE), axis=1)

    found = decoder.generate(latents, num_beams=SIZE).numpy()
    np.testing.assert_array_equal(found, expected)
    assert found.dtype == "int32"
    greedy = decoder.generate(latents).numpy()
    assert (found != greedy).any()
    # Of two tokens, two beams find no worse texts than one.
    some = decoder.generate(latents, num_beams=2).numpy()
    rows = np.arange(len(latents))
    more, less = (joint[rows, x[:, 0], x[:, 1]] for x in (some, greedy))
    assert (more >= less - 1e-6).all()


def test_texts_of_beam_search_end(decoder):
    latents = np.random.default_rng(1).standard_normal((40, 4))
    texts = decoder.generate(latents, num_beams=3).numpy()
    ended = np.cumsum(texts == END, axis=1) - (texts == END) > 0
    assert ended.any()
    assert (texts[ended] == 0).all()
    # Texts of other latents in the batch do not matter.
    few = decoder.generate(latents[5:7], num_beams=3)
    np.testing.assert_array_equal(few, texts[5:7])


def test_seeds(decoder, latents):
    many = np.repeat(latents, 20, 0)
    once = decoder.generate(many, 1.0, seed=1)
    assert_close(decoder.generate(many, 1.0, seed=1), once)
    assert (decoder.generate(many, 1.0, seed=2) != once).numpy().any()
    keras.utils.set_random_seed(3)
    free = [decoder.generate(many, 1.0).numpy() for _ in range(2)]
    assert (free[0] != free[1]).any()
    # One seed for each text: what else is in the batch does not matter.
    seeds = np.arange(60)
    rows = decoder.generate(many, 1.0, seed=seeds)
    assert len(np.unique(rows[:20], axis=0)) > 5
    order = np.random.default_rng(0).permutation(60)[:7]
    some = decoder.generate(many[order], 1.0, seed=seeds[order])
    np.testing.assert_array_equal(some, rows.numpy()[order])


@pytest.mark.parametrize(
    "temperature", [1.0, pytest.param(None, marks=pytest.mark.large)]
)
def test_generate_in_a_graph_and_jitted(decoder, latents, temperature):
    expected = decoder.generate(latents, temperature, seed=4)
    for jit_compile in (False, True):
        function = tf.function(
            lambda z, seed: decoder.generate(z, temperature, seed),
            jit_compile=jit_compile,
            input_signature=[
                tf.TensorSpec((None, 4)),
                tf.TensorSpec((), tf.int32),
            ],
        )
        assert_close(function(latents, 4), expected)


@pytest.mark.parametrize(
    "num_beams", [1, pytest.param(3, marks=pytest.mark.large)]
)
def test_generate_in_litert(decoder, latents, tmp_path, num_beams):
    generate = functools.partial(decoder.generate, num_beams=num_beams)
    check_litert(generate, decoder, (latents,), tmp_path)


def test_beam_search_jitted(decoder, latents):
    expected = decoder.generate(latents, num_beams=3)
    search = tf.function(decoder.generate, jit_compile=True)
    np.testing.assert_array_equal(search(latents, num_beams=3), expected)


def test_dropout_of_tokens():
    """With nearly all tokens gone, the latent alone decides, in training."""
    latents = np.random.default_rng(0).standard_normal((3, 4))
    plain, forgetful = make(dropout=0.0), make(dropout=0.0, token_dropout=0.999)
    nothing = np.zeros_like(TOKENS)  # the start token everywhere
    assert_close(
        forgetful(latents, TOKENS, training=True),
        plain(latents, nothing),
        atol=1e-5,
    )
    assert_close(forgetful(latents, TOKENS), plain(latents, TOKENS), atol=0)


def test_dropout_of_tokens_takes_its_part():
    decoder = make(dropout=0.0, token_dropout=0.25)
    latents = np.zeros((4000, 4), "float32")
    tokens = np.tile(TOKENS[:1], (4000, 1))
    outputs = decoder(latents, tokens, training=True).numpy()
    kept = np.abs(outputs - decoder(latents, tokens)).max((1, 2)) < 1e-4
    # 4 of the tokens are inputs, all of which stay with 0.75 ** 4.
    assert kept.mean() == pytest.approx(0.75**4, abs=0.03)


@pytest.mark.large
def test_learns_names_by_heart():
    names = ["red apple", "红苹果", "яблоко", "a pear", "apfel"]
    preprocessor = TextPreprocessor(
        split="character", sequence_length=10, end_token=True
    )
    preprocessor.adapt(names)
    ids = preprocessor(names)
    likelihood = TokenSequence(preprocessor.vocabulary_size())
    keras.utils.set_random_seed(0)
    decoder = TextDecoder(
        preprocessor.vocabulary_size(),
        10,
        hidden_dim=32,
        num_layers=1,
        dropout=0.0,
        token_dropout=0.2,
        end_id=preprocessor.end_id,
    )
    latents = tf.eye(5)
    decoder.build(latents.shape)
    optimizer = keras.optimizers.Adam(0.01)
    optimizer.build(decoder.trainable_variables)

    @tf.function
    def step():
        with tf.GradientTape() as tape:
            logits = decoder(latents, ids, training=True)
            loss = -tf.reduce_mean(likelihood.log_prob(ids, logits))
        variables = decoder.trainable_variables
        optimizer.apply(tape.gradient(loss, variables), variables)

    for _ in range(80):
        step()
    assert preprocessor.detokenize(decoder.generate(latents)) == names
    log_probs = likelihood.log_prob(ids, decoder(latents, ids))
    assert np.mean(log_probs) > -0.5
    mode = likelihood.mode(decoder(latents))
    assert preprocessor.detokenize(mode) == names


def test_other_decoders_of_tokens_remain():
    """Any layer to (length, vocabulary) works, if not autoregressive."""
    network = keras.Sequential(
        [
            keras.layers.Dense(LENGTH * SIZE),
            keras.layers.Reshape((LENGTH, SIZE)),
        ]
    )
    log_probs = TokenSequence(SIZE).log_prob(TOKENS, network(np.ones((3, 4))))
    assert log_probs.shape == (3,)


@pytest.mark.parametrize(
    ("kwargs", "match"),
    [
        ({"vocabulary_size": 1}, "`vocabulary_size` must be"),
        ({"sequence_length": 0}, "`sequence_length` must be"),
        ({"hidden_dim": 0}, "`hidden_dim` must be"),
        ({"num_layers": 0}, "`num_layers` must be"),
        ({"num_heads": 3}, "must be a multiple of `num_heads`"),
        ({"intermediate_dim": 0}, "`intermediate_dim` must be"),
        ({"dropout": 1.0}, "`dropout` must be"),
        ({"token_dropout": -0.1}, "`token_dropout` must be"),
        ({"start_id": 10}, "`start_id` must be"),
        ({"end_id": -1}, "`end_id` must be"),
    ],
)
def test_wrong_arguments(kwargs, match):
    with pytest.raises(ValueError, match=match):
        TextDecoder(**{"vocabulary_size": 10, "sequence_length": 5, **kwargs})


def test_wrong_shapes(decoder, latents):
    with pytest.raises(ValueError, match="`tokens` must have shape"):
        decoder(latents, TOKENS[:, :3])
    with pytest.raises(ValueError, match="`z` must have shape"):
        TextDecoder(SIZE, LENGTH)(latents[:, None])


@pytest.mark.parametrize("temperature", [0, -1.0])
def test_wrong_temperature(decoder, latents, temperature):
    with pytest.raises(ValueError, match="`temperature` must be a positive"):
        decoder.generate(latents, temperature)


@pytest.mark.parametrize("num_beams", [0, -1])
def test_wrong_number_of_beams(decoder, latents, num_beams):
    with pytest.raises(ValueError, match="`num_beams` must be a positive"):
        decoder.generate(latents, num_beams=num_beams)


def test_beam_search_with_a_temperature(decoder, latents):
    with pytest.raises(ValueError, match="takes no `temperature`"):
        decoder.generate(latents, temperature=1.0, num_beams=2)


def test_tokens_are_those_of_the_vocabulary():
    decoder = TextDecoder(5, 2, hidden_dim=8, num_layers=1)
    with pytest.raises(ValueError, match="`tokens` must be from 0 to 4"):
        decoder(np.zeros((1, 3)), np.array([[1, 5]]))
