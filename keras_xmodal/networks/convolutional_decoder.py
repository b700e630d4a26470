"""What decoders of pictures and of clips share."""

import math

import keras
from keras import ops

from keras_xmodal import checks
from keras_xmodal.networks import blocks

_UPSAMPLINGS = {2: keras.layers.UpSampling2D, 3: keras.layers.UpSampling3D}
_CONVOLUTIONS = {2: keras.layers.Conv2D, 3: keras.layers.Conv3D}


class ConvolutionalDecoder(keras.Model):
    """Base of `ImageDecoder` and `VideoDecoder`, which say `sizes`."""

    def __init__(
        self, channels, filters, num_blocks, linear_path, dtype, **kwargs
    ):
        super().__init__(dtype=dtype, **kwargs)
        self.channels = checks.positive_integer("channels", channels)
        self.filters = blocks.check_filters(filters, linear_path)
        self.num_blocks = checks.integer("num_blocks", num_blocks, least=0)
        self.linear_path = linear_path

    @property
    def sizes(self):
        """Sizes of what comes out, but for batch and channels."""
        raise NotImplementedError

    def build(self, input_shape):
        sizes = ("batch", "dim")
        checks.shape("inputs", input_shape, sizes, known=("dim",))
        inputs = keras.Input(input_shape[1:], name="latents")
        paths = []
        if self.linear_path:
            shape = (*self.sizes, self.channels)
            x = keras.layers.Dense(
                math.prod(shape),
                kernel_initializer="zeros",
                dtype="float32",
                name="linear",
            )(inputs)
            paths.append(keras.layers.Reshape(shape, dtype="float32")(x))
        if self.filters:
            paths.append(self._convolutional_path(inputs))
        outputs = paths[0] if len(paths) == 1 else ops.add(*paths)
        self.network = keras.Model(inputs, outputs, name="network")

    def _convolutional_path(self, x):
        policy = self.dtype_policy
        # From the grid to the whole: 4, 7, 14, 28.
        num_stages = len(self.filters)
        sizes = [
            [math.ceil(size / 2**k) for size in self.sizes]
            for k in range(num_stages, -1, -1)
        ]
        grid = (*sizes[0], self.filters[0])
        x = keras.layers.Dense(
            math.prod(grid), activation="silu", dtype=policy, name="grid"
        )(x)
        x = keras.layers.Reshape(grid, dtype=policy)(x)
        for stage, channels in enumerate(self.filters):
            name = f"stage_{stage}"
            x = blocks.convolution(x, channels, 1, policy, name)
            x = blocks.normalize(x, policy, name)
            for block in range(self.num_blocks):
                x = blocks.residual_block(x, policy, f"{name}_block_{block}")
            x = _UPSAMPLINGS[len(self.sizes)](
                data_format="channels_last", dtype=policy
            )(x)
            x = x[(slice(None), *map(slice, sizes[stage + 1]))]
        return _CONVOLUTIONS[len(self.sizes)](
            self.channels,
            3,
            padding="same",
            data_format="channels_last",
            # Likelihoods start near their standard parameters, at 0.
            kernel_initializer=keras.initializers.VarianceScaling(0.1),
            dtype="float32",
            name="output",
        )(x)

    def call(self, inputs, training=False):
        return self.network(inputs, training=training)

    def compute_output_shape(self, input_shape):
        return (input_shape[0], *self.sizes, self.channels)

    def compute_output_spec(self, inputs, training=False):
        shape = self.compute_output_shape(inputs.shape)
        return keras.KerasTensor(shape, "float32")
