"""Texts as the token ids of a KerasHub tokenizer."""

from typing import Any

import keras
import tensorflow as tf

from keras_xmodal import checks
from keras_xmodal.networks.hub.from_keras_hub import import_keras_hub
from keras_xmodal.networks.text.strings import to_one_text_each
from keras_xmodal.saving import register


@register
class KerasHubTextPreprocessor(keras.layers.Layer):
    """Number the tokens of texts as a pretrained backbone expects them.

    It takes the token ids out of what a KerasHub preprocessor returns, one
    tensor of them, which the encoders of `from_keras_hub` take. It works
    eagerly, in `tf.data.Dataset.map` and in an exported graph. There it needs
    the operators of TensorFlow Text: TF Serving has them, Python has them
    after `import tensorflow_text`, LiteRT does not (its endpoints take ids).

    Args:
        preprocessor: KerasHub preprocessor that returns a dict with
            `token_ids`, such as `keras_hub.models.BertTextClassifierPreprocessor`
            or, of pictures and texts, `CLIPPreprocessor`, whose half for texts
            is used; it has the tokenizer and the `sequence_length`.
        prefix: String put before each text, where the backbone was trained
            with one, such as `"query: "` of E5.
        **kwargs: Further arguments of `keras.layers.Layer`.

    Call arguments:
        inputs: String tensor of shape `(batch,)`, `(batch, 1)` or `()`, or a
            list of texts.

    Returns:
        Int32 tensor of shape `(batch, sequence_length)`, or
        `(sequence_length,)` for a single text.

    Raises:
        ImportError: If KerasHub is not installed.
        TypeError: If `preprocessor` is no KerasHub preprocessor of texts or
            returns no `token_ids`, or the input does not hold strings.
        ValueError: If the input has another shape.

    Example:
        ```python
        import keras_hub
        import keras_xmodal as kx

        words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "red", "apple"]
        preprocessor = kx.networks.KerasHubTextPreprocessor(
            keras_hub.models.BertTextClassifierPreprocessor(
                keras_hub.models.BertTokenizer(words, lowercase=True),
                sequence_length=5,
            )  # or `.from_preset(...)`
        )
        preprocessor(["Red apple", "pear"])  # [[2 5 6 3 0] [2 1 3 0 0]]
        preprocessor.padding_id  # 0

        queries = kx.networks.KerasHubTextPreprocessor(
            preprocessor.preprocessor, prefix="apple: "
        )
        queries(["red"])  # [[2 6 1 5 3]]
        ```
    """  # noqa: E501

    def __init__(self, preprocessor: Any, prefix: str = "", **kwargs):
        super().__init__(**kwargs)
        keras_hub = import_keras_hub("KerasHubTextPreprocessor")
        if (
            not isinstance(preprocessor, keras_hub.models.Preprocessor)
            or getattr(preprocessor, "tokenizer", None) is None
        ):
            raise TypeError(
                "`preprocessor` must be a KerasHub preprocessor with a "
                "tokenizer. Received: "
                f"preprocessor of type {type(preprocessor).__name__}"
            )
        self.preprocessor = preprocessor
        self.prefix = checks.string("prefix", prefix)
        # What the exports see: strings come in.
        self.inputs = [keras.KerasTensor((None,), dtype="string")]
        self._allow_non_tensor_positional_args = True
        self._convert_input_args = False
        self.built = True

    @property
    def padding_id(self):
        """Integer id of padding, for `from_keras_hub`."""
        return self.preprocessor.tokenizer.pad_token_id

    @property
    def sequence_length(self):
        """Number of tokens that texts are padded or cut to."""
        return self.preprocessor.sequence_length

    def call(self, inputs):
        texts = to_one_text_each(inputs)
        ids = self._tokenize(tf.reshape(texts, (-1,)))
        shape = self.compute_output_shape(texts.shape)
        return tf.ensure_shape(ids[0] if len(shape) == 1 else ids, shape)

    def _tokenize(self, texts):
        texts = tf.strings.join([self.prefix, texts])
        if self.preprocessor.image_converter_cls is not None:
            # SigLIP's converts pictures also where there are none.
            has_converter = self.preprocessor.image_converter is not None
            images = tf.zeros((1, 8, 8, 3)) if has_converter else None
            texts = {"images": images, "prompts": texts}
        outputs = self.preprocessor(texts)
        if not isinstance(outputs, dict) or "token_ids" not in outputs:
            raise TypeError(
                "`preprocessor` must return a dict with `token_ids`; one that "
                "makes targets, of a language model, does not. Received: "
                f"preprocessor={self.preprocessor}, which returns "
                f"{type(outputs).__name__}"
            )
        return tf.cast(outputs["token_ids"], tf.int32)

    def compute_output_shape(self, input_shape):
        if len(input_shape) == 0:
            return (self.sequence_length,)
        return (input_shape[0], self.sequence_length)

    def compute_output_spec(self, inputs):
        shape = self.compute_output_shape(inputs.shape)
        return keras.KerasTensor(shape, dtype="int32")
