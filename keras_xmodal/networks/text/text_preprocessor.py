"""Texts in any language, made into token ids."""

import functools
import unicodedata
from collections.abc import Sequence

import keras
import numpy as np
import tensorflow as tf

from keras_xmodal import checks
from keras_xmodal.networks.text.detokenizer import END, START, Detokenizer
from keras_xmodal.networks.text.strings import to_one_text_each, to_strings
from keras_xmodal.saving import register

# Those of its base are others than `**kwargs` are said to be.
_LAYER_ARGUMENTS = ("name", "trainable", "dtype", "autocast")
_LAYER_ARGUMENTS += ("activity_regularizer",)


@register
class TextPreprocessor(keras.layers.TextVectorization):
    """Standardize texts, split them into tokens and number the tokens.

    All of it is TensorFlow graph operations without a custom operator, so
    the same layer works eagerly, in `tf.data.Dataset.map` and inside an
    exported graph. It needs no language setting:

    1. Letters become lower case, in every script that has cases (I becomes
       i, as no language is known), and full and half width usual width.
       Apostrophes, variation selectors and invisible format characters are
       removed; every other run of characters that are neither letters, marks
       nor digits, nor symbols where they are kept, becomes one space.
       Accents and combining marks stay as they are written: to treat composed
       and decomposed accents alike, apply `unicodedata.normalize("NFC", text)`
       to all texts beforehand.
    2. Texts are split at the spaces. With `split="whitespace"` the words are
       the tokens, and so is each Han character, since Chinese is written
       without spaces, and each symbol. With `split="character"` the text is
       set between `<` and `>` and all characters are tokens, the spaces
       between words as well, so that n-grams tell a word's edges from its
       middle; it suits
       every script, those without spaces (Thai, Japanese) as well. With
       `end_token`, `>` follows the last token and there is no `<`.
    3. Tokens are joined to n-grams if `ngrams` asks for it.
    4. Tokens are looked up in the vocabulary, which `adapt` learns. 0 is
       padding, 1 is a token outside the vocabulary.

    The vocabulary is saved with the layer and with every model that holds it.

    Args:
        max_tokens: Integer of at least 3, the largest size of the vocabulary
            with its two reserved entries; the most frequent tokens are kept.
            `None` keeps all.
        split: `"whitespace"` or `"character"`.
        ngrams: Positive integer `n` for all n-grams up to `n` tokens, tuple
            of integers for those widths only, or `None` for single tokens.
            A text of fewer tokens than the smallest width is kept whole.
        sequence_length: Positive integer, the number of tokens that texts
            are padded or cut to; `None` pads to the longest text of a batch.
        vocabulary: Sequence of tokens in the order of their ids, without the
            reserved ones, instead of `adapt`.
        drop_unknown: Whether tokens outside the vocabulary are left out. A
            vocabulary learned from the training texts without `max_tokens`
            gives training no such token, so the embedding of id 1 would stay
            at its random start and only disturb. With `False` they are id 1.
        end_token: Whether each text ends with the token `>`, one that is cut
            as well, so that a decoder learns where texts end. A given
            `vocabulary` has to hold it, and there are no `ngrams`.
        keep_symbols: Whether symbols, such as emoji, `$` and `+`, are tokens;
            `<` and `>` are not. If not, a text of emoji alone is empty.
        **kwargs: Further arguments of `keras.layers.Layer`.

    Call arguments:
        inputs: String tensor of shape `(batch,)`, `(batch, 1)` or `()`.

    Returns:
        Int32 tensor of token ids of shape `(batch, sequence)`, or
        `(sequence,)` for a single text, padded with 0 on the right. A text
        without a token is all padding.

    Raises:
        TypeError: If an argument or the input is of the wrong type.
        ValueError: If an argument is out of range, the input has another
            shape, or there is no vocabulary yet.

    Example:
        ```python
        import keras_xmodal as kx
        import numpy as np

        preprocessor = kx.networks.TextPreprocessor(sequence_length=4)
        preprocessor.adapt(["Red apple!", "Красное яблоко", "红苹果"])
        preprocessor(np.array(["a red, RED apple", ""]))  # (2, 4), int32
        preprocessor.vocabulary_size()  # 9

        # For a decoder of texts, and back again.
        preprocessor = kx.networks.TextPreprocessor(
            split="character", sequence_length=12, end_token=True
        )
        preprocessor.adapt(["Red apple!", "Красное яблоко", "红苹果"])
        ids = preprocessor(np.array(["Red apple!", "红苹果"]))
        preprocessor.detokenize(ids)  # ["red apple", "红苹果"]
        ```
    """

    def __init__(
        self,
        max_tokens: int | None = None,
        split: str = "whitespace",
        ngrams: Sequence[int] | None = None,
        sequence_length: int | None = None,
        vocabulary: Sequence[str] | None = None,
        drop_unknown: bool = True,
        end_token: bool = False,
        keep_symbols: bool = False,
        **kwargs,
    ):
        checks.keyword_arguments(self, kwargs, _LAYER_ARGUMENTS)
        # Two ids are those of padding and of unknown tokens.
        max_tokens = checks.integer(
            "max_tokens", max_tokens, least=3, optional=True
        )
        split = checks.one_of("split", split, ("whitespace", "character"))
        sequence_length = checks.positive_integer(
            "sequence_length", sequence_length, optional=True
        )
        if isinstance(ngrams, (tuple, list)):
            ngrams = checks.positive_integers("ngrams", ngrams)
        else:
            ngrams = checks.positive_integer("ngrams", ngrams, optional=True)
        drop_unknown = checks.boolean("drop_unknown", drop_unknown)
        end_token = checks.boolean("end_token", end_token)
        keep_symbols = checks.boolean("keep_symbols", keep_symbols)
        _validate_end_token(end_token, ngrams, sequence_length)
        if vocabulary is not None:
            rule = "a sequence of tokens"
            vocabulary = checks.items("vocabulary", vocabulary, rule)
            if not all(isinstance(t, (str, bytes)) for t in vocabulary):
                raise TypeError(
                    f"`vocabulary` must be {rule}. "
                    f"Received: vocabulary={vocabulary!r}"
                )
            vocabulary = [tf.compat.as_str(token) for token in vocabulary]
            if end_token and END not in vocabulary:
                raise ValueError(
                    "`vocabulary` must hold the token '>' that ends a text. "
                    f"Received: a vocabulary of {len(vocabulary)} others"
                )
        super().__init__(
            max_tokens=max_tokens,
            standardize=functools.partial(
                _standardize, keep_symbols=keep_symbols
            ),
            split=self._tokenize,
            vocabulary=vocabulary,
            ragged=True,
            **kwargs,
        )
        self.max_tokens = max_tokens
        self.split = split
        self.ngrams = ngrams
        self.sequence_length = sequence_length
        self.vocabulary = None if vocabulary is None else tuple(vocabulary)
        self.drop_unknown = drop_unknown
        self.end_token = end_token
        self.keep_symbols = keep_symbols
        self.built = True

    def adapt(self, data, batch_size=None, steps=None):
        """Learn the vocabulary from texts; an earlier one is forgotten.

        Args:
            data: List, tuple, array or tensor of texts, of any shape, or a
                `tf.data.Dataset` of them, batched or not. Empty texts count
                for nothing.
            batch_size: Not used, as in `keras.layers.TextVectorization`.
            steps: Number of elements to take from a data set.

        Raises:
            TypeError: If `data` does not hold strings.
            ValueError: If there is no token in it, or `max_tokens` leaves no
                place for the end token.
        """
        if isinstance(data, tf.data.Dataset):
            spec = data.element_spec
            if not isinstance(spec, tf.TensorSpec) or spec.dtype != tf.string:
                raise TypeError(
                    "`data` must be a data set of strings. Received: "
                    f"element_spec={spec}"
                )
            if steps is not None:
                data = data.take(steps)
            if spec.shape.rank == 0:
                data = data.batch(1024)
            data = data.map(lambda texts: tf.reshape(texts, (-1, 1)))
        elif isinstance(data, (str, bytes)):
            raise TypeError(
                "`data` must be a list, an array or a data set of texts. "
                f"Received: data={data!r}"
            )
        else:
            data = tf.reshape(to_strings(data, "data"), (-1, 1))
        super().adapt(data)
        if self.vocabulary_size() <= 2:
            raise ValueError(
                "`data` must hold at least one text with a letter or digit, "
                "or with `keep_symbols` a symbol. "
                f"Received: data={data}"
            )
        if self.end_token and END not in self.get_vocabulary():
            raise ValueError(
                "`max_tokens` must leave a place for the end token. Received: "
                f"max_tokens={self.max_tokens}"
            )

    @property
    def end_id(self):
        """Integer id of the token `>` that ends texts, `None` without one."""
        vocabulary = self.get_vocabulary()
        return vocabulary.index(END) if END in vocabulary else None

    def detokenize(self, ids) -> list[str]:
        """Turn token ids back into texts, as they are after standardization.

        Padding is left out, and so is all behind the first end token. A token
        outside the vocabulary becomes `[UNK]`. Words are joined with spaces,
        Han characters without.

        Args:
            ids: Integer array of shape `(batch, sequence)`.

        Returns:
            List of texts, one for each row.

        Raises:
            TypeError: If `ids` are no integers.
            ValueError: If there are `ngrams`, `ids` has another shape, or one
                is outside the vocabulary.
        """
        if self.ngrams is not None:
            raise ValueError(
                "`ngrams` must be None to turn ids into texts. Received: "
                f"ngrams={self.ngrams}"
            )
        ids = np.asarray(checks.array("ids", ids))
        if ids.dtype.kind not in "iu":
            raise TypeError(
                "`ids` must be integers, the ids of tokens. "
                f"Received: ids of dtype {ids.dtype}"
            )
        checks.shape("ids", ids.shape, ("batch", "sequence"))
        size = self.vocabulary_size()
        if ids.size and not 0 <= ids.min() <= ids.max() < size:
            raise ValueError(
                "`ids` must be ids of the vocabulary. Received: ids from "
                f"{ids.min()} to {ids.max()}, vocabulary_size={size}"
            )
        texts = Detokenizer(self)(ids)
        return [text.decode() for text in texts.numpy()]

    def call(self, inputs):
        # The size is read outside the graph, when the graph is traced.
        with tf.init_scope():
            vocabulary_size = self.vocabulary_size()
        if vocabulary_size <= 2:
            raise ValueError(
                f"TextPreprocessor '{self.name}' has no vocabulary: call "
                "`adapt(texts)` first or pass `vocabulary`. Received: "
                f"vocabulary_size={vocabulary_size}"
            )
        texts = to_one_text_each(inputs)
        tokens = super().call(tf.reshape(texts, (-1,)))  # ragged
        if self.drop_unknown:
            tokens = tf.ragged.boolean_mask(tokens, tokens != 1)
        if self.end_token:
            tokens = self._cut(tokens)
        tokens = tokens.to_tensor(shape=(None, self.sequence_length))
        if self.sequence_length is None:
            # Encoders need one position even if no text has a token.
            missing = tf.maximum(1 - tf.shape(tokens)[1], 0)
            tokens = tf.pad(tokens, [[0, 0], [0, missing]])
        tokens = tf.cast(tokens, tf.int32)
        return tokens[0] if texts.shape.rank == 0 else tokens

    def compute_output_shape(self, input_shape):
        if len(input_shape) == 0:
            return (self.sequence_length,)
        return (input_shape[0], self.sequence_length)

    def compute_output_spec(self, inputs):
        shape = self.compute_output_shape(inputs.shape)
        return keras.KerasTensor(shape, dtype="int32")

    def get_config(self):
        config = super().get_config()
        for key in (
            "standardize",
            "output_mode",
            "output_sequence_length",
            "pad_to_max_tokens",
            "idf_weights",
            "sparse",
            "ragged",
            "encoding",
            "vocabulary_size",
        ):
            del config[key]
        config["max_tokens"] = self.max_tokens
        config["split"] = self.split
        config["ngrams"] = self.ngrams
        config["sequence_length"] = self.sequence_length
        config["vocabulary"] = self.vocabulary
        config["drop_unknown"] = self.drop_unknown
        config["end_token"] = self.end_token
        config["keep_symbols"] = self.keep_symbols
        return config

    def _tokenize(self, texts):
        if self.split == "character":
            start = "" if self.end_token else START
            marked = tf.strings.join([start, texts, END])
            marked = tf.where(texts == "", texts, marked)
            tokens = tf.strings.unicode_split(marked, "UTF-8")
            separator = ""
        else:
            if self.end_token:
                marked = tf.strings.join([texts, " ", END])
                texts = tf.where(texts == "", texts, marked)
            texts = tf.strings.regex_replace(
                texts, r"(\p{Han}|\p{S}\p{M}*)", r" \1 "
            )
            tokens = tf.strings.split(texts)
            separator = " "
        if self.ngrams is None:
            return tokens
        widths = self.ngrams
        if isinstance(widths, int):
            widths = tuple(range(1, widths + 1))
        widths = tuple(dict.fromkeys(widths))
        return tf.strings.ngrams(
            tokens,
            ngram_width=widths,
            separator=separator,
            preserve_short_sequences=True,
        )

    def _cut(self, tokens):
        """Shorten what comes before the last token, which is the end."""
        # Unknown tokens dropped, the end may be all that is left.
        some = tf.gather(tokens.row_lengths() > 1, tokens.value_rowids())
        tokens = tf.ragged.boolean_mask(tokens, tokens.with_values(some))
        if self.sequence_length is None:
            return tokens
        body = tokens[:, :-1][:, : self.sequence_length - 1]
        return tf.concat([body, tokens[:, -1:]], axis=1)


def _standardize(texts, keep_symbols=False):
    # TensorFlow's lower case ends at it.
    texts = tf.strings.regex_replace(texts, r"\x00", " ")
    wide = tf.strings.regex_full_match(texts, r"(?s).*[\x{FF00}-\x{FFEF}].*")
    texts = tf.cond(
        tf.reduce_any(wide), lambda: _to_usual_width(texts), lambda: texts
    )
    texts = tf.strings.lower(texts, encoding="utf-8")
    # The dot of a lower case Turkish capital, which the letter has already.
    texts = tf.strings.regex_replace(texts, r"i\x{0307}", "i")
    texts = tf.strings.regex_replace(texts, r"\x{200B}", " ")
    hidden = r"['’\p{Cf}\x{FE00}-\x{FE0F}]"
    texts = tf.strings.regex_replace(texts, hidden, "")
    other = r"[^\p{L}\p{M}\p{N}]+"
    if keep_symbols:
        other = r"([<>]|[^\p{L}\p{M}\p{N}\p{S}])+"
    texts = tf.strings.regex_replace(texts, other, " ")
    return tf.strings.strip(texts)


def _to_usual_width(texts):
    """Letters that are as wide as Chinese ones, or half as wide as kana."""
    forms = {
        code: int(parts[1], 16)
        for code in range(0xFF00, 0xFFF0)
        if len(parts := unicodedata.decomposition(chr(code)).split()) == 2
    }
    table = [forms.get(code, code) for code in range(0xFF00, 0xFFF0)]
    shape = tf.shape(texts)
    codes = tf.strings.unicode_decode(tf.reshape(texts, (-1,)), "UTF-8")
    place = codes.flat_values - 0xFF00
    inside = (place >= 0) & (place < len(table))
    usual = tf.gather(table, tf.where(inside, place, 0))
    usual = tf.where(inside, usual, codes.flat_values)
    usual = codes.with_flat_values(usual)
    return tf.reshape(tf.strings.unicode_encode(usual, "UTF-8"), shape)


def _validate_end_token(end_token, ngrams, sequence_length):
    if not end_token:
        return
    if ngrams is not None:
        raise ValueError(
            f"`ngrams` must be None with `end_token`. Received: ngrams={ngrams}"
        )
    if sequence_length == 1:
        raise ValueError(
            "`sequence_length` must be above 1 with `end_token`. Received: "
            f"sequence_length={sequence_length}"
        )
