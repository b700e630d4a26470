"""Embeddings of earlier batches, which later ones are compared with."""

import keras
from keras import ops


class Memory(keras.layers.Layer):
    """The last rows that training saw, by modality; the newest are the last.

    A row has one id, and for each modality an embedding and a weight, which is
    0 where the modality is missing or the row is still empty.

    Reference:
        - Wang et al., 2020 (XBM), https://arxiv.org/abs/1912.06798, section 3.2
    """

    def __init__(self, size, warm_up, dim, modalities):
        super().__init__(name="memory", dtype="float32", trainable=False)
        self.warm_up = warm_up
        self.seen = self._zeros("seen", (), "int64")
        self.ids = self._zeros("ids", (size,), "int64")
        self.embeddings = {
            name: self._zeros(f"{name}_embeddings", (size, dim))
            for name in modalities
        }
        self.row_weights = {
            name: self._zeros(f"{name}_weights", (size,)) for name in modalities
        }
        self.built = True

    def _zeros(self, name, shape, dtype="float32"):
        return self.add_weight(
            shape=shape,
            initializer="zeros",
            dtype=dtype,
            trainable=False,
            autocast=False,
            # All replicas write the rows of the whole batch.
            aggregation="only_first_replica",
            name=name,
        )

    def read(self, pair):
        """What `from_embeddings` takes; all of weight 0 while it warms up."""
        is_warm = ops.cast(self.seen >= self.warm_up, "float32")
        return (
            ops.convert_to_tensor(self.ids),
            *(ops.convert_to_tensor(self.embeddings[name]) for name in pair),
            *(self.row_weights[name] * is_warm for name in pair),
        )

    def write(self, ids, embeddings, sample_weight):
        """Add the rows of a batch in the place of the oldest."""
        one = ops.ones_like(ids, dtype="float32")
        _push(self.ids, ids)
        self.seen.assign_add(ops.cast(ops.size(ids), "int64"))
        for name, kept in self.embeddings.items():
            rows, weights = embeddings.get(name), sample_weight
            if rows is None:
                rows = ops.zeros((ops.size(ids), kept.shape[1]))
                weights = 0.0 * one
            elif weights is None:
                weights = one
            elif isinstance(weights, dict):
                weights = weights.get(name, one)
            rows = ops.where(ops.expand_dims(weights > 0, 1), rows, 0.0)
            _push(kept, rows)
            _push(self.row_weights[name], weights)

    def load_own_variables(self, store):
        if store.keys():
            super().load_own_variables(store)
        else:  # Weights of a training without a memory.
            for variable in self.variables:
                variable.assign(ops.zeros_like(variable))


def _push(variable, rows):
    rows = ops.cast(ops.stop_gradient(rows), variable.dtype)
    rows = ops.concatenate([variable, rows])[-variable.shape[0] :]
    variable.assign(ops.reshape(rows, variable.shape))
