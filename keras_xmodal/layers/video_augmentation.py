"""Random changes of videos that leave their meaning alone."""

import keras
from keras import ops

from keras_xmodal import checks
from keras_xmodal.layers.image_augmentation import ImageAugmentation
from keras_xmodal.saving import register


@register
class VideoAugmentation(ImageAugmentation):
    """Move, bend and recolour videos at random, all frames of one alike.

    The changes are those of `ImageAugmentation`, drawn once for each clip: what
    stands still, stands still afterwards, and what moves left moves left.

    Args:
        horizontal_flip: Whether half of the videos are mirrored, which turns
            left into right: `False`, unlike for pictures, because captions
            say so.
        **kwargs: The other arguments of `ImageAugmentation`, with the same
            defaults.

    Call arguments:
        videos: Float tensor of shape `(batch, num_frames, height, width, 3)`
            or `(num_frames, height, width, 3)`, in [0, 1].
        training: Boolean; with `False`, the default, the videos pass
            unchanged.

    Returns:
        Tensor of the shape of `videos`, in [0, 1].

    Raises:
        ValueError: If an amount is negative or too large, or the videos have
            another rank or range.
        tf.errors.InvalidArgumentError: If they have another range inside a
            graph.

    Example:
        ```python
        import keras_xmodal as kx
        import numpy as np

        augmentation = kx.layers.VideoAugmentation(rotation=0.1, seed=1)
        videos = np.random.default_rng(0).random((2, 8, 32, 32, 3), "float32")
        augmentation(videos, training=True).shape  # (2, 8, 32, 32, 3)
        kx.networks.VideoPreprocessor(8, augmentation=augmentation)
        ```
    """

    def __init__(self, horizontal_flip: bool = False, **kwargs):
        super().__init__(horizontal_flip=horizontal_flip, **kwargs)

    def build(self, input_shape):
        clip = ("num_frames", "height", "width", 3)
        checks.shape("videos", input_shape, ("batch", *clip), clip)
        self.built = True

    def call(self, videos, training=False):
        if not training:
            return videos
        videos = checks.values("videos", videos, 0, 1, tolerance=0.01)
        shape, dtype = ops.shape(videos), videos.dtype
        batch = shape[0] if len(shape) == 5 else 1
        draws = keras.random.uniform(
            (batch, 27), -1.0, 1.0, dtype="float32", seed=self.seed_generator
        )
        draws = ops.repeat(draws, shape[-4], axis=0)
        # (batch * num_frames, height, width, 3)
        x = ops.reshape(ops.cast(videos, "float32"), (-1, *shape[-3:]))
        x = ops.cast(self._change(x, draws), dtype)
        return ops.reshape(x, shape)
