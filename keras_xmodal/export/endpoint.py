"""One signature of an exported model."""

import dataclasses
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from keras_xmodal.export.towers import Tower


@dataclasses.dataclass(frozen=True)
class Endpoint:
    """What a client can ask of a model: named inputs, named outputs.

    Dimension 0 of every input and output is the batch.

    Args:
        name: Name of the signature.
        compute: Function of a model, a dict of preprocessed batches by the
            towers' names and the further inputs, to a dict of tensors.
        towers: Tuple of `Tower`, the modalities that it takes.
        raw: Whether it takes them before they are preprocessed.
        further: Tuple of `tf.TensorSpec`, inputs beside the modalities.
        target: Name of the modality that it generates, or None.
        file: Stem of its file where each endpoint has one. Defaults to
            `name`.
        score: Function, for outputs that differ from Keras where there is a
            tie: from what `compute` takes and the outputs to a pair of dicts
            of float tensors, which are equal where the outputs are right.
    """

    name: str
    compute: Callable
    towers: tuple[Tower, ...] = ()
    raw: bool = False
    further: tuple[tf.TensorSpec, ...] = ()
    target: str | None = None
    file: str | None = None
    score: Callable | None = None

    @property
    def inputs(self):
        """List of `tf.TensorSpec`, the modalities first."""
        specs = [t.raw if self.raw else t.tensor for t in self.towers]
        return [*specs, *self.further]

    @property
    def networks(self):
        """The networks behind it, in words."""
        parts = [f"the encoder of {tower.name!r}" for tower in self.towers]
        if self.target is not None:
            parts.append(f"the decoder of {self.target!r}")
        return " and ".join(parts)

    def function(self, model):
        """Graph function, from its inputs in their order to a dict.

        Args:
            model: The model, or a copy of it.

        Returns:
            Function of tensors of shape `(batch, ...)` to a dict of tensors
            of shape `(batch, ...)`, floats in float32.
        """

        def call(*values):
            x = {t.name: v for t, v in zip(self.towers, values, strict=False)}
            if self.raw:
                x = {
                    t.name: t.preprocess(model, x[t.name]) for t in self.towers
                }
            further = values[len(self.towers) :]
            outputs = self.compute(model, x, *further)
            return {name: _open_batch(value) for name, value in outputs.items()}

        return call

    def reference(self, model, inputs):
        """What Keras gives.

        Args:
            model: The model.
            inputs: Dict of batches by the inputs' names, modalities
                preprocessed.

        Returns:
            Dict of NumPy arrays.
        """
        return _to_numpy(self.compute(model, *self._arguments(inputs)))

    def scored(self, model, inputs, expected, received):
        """Outputs to compare: these, or their scores where there are such.

        Args:
            model: The model.
            inputs: As for `reference`.
            expected: Dict of arrays, what `reference` gave.
            received: Dict of arrays of equal shapes, what the exported model
                gave.

        Returns:
            Pair of dicts of float arrays.
        """
        if self.score is None:
            return expected, received
        scores = self.score(model, *self._arguments(inputs), outputs=received)
        return tuple(_to_numpy(part) for part in scores)

    def _arguments(self, inputs):
        x = {tower.name: inputs[tower.name] for tower in self.towers}
        return x, *(inputs[spec.name] for spec in self.further)


def _open_batch(value):
    if value.dtype.is_floating:
        value = tf.cast(value, tf.float32)
    return tf.ensure_shape(value, (None, *value.shape[1:]))


def _to_numpy(outputs):
    arrays = {}
    for name, value in outputs.items():
        value = tf.convert_to_tensor(value)
        if value.dtype.is_floating:
            value = tf.cast(value, tf.float32)
        arrays[name] = np.asarray(value)
    return arrays
