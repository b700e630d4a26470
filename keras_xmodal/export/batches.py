"""Inputs of an endpoint beside what its Keras model takes for them."""

import numpy as np
import tensorflow as tf

from keras_xmodal.export import samples
from keras_xmodal.export.towers import preprocess
from keras_xmodal.media.gif import encode_gif
from keras_xmodal.networks import SpeechPreprocessor

# One after the other, for a file may be wrong only once its batch has grown.
BATCH_SIZES = (1, 64, 1, 7)


def batches(
    model,
    signature,
    examples=None,
    batch_size=256,
    first=(1,),
    num_samples=samples.NUM_SAMPLES,
):
    """Yield what to feed a signature, and it preprocessed.

    Batches of the sizes `first`, whose rows repeat where there are too few,
    and then all rows: of noise alone, `num_samples`.
    """
    examples = examples or {}
    if all(tower.modality in examples for tower in signature.towers):
        rows = {t.name: examples[t.modality] for t in signature.towers}
    else:
        rows = {t.name: _make_up(model, t) for t in signature.towers}
    size = len(next(iter(rows.values()), range(num_samples)))
    drawn = {s.name: samples.noise(s, size) for s in signature.endpoint.further}
    parts = [np.arange(number) % size for number in first]
    parts += np.split(np.arange(size), range(batch_size, size, batch_size))
    for part in parts:
        inputs = {name: value[part] for name, value in drawn.items()}
        fed = dict(inputs)
        for tower in signature.towers:
            raw, preprocessed = _feed(
                model, tower, signature.raw, _take(rows[tower.name], part)
            )
            inputs[tower.name] = np.asarray(preprocessed)
            fed[tower.name] = np.asarray(raw if signature.raw else preprocessed)
        yield fed, inputs


def call_inputs(model, towers):
    """Made-up preprocessed inputs of all towers, a dict by modality."""
    return {
        tower.modality: np.asarray(
            _feed(model, tower, False, _make_up(model, tower))[1]
        )
        for tower in towers
    }


def _take(rows, part):
    """Rows of an array, or of a list of pictures of several sizes."""
    if isinstance(rows, np.ndarray):
        return rows[part]
    return [rows[row] for row in part]


def _make_up(model, tower):
    preprocessor = model.preprocessors.get(tower.modality)
    if tower.raw_kind == "string":
        return samples.texts(preprocessor)
    if tower.raw_kind == "raw":
        high = samples.vocabulary_size(preprocessor)
        return samples.tensor(tower.raw, high)
    if tower.raw_kind == "bytes":
        if isinstance(preprocessor, SpeechPreprocessor):
            return samples.recordings(preprocessor.sampling_rate)
        height, width = (size or 32 for size in tower.tensor.shape[-3:-1])
        if not hasattr(preprocessor, "decode"):
            # It may not resize.
            sizes = [(height, width)] * samples.NUM_SAMPLES
            return samples.pictures(sizes, tower.tensor.shape[-1])
        sizes = [(height + 3 * i, 2 * width - i) for i in range(3)]
        rows = samples.pictures([*sizes, (height, width)])
        if len(tower.tensor.shape) == 5:  # Clips of one frame.
            return [row[np.newaxis] for row in rows]
        return rows
    encoder = model.encoders.get(tower.modality)
    high = samples.vocabulary_size(encoder, preprocessor)
    # Open sizes are what the model was built with.
    built, _ = model.built_input(tower.modality)
    shape = [
        open_size if size is None else size
        for size, open_size in zip(
            tower.tensor.shape, built or tower.tensor.shape, strict=True
        )
    ]
    spec = tf.TensorSpec(shape, tower.tensor.dtype)
    return samples.fitting(encoder, spec, high)


def _feed(model, tower, raw, rows):
    """Input of the raw endpoint, and the preprocessed batch."""
    name = tower.modality
    if tower.raw_kind is None:
        dtype = tower.tensor.dtype
        return None, tf.cast(tf.convert_to_tensor(rows), dtype)
    if tower.raw_kind != "bytes":
        rows = tf.cast(tf.convert_to_tensor(rows), tower.raw.dtype)
        return rows, tower.preprocess(model, rows)
    if raw and np.ndim(rows[0]) == 4:  # Clips.
        rows = [encode_gif(samples.to_pictures(clip)) for clip in rows]
        rows = np.array(rows, dtype=object)
    if isinstance(rows[0], bytes):  # Files already.
        return rows, tower.preprocess(model, tf.convert_to_tensor(rows))
    contents = None
    if raw:
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
