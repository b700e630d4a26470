"""Several preprocessors of the same pictures."""

import keras
from keras import ops

from keras_xmodal.saving import register


@register
class SideBySide(keras.layers.Layer):
    """What each of several layers makes of pictures, one below the other.

    Networks that want other sizes and ranges thus have one input, with zeros
    on the right of the narrower ones. `split` takes it apart, in an encoder.
    """

    def __init__(self, parts, **kwargs):
        super().__init__(autocast=False, **kwargs)
        self.parts = list(parts)
        self._allow_non_tensor_positional_args = True
        self._convert_input_args = False
        self.built = True

    @property
    def augmentation(self):
        """The first augmentation of a part, or None."""
        found = (getattr(part, "augmentation", None) for part in self.parts)
        return next((layer for layer in found if layer is not None), None)

    def call(self, images, training=None):
        pictures = []
        for part in self.parts:
            augments = getattr(part, "augmentation", None) is not None
            x = part(images, training=training) if augments else part(images)
            pictures.append(ops.cast(x, "float32"))
        width = max(x.shape[-2] for x in pictures)
        return ops.concatenate(
            [_widen(x, width - x.shape[-2]) for x in pictures], axis=-3
        )

    def decode(self, contents):
        """Decode and preprocess the content of files, or of one file."""
        return self(contents)

    @staticmethod
    def split(x, shapes):
        """Parts of a batch, of shapes `(height, width, channels)`."""
        parts, top = [], 0
        for height, width, _ in shapes:
            parts.append(x[:, top : top + height, :width])
            top += height
        return parts

    def compute_output_shape(self, input_shape):
        shapes = [part.compute_output_shape(input_shape) for part in self.parts]
        height = sum(shape[-3] for shape in shapes)
        width = max(shape[-2] for shape in shapes)
        return (*shapes[0][:-3], height, width, shapes[0][-1])

    def compute_output_spec(self, images, training=None):
        shape = self.compute_output_shape(images.shape)
        return keras.KerasTensor(shape, "float32")


def _widen(x, more):
    """Zeros on the right."""
    none = [(0, 0)] * (len(x.shape) - 2)
    return ops.pad(x, [*none, (0, more), (0, 0)])
