"""Parts of a data set that share no item."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from keras_xmodal import checks


def split(
    data: tf.data.Dataset | tuple,
    shares: float | Sequence[float] = 0.8,
    *,
    seed: int = 0,
) -> tuple:
    """Split a data set by item: all rows of one id are in one part.

    `keras.utils.split_dataset` and `validation_split` divide rows: an image
    in training may be in validation with another of its captions, and what is
    measured there is memory. Here items are drawn, at random but always the
    same ones for a seed, and rows keep their order.

    Of a data set from `from_csv` or `from_folder`, files are read when a part
    is iterated, and groups and classes count as they say. Any other data set is
    read once, for its ids, and in each iteration of a part from its beginning.

    Validation in order, with all captions of an image in one batch, has a
    higher loss than training in random order, see `kx.losses.InfoNCE`: shuffle
    it once, `part.shuffle(1000, seed=0, reshuffle_each_iteration=False)`.

    Args:
        data: `tf.data.Dataset` of examples `(x, ids)` or `(x, ids,
            sample_weight)`, not batched, with an integer or a string as the id
            of each; or such a tuple of arrays.
        shares: Number between 0 and 1, the first part's share of the items,
            or numbers that add up to 1, one for each part.
        seed: Integer, which items are drawn.

    Returns:
        Tuple of two parts or as many as `shares`, of the kind of `data`.

    Raises:
        TypeError: If `data` or a share is of a wrong type.
        ValueError: If `data` is batched, without ids or endless, shares do not
            add up to 1, or a part has no item.

    Example:
        ```python
        import numpy as np
        import keras_xmodal as kx

        x = {"image": np.random.rand(9, 4), "text": np.random.rand(9, 3)}
        ids = np.arange(9) // 3  # three captions of each image
        train, test = kx.datasets.split((x, ids), 2 / 3)
        print(train[1], test[1])  # six rows, and three of another image
        ```
    """
    shares = check_shares("shares", shares)
    seed = checks.seed(seed)
    if isinstance(data, tuple):
        return _split_arrays(data, shares, seed)
    _check_dataset(data)
    if hasattr(data, "items"):  # of `from_csv` or `from_folder`
        return data.items.split(shares, seed)
    ids = _read_ids(data)
    parts = draw_parts(ids, shares, seed)
    items, first = np.unique(ids, return_index=True)
    table = tf.lookup.StaticHashTable(
        tf.lookup.KeyValueTensorInitializer(items, parts[first]), -1
    )
    return tuple(
        _with_part(data, table, i, int((parts == i).sum()))
        for i in range(len(shares))
    )


def check_shares(argument: str, shares: Any) -> tuple[float, ...]:
    """Shares of all parts, where a number is that of the first of two."""
    rule = "numbers between 0 and 1 that add up to 1, or one, of the first part"
    if not isinstance(shares, (list, tuple, np.ndarray)) or not np.ndim(shares):
        first = checks.in_range(argument, shares, 0, 1, "()")
        return first, 1 - first
    values = tuple(checks.in_range(argument, s, 0, 1, "()") for s in shares)
    if len(values) < 2 or not math.isclose(sum(values), 1, abs_tol=1e-6):
        raise ValueError(
            f"`{argument}` must be {rule}. Received: {argument}={shares}"
        )
    return values


def draw_parts(
    units: np.ndarray,
    shares: tuple[float, ...],
    seed: int,
    strata: np.ndarray | None = None,
) -> np.ndarray:
    """Number of the part of each row, the same for equal units.

    With `strata`, of each its shares, and one unit at least in each part where
    it has as many, else in the first ones.
    """
    units, first, codes = np.unique(
        units, return_index=True, return_inverse=True
    )
    members = [np.arange(len(units))]
    if strata is not None:
        strata = strata[first]
        members = [np.flatnonzero(strata == s) for s in np.unique(strata)]
    generator = np.random.default_rng(abs(seed))
    part_of_unit = np.empty(len(units), int)
    for chosen in members:
        counts = _counts(len(chosen), shares, filled=strata is not None)
        order = generator.permutation(len(chosen))
        part_of_unit[chosen[order]] = np.repeat(np.arange(len(shares)), counts)
    if len(np.unique(part_of_unit)) < len(shares):
        raise ValueError(
            "Each part must have at least one item. Received: shares "
            f"{shares} of {len(units)} items"
        )
    return part_of_unit[codes.reshape(-1)]


def _counts(size, shares, filled):
    """Units of each part; with `filled`, one at least, or in the first."""
    ends = np.rint(np.cumsum(shares) * size).astype(int)
    counts = np.diff([0, *ends])
    if filled and size < len(shares):
        return (np.arange(len(shares)) < size).astype(int)
    while filled and counts.min() < 1:
        counts[counts.argmax()] -= 1
        counts[counts.argmin()] += 1
    return counts


def _split_arrays(data, shares, seed):
    if not 2 <= len(data) <= 3:
        raise ValueError(
            "`data` must be `(x, ids)` or `(x, ids, sample_weight)`. "
            f"Received: a tuple of {len(data)}"
        )
    ids = checks.ids("ids", data[1])
    parts = draw_parts(ids, shares, seed)
    return tuple(
        tuple(_rows(part, parts == i) for part in data)
        for i in range(len(shares))
    )


def _rows(part, chosen):
    """Some rows of an array, or of each in a dict."""
    if part is None:
        return None
    if isinstance(part, dict):
        return type(part)((k, _rows(v, chosen)) for k, v in part.items())
    array = np.asarray(checks.array("data", part))
    checks.shape("data", array.shape, (len(chosen), ...))
    return array[chosen]


def _check_dataset(data):
    if not isinstance(data, tf.data.Dataset):
        raise TypeError(
            "`data` must be a `tf.data.Dataset`, or a tuple of arrays `(x, "
            f"ids)`. Received: data of type {type(data).__name__}"
        )
    spec = data.element_spec
    with_ids = isinstance(spec, tuple) and 2 <= len(spec) <= 3
    if not with_ids or getattr(spec[1], "shape", None) != ():
        raise ValueError(
            "`data` must hold examples `(x, ids)` or `(x, ids, sample_weight)`,"
            " not batched, with one id each: split it before `batch`. "
            f"Received: elements {spec}"
        )
    if not (spec[1].dtype.is_integer or spec[1].dtype == tf.string):
        raise TypeError(
            "`data` must have integers or strings as ids. "
            f"Received: ids of dtype {spec[1].dtype.name}"
        )
    if data.cardinality() == tf.data.INFINITE_CARDINALITY:
        raise ValueError("`data` must have an end: split it before `repeat`")


def _read_ids(data):
    """Ids of all rows, as an array."""
    spec = data.element_spec
    ids = list(data.map(lambda *example: example[1]).as_numpy_iterator())
    if not ids:
        raise ValueError("`data` must hold examples. Received: none")
    return np.array(ids, object if spec[1].dtype == tf.string else "int64")


def _key(item):
    return item if item.dtype == tf.string else tf.cast(item, tf.int64)


def _with_part(data, table, part, count):
    def is_in_part(*example):
        return tf.equal(table.lookup(_key(example[1])), part)

    kept = data.filter(is_in_part)
    kept = kept.apply(tf.data.experimental.assert_cardinality(count))
    kept.table = table  # lives as long as what looks into it
    return kept
