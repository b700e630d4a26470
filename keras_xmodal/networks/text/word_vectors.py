"""English word vectors that come with the package."""

import functools
import pathlib

import numpy as np

_FILE = pathlib.Path(__file__).parents[1] / "data" / "english_words.npz"


def word_vectors() -> tuple[tuple[str, ...], np.ndarray]:
    """English words and their vectors, near each other where meanings are.

    A small set of captions says nothing about words that it does not hold. A
    frozen table of these vectors lets a `TextEncoder` place them as well.
    They are the principal components of what the sentence encoder
    all-MiniLM-L6-v2 (Apache-2.0) returns for each word alone.

    Returns:
        Tuple `(words, vectors)`: 40,000 words in lower case, in alphabetical
        order, and a read-only float32 array of shape `(words, 128)`. The
        lengths are about one.

    Example:
        ```python
        import numpy as np
        import keras_xmodal as kx

        words, vectors = kx.networks.word_vectors()
        preprocessor = kx.networks.TextPreprocessor(
            vocabulary=words, sequence_length=8
        )
        encoder = kx.networks.TextEncoder(
            preprocessor.vocabulary_size(), 128, trainable_embeddings=False
        )
        # Padding and unknown words have the first two ids.
        table = np.pad(vectors, [(2, 0), (0, 0)])
        encoder.get_layer("token_embedding").set_weights([table])
        a, b, c = encoder(preprocessor(np.array(["cat", "kitten", "train"])))
        ```

    Reference:
        - Reimers and Gurevych, 2019, https://arxiv.org/abs/1908.10084
    """
    return _read()


@functools.cache
def _read():
    with np.load(_FILE) as arrays:
        words = arrays["words"].tobytes().decode().split("\n")
        vectors = arrays["vectors"] * arrays["scales"]
    vectors.setflags(write=False)
    return tuple(words), vectors
