"""What a user gives to a model, made one kind of batch.

The gate itself is `MultimodalModel._gate`; here are its parts.
"""

import inspect
import math

import keras
import numpy as np
import tensorflow as tf

from keras_xmodal import checks
from keras_xmodal.ops.replicas import sum_over_replicas

_MISSING = "Where a modality is missing, give it `sample_weight` 0."


class PreparedBatches(keras.utils.PyDataset):
    """A `PyDataset` whose batches go through a function.

    Args:
        dataset: `keras.utils.PyDataset`.
        prepare: Function of a batch to a batch.
    """

    def __init__(self, dataset, prepare):
        super().__init__(
            dataset.workers,
            dataset.use_multiprocessing,
            dataset.max_queue_size,
        )
        self._dataset, self._prepare = dataset, prepare

    def __getitem__(self, index):
        return self._prepare(self._dataset[index])

    @property
    def num_batches(self):
        return self._dataset.num_batches

    def on_epoch_begin(self):
        self._dataset.on_epoch_begin()

    def on_epoch_end(self):
        self._dataset.on_epoch_end()


def unpack(batch):
    """Triple `(x, y, sample_weight)` of what a data set yields."""
    return keras.utils.unpack_x_y_sample_weight(batch)


def pack(x, y=None, sample_weight=None):
    """Tuple of what there is."""
    if sample_weight is not None:
        return x, y, sample_weight
    return (x,) if y is None else (x, y)


def is_array_data(x):
    """Whether it is an array, or a structure of arrays."""
    if isinstance(x, (dict, list, tuple, np.ndarray)) or tf.is_tensor(x):
        return True
    return hasattr(x, "shape") or hasattr(x, "__array__")


def is_batch_source(x):
    """Whether it yields batches."""
    return isinstance(
        x, (tf.data.Dataset, keras.utils.PyDataset)
    ) or inspect.isgenerator(x)


def check_source(x, y, sample_weight):
    """Check that batches bring their targets and weights."""
    if not is_batch_source(x):
        raise TypeError(
            "`x` must be arrays, a `tf.data.Dataset`, a "
            "`keras.utils.PyDataset` or a Python generator of batches. Put "
            "another loader into a generator: `(batch for batch in loader)`. "
            f"Received: x of type {type(x).__name__}"
        )
    given = {"y": y, "sample_weight": sample_weight}
    given = [name for name, value in given.items() if value is not None]
    if given:
        raise ValueError(
            f"`x` of type {type(x).__name__} must yield batches `(x, y, "
            f"sample_weight)`, with targets and weights inside. "
            f"Received: {given} beside it"
        )


def map_batches(dataset, prepare, parallel=True):
    """Apply a function to the batches of a `tf.data.Dataset`."""

    def prepare_elements(*elements):
        return prepare(elements[0] if len(elements) == 1 else elements)

    # The work of a moment takes longer if it is handed to other threads.
    calls = tf.data.AUTOTUNE if parallel else None
    return without_autotuner(
        dataset.map(prepare_elements, num_parallel_calls=calls).prefetch(
            tf.data.AUTOTUNE if parallel else 2
        )
    )


def read_inputs(source):
    """Inputs and weights of all batches in memory, as structures of arrays."""
    if isinstance(source, keras.utils.PyDataset):
        source = map(source.__getitem__, range(source.num_batches))
    same = SameParts()
    batches = [unpack(same(batch)) for batch in source]
    if not batches:
        raise ValueError("`x` must hold at least one batch. Received: none")
    return keras.tree.map_structure(
        lambda *parts: (
            None
            if parts[0] is None
            else np.concatenate([np.asarray(part) for part in parts])
        ),
        *((x, sample_weight) for x, _, sample_weight in batches),
    )


def of_modality(x, modality):
    """A dict of the examples of one modality, which may be in a dict."""
    if not isinstance(x, dict):
        return {modality: x}
    if modality not in x:
        raise ValueError(
            f"`x` must hold {modality!r}. Received: x with keys {list(x)}"
        )
    return type(x)({modality: x[modality]})


def without_autotuner(dataset):
    """Switch TensorFlow's tuner of pipelines off.

    With it, TensorFlow 2.21 may end an iteration only at the next period of
    the tuner: up to twice the time it took.
    """
    options = tf.data.Options()
    options.autotune.enabled = False
    return dataset.with_options(options)


def _of_arrays(dataset):
    """Let each of several workers take its rows of a batch of the same arrays.

    Without being told, TensorFlow looks for files first, and warns of none.
    """
    options = tf.data.Options()
    options.experimental_distribute.auto_shard_policy = (
        tf.data.experimental.AutoShardPolicy.DATA
    )
    return without_autotuner(dataset.with_options(options))


def array_dataset(arrays, batch_size, shuffle, seed=None):
    """Batches of arrays, in a new order in every epoch."""
    tensors = keras.tree.map_structure(to_tensor, arrays)
    count = len(keras.tree.flatten(tensors)[0])
    rows = tf.data.Dataset.range(count)
    if shuffle:
        rows = rows.shuffle(count, seed)

    def take(batch):
        return keras.tree.map_structure(lambda t: tf.gather(t, batch), tensors)

    return _of_arrays(rows.batch(batch_size).map(take))


def unpaired_dataset(arrays, batch_size, shuffle, seed=None):
    """Batches of arrays of any lengths, each in an order of its own.

    An epoch goes once through the longest; the others start again, in a new
    order, as often as that takes.
    """
    tensors = {name: to_tensor(value) for name, value in arrays.items()}
    longest = max(len(value) for value in tensors.values())
    rows = {}
    for number, (name, value) in enumerate(tensors.items()):
        rows[name] = tf.data.Dataset.range(len(value))
        if shuffle:
            own = None if seed is None else seed + number
            rows[name] = rows[name].shuffle(len(value), own)
        if len(value) < longest:
            rows[name] = rows[name].repeat()

    def take(batch):
        return type(arrays)(
            (name, tf.gather(tensors[name], row)) for name, row in batch.items()
        )

    dataset = tf.data.Dataset.zip(rows).take(longest)
    return _of_arrays(dataset.batch(batch_size).map(take))


def to_tensor(value):
    """Keep an array in the memory of the host, floats in Keras' precision."""
    if not tf.is_tensor(value):
        value = checks.array("x", value)
        if np.issubdtype(value.dtype, np.floating):
            value = value.astype(keras.config.floatx(), copy=False)
    with tf.device("CPU:0"):
        return tf.convert_to_tensor(value)


def to_arrays(part, argument="x"):
    """Make arrays of lists, in a dict or alone; None in a dict is left out."""
    if isinstance(part, dict):
        return type(part)(
            (name, to_arrays(value, f"{argument}[{name!r}]"))
            for name, value in part.items()
            if value is not None
        )
    return checks.array(argument, part)


def check_batched(x):
    """Check specs of what a data set yields: whole batches of arrays."""
    for argument, spec in _leaves("x", x):
        if not isinstance(spec, tf.TensorSpec):
            raise TypeError(f"`{argument}` must be dense. Received: {spec}")
        if spec.shape.rank == 0:
            raise ValueError(
                f"`{argument}` must be a batch: `dataset.batch(32)` makes "
                f"batches of examples. Received: {argument} of shape ()"
            )
    sizes = {n: spec.shape[0] for n, spec in _leaves("x", x) if spec.shape.rank}
    if len({size for size in sizes.values() if size is not None}) > 1:
        raise ValueError(
            "`x` must be batches of equally many examples of each modality: "
            "`dataset.batch(32)` makes batches of examples. Received: sizes "
            f"{sizes}"
        )


class SameParts:
    """A check that batches hold the same parts, one after the other."""

    def __init__(self):
        self._first = None

    def __call__(self, batch):
        """Return the batch."""
        x, y, sample_weight = unpack(batch)
        given = {"x": x, "y": y, "sample_weight": sample_weight}
        parts = {
            name: sorted(part) if isinstance(part, dict) else True
            for name, part in given.items()
            if part is not None
        }
        self._first = self._first or parts
        if parts.get("x") != self._first.get("x"):
            raise ValueError(
                "Every batch of a `PyDataset` or generator must hold the same "
                "modalities: where one is missing, give zeros with "
                "`sample_weight` 0. Received: a batch of "
                f"{parts.get('x')} after one of {self._first.get('x')}"
            )
        if parts != self._first:
            raise ValueError(
                "Every batch of a `PyDataset` or generator must hold the same "
                "parts of `(x, y, sample_weight)`: give weights of 1, and None "
                "for no targets, in all of them. Received: a batch of "
                f"{_said(parts)} after one of {_said(self._first)}"
            )
        return batch


def _said(parts):
    weights = parts.get("sample_weight")
    of = f" of {weights}" if isinstance(weights, list) else ""
    return f"({', '.join(parts)}{of})"


def has_rows(x):
    """1, or 0 for the empty batch that ends data of an unknown length."""
    rows = keras.ops.shape(keras.tree.flatten(x)[0])[0]
    return keras.ops.cast(sum_over_replicas(rows) > 0, "float32")


def most_rows(dataset):
    """The most rows of a batch of a dataset, as far as can be seen, or None."""
    while dataset is not None:
        size = getattr(dataset, "_batch_size", None)
        if size is not None:
            return int(size)
        dataset = getattr(dataset, "_input_dataset", None)
    return None


def batch_shape(value):
    """Shape of a batch of any size."""
    return (None, *value.shape[1:])


def symbolic(value):
    """Keras' tensor of a batch of any size."""
    return keras.KerasTensor(batch_shape(value), value.dtype.name)


def integer_dtype(value):
    """Name of the dtype of a batch, None where it is floats."""
    dtype = tf.as_dtype(value.dtype)
    return None if dtype.is_floating else dtype.name


def take_rows(arrays, rows):
    """Rows of a structure of arrays, None where there is None."""
    return keras.tree.map_structure(
        lambda value: None if value is None else value[rows], arrays
    )


def split(arrays, share):
    """Arrays without the last share of their rows, and these."""
    count = len(keras.tree.flatten(arrays)[0])
    first = math.floor(count * (1.0 - share))
    if not 0 < first < count:
        raise ValueError(
            "`validation_split` must leave examples on both sides. "
            f"Received: validation_split={share}, {count} examples"
        )
    return take_rows(arrays, slice(first)), take_rows(
        arrays, slice(first, None)
    )


def flat_weights(sample_weight):
    """Weights of shape `(examples,)`, also where they have a last axis of 1."""
    if sample_weight is None:
        return None
    check_weights(sample_weight)
    return keras.tree.map_structure(
        lambda weight: weight[:, 0] if len(weight.shape) == 2 else weight,
        sample_weight,
    )


def check_weights(sample_weight):
    """Check the shapes of weights, or of their specs."""
    for argument, weight in _leaves("sample_weight", sample_weight):
        shape = tuple(weight.shape)
        if len(shape) != 1 and (len(shape) != 2 or shape[1] != 1):
            raise ValueError(
                f"`{argument}` must have one weight per example, of shape "
                f"(batch,). Received: {argument}.shape={shape}"
            )


def assert_usable(x, y, sample_weight):
    """In a graph: stop at NaN where there are cells, bad weights and sizes."""
    rows = {
        argument: tf.shape(value)[0]
        for argument, value in (
            *_leaves("x", x),
            *_leaves("y", y),
            *_leaves("sample_weight", sample_weight),
        )
        if len(value.shape)
    }
    sizes = tf.stack(list(rows.values()))
    tf.debugging.Assert(
        tf.reduce_all(sizes == sizes[0]),
        [f"A batch must hold equally many examples of {list(rows)}.", sizes],
    )
    for argument, value in (
        *_leaves("x", x),
        *_leaves("sample_weight", sample_weight),
    ):
        value = tf.convert_to_tensor(value)
        if value.dtype.is_floating:
            rule = f"`{argument}` must be finite. {_MISSING}"
            tf.debugging.assert_all_finite(value, rule)
    for argument, value in _leaves("sample_weight", sample_weight):
        rule = f"`{argument}` must not be negative"
        tf.debugging.assert_non_negative(value, rule)


def check_target(y, dim, argument="y"):
    """Check targets that are vectors; numbers where their size is 1."""
    shape = getattr(y, "shape", None)
    if getattr(shape, "rank", 0) is None:
        return
    also = [(None,)] if dim == 1 else []
    checks.shape(argument, np.shape(y), (None, dim), *also)


def as_vectors(y):
    """Targets of shape `(examples, 1)` where they are numbers."""
    return y[:, None] if y is not None and len(y.shape) == 1 else y


def check_some_weight(sample_weight):
    """Check that weights leave something to learn or to evaluate."""
    leaves = keras.tree.flatten(sample_weight)
    if sample_weight is not None and not any(map(np.any, leaves)):
        raise ValueError(
            "`sample_weight` must be above 0 for one example at least. "
            "Received: 0 for all examples"
        )


def check_in_graph(check, *values):
    """Call a function of NumPy arrays on tensors, also in a graph."""
    tensors = [v for v in keras.tree.flatten(values) if v is not None]

    def call(*arrays):
        arrays = iter(arrays)
        check(
            *keras.tree.map_structure(
                lambda value: None if value is None else next(arrays), values
            )
        )
        return True

    tf.numpy_function(call, tensors, "bool")


def presence(x, sample_weight):
    """Where the weights say that a modality is there."""
    if not isinstance(sample_weight, dict):
        if sample_weight is None:
            return {}
        sample_weight = dict.fromkeys(x, sample_weight)
    there = {n: sample_weight[n] for n in x if n in sample_weight}
    return {
        name: weight if weight.dtype == "bool" else weight > 0
        for name, weight in there.items()
    }


def fill_missing(x, sample_weight):
    """Zeros where `sample_weight` says that a modality is missing."""
    if not isinstance(x, dict):
        return fill_missing({"x": x}, sample_weight)["x"]
    filled = dict(x)
    for name, there in presence(x, sample_weight).items():
        filled[name] = keras.tree.map_structure(
            lambda leaf, there=there: _fill(leaf, there), x[name]
        )
    return type(x)(filled)


def _fill(value, there):
    value = tf.convert_to_tensor(value)
    if value.dtype == tf.string:
        return value
    there = tf.reshape(there, (-1, *[1] * (value.shape.rank - 1)))
    return tf.where(there, value, tf.zeros_like(value))


def check_arrays(x, y=None, sample_weight=None):
    """Check arrays of examples: lengths, weights, and finite values."""
    parts = x if isinstance(x, dict) else {"x": x}
    sizes = {
        name: _length(f"x[{name!r}]" if parts is x else "x", part)
        for name, part in parts.items()
    }
    size = checks.same_length("x", sizes, least=1)
    for argument, value in (("y", y), ("sample_weight", sample_weight)):
        for name, leaf in _leaves(argument, value):
            checks.same_length(argument, {"x": size, name: _length(name, leaf)})
            checks.finite(name, leaf)
    for name, weight in _leaves("sample_weight", sample_weight):
        if np.asarray(weight).dtype != bool:
            checks.real_numbers(name, weight)
        if np.min(np.asarray(weight)) < 0:
            raise ValueError(
                f"`{name}` must not be negative. "
                f"Received: a minimum of {np.min(np.asarray(weight))}"
            )
    there = presence(parts, sample_weight)
    for name, part in parts.items():
        rows = np.asarray(there[name]) if name in there else None
        argument = f"x[{name!r}]" if parts is x else "x"
        for leaf, value in _leaves(argument, part):
            if np.iscomplexobj(value):
                checks.real_numbers(leaf, value)
            checks.finite(leaf, value, _MISSING, rows)


def _leaves(argument, value):
    """Name and value of each array in a structure."""
    if isinstance(value, dict):
        for name, part in value.items():
            yield from _leaves(f"{argument}[{name!r}]", part)
    elif isinstance(value, (list, tuple)):
        for i, part in enumerate(value):
            yield from _leaves(f"{argument}[{i}]", part)
    elif value is not None:
        yield argument, value


def _length(argument, value):
    sizes = {}
    for name, leaf in _leaves(argument, value):
        shape = np.shape(leaf)
        if not shape:
            raise ValueError(
                f"`{name}` must be a batch, of rank 1 at least. "
                f"Received: a scalar of type {type(leaf).__name__}"
            )
        sizes[name] = shape[0]
    if not sizes:
        raise ValueError(
            f"`{argument}` must hold an array. Received: {argument}={value!r}"
        )
    return checks.same_length(argument, sizes)


def check_validation_data(data):
    """Check that a sequence is a batch `(x, y, sample_weight)`."""
    if isinstance(data, (list, tuple)) and not 1 <= len(data) <= 3:
        raise ValueError(
            "`validation_data` must be `x`, `(x, y)`, `(x, y, sample_weight)` "
            f"or a data set of batches. Received: {len(data)} parts"
        )


def check_not_empty(dataset):
    """Check that a `tf.data.Dataset` does not say that it is empty."""
    if int(dataset.cardinality()) == 0:
        raise ValueError(
            "`dataset` must hold at least one batch. "
            f"Received: an empty dataset {dataset}"
        )
