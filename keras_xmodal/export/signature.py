"""One signature of an exported model."""

import dataclasses
from collections.abc import Callable

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
        to_text: Function of the token ids of its target to texts, or None.
    """

    endpoint: Endpoint
    towers: tuple[Tower, ...] = ()
    raw: bool = False
    to_text: Callable | None = None

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
    def text_output(self):
        """Name of the output of texts."""
        return f"{self.endpoint.target}_string"

    @property
    def labels(self):
        """Names of the outputs that are no numbers to be compared."""
        return (*self.endpoint.labels, self.text_output)

    @property
    def resources(self):
        """What holds variables and tables beside those of the model."""
        return [*self.endpoint.resources, self.to_text]

    def function(self, model):
        """Graph function of its inputs, in order or in a dict, to a dict."""

        def call(*inputs):
            if isinstance(inputs[0], dict):
                (inputs,) = inputs
            else:
                names = [spec.name for spec in self.inputs]
                inputs = dict(zip(names, inputs, strict=True))
            x, further = self._arguments(inputs)
            if self.raw:
                x = {
                    tower.modality: tower.preprocess(model, x[tower.modality])
                    for tower in self.towers
                }
            outputs = self._compute(model, x, *further)
            return {
                name: open_batch(value, name in self.labels)
                for name, value in outputs.items()
            }

        return call

    def reference(self, model, inputs):
        """What Keras gives."""
        x, further = self._arguments(inputs)
        outputs = self._compute(model, x, *further)
        return _to_numpy(outputs, self.labels)

    def scored(self, model, inputs, expected, received):
        """Outputs to compare: these, or their scores where there are such."""
        given, texts = received, self._texts(received)
        if self.endpoint.score is not None:
            x, further = self._arguments(inputs)
            scores = self.endpoint.score(model, x, *further, outputs=received)
            expected, received = (_to_numpy(part) for part in scores)
        for name, text in texts.items():
            wrong = text.numpy() != given[name]
            expected = {**expected, name: np.zeros(len(wrong))}
            received = {**received, name: wrong.astype("float64")}
        return expected, received

    def _compute(self, model, x, *further):
        outputs = self.endpoint.compute(model, x, *further)
        return {**outputs, **self._texts(outputs)}

    def _texts(self, outputs):
        """The text of each row, where an output is token ids or their odds."""
        if self.to_text is None:
            return {}
        ids = tf.convert_to_tensor(outputs[self.endpoint.target])
        if len(ids.shape) == 3:
            ids = tf.argmax(ids, axis=-1)
        if len(ids.shape) != 2 or not ids.dtype.is_integer:
            return {}
        return {self.text_output: self.to_text(ids)}

    def _arguments(self, inputs):
        x = {tower.modality: inputs[tower.name] for tower in self.towers}
        return x, [inputs[spec.name] for spec in self.endpoint.further]


def open_batch(value, as_it_is=False):
    """Output for any batch size, in float32 where it is floating."""
    if value.dtype.is_floating and not as_it_is:
        value = tf.cast(value, tf.float32)
    return tf.ensure_shape(value, (None, *value.shape[1:]))


def _to_numpy(outputs, labels=()):
    arrays = {}
    for name, value in outputs.items():
        value = tf.convert_to_tensor(value)
        if value.dtype.is_floating and name not in labels:
            value = tf.cast(value, tf.float32)
        arrays[name] = np.asarray(value)
    return arrays
