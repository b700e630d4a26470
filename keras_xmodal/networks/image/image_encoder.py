"""Pictures as vectors, by a compact convolutional network."""

from collections.abc import Sequence

import keras

from keras_xmodal import checks
from keras_xmodal.layers.color_cells import ColorCells
from keras_xmodal.layers.oriented_gradients import OrientedGradients
from keras_xmodal.networks import blocks
from keras_xmodal.saving import register


@register
class ImageEncoder(keras.Model):
    """A small convolutional network for small pictures and short training.

    It starts from the pixels or from their oriented gradients, which need no
    training (`keras_xmodal.layers.OrientedGradients`). From there a linear
    path hands everything on as it is, the colours of the cells beside it,
    and convolutions learn what a linear map cannot say; the features are all of
    it, side by side. Normalisation
    is by groups of channels, not over the batch: it works alike in training
    and inference, from the first step on.

    Args:
        image_size: Pair of positive integers, height and width in pixels.
        filters: Tuple of positive integers, the channels of each stage; each
            halves height and width, but for the first after oriented
            gradients. `()` leaves the linear path alone.
        num_blocks: Non-negative integer, residual blocks in each stage.
        num_orientations: Number of directions of the oriented gradients,
            0 to start from the pixels.
        cell_size: Positive integer, distance of the cells in which oriented
            gradients are averaged, in pixels.
        linear_path: Whether what the network starts from is among the
            features.
        pooling: `"flatten"`, features know their place, or `"average"`.
        output_dim: Positive integer, size of a last affine map, `None` for
            none: an `EmbeddingModel` with an `embedding_dim` adds its own.
        dropout: Float in [0, 1), dropout of the features.
        dtype: Dtype policy of the layers, `None` for the global one.
        **kwargs: `name` and `trainable`.

    Call arguments:
        inputs: Float tensor of shape `(batch, *image_size, 3)` in [0, 1], as
            `ImagePreprocessor` makes it.

    Returns:
        Tensor of shape `(batch, output_dim)`, or `(batch, dim)` where `dim`
        follows from the other arguments: see `encoder.output_shape`.

    Raises:
        ValueError: If an argument is out of range, or no path is left.

    Example:
        ```python
        import keras_xmodal as kx
        import numpy as np

        encoder = kx.networks.ImageEncoder((32, 32), filters=(32, 64))
        images = np.random.default_rng(0).random((2, 32, 32, 3), "float32")
        encoder(images).shape  # (2, 2880)
        ```

    Reference:
        - Wu and He, 2018, https://arxiv.org/abs/1803.08494 (normalisation)
        - He et al., 2016, https://arxiv.org/abs/1603.05027 (residual blocks)
    """

    input_range = (0, 1)

    def __init__(
        self,
        image_size: Sequence[int] = (32, 32),
        filters: Sequence[int] = (64, 96),
        num_blocks: int = 0,
        num_orientations: int = 8,
        cell_size: int = 4,
        linear_path: bool = True,
        pooling: str = "flatten",
        output_dim: int | None = None,
        dropout: float = 0.2,
        dtype: str | keras.DTypePolicy | None = None,
        **kwargs,
    ):
        checks.keyword_arguments(self, kwargs)
        image_size = checks.image_size("image_size", image_size)
        linear_path = checks.boolean("linear_path", linear_path)
        filters = blocks.check_filters(filters, linear_path)
        num_blocks = checks.integer("num_blocks", num_blocks, least=0)
        num_orientations = checks.integer(
            "num_orientations", num_orientations, least=0
        )
        pooling = checks.one_of("pooling", pooling, ("flatten", "average"))
        output_dim = checks.positive_integer(
            "output_dim", output_dim, optional=True
        )
        dropout = checks.in_range("dropout", dropout, 0, 1, "[)")
        policy = keras.dtype_policies.get(dtype)

        # Functional graph
        images = keras.Input((*image_size, 3), dtype="float32", name="images")
        if num_orientations:
            x = OrientedGradients(num_orientations, cell_size, dtype=policy)(
                images
            )
        else:
            x = keras.layers.Rescaling(2.0, -1.0, dtype=policy)(images)
        paths = []
        if linear_path:
            paths.append(_linear_path(x, policy, "linear"))
        if linear_path and num_orientations:
            colors = ColorCells(cell_size, dtype=policy)(images)
            paths.append(_linear_path(colors, policy, "color"))
        if filters and num_orientations:
            x = keras.layers.LayerNormalization(dtype=policy, name="norm")(x)
        for stage, channels in enumerate(filters):
            at_once = stage == 0 and num_orientations
            x = blocks.convolution(
                x, channels, 1 if at_once else 2, policy, f"stage_{stage}"
            )
            x = blocks.normalize(x, policy, f"stage_{stage}")
            for block in range(num_blocks):
                x = blocks.residual_block(
                    x, policy, f"stage_{stage}_block_{block}"
                )
        if filters and pooling == "flatten":
            paths.append(
                keras.layers.Flatten(data_format="channels_last", dtype=policy)(
                    x
                )
            )
        elif filters:
            paths.append(
                keras.layers.GlobalAveragePooling2D(
                    data_format="channels_last", dtype=policy
                )(x)
            )
        x = paths[0]
        if len(paths) > 1:
            x = keras.layers.Concatenate(dtype=policy)(paths)
        if dropout:
            x = keras.layers.Dropout(dropout, dtype=policy, name="dropout")(x)
        if output_dim is not None:
            x = keras.layers.Dense(output_dim, dtype=policy, name="output")(x)
        super().__init__(inputs=images, outputs=x, **kwargs)

        # Config
        self.image_size = image_size
        self.filters = filters
        self.num_blocks = num_blocks
        self.num_orientations = num_orientations
        self.cell_size = cell_size
        self.linear_path = linear_path
        self.pooling = pooling
        self.output_dim = output_dim
        self.dropout = dropout
        self.dtype_policy = policy


def _linear_path(x, dtype, name):
    x = keras.layers.Flatten(
        data_format="channels_last", dtype=dtype, name=f"{name}_flatten"
    )(x)
    return keras.layers.LayerNormalization(
        center=False, scale=False, dtype=dtype, name=f"{name}_norm"
    )(x)
