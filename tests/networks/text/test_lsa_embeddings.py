import numpy as np
import pytest

from keras_xmodal.networks import TextEncoder, lsa_embeddings

RNG = np.random.default_rng(0)
TOKENS = RNG.integers(2, 30, size=(12, 6))


def average(table, tokens):
    encoder = TextEncoder(len(table), table.shape[1])
    encoder.get_layer("token_embedding").set_weights([table])
    x = encoder(tokens).numpy()
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def tf_idf(tokens, size):
    counts = np.stack([np.bincount(t, minlength=size) for t in tokens])
    idf = np.log((1 + len(counts)) / (1 + (counts > 0).sum(0))) + 1
    x = counts * idf
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def test_full_rank_keeps_all_similarities():
    x = average(lsa_embeddings(TOKENS, 30, 12), TOKENS)
    expected = tf_idf(TOKENS, 30)
    np.testing.assert_allclose(x @ x.T, expected @ expected.T, atol=1e-4)


def test_low_rank_is_the_truncated_decomposition():
    x = average(lsa_embeddings(TOKENS, 30, 3), TOKENS)
    left, values, _ = np.linalg.svd(tf_idf(TOKENS, 30))
    expected = left[:, :3] * values[:3]
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    np.testing.assert_allclose(x @ x.T, expected @ expected.T, atol=1e-4)


def test_translations_come_to_lie_at_their_item():
    """Even words that share no token with the others."""
    foreign = TOKENS + 28
    table = lsa_embeddings(TOKENS, 60, 12, (foreign,), penalty=1e-3)
    similarity = average(table, TOKENS) @ average(table, foreign).T
    assert np.all(np.argmax(similarity, axis=1) == np.arange(12))
    assert similarity.diagonal().min() > 0.95
    without = lsa_embeddings(TOKENS, 60, 12)
    assert np.all(without[32:] == 0)


def test_padding_and_unknown_tokens_are_zero_and_count_nothing():
    table = lsa_embeddings(TOKENS, 30, 20)
    assert table.shape == (30, 20)
    assert table.dtype == np.float32
    np.testing.assert_array_equal(table[:2], 0)
    padded = np.pad(TOKENS, [(0, 0), (0, 3)])
    np.testing.assert_allclose(lsa_embeddings(padded, 30, 20), table, atol=1e-6)


@pytest.mark.parametrize(
    ("kwargs", "match"),
    [
        ({"vocabulary_size": 2}, "vocabulary_size=2"),
        ({"embedding_dim": 0}, "embedding_dim=0"),
        ({"penalty": 0}, "penalty=0"),
        ({"translations": (TOKENS[:3],)}, r"shapes \[\(12, 6\), \(3, 6\)\]"),
        ({"tokens": TOKENS[:0]}, "at least one"),
    ],
)
def test_wrong_arguments(kwargs, match):
    defaults = {"tokens": TOKENS, "vocabulary_size": 30, "embedding_dim": 4}
    with pytest.raises(ValueError, match=match):
        lsa_embeddings(**{**defaults, **kwargs})


def test_tokens_beyond_the_vocabulary_are_refused():
    with pytest.raises(ValueError, match=r"from 0 to 4. Received: .* to 5"):
        lsa_embeddings(np.array([[2, 5]]), 5, 2)
