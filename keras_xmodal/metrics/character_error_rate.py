"""How many characters of texts are wrong."""

import unicodedata
from collections.abc import Sequence

import numpy as np

from keras_xmodal.metrics.edit_distance import total_edits
from keras_xmodal.reports import Report


def character_error_rate(
    references: Sequence[str | bytes] | np.ndarray,
    predictions: Sequence[str | bytes] | np.ndarray,
) -> dict[str, float]:
    """Edits between texts, for each character of what they should be.

    The fewest characters to substitute, delete and insert, summed over all
    texts, divided by the number of characters in all references: long texts
    count for more than short ones. 0 is perfect; texts that are all empty have
    1, and texts that are too long can have more.

    Characters are the code points of Unicode's composed form (NFC), so accents
    count alike however they are written. Spaces within a text count, those at
    its ends do not. Case and punctuation count: to leave them out, compare
    texts that went through a `TextPreprocessor` and its `detokenize`.

    Args:
        references: List or array of strings, or of bytes of UTF-8, the texts
            as they should be. An empty one adds no characters, but what is
            predicted for it counts as insertions.
        predictions: List or array of as many strings, or of bytes of UTF-8.

    Returns:
        Dict of Python numbers: `"character_error_rate"`; `"num_edits"`;
        `"num_characters"`, of the references; `"num_texts"`.

    Raises:
        TypeError: If texts are no strings.
        ValueError: If there are not as many of each, or all references are
            empty.

    Example:
        ```python
        import keras_xmodal as kx

        report = kx.metrics.character_error_rate(
            ["red apple", "pear"], ["red aple", "bear"]
        )
        print(report["character_error_rate"])  # 2 / 13
        ```

    Reference:
        - Morris et al., 2004, https://doi.org/10.21437/Interspeech.2004-668
    """
    num_edits, num_characters, num_texts = total_edits(
        references, predictions, _characters, "character"
    )
    return Report(
        {
            "character_error_rate": num_edits / num_characters,
            "num_edits": num_edits,
            "num_characters": num_characters,
            "num_texts": num_texts,
        }
    )


def _characters(text):
    return unicodedata.normalize("NFC", text).strip()
