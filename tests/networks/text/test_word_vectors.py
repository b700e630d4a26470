import numpy as np

from keras_xmodal.networks import (
    TextEncoder,
    TextPreprocessor,
    word_vectors,
)


def test_words_are_unique_and_sorted():
    words, vectors = word_vectors()
    assert vectors.shape == (len(words), 128)
    assert vectors.dtype == np.float32
    assert list(words) == sorted(set(words))
    assert all(word == word.lower() for word in words)
    lengths = np.linalg.norm(vectors, axis=1)
    assert lengths.min() > 0.3
    assert lengths.max() < 1.1


def test_vectors_cannot_be_changed_by_accident():
    _, vectors = word_vectors()
    assert not vectors.flags.writeable


def test_synonyms_are_nearer_than_other_words():
    words, vectors = word_vectors()
    place = {word: i for i, word in enumerate(words)}
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    triples = [
        ("cat", "kitten", "train"),
        ("car", "automobile", "banana"),
        ("happy", "glad", "chair"),
        ("ocean", "sea", "pencil"),
        ("doctor", "physician", "potato"),
    ]
    for word, near, far in triples:
        anchor = unit[place[word]]
        assert anchor @ unit[place[near]] > 0.2 + anchor @ unit[place[far]]


def test_table_of_a_text_encoder():
    words, vectors = word_vectors()
    preprocessor = TextPreprocessor(vocabulary=words, sequence_length=4)
    size = preprocessor.vocabulary_size()
    encoder = TextEncoder(size, 128, trainable_embeddings=False)
    table = np.pad(vectors, [(2, 0), (0, 0)])
    encoder.get_layer("token_embedding").set_weights([table])
    outputs = encoder(preprocessor(np.array(["Red apple!", "qzxv"]))).numpy()
    expected = vectors[[words.index("red"), words.index("apple")]].mean(0)
    np.testing.assert_allclose(outputs[0], expected, atol=1e-6)
    np.testing.assert_array_equal(outputs[1], 0)
