"""Inputs of an endpoint beside the embeddings that Keras gives for them."""

import numpy as np
import tensorflow as tf

from keras_xmodal.export import samples
from keras_xmodal.export.towers import embed_tensor, preprocess


def batches(model, tower, kind, examples=None, batch_size=256):
    """Yield what to feed an endpoint and what to expect: one row, then all.

    Args:
        model: `EmbeddingModel`, built.
        tower: `Tower`.
        kind: `"tensor"` or the tower's `raw_kind`.
        examples: Array of raw examples, or None to make some up.
        batch_size: Integer, examples in a batch.

    Yields:
        Pairs of a NumPy array of shape `(batch, ...)`, the input of the
        endpoint, and a float array of shape `(batch, embedding_dim)`. The
        first pair is the first example on its own.
    """
    if examples is None:
        examples = _make_up(model, tower)
    starts = range(0, len(examples), batch_size)
    for part in (
        examples[:1],
        *(examples[start : start + batch_size] for start in starts),
    ):
        inputs, preprocessed = _feed(model, tower, kind, part)
        embeddings = embed_tensor(model, tower.modality, preprocessed)
        if kind == "tensor":
            inputs = preprocessed
        yield np.asarray(inputs), np.asarray(embeddings, "float32")


def _make_up(model, tower):
    preprocessor = model.preprocessors.get(tower.modality)
    if tower.raw_kind == "string":
        return samples.texts(preprocessor)
    if tower.raw_kind == "raw":
        high = samples.vocabulary_size(preprocessor)
        return samples.tensor(tower.raw, high)
    if tower.raw_kind == "bytes":
        height, width = (size or 32 for size in tower.tensor.shape[1:3])
        if not hasattr(preprocessor, "decode"):
            # It may not resize.
            sizes = [(height, width)] * samples.NUM_SAMPLES
            return samples.pictures(sizes, tower.tensor.shape[-1])
        sizes = [(height + 3 * i, 2 * width - i) for i in range(3)]
        return samples.pictures([*sizes, (height, width)])
    encoder = model.encoders.get(tower.modality)
    high = samples.vocabulary_size(encoder, preprocessor)
    return samples.tensor(tower.tensor, high)


def _feed(model, tower, kind, rows):
    """Input of the raw endpoint, and the preprocessed batch."""
    name = tower.modality
    if tower.raw_kind is None:
        dtype = tower.tensor.dtype
        return None, tf.cast(tf.convert_to_tensor(rows), dtype)
    if tower.raw_kind != "bytes":
        rows = tf.cast(tf.convert_to_tensor(rows), tower.raw.dtype)
        return rows, tower.preprocess(model, rows)
    if isinstance(rows[0], bytes):  # picture files already
        return rows, tower.preprocess(model, tf.convert_to_tensor(rows))
    contents = None
    if kind == "bytes":
        rows = (
            samples.to_pictures(rows)
            if isinstance(rows, np.ndarray)
            else [samples.to_pictures(row) for row in rows]
        )
        contents = np.array(
            [tf.io.encode_png(row).numpy() for row in rows], dtype=object
        )
    if isinstance(rows, np.ndarray):
        return contents, preprocess(model, name, tf.convert_to_tensor(rows))
    parts = [preprocess(model, name, row[np.newaxis]) for row in rows]
    return contents, tf.concat(parts, axis=0)
