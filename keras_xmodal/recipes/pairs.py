"""A data set in memory, one row a thing, with all of its texts beside it."""

import dataclasses
import hashlib
import itertools
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from keras_xmodal import checks
from keras_xmodal.datasets.csv_rows import number_items
from keras_xmodal.datasets.split import check_shares, draw_parts
from keras_xmodal.media.kind import KINDS_OF_DATA, kind_of

_TELLING = ("image", "speech", "video")  # kinds that are equal by no chance


@dataclasses.dataclass(frozen=True)
class Pairs:
    """Rows of things: raw values by modality, ids, and what is there.

    `x[modality]` holds a value a row: of texts, an object array `(rows,
    texts)` of all that say the same thing, the shorter lists filled up from
    their beginning. `there[modality]` is False where it is missing. `raw` has
    what was in the place of values that have been made smaller.
    """

    x: dict[str, np.ndarray]
    ids: np.ndarray
    there: dict[str, np.ndarray]
    kinds: dict[str, str]
    raw: dict[str, np.ndarray] = dataclasses.field(default_factory=dict)

    def __len__(self):
        """Number of rows."""
        return len(self.ids)

    @property
    def num_items(self) -> int:
        """Number of different ids."""
        return len(np.unique(self.ids))

    def take(self, rows: np.ndarray) -> "Pairs":
        """Some of the rows."""
        return Pairs(
            {name: values[rows] for name, values in self.x.items()},
            self.ids[rows],
            {name: there[rows] for name, there in self.there.items()},
            self.kinds,
        )

    def only(self, modalities: Sequence[str], complete: bool) -> "Pairs":
        """Some of the modalities, perhaps of the rows that have them all."""
        needed = all if complete else any
        rows = [
            row
            for row, there in enumerate(
                zip(*(self.there[name] for name in modalities), strict=True)
            )
            if needed(there)
        ]
        some = self.take(np.array(rows, int))
        return Pairs(
            {name: some.x[name] for name in modalities},
            some.ids,
            {name: some.there[name] for name in modalities},
            {name: some.kinds[name] for name in modalities},
        )

    def joined(self) -> "Pairs":
        """The rows, of which such with the same texts are one item.

        They say the same thing: to tell them apart cannot be learned, nor
        asked for.
        """
        columns = [self.ids.tolist()]
        for name, kind in self.kinds.items():
            if kind == "text":
                columns.append(
                    [
                        tuple(sorted(set(texts))) if is_there else None
                        for texts, is_there in zip(
                            self.x[name].tolist(),
                            self.there[name],
                            strict=True,
                        )
                    ]
                )
        return dataclasses.replace(self, ids=number_items(columns))

    def whole(self, modality: str) -> np.ndarray:
        """Values as they came, where these are kept."""
        return self.raw.get(modality, self.x[modality])

    def distinct(
        self, modality: str, whole: bool = False
    ) -> tuple[np.ndarray, np.ndarray]:
        """Values and their ids, each text of an item once, missing ones out."""
        rows = np.flatnonzero(self.there[modality])
        values = self.whole(modality) if whole else self.x[modality]
        values, ids = values[rows], self.ids[rows]
        if self.kinds[modality] != "text":
            return values, ids
        seen = {
            (item, text): None
            for item, texts in zip(ids.tolist(), values.tolist(), strict=True)
            for text in texts
        }
        texts = np.array([text for _, text in seen], object)
        return texts, np.array([item for item, _ in seen])


def read_pairs(
    data: tf.data.Dataset | tuple,
    kinds: Mapping[str, str] | None = None,
    argument: str = "train",
    known: Sequence[str] | None = None,
) -> Pairs:
    """Read a data set of single examples, or a tuple of arrays.

    Rows that show the same thing, such as a picture with each of its captions,
    become one row with several texts.

    Args:
        data: Examples `(x, ids)` or `(x, ids, sample_weight)`, raw, not
            batched, as `kx.datasets.from_csv` and `load` return them; or such
            a tuple of arrays.
        kinds: Kinds of the modalities that content does not tell.
        argument: How errors call the data.
        known: Names that its modalities must be of, or None.

    Returns:
        `Pairs`.
    """
    columns, ids, there = _read(argument, data)
    kinds = dict(kinds or {})
    if known is not None:
        checks.modalities(argument, columns, known)
        kinds = {name: kinds[name] for name in columns}
    if kinds:
        checks.modalities("kinds", kinds, columns)
    for kind in kinds.values():
        checks.one_of("kinds", kind, KINDS_OF_DATA)
    for name, is_there in there.items():
        if not is_there.any():
            raise ValueError(
                "Each modality must be there in some example. Received: "
                f"{name!r} with `sample_weight` 0 in all {len(is_there)}"
            )
    for name, values in columns.items():
        values = _present(values, there[name])
        if name not in kinds:
            kinds[name] = kind_of(values)
        elif np.size(values[0]) > 1 and kinds[name] == "text":
            raise ValueError(
                "`kinds` must fit the data. Received: "
                f"{name!r} of kind 'text', with arrays of shape "
                f"{np.shape(values[0])}"
            )
        elif np.ndim(values[0]) > 1 and kinds[name] == "numbers":
            raise ValueError(
                "Numbers must be vectors. Received: "
                f"{name!r} of kind 'numbers', with arrays of shape "
                f"{np.shape(values[0])}"
            )
    return _join(columns, ids, there, {name: kinds[name] for name in columns})


def read_parts(
    train: tf.data.Dataset | tuple,
    validation: tf.data.Dataset | tuple | float | None,
    kinds: Mapping[str, str] | None,
    seed: int,
) -> tuple[Pairs, Pairs, Pairs]:
    """Read what a recipe is given.

    Args:
        train: As of `read_pairs`.
        validation: The same of other items, or their share; None for a tenth.
        kinds: As of `read_pairs`.
        seed: Integer, of the items that are drawn.

    Returns:
        Tuple of all of `train`, its rows to learn from, and those of the
        validation.
    """
    held_out = 0.1 if validation is None else validation
    is_share = isinstance(held_out, (int, float))
    shares = check_shares("validation", held_out) if is_share else ()
    pairs = read_pairs(train, kinds)
    if is_share:
        if validation is None and pairs.num_items < 20:
            shares = check_shares("validation", 2 / pairs.num_items)
        parts = draw_parts(pairs.ids, shares[::-1], seed)
        return pairs, pairs.take(parts == 0), pairs.take(parts == 1)
    unseen = read_pairs(validation, pairs.kinds, "validation", list(pairs.x))
    checks.modalities("validation", unseen.x, pairs.x, complete=True)
    check_unseen(pairs, unseen)
    return pairs, pairs, unseen


def _present(values, there):
    return [
        value for value, is_there in zip(values, there, strict=True) if is_there
    ]


def _read(argument, data):
    """Lists of values by modality, ids, and where they are there."""
    if isinstance(data, tuple) and 2 <= len(data) <= 3:
        examples = _examples(*data)
    elif isinstance(data, tf.data.Dataset):
        examples = data.as_numpy_iterator()
    else:
        raise TypeError(
            f"`{argument}` must be a `tf.data.Dataset` of single examples, or "
            "a tuple of arrays `(x, ids)` or `(x, ids, sample_weight)`. "
            f"Received: {type(data).__name__}"
        )
    columns, there, ids = {}, {}, []
    for example in examples:
        if not isinstance(example, tuple) or not isinstance(
            example[0], Mapping
        ):
            raise ValueError(
                f"`{argument}` must hold examples `({{modality: value}}, id)`. "
                f"Received: an example of type {type(example).__name__}"
            )
        x, item, *weights = example
        weight = weights[0] if weights else {}
        if np.ndim(item):
            raise ValueError(
                f"`{argument}` must hold single examples: read it before "
                f"`batch`. Received: ids of shape {np.shape(item)}"
            )
        ids.append(item)
        for name, value in x.items():
            columns.setdefault(name, []).append(value)
            is_there = (
                weight.get(name, 1.0) if isinstance(weight, Mapping) else weight
            )
            if is_there not in (0, 1):
                raise ValueError(
                    "`sample_weight` of a recipe must be 1 where a modality "
                    "is there, and 0 where it is missing. "
                    f"Received: {is_there} of {name!r}"
                )
            there.setdefault(name, []).append(bool(is_there))
    if len(ids) < 2 or len(columns) < 2:
        raise ValueError(
            f"`{argument}` must hold at least two examples of at least two "
            f"modalities. Received: {len(ids)} examples of {list(columns)}"
        )
    ids = np.array(ids)
    if ids.dtype.kind not in "iu":
        ids = np.unique(ids, return_inverse=True)[1]
    return columns, ids, {name: np.array(w) for name, w in there.items()}


def _examples(x, ids, weights=None):
    """The rows of arrays."""
    weights = {} if weights is None else weights
    if not isinstance(weights, Mapping):
        weights = dict.fromkeys(x, weights)
    if weights:
        checks.modalities("sample_weight", weights, x)
    lengths = {f"x[{name!r}]": len(values) for name, values in x.items()}
    for name, values in weights.items():
        lengths[f"sample_weight[{name!r}]"] = len(values)
        checks.finite("sample_weight", np.asarray(values, float))
    checks.same_length("data", lengths | {"ids": len(ids)})
    for i, item in enumerate(ids):
        yield (
            {name: values[i] for name, values in x.items()},
            item,
            {name: values[i] for name, values in weights.items()},
        )


def _join(columns, ids, there, kinds):
    texts = [name for name, kind in kinds.items() if kind == "text"]
    others = [name for name in columns if name not in texts]
    groups: dict[Any, list[int]] = {}
    for row, item in enumerate(ids.tolist()):
        # Where there are texts alone, each row is a thing.
        cells = [
            _key(columns[name][row]) if there[name][row] else None
            for name in others
        ]
        key = (item, *cells, None if others else row)
        groups.setdefault(key, []).append(row)
    rows = list(groups.values())
    first = np.array([group[0] for group in rows])
    x, kept = {}, {}
    for name, values in columns.items():
        kept[name] = np.array([there[name][group].any() for group in rows])
        if name in texts:
            x[name] = _texts(values, there[name], rows)
        else:
            x[name] = _array([values[row] for row in first])
        if kinds[name] == "numbers":
            checks.finite(f"x[{name!r}]", x[name][kept[name]])
        elif kinds[name] in ("image", "video"):
            _check_range(name, x[name][kept[name]])
    return Pairs(x, ids[first], kept, kinds)


def _check_range(name, pictures):
    """Check that pixels that are numbers are as the preprocessors take them."""
    for pixels in pictures:
        if isinstance(pixels, (bytes, str)):
            continue
        pixels = np.asarray(pixels)
        # What interpolation leaves beyond the ends is no mistake.
        low, high = (0, 255) if pixels.dtype.kind in "iu" else (-0.01, 1.01)
        if not (pixels.min() >= low and pixels.max() <= high):  # or NaN
            raise ValueError(
                "Pictures must be files, integers from 0 to 255 or floats in "
                f"[0, 1]. Received: x[{name!r}] of dtype {pixels.dtype}, from "
                f"{pixels.min():g} to {pixels.max():g}"
            )


def check_unseen(train: Pairs, validation: Pairs) -> None:
    """Check that what is measured on is not what is learned from.

    Rows are the same if their files or pixels are, or where they have none of
    these, all their numbers and texts.

    Args:
        train: Rows to learn from.
        validation: Rows to measure on.

    Raises:
        ValueError: If all rows of the validation are in `train`; some are
            told by a warning.
    """
    known = set(_digests(train))
    count = sum(digest in known for digest in _digests(validation))
    if not count:
        return
    ids = np.unique(validation.ids)
    told = (
        "Validation items must be others than those of training. Received: "
        f"{count} of {len(validation)} rows of `validation` that `train` has, "
        f"and {np.isin(ids, train.ids).sum()} of {len(ids)} ids"
    )
    if count == len(validation):
        raise ValueError(told)
    warnings.warn(told, stacklevel=4)


def _digests(pairs):
    """What tells each row from others, in few bytes."""
    told = [name for name, kind in pairs.kinds.items() if kind in _TELLING]
    for row in range(len(pairs)):
        names = [name for name in told if pairs.there[name][row]] or [
            name for name in pairs.x if pairs.there[name][row]
        ]
        digest = hashlib.blake2b(digest_size=16)
        for name in names:
            value = pairs.x[name][row]
            if pairs.kinds[name] == "text":
                value = "\0".join(sorted(set(value))).encode()
            digest.update(f"\0{name}\0".encode())
            digest.update(_key(value))
        yield digest.digest()


def _key(value):
    return value if isinstance(value, bytes) else np.asarray(value).tobytes()


def _texts(values, there, rows):
    lists = []
    for group in rows:
        found = dict.fromkeys(
            _decode(values[row]) for row in group if there[row]
        )
        lists.append(list(found) or [""])
    width = max(map(len, lists))
    table = np.empty((len(lists), width), object)
    for row, texts in zip(table, lists, strict=True):
        row[:] = [texts[i % len(texts)] for i in range(width)]
    return table


def _decode(text):
    return text.decode() if isinstance(text, bytes) else str(text)


def _array(values):
    """One array of values; of bytes or unequal shapes, an array of objects."""
    if (
        isinstance(values[0], (bytes, str))
        or len({np.shape(v) for v in values}) > 1
    ):
        array = np.empty(len(values), object)
        array[:] = values
        return array
    return np.stack(values)


def common_pairs(
    pairs: Pairs, wanted: Sequence | None = None
) -> list[tuple[str, str]]:
    """Pairs of modalities that describe at least two items together."""
    found = []
    for a, b in wanted or itertools.combinations(pairs.x, 2):
        common = np.intersect1d(
            pairs.ids[pairs.there[a]], pairs.ids[pairs.there[b]]
        )
        if len(common) > 1:
            found.append((a, b))
    if not found:
        raise ValueError(
            "Two modalities must describe the same items, at least two of "
            f"them. Received: {len(np.unique(pairs.ids))} items of "
            f"{list(pairs.x)}"
        )
    return found
