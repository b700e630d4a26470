"""A step of training on a large batch, with the memory of a small one.

GradCache: the towers embed micro-batches, of which only the embeddings are
kept; the loss of the whole batch gives the gradient by these; then each
micro-batch is embedded again, from the same random state, and adds its part to
the gradient of the weights.

Reference:
    - Gao et al., 2021, https://arxiv.org/abs/2101.06983
"""

import keras
import tensorflow as tf
from keras import ops

from keras_xmodal.layers.random_layer import RandomLayer
from keras_xmodal.models.embedding.learning_rates import layers_by_name
from keras_xmodal.ops.replicas import num_replicas


def train_in_micro_batches(model, x, y, sample_weight):
    """Make one step of an `EmbeddingModel`; return its logs."""
    _check_replicas(model)
    num_rows = ops.shape(next(iter(x.values())))[0]
    rows = _rows(num_rows, model.micro_batch_size)
    states = {
        id(variable): variable
        for variable in model.non_trainable_variables
        if "int" in variable.dtype
    }

    # First embeddings alone, without what a gradient needs.
    embeddings, before, changed = {}, {}, {}
    for name, value in x.items():
        before[name] = {key: _read(state) for key, state in states.items()}
        rows = _after(embeddings.values(), rows)
        embedded, changed[name] = _embed_all(model, name, value, rows, states)
        embeddings[name] = embedded[:num_rows]
    after = {key: _read(states[key]) for key in set().union(*changed.values())}

    # Then the gradient by them, and by all else that the loss depends on.
    weights = model.trainable_weights
    with tf.GradientTape() as tape:
        tape.watch(embeddings)
        loss = model.compute_loss(x, y, embeddings, sample_weight)
        loss = model.optimizer.scale_loss(loss)
    upstream, gradients = tape.gradient(loss, (embeddings, weights))
    gradients = [
        None if gradient is None else tf.convert_to_tensor(gradient)
        for gradient in gradients
    ]

    # Then the part of each tower that learns.
    for name, value in x.items():
        if upstream[name] is None or not _learns(model, name, weights):
            continue
        for key in changed[name]:
            states[key].assign(before[name][key])
        rows = _after(gradients, rows)
        gradients = _add_gradients(
            model, name, value, rows, states, upstream[name], weights, gradients
        )
    for key, value in after.items():
        states[key].assign(value)
    model.optimizer.apply_gradients(zip(gradients, weights, strict=True))
    return model.compute_metrics(x, y, embeddings, sample_weight)


def _rows(num_rows, size):
    """Row numbers of micro-batches, and whether they count.

    XLA wants one shape: sizes are as equal as can be, and what is missing in
    the last one are first rows once more.
    """
    count = tf.maximum(-(-num_rows // size), 1)  # A replica may have no row.
    length = -(-num_rows // count)
    rows = tf.reshape(tf.range(count * length), (count, length))
    return rows % num_rows, rows < num_rows


def _after(done, rows):
    """The rows once this is done: towers side by side take more memory."""
    with tf.control_dependencies([part for part in done if part is not None]):
        return keras.tree.map_structure(tf.identity, rows)


def _check_replicas(model):
    noisy = [
        layer.name
        for layer in model._flatten_layers()
        if isinstance(layer, RandomLayer)
    ]
    if noisy and num_replicas() > 1:
        raise ValueError(
            "On several replicas, a tower with layers whose noise follows the "
            "rows takes whole batches: leave `micro_batch_size` out. Received: "
            f"micro_batch_size={model.micro_batch_size}, and layers {noisy}"
        )


def _learns(model, name, weights):
    trained = {id(weight) for weight in weights}
    return any(
        id(weight) in trained
        for layer in layers_by_name(model)[name]
        for weight in layer.weights
    )


def _embed_all(model, name, x, rows, states):
    """Embed micro-batches; return the ids of the states that it changes too."""
    changed, shape = set(), [-1, None]

    def embed(index):
        embeddings, keys = _embed(model, name, tf.gather(x, index), states)
        changed.update(keys)
        shape[1] = embeddings.shape[1]
        return embeddings

    embeddings = tf.map_fn(
        embed, rows[0], parallel_iterations=1, fn_output_signature="float32"
    )  # (micro-batches, rows, dim)
    return tf.reshape(embeddings, shape), changed


def _add_gradients(model, name, x, rows, states, upstream, weights, gradients):
    """Add those of a tower to gradients, which are None where there is none."""
    there = [gradient is not None for gradient in gradients]
    totals = [
        tf.zeros_like(weight) if gradient is None else gradient
        for weight, gradient in zip(weights, gradients, strict=True)
    ]

    def add(totals, micro_batch):
        index, counts = micro_batch
        with tf.GradientTape() as tape:
            embeddings, _ = _embed(model, name, tf.gather(x, index), states)
        part = tf.where(counts[:, None], tf.gather(upstream, index), 0.0)
        parts = tape.gradient(embeddings, weights, part)
        there[:] = [
            a or b is not None for a, b in zip(there, parts, strict=True)
        ]
        return [*map(_add, totals, parts)]

    totals = tf.foldl(add, rows, totals, parallel_iterations=1)
    return [
        total if some else None
        for total, some in zip(totals, there, strict=True)
    ]


def _add(total, gradient):
    if gradient is None:
        return total
    if isinstance(gradient, tf.IndexedSlices):  # without a table of zeros
        return tf.tensor_scatter_nd_add(
            total, gradient.indices[:, None], gradient.values
        )
    return total + gradient


def _embed(model, name, x, states):
    """Embed as in training; also return the ids of the states that changed."""
    with _Changes() as scope:
        embeddings = model({name: x}, training=True)[name]
    received = f"Received: micro_batch_size={model.micro_batch_size}"
    if scope.losses:
        raise ValueError(
            "With `micro_batch_size`, no layer may add a loss in its call, as "
            "an `activity_regularizer` does: what it is depends on the batch. "
            f"{received}, and such a layer in the tower of {name!r}"
        )
    for key, variable in scope.changed.items():
        if key in states:
            variable.assign(scope.get_current_value(variable))
            continue
        raise ValueError(
            "With `micro_batch_size`, layers must treat each example on its "
            "own, and draw from a `SeedGenerator` of their own: freeze "
            "`BatchNormalization` (`trainable = False`), or use a "
            f"normalization of single examples. {received}, and a layer in the "
            f"tower of {name!r} that changes {variable.path!r}"
        )
    return embeddings, [*scope.changed]


class _Changes(keras.StatelessScope):
    """What layers would change, and the losses that they would add."""

    def __init__(self):
        super().__init__(collect_losses=True)
        self.changed = {}

    def add_update(self, update):
        super().add_update(update)
        self.changed[id(update[0])] = update[0]


def _read(variable):
    return tf.convert_to_tensor(variable.value)
