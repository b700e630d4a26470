"""Inputs to compare an exported model with Keras on.

They come from an evaluation set, or are made up: the same ones each time,
within the shapes, value ranges and vocabularies that the layers declare.
"""

import keras
import numpy as np
import tensorflow as tf

from keras_xmodal import checks
from keras_xmodal.media.gif import encode_gif
from keras_xmodal.media.wav import encode_wav

NUM_SAMPLES = 4
# For dimensions that a model leaves open, such as the length of a sequence.
OPEN_SIZE = 16


def check_evaluation(model, evaluation):
    """Check an evaluation set and bring it into arrays."""
    if evaluation is None:
        return {}, None
    if not isinstance(evaluation, (tuple, list)) or len(evaluation) != 2:
        raise TypeError(
            "`evaluation` must be a pair (x, ids). "
            f"Received: evaluation of type {type(evaluation).__name__}"
        )
    x, ids = evaluation
    x = check_examples("evaluation", model, x)
    if ids is None:
        ids = np.arange(len(next(iter(x.values()))))
    ids = np.asarray(ids)
    sizes = {name or "x": len(value) for name, value in x.items()}
    if ids.ndim != 1 or set(sizes.values()) != {len(ids)} or not len(ids):
        raise ValueError(
            "`evaluation` must hold one id per example, of shape (examples,), "
            "and at least one example. "
            f"Received: ids.shape={ids.shape}, examples {sizes}"
        )
    return x, ids


def check_examples(argument, model, x):
    """Check raw examples of modalities and bring them into arrays."""
    if not model.modalities:
        x = {None: x}
    if not isinstance(x, dict):
        raise TypeError(
            f"`{argument}` must hold examples as a dict {{modality: examples}}."
            f" Received: x of type {type(x).__name__}"
        )
    unknown = [name for name in x if name not in (model.modalities or (None,))]
    if unknown or not x:
        raise ValueError(
            f"`{argument}` must hold modalities of {list(model.modalities)}. "
            f"Received: modalities {list(x)}"
        )
    return {name: _to_array(value, argument) for name, value in x.items()}


def _to_array(value, argument="evaluation"):
    array = np.asarray(checks.array(argument, value))
    if array.dtype == object and array.size == len(array):
        return array.ravel()  # (examples, 1) -> (examples,)
    return array


def fitting(encoder, spec, high=2):
    """Make up a batch that an encoder takes, however few its positions are."""
    batch = tensor(spec, high)
    if encoder is None or None not in spec.shape[1:]:
        return batch
    for open_size in (OPEN_SIZE, OPEN_SIZE // 2, OPEN_SIZE // 4, 2, 1):
        batch = tensor(spec, high, open_size=open_size)
        try:
            encoder(tf.constant(batch), training=False)
        except (ValueError, tf.errors.InvalidArgumentError):
            continue
        break
    return batch


def tensor(spec, high=2, num_samples=NUM_SAMPLES, open_size=OPEN_SIZE):
    """Make up a batch: floats in [0, 1), integers in `[0, high)` or texts."""
    generator = np.random.default_rng(0)
    shape = (num_samples, *(size or open_size for size in spec.shape[1:]))
    if spec.dtype == tf.string:
        return np.broadcast_to(
            texts(None, num_samples).reshape(-1, *[1] * (len(shape) - 1)), shape
        )
    if spec.dtype.is_floating:
        values = generator.random(shape)
    else:
        high = 256 if spec.dtype == tf.uint8 else high
        values = generator.integers(0, high, shape)
    return values.astype(spec.dtype.as_numpy_dtype)


def noise(spec, num_samples):
    """Make up latents, noise or seeds."""
    generator = np.random.default_rng(0)
    shape = (num_samples, *spec.shape[1:])
    if spec.dtype.is_floating:
        return generator.standard_normal(shape, "float32")
    return generator.integers(-(2**31), 2**31, shape).astype("int32")


def texts(preprocessor, num_samples=NUM_SAMPLES):
    """Make up texts from a vocabulary, each with an unknown word."""
    words = ["red", "круг", "苹果", "maçã", "🍎"]
    if hasattr(preprocessor, "get_vocabulary"):
        vocabulary = [str(word) for word in preprocessor.get_vocabulary()]
        words = vocabulary[2:] or words
    generator = np.random.default_rng(0)
    chosen = generator.choice(words, (num_samples, 3))
    return _to_array([f"{' '.join(row)} Ñandú-苹" for row in chosen])


def pictures(sizes, channels=3):
    """Make up pictures of random pixels."""
    generator = np.random.default_rng(0)
    return [
        generator.integers(0, 256, (*size, channels)).astype("uint8")
        for size in sizes
    ]


def recordings(sampling_rate):
    """Make up recordings of different lengths and sampling rates."""
    generator = np.random.default_rng(0)
    return _to_array(
        [
            encode_wav(generator.uniform(-1, 1, rate // (1 + i)), rate)
            for i, rate in enumerate([sampling_rate, 16_000, 44_100, 8_000])
        ]
    )


def file(holds, shape=None, row=0):
    """Make up a small file of a picture, a clip or a recording.

    A picture has the shape that is given, 32 pixels where it is open.
    """
    if holds == "recording":
        tone = np.sin(np.arange(16_000) / (20 + row)) / 2
        return encode_wav(tone, 16_000)
    *_, height, width, channels = (size or 32 for size in shape)
    value = (127 + 37 * row) % 256
    if holds == "clip":
        return encode_gif(np.full((1, height, width, 3), value, "uint8"))
    pixels = np.full((height, width, channels), value, "uint8")
    return tf.io.encode_png(pixels).numpy()


def to_pictures(images):
    """Bring raw images into 8 bits, as a picture file holds them."""
    images = np.asarray(images)
    if images.dtype == np.uint8:
        return images
    if np.issubdtype(images.dtype, np.floating) and images.max() <= 1:
        images = images * 255
    return np.clip(np.rint(images), 0, 255).astype("uint8")


def vocabulary_size(*layers):
    """Count the ids that all lookup layers and embeddings of layers know."""
    sizes = []
    for layer in layers:
        if hasattr(layer, "vocabulary_size"):
            size = layer.vocabulary_size
            sizes.append(size() if callable(size) else size)
        if isinstance(layer, keras.layers.Layer):
            sizes += [
                weight.shape[0]
                for weight in layer.weights
                if weight.path.endswith("/embeddings")
            ]
    return max(2, min(sizes, default=2))
