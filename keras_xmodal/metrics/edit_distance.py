"""Edit distances, and the texts that they are of."""

import numpy as np

from keras_xmodal import checks


def count_edits(reference, prediction):
    """Count the fewest edits that make a prediction of a reference.

    Args:
        reference: Sequence of hashable tokens.
        prediction: Sequence of hashable tokens.

    Returns:
        Integer, substitutions, deletions and insertions, each counted as 1.

    Reference:
        - Wagner and Fischer, 1974, https://doi.org/10.1145/321796.321811
    """
    numbers = {}
    codes = np.array(
        [numbers.setdefault(t, len(numbers)) for t in prediction], "int64"
    )
    columns = np.arange(len(codes) + 1)
    row = columns
    for index, token in enumerate(reference, start=1):
        wrong = codes != numbers.get(token, -1)
        best = np.minimum(row[1:] + 1, row[:-1] + wrong)
        best = np.concatenate([[index], best])
        # An insertion adds 1 to what is left of it, any number of them.
        row = columns + np.minimum.accumulate(best - columns)
    return int(row[-1])


def total_edits(references, predictions, split, unit):
    """Sum edits and lengths over pairs of texts.

    Args:
        references: What a user passed.
        predictions: What a user passed.
        split: Function from a text to its tokens.
        unit: String, what tokens are, in the error.

    Returns:
        Three integers: edits, tokens of the references, and texts.

    Raises:
        TypeError: If texts are no strings.
        ValueError: If there are not as many of each, or no token in the
            references.
    """
    references = _check_texts(references, "references")
    predictions = _check_texts(predictions, "predictions")
    if len(references) != len(predictions):
        raise ValueError(
            "`references` and `predictions` must be equally many. Received: "
            f"{len(references)} references, {len(predictions)} predictions"
        )
    num_edits = num_tokens = 0
    for reference, prediction in zip(references, predictions, strict=True):
        tokens = split(reference)
        num_tokens += len(tokens)
        num_edits += count_edits(tokens, split(prediction))
    if not num_tokens:
        raise ValueError(
            f"`references` must hold at least one {unit}. Received: "
            f"{len(references)} without any"
        )
    return num_edits, num_tokens, len(references)


def _check_texts(texts, argument):
    is_one = isinstance(texts, (str, bytes)) or not getattr(texts, "ndim", 1)
    if is_one or not hasattr(texts, "__iter__"):
        found = texts
    else:
        found = [t.decode() if isinstance(t, bytes) else t for t in texts]
    return checks.strings(argument, found, empty=True)
