"""What dense generators and discriminators share."""

import keras

from keras_xmodal import checks


class DenseNetwork(keras.Model):
    """Base of dense layers on vectors, one or a list of them side by side."""

    def __init__(
        self,
        hidden_units,
        hidden_activation,
        output_layer,
        dtype=None,
        **kwargs,
    ):
        super().__init__(dtype=dtype, **kwargs)
        self.hidden_units = checks.positive_integers(
            "hidden_units", hidden_units, empty=True
        )
        policy = self.dtype_policy
        self.join = keras.layers.Concatenate(dtype=policy)
        self.hidden_layers = [
            keras.layers.Dense(
                units,
                activation=hidden_activation,
                dtype=policy,
                name=f"hidden_{i}",
            )
            for i, units in enumerate(self.hidden_units)
        ]
        self.output_layer = output_layer

    def build(self, input_shape):
        size = joined_size(input_shape)
        for layer in [*self.hidden_layers, self.output_layer]:
            layer.build((None, size))
            size = layer.units

    def call(self, inputs):
        x = inputs
        if isinstance(inputs, (list, tuple)):
            x = self.join(list(inputs))
        for layer in self.hidden_layers:
            x = layer(x)
        return self.output_layer(x)


def joined_size(input_shape):
    """Size of vectors side by side, of the shape of one or a list of them."""
    many = isinstance(input_shape[0], (list, tuple))
    shapes = list(input_shape) if many else [input_shape]
    for shape in shapes:
        checks.shape("inputs", shape, ("batch", "dim"), known=("dim",))
    return sum(shape[1] for shape in shapes)
