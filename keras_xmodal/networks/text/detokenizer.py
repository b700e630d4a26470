"""Token ids as texts, in a TensorFlow graph."""

import tensorflow as tf

START, END = "<", ">"  # no text holds them, once standardized
_UNKNOWN = 1


class Detokenizer(tf.Module):
    """Texts of the token ids of a `TextPreprocessor` without `ngrams`."""

    def __init__(self, preprocessor):
        super().__init__()
        self.tokens = tf.Variable(preprocessor.get_vocabulary(), False)
        self.separator = "" if preprocessor.split == "character" else " "

    def __call__(self, ids):
        """String tensor of shape `(batch,)`, of ids `(batch, sequence)`."""
        ids = tf.cast(ids, tf.int32)
        outside = (ids < 0) | (ids >= self.tokens.shape[0])
        tokens = tf.gather(self.tokens, tf.where(outside, _UNKNOWN, ids))
        ends = tf.cumsum(tf.cast(tokens == END, tf.int32), axis=1)
        is_text = (ids != 0) & (tokens != START) & (ends == 0)
        tokens = tf.where(is_text, tokens + self.separator, "")
        texts = tf.strings.reduce_join(tokens, axis=1)
        if not self.separator:
            return texts
        texts = tf.strings.regex_replace(texts, r" $", "")
        return tf.strings.regex_replace(texts, r" ?(\p{Han}) ?", r"\1")
