"""How many words of texts are wrong."""

import unicodedata
from collections.abc import Sequence

import numpy as np

from keras_xmodal.metrics.edit_distance import total_edits
from keras_xmodal.reports import Report


def word_error_rate(
    references: Sequence[str | bytes] | np.ndarray,
    predictions: Sequence[str | bytes] | np.ndarray,
) -> dict[str, float]:
    """Edits between texts, for each word of what they should be.

    The fewest words to substitute, delete and insert, summed over all texts,
    divided by the number of words in all references: long texts count for more
    than short ones. 0 is perfect; texts that are all empty have 1, and texts
    that are too long can have more.

    Words are what white space separates, in Unicode's composed form (NFC). A
    script without spaces has `character_error_rate`. Case and punctuation
    count: to leave them out, compare texts that went through a
    `TextPreprocessor` and its `detokenize`.

    Args:
        references: List or array of strings, or of bytes of UTF-8, the texts
            as they should be. An empty one adds no words, but what is
            predicted for it counts as insertions.
        predictions: List or array of as many strings, or of bytes of UTF-8.

    Returns:
        Dict of Python numbers: `"word_error_rate"`; `"num_edits"`;
        `"num_words"`, of the references; `"num_texts"`.

    Raises:
        TypeError: If texts are no strings.
        ValueError: If there are not as many of each, or all references are
            empty.

    Example:
        ```python
        import keras_xmodal as kx

        report = kx.metrics.word_error_rate(
            ["a red apple", "pear"], ["a red pear", "a pear"]
        )
        print(report["word_error_rate"])  # 2 / 4
        ```

    Reference:
        - Morris et al., 2004, https://doi.org/10.21437/Interspeech.2004-668
    """
    num_edits, num_words, num_texts = total_edits(
        references, predictions, _words, "word"
    )
    return Report(
        {
            "word_error_rate": num_edits / num_words,
            "num_edits": num_edits,
            "num_words": num_words,
            "num_texts": num_texts,
        }
    )


def _words(text):
    return unicodedata.normalize("NFC", text).split()
