"""Pictures as vectors, by a compact convolutional network."""

import math
from collections.abc import Sequence

import keras

from keras_xmodal.layers.color_cells import ColorCells
from keras_xmodal.layers.oriented_gradients import OrientedGradients
from keras_xmodal.saving import register


@register
class ImageEncoder(keras.Model):
    """A small convolutional network for small pictures and short training.

    It starts from the pixels or from their oriented gradients, which need no
    training (`keras_xmodal.layers.OrientedGradients`). From there a linear
    path hands everything on as it is, the colours of the cells beside it
    (`keras_xmodal.layers.ColorCells`), and convolutions learn what a linear
    map cannot say; the features are all of it, side by side. Normalisation
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
        _validate_arguments(
            image_size,
            filters,
            num_blocks,
            linear_path,
            pooling,
            output_dim,
            dropout,
        )
        image_size, filters = tuple(image_size), tuple(filters)
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
            x = _convolution(
                x, channels, 1 if at_once else 2, policy, f"stage_{stage}"
            )
            x = _normalize(x, policy, f"stage_{stage}")
            for block in range(num_blocks):
                x = _residual_block(x, policy, f"stage_{stage}_block_{block}")
        if filters and pooling == "flatten":
            paths.append(keras.layers.Flatten(dtype=policy)(x))
        elif filters:
            paths.append(keras.layers.GlobalAveragePooling2D(dtype=policy)(x))
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


def _convolution(x, channels, strides, dtype, name):
    return keras.layers.Conv2D(
        channels,
        3,
        strides=strides,
        padding="same",
        use_bias=False,  # a normalisation follows
        kernel_initializer="he_normal",
        dtype=dtype,
        name=f"{name}_convolution",
    )(x)


def _linear_path(x, dtype, name):
    x = keras.layers.Flatten(dtype=dtype, name=f"{name}_flatten")(x)
    return keras.layers.LayerNormalization(
        center=False, scale=False, dtype=dtype, name=f"{name}_norm"
    )(x)


def _normalize(x, dtype, name):
    x = keras.layers.GroupNormalization(
        math.gcd(8, x.shape[-1]), dtype=dtype, name=f"{name}_norm"
    )(x)
    return keras.layers.Activation(
        "silu", dtype=dtype, name=f"{name}_activation"
    )(x)


def _residual_block(x, dtype, name):
    y = _convolution(x, x.shape[-1], 1, dtype, f"{name}_1")
    y = _normalize(y, dtype, f"{name}_1")
    y = _convolution(y, x.shape[-1], 1, dtype, f"{name}_2")
    y = _normalize(y, dtype, f"{name}_2")
    return keras.layers.Add(dtype=dtype, name=f"{name}_add")([x, y])


def _validate_arguments(
    image_size,
    filters,
    num_blocks,
    linear_path,
    pooling,
    output_dim,
    dropout,
):
    if (
        not isinstance(image_size, (tuple, list))
        or len(image_size) != 2
        or not all(isinstance(size, int) and size > 0 for size in image_size)
    ):
        raise ValueError(
            "`image_size` must be a pair of positive integers, height and "
            f"width. Received: image_size={image_size}"
        )
    if not isinstance(filters, (tuple, list)) or not all(
        isinstance(channels, int) and channels > 0 for channels in filters
    ):
        raise ValueError(
            "`filters` must be a tuple of positive integers. Received: "
            f"filters={filters}"
        )
    if not filters and not linear_path:
        raise ValueError(
            "`filters` must not be empty without `linear_path`. Received: "
            f"filters={filters}, linear_path={linear_path}"
        )
    if not isinstance(num_blocks, int) or num_blocks < 0:
        raise ValueError(
            "`num_blocks` must be a non-negative integer. Received: "
            f"num_blocks={num_blocks}"
        )
    if pooling not in ("flatten", "average"):
        raise ValueError(
            "`pooling` must be 'flatten' or 'average'. Received: "
            f"pooling={pooling!r}"
        )
    if output_dim is not None and (
        not isinstance(output_dim, int) or output_dim < 1
    ):
        raise ValueError(
            "`output_dim` must be None or a positive integer. Received: "
            f"output_dim={output_dim}"
        )
    if not 0 <= dropout < 1:
        raise ValueError(
            f"`dropout` must be in [0, 1). Received: dropout={dropout}"
        )
