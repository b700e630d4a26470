"""One signature of an exported model."""

import dataclasses

import numpy as np
import tensorflow as tf

from keras_xmodal.export.towers import Tower
from keras_xmodal.models.endpoint import Endpoint


@dataclasses.dataclass(frozen=True)
class Signature:
    """An endpoint of a model, for preprocessed or for raw input.

    Args:
        endpoint: `Endpoint`.
        towers: Tuple of `Tower`, the modalities that it takes.
        raw: Whether it takes them before they are preprocessed.
    """

    endpoint: Endpoint
    towers: tuple[Tower, ...] = ()
    raw: bool = False

    @property
    def name(self):
        """Name of the signature, with the kind of its raw input."""
        kind = f"_{self.towers[0].raw_kind}" if self.raw else ""
        return self.endpoint.name.format(raw=kind)

    @property
    def file(self):
        """Stem of its file, where each signature has one."""
        return self.endpoint.file or self.name

    @property
    def inputs(self):
        """List of `tf.TensorSpec`, the modalities first."""
        specs = [t.raw if self.raw else t.tensor for t in self.towers]
        return [*specs, *self.endpoint.further]

    @property
    def networks(self):
        """The networks behind it, in words."""
        parts = [f"the encoder of {tower.name!r}" for tower in self.towers]
        if self.endpoint.target is not None:
            parts.append(f"the decoder of {self.endpoint.target!r}")
        return " and ".join(parts)

    def function(self, model):
        """Graph function, from its inputs in their order to a dict."""

        def call(*values):
            x = {
                t.modality: t.preprocess(model, value) if self.raw else value
                for t, value in zip(self.towers, values, strict=False)
            }
            further = values[len(self.towers) :]
            outputs = self.endpoint.compute(model, x, *further)
            return {name: _open_batch(value) for name, value in outputs.items()}

        return call

    def reference(self, model, inputs):
        """What Keras gives."""
        return _to_numpy(self.endpoint.compute(model, *self._arguments(inputs)))

    def scored(self, model, inputs, expected, received):
        """Outputs to compare: these, or their scores where there are such."""
        score = self.endpoint.score
        if score is None:
            return expected, received
        scores = score(model, *self._arguments(inputs), outputs=received)
        return tuple(_to_numpy(part) for part in scores)

    def _arguments(self, inputs):
        x = {tower.modality: inputs[tower.name] for tower in self.towers}
        return x, *(inputs[spec.name] for spec in self.endpoint.further)


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
