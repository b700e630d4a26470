"""Reading an evaluation set and embedding each of its rows once."""

import hashlib
import operator

import keras
import numpy as np
from keras import tree

from keras_xmodal import checks
from keras_xmodal.metrics.ids import concatenate_ids
from keras_xmodal.models.data import fill_missing
from keras_xmodal.models.embedding.embedding_model import EmbeddingModel
from keras_xmodal.models.preprocessed import Preprocessed


def check_dataset(dataset):
    """Check that a data set can be read again and again.

    Args:
        dataset: What a user passed.

    Raises:
        TypeError: If it is no data set, or can be read once only.
        ValueError: If it never ends.
    """
    if _in_memory(dataset):
        return
    endless = getattr(dataset, "cardinality", lambda: 0)() == -1
    if isinstance(dataset, keras.utils.PyDataset):
        endless = dataset.num_batches is None
    elif not hasattr(dataset, "__iter__") or isinstance(dataset, (str, tuple)):
        raise TypeError(
            "`data` must yield batches of `x`, `(x, ids)` or `(x, ids, "
            "sample_weight)`, or be such a tuple of arrays, with `x` a dict of "
            f"modalities. Received: data of type {type(dataset).__name__}"
        )
    if hasattr(dataset, "__next__"):
        raise TypeError(
            "`data` must give the same batches after each epoch, such as a "
            "`tf.data.Dataset`. Received: an iterator of type "
            f"{type(dataset).__name__}, which can be read once"
        )
    if endless:
        raise ValueError(
            f"`data` must end. Received: the infinite data set {dataset}"
        )


def read_batches(dataset, batch_size):
    """Yield the batches of a data set as NumPy arrays.

    Args:
        dataset: As `check_dataset` accepts it.
        batch_size: Positive integer, for data in memory.

    Yields:
        Tuples of `{modality: structure of arrays}`, ids of shape `(batch,)`
        and `{modality: boolean (batch,)}`, which rows are there.

    Raises:
        TypeError: If a batch holds no dict of modalities.
        ValueError: If sizes within a batch differ.
    """
    count, numbered = 0, None
    for batch in _raw_batches(dataset, batch_size):
        x, ids, weights = keras.utils.unpack_x_y_sample_weight(batch)
        if not isinstance(x, dict):
            raise TypeError(
                "`data` must yield dicts of modalities, alone or followed "
                f"by ids. Received: x of type {type(x).__name__}"
            )
        if not x:
            raise ValueError(
                "`data` must yield modalities. Received: an empty dict"
            )
        x = _arrays(x)
        size = _batch_size(x)
        if numbered not in (None, ids is None):
            raise ValueError(
                "`data` must give ids with every batch or with none. "
                "Received: some batches with ids, some without"
            )
        numbered = ids is None
        ids = np.arange(count, count + size) if numbered else ids
        count += size
        yield x, checks.ids("ids", ids, size), _present(x, weights, size)


def embed(model, dataset, modalities, batch_size):
    """Embed every distinct row of some modalities, one modality at a time.

    Rows of one modality with the same id and the same content, such as an
    image that comes with each of its captions, count once. Batches keep one
    size, the last being filled up, so that nothing is compiled twice.

    Args:
        model: Keras model from `{modality: batch}` to `{modality: embedding}`.
        dataset: As `check_dataset` accepts it.
        modalities: Names of the modalities to embed.
        batch_size: Positive integer, for data in memory.

    Returns:
        Dict `{modality: (embeddings (rows, dim), ids (rows,))}` of the
        modalities that have rows.

    Raises:
        TypeError: If the model does not return a dict of embeddings.
    """
    waiting = {}
    for x, ids, present in read_batches(dataset, batch_size):
        if not waiting:
            size = len(ids)
            waiting = {
                name: _Waiting(model, name, size, type(x))
                for name in modalities
            }
        if not model.built:
            model.predict_on_batch(fill_missing(x, present))
        for name in modalities:
            if name in x:
                waiting[name].add(x[name], ids, present[name])
    results = {name: rows.finish() for name, rows in waiting.items()}
    return {name: rows for name, rows in results.items() if rows is not None}


def gather(dataset, modalities, batch_size, limit=None):
    """Keep every distinct row of some modalities, as it was given.

    Args:
        dataset: As `check_dataset` accepts it.
        modalities: Names of the modalities to keep.
        batch_size: Positive integer, for data in memory.
        limit: How many rows of each modality to keep, or None for all.

    Returns:
        Dict `{modality: (dict of it alone, ids (rows,))}`, the dict of the
        class of the data's own.

    Raises:
        ValueError: If there is no row of a modality, or examples are of
            differing shapes.
    """
    rows, ids_of, seen = {}, {}, set()
    kind = dict
    for x, ids, present in read_batches(dataset, batch_size):
        kind = type(x)
        for name in set(modalities) & set(x):
            leaves = tree.flatten(x[name])
            for i in np.flatnonzero(present[name]):
                key = name, ids[i].item(), _digest(leaves, i)
                if key not in seen and len(rows.get(name, ())) != limit:
                    seen.add(key)
                    rows.setdefault(name, []).append(x[name][i])
                    ids_of.setdefault(name, []).append(ids[i : i + 1])
    missing = [name for name in modalities if name not in rows]
    if missing:
        raise ValueError(
            f"`data` must hold rows of each of {list(modalities)}. "
            f"Received: none of {missing}"
        )
    kept = {}
    for name in modalities:
        values = checks.array(f"data[{name!r}]", rows[name])
        ids = concatenate_ids(ids_of[name])
        kept[name] = kind({name: np.asarray(values)}), ids
    return kept


def check_examples(data):
    """Make NumPy arrays of a dict by modality, of its class, or of an array."""
    if isinstance(data, dict):
        return like(data, checks.examples("data", data))
    array = np.asarray(checks.array("data", data))
    if not array.ndim or not len(array):
        raise ValueError(
            "`data` must be a dict {modality: array} or an array, of at least "
            f"one example. Received: data of shape {array.shape}"
        )
    return array


def like(data, x):
    """Say that a dict is preprocessed, if the one that it is made of is."""
    return Preprocessed(x) if isinstance(data, Preprocessed) else x


class _Waiting:
    """Distinct rows of one modality that wait for their batch to fill."""

    def __init__(self, model, name, batch_size, kind):
        self.name, self.batch_size = name, batch_size
        # Keras' own, for one modality after the other, is traced anew.
        is_ours = isinstance(model, EmbeddingModel)
        self.encoder = model.encode if is_ours else model.predict_on_batch
        self.kind = kind  # A dict, raw or of class `Preprocessed`.
        self.seen, self.rows, self.shapes = set(), [], None
        self.embeddings, self.ids = [], []

    def add(self, x, ids, present):
        leaves = tree.flatten(x)
        shapes = [leaf.shape[1:] for leaf in leaves]
        if self.rows and shapes != self.shapes:
            self.encode()
        self.shapes, new = shapes, []
        for i in np.flatnonzero(present):
            key = (ids[i].item(), _digest(leaves, i))
            if key not in self.seen:
                self.seen.add(key)
                new.append(i)
        if new:
            self.ids.append(ids[new])
        for i in new:
            self.rows.append(tree.map_structure(lambda leaf, i=i: leaf[[i]], x))
            if len(self.rows) == self.batch_size:
                self.encode()

    def encode(self):
        count = len(self.rows)
        rows = self.rows + self.rows[-1:] * (self.batch_size - count)
        batch = tree.map_structure(
            lambda *leaves: np.concatenate(leaves), *rows
        )
        outputs = self.encoder(self.kind({self.name: batch}))
        if not isinstance(outputs, dict) or self.name not in outputs:
            raise TypeError(
                "The model must return a dict {modality: embedding}. "
                f"Received: outputs of type {type(outputs).__name__} for "
                f"{self.name!r}"
            )
        embeddings = np.asarray(outputs[self.name], "float32")
        self.embeddings.append(embeddings[:count])
        self.rows = []

    def finish(self):
        if self.rows:
            self.encode()
        if not self.ids:
            return None
        return np.concatenate(self.embeddings), concatenate_ids(self.ids)


def _digest(leaves, i):
    digest = hashlib.blake2b(digest_size=16)
    for leaf in leaves:
        row = leaf[i : i + 1]
        text = row.dtype.kind in "OUS"  # whose bytes are not the content
        digest.update(repr(row.tolist()).encode() if text else row.tobytes())
    return digest.digest()


def _in_memory(dataset):
    return isinstance(dataset, dict) or (
        isinstance(dataset, tuple)
        and 1 <= len(dataset) <= 3
        and isinstance(dataset[0], dict)
    )


def _raw_batches(dataset, batch_size):
    if _in_memory(dataset):
        x, ids, weights = keras.utils.unpack_x_y_sample_weight(dataset)
        x = _arrays(x)
        size = _batch_size(x) if x else 0
        ids = np.arange(size) if ids is None else checks.ids("ids", ids, size)
        data = (x, ids, _present(x, weights, size))
        for start in range(0, size, batch_size):
            chunk = slice(start, start + batch_size)
            yield tree.map_structure(operator.itemgetter(chunk), data)
    elif isinstance(dataset, keras.utils.PyDataset):
        for i in range(dataset.num_batches):
            yield dataset[i]
    else:
        yield from dataset


def _arrays(x):
    """Convert every leaf; a list is one array, not a structure."""
    return type(x)(
        (
            name,
            _array(value)
            if isinstance(value, list)
            else tree.map_structure(_array, value),
        )
        for name, value in x.items()
    )


def _array(value):
    """As NumPy, in which files stay objects, with the zeros at their end."""
    return np.asarray(checks.array("data", value))


def _batch_size(x):
    sizes = {
        name: {len(leaf) for leaf in tree.flatten(value)}
        for name, value in x.items()
    }
    if len(set.union(*sizes.values())) != 1:
        raise ValueError(
            "`data` must have as many rows in every modality of a batch. "
            f"Received: batch sizes {sizes}"
        )
    return set.union(*sizes.values()).pop()


def _present(x, weights, size):
    """Which rows of each modality have a positive weight."""
    if not isinstance(weights, dict):
        weights = {} if weights is None else dict.fromkeys(x, weights)
    present = {}
    for name in x:
        weight = np.asarray(weights.get(name, np.ones(size)))
        if weight.shape != (size,):
            raise ValueError(
                f"`sample_weight` must have shape ({size},) for {name!r}. "
                f"Received: {weight.shape}"
            )
        present[name] = weight > 0
    return present
