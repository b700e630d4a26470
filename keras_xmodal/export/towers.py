"""What an exported model takes: one tower per modality."""

import dataclasses

import keras
import tensorflow as tf

from keras_xmodal import checks
from keras_xmodal.export import samples
from keras_xmodal.media.image import decode_image
from keras_xmodal.models.encoders import declared_input
from keras_xmodal.networks import SpeechPreprocessor

MAX_TEXT_BYTES = 2**16


@dataclasses.dataclass(frozen=True)
class Tower:
    """One modality of a model and its inputs, preprocessed and raw.

    Args:
        modality: Name, or None for a model of one tensor.
        tensor: `tf.TensorSpec` of the preprocessed input, batch size None.
        raw_kind: `"bytes"` for files of pictures, clips or recordings,
            `"string"` for texts,
            `"raw"` for other raw tensors, None where there is nothing to
            preprocess or its input is unknown.
        raw: `tf.TensorSpec` of the raw input, or None.
    """

    modality: str | None
    tensor: tf.TensorSpec
    raw_kind: str | None = None
    raw: tf.TensorSpec | None = None

    @property
    def name(self):
        """The modality, or the name of the one tensor."""
        return self.modality or "x"

    @property
    def holds(self):
        """What each string of the raw input is, or None of other inputs."""
        if self.raw is None or self.raw.dtype != tf.string:
            return None
        if self.raw_kind == "string":
            return "text"
        return {5: "clip", 4: "picture"}.get(
            len(self.tensor.shape), "recording"
        )

    def preprocess(self, model, x):
        """Preprocess a batch of what the raw endpoint takes."""
        preprocessor = model.preprocessors[self.modality]
        if self.raw_kind == "string":
            x = _check_lengths(self.name, x)
        # It decodes when it is called.
        is_sound = isinstance(preprocessor, SpeechPreprocessor)
        if self.raw_kind != "bytes" or is_sound:
            shape, _ = declared_input(preprocessor)
            if shape is not None and len(shape) > len(x.shape):
                x = tf.expand_dims(x, -1)  # (batch,) -> (batch, 1)
            return preprocess(model, self.modality, x)
        if hasattr(preprocessor, "decode"):
            return preprocessor.decode(x)
        channels = self.tensor.shape[-1]

        def decode(content):
            image = decode_image(content, channels)
            image.set_shape((None, None, channels))
            image = image[tf.newaxis]  # pictures may differ in size
            return preprocess(model, self.modality, image)[0]

        signature = tf.TensorSpec(self.tensor.shape[1:], self.tensor.dtype)
        return tf.map_fn(decode, x, fn_output_signature=signature)


def _check_lengths(name, x):
    """Texts that a server can take: preprocessing needs 200 times their room.

    One of 100 MB would end the server.
    """
    longest = tf.reduce_max(tf.strings.length(x))
    rule = f"`{name}` must hold texts of at most {MAX_TEXT_BYTES} bytes."
    check = tf.debugging.Assert(
        longest <= MAX_TEXT_BYTES,
        [tf.strings.format(f"{rule} Received: {{}} bytes", longest)],
    )
    with tf.control_dependencies([check]):
        return tf.identity(x)


def preprocess(model, modality, x):
    """Preprocessed batch of one modality, in inference mode."""
    if modality is None:
        return x
    return model.preprocess({modality: x})[modality]


def find_towers(model, examples=None, input_signature=None):
    """Find out what each modality of a model takes."""
    specs = model.input_specs()
    given = {name or "x": name for name in specs}
    if input_signature:
        checks.modalities("input_signature", input_signature, given)
    input_signature = {
        given[name]: value for name, value in (input_signature or {}).items()
    }
    examples = examples or {}
    towers = []
    for name, (shape, dtype) in specs.items():
        if name in input_signature:
            shape = tuple(input_signature[name].shape)
            dtype = input_signature[name].dtype
        fixed = name in input_signature
        towers.append(
            _find_tower(model, name, shape, dtype, examples.get(name), fixed)
        )
    return towers


def _find_tower(model, name, shape, dtype, example, fixed):
    preprocessor = model.preprocessors.get(name)
    kind, raw = None, None
    if preprocessor is not None:
        kind, raw = _raw_input(preprocessor, name, shape, example)
    if raw is not None and not preprocessor.built:
        picture = tf.TensorSpec(shape or (None, 32, 32, 3), tf.uint8)
        sample = samples.tensor(picture if kind == "bytes" else raw)
        preprocess(model, name, sample)
    if raw is not None and (kind != "bytes" or shape is None):
        traced = _trace(model, name, kind, raw)
        shape = shape or traced.shape
        dtype = dtype if fixed else traced.dtype
    if preprocessor is None and example is not None:
        shape = shape or example.shape
        dtype = dtype or example.dtype
    built_shape, built_dtype = model.built_input(name)
    if shape is None and built_shape is not None:
        shape, dtype = built_shape, dtype or built_dtype
    if name is None:
        dtype = dtype or "float32"
    if shape is None or dtype is None:
        raise ValueError(
            f"The input of the encoder of {name or 'x'!r} is not declared. "
            "Build it with `keras.Input`, or pass its shape and dtype, such as "
            f"`input_signature={{{name or 'x'!r}: tf.TensorSpec((None, 8), "
            f"tf.float32)}}`. Received: shape={shape}, dtype={dtype}"
        )
    dtype = tf.as_dtype(keras.backend.standardize_dtype(dtype))
    if dtype == tf.float64:
        dtype = tf.float32
    strings = example is not None and example.dtype == object
    if strings and preprocessor is None and dtype != tf.string:
        raise TypeError(
            f"`evaluation` must hold what the model takes for {name!r}, which "
            f"has no preprocessor: {dtype.name}. Received: strings"
        )
    shape = (None, *tuple(shape)[1:])
    return Tower(name, tf.TensorSpec(shape, dtype, name or "x"), kind, raw)


def _raw_input(preprocessor, name, shape, example):
    strings = tf.TensorSpec((None,), tf.string, name)
    if hasattr(preprocessor, "decode"):
        return "bytes", strings
    if isinstance(preprocessor, SpeechPreprocessor) and (
        example is None or example.dtype == object
    ):
        return "bytes", strings
    declared_shape, declared_dtype = declared_input(preprocessor)
    if (
        isinstance(preprocessor, keras.layers.TextVectorization)
        or declared_dtype == "string"
    ):
        return "string", strings
    if shape is not None and len(shape) == 4 and shape[-1] in (1, 3, 4):
        return "bytes", strings
    if example is not None and example.dtype == object:
        return "string", strings
    if declared_shape is None and example is not None:
        declared_shape, declared_dtype = example.shape, example.dtype
    if declared_shape is None:
        return None, None
    dtype = tf.as_dtype(declared_dtype)
    dtype = tf.float32 if dtype == tf.float64 else dtype
    return "raw", tf.TensorSpec((None, *declared_shape[1:]), dtype, name)


def _trace(model, name, kind, raw):
    tower = Tower(name, None, kind, raw)
    function = tf.function(
        lambda x: tower.preprocess(model, x), autograph=False
    )
    return function.get_concrete_function(raw).structured_outputs
