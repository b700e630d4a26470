"""Token embeddings in closed form, by latent semantic analysis."""

from collections.abc import Sequence

import numpy as np
import scipy

from keras_xmodal import checks


def lsa_embeddings(
    tokens: np.ndarray,
    vocabulary_size: int,
    embedding_dim: int,
    translations: Sequence = (),
    penalty: float = 0.3,
) -> np.ndarray:
    """Embed tokens so that the average over a text is its LSA vector.

    Texts are L2-normalised tf-idf vectors of their tokens, reduced to
    `embedding_dim` by a truncated singular value decomposition. As a table
    for `TextEncoder` it makes texts that share tokens similar before anything
    is trained, which matters where there are few texts to train on.

    With `translations`, other texts of the same items, a ridge regression
    from tokens moves them all to the vector of their item, on top of what
    shared tokens give.

    Args:
        tokens: Integer array of shape `(items, sequence)`, as a
            `TextPreprocessor` returns it. 0 is padding and 1 is unknown;
            their embeddings are zero.
        vocabulary_size: Integer, number of token ids.
        embedding_dim: Integer, size of the embeddings. Beyond the rank of the
            texts, the rest is zeros.
        translations: Further arrays like `tokens`, row `i` being about the
            same item.
        penalty: Float > 0, of the ridge regression.

    Returns:
        Float32 array of shape `(vocabulary_size, embedding_dim)`, of unit
        variance.

    Raises:
        ValueError: If shapes do not fit or a size is not positive.

    Example:
        ```python
        import keras_xmodal as kx

        texts = ["red apple", "green apple", "green car"]
        preprocessor = kx.networks.TextPreprocessor(sequence_length=4)
        preprocessor.adapt(texts)
        size = preprocessor.vocabulary_size()
        encoder = kx.networks.TextEncoder(size, embedding_dim=3)
        table = kx.networks.lsa_embeddings(preprocessor(texts), size, 3)
        encoder.get_layer("token_embedding").set_weights([table])
        ```

    Reference:
        - Deerwester et al., 1990, Indexing by latent semantic analysis,
          https://doi.org/10.1002/(SICI)1097-4571(199009)41:6<391::AID-ASI1>3.0.CO;2-9
    """
    translations = checks.items("translations", translations, "a sequence")
    texts = [checks.real_numbers("tokens", t) for t in (tokens, *translations)]
    vocabulary_size = checks.integer(
        "vocabulary_size", vocabulary_size, least=3
    )
    embedding_dim = checks.positive_integer("embedding_dim", embedding_dim)
    checks.positive("penalty", penalty)
    num_items = len(texts[0]) if texts[0].ndim else 0
    if num_items == 0 or any(t.ndim != 2 or len(t) != num_items for t in texts):
        raise ValueError(
            "`tokens` and each of `translations` must have shape (items, "
            "sequence) with equally many items, at least one. "
            f"Received: shapes {[t.shape for t in texts]}"
        )
    for text in texts:
        checks.values("tokens", text, 0, vocabulary_size - 1)
    counts = _count(np.concatenate(_pad(texts)), vocabulary_size)
    num_texts = counts.shape[0]
    document_count = np.bincount(counts.indices, minlength=vocabulary_size)
    idf = np.log((1 + num_texts) / (1 + document_count)) + 1
    vectors = _normalize(counts @ scipy.sparse.diags_array(idf)).tocsr()

    items = vectors[:num_items]  # (items, vocabulary)
    # The items' side of the decomposition is the small one.
    values, left = np.linalg.eigh((items @ items.T).toarray())
    order = np.argsort(-values)[:embedding_dim]
    order = order[values[order] > 1e-6 * values[-1]]
    table = items.T @ (left[:, order] / np.sqrt(values[order]))
    if translations:
        targets = np.tile(_normalize(items @ table), (len(texts), 1))
        kernel = (vectors @ vectors.T).toarray()
        kernel[np.diag_indices_from(kernel)] += penalty
        dual = scipy.linalg.solve(
            kernel, targets - vectors @ table, assume_a="pos"
        )
        table = table + vectors.T @ dual
    table = idf[:, None] * table
    table = np.pad(table, [(0, 0), (0, embedding_dim - table.shape[1])])
    return (table / max(table.std(), 1e-9)).astype("float32")


def _pad(texts):
    width = max(text.shape[1] for text in texts)
    return [np.pad(t, [(0, 0), (0, width - t.shape[1])]) for t in texts]


def _count(tokens, vocabulary_size):
    """Sparse counts, `(texts, vocabulary)`; padding and unknown count 0."""
    row, place = np.nonzero(tokens > 1)
    return scipy.sparse.csr_array(
        (np.ones(len(row)), (row, tokens[row, place])),
        shape=(len(tokens), vocabulary_size),
    )


def _normalize(x):
    sparse = scipy.sparse.issparse(x)
    norm = (scipy.sparse.linalg if sparse else np.linalg).norm(x, axis=1)
    scale = 1 / np.maximum(norm, 1e-9)
    return scipy.sparse.diags_array(scale) @ x
