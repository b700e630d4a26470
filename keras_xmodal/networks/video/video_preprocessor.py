"""Clips as they come, made into what a video encoder takes."""

from collections.abc import Sequence

import keras
import tensorflow as tf
from keras import ops

from keras_xmodal import checks
from keras_xmodal.media.decode_each import decode_each
from keras_xmodal.media.gif_frames import decode_gif
from keras_xmodal.media.image import MAX_PIXELS
from keras_xmodal.networks.image.image_preprocessor import ImagePreprocessor
from keras_xmodal.ops.sample_frames import sample_frames
from keras_xmodal.saving import register


@register
class VideoPreprocessor(keras.layers.Layer):
    """Sample the frames of videos, resize and scale them.

    The same layer works eagerly, in `tf.data.Dataset.map` and inside an
    exported graph. Of each clip it takes the frames in the middle of
    `num_frames` equal parts: frame `floor((2 i + 1) length / (2 num_frames))`
    for `i` from 0. A clip of `num_frames` keeps all of its frames, a shorter
    one repeats some, a picture stands still; there is no padding. All frames
    count alike, however long each is shown.

    The frames are treated as `ImagePreprocessor` treats pictures: integers
    are divided by 255, grey is repeated, opacity laid over white, and other
    sizes are resized with antialiasing.

    Encoded videos (GIF) are accepted as a string tensor, see `decode`.

    Args:
        num_frames: Positive integer, frames of each clip of the result.
        image_size: Pair of positive integers, height and width in pixels.
        augmentation: Keras layer on float videos `(batch, num_frames, height,
            width, 3)` in [0, 1], such as `VideoAugmentation`, called after
            resizing and only with `training=True`, or `None`. What it returns
            is clipped to [0, 1].
        max_pixels: Positive integer, height times width of the largest frame
            of a file that is decoded, one after the other; of all frames
            together, 100 times as many.
        **kwargs: Further arguments of `keras.layers.Layer`. The result is
            float32 under every `dtype` policy; an encoder casts it itself.

    Call arguments:
        videos: Tensor of shape `(batch, time, height, width, channels)` or
            `(time, height, width, channels)`, integer or float, with 1, 3 or
            4 channels; a `tf.RaggedTensor` of videos of different lengths; or a
            string tensor of shape `(batch,)` or `()`.
        lengths: Integer tensor of shape `(batch,)`, or `()` for a single
            clip: how many frames of each are no padding, 1 to `time`. `None`
            for all of them, and for a ragged tensor or files, which know their
            own.
        training: Boolean, whether to augment.

    Returns:
        Float32 tensor of shape `(batch, num_frames, *image_size, 3)`, or
        `(num_frames, *image_size, 3)` for a single clip, in [0, 1].

    Raises:
        TypeError: If `augmentation` is no Keras layer, or the videos are
            boolean or complex numbers.
        ValueError: If `num_frames` or `image_size` are not positive integers,
            the videos have another rank, number of channels or range, or one
            has no frame.
        tf.errors.InvalidArgumentError: If a file is no clip or too large, or,
            inside a graph, videos have another range.

    Example:
        ```python
        import keras_xmodal as kx
        import numpy as np

        preprocessor = kx.networks.VideoPreprocessor(8, (32, 32))
        videos = np.random.default_rng(0).integers(0, 256, (2, 20, 64, 48, 3))
        preprocessor(videos.astype("uint8")).shape  # (2, 8, 32, 32, 3)
        preprocessor(videos.astype("uint8"), lengths=[20, 5]).shape  # the same
        ```

    Reference:
        - Wang et al., 2016, https://arxiv.org/abs/1608.00859, section 3.1
          (one frame from each of several segments of equal durations)
    """

    def __init__(
        self,
        num_frames: int = 8,
        image_size: Sequence[int] = (32, 32),
        augmentation: keras.layers.Layer | None = None,
        max_pixels: int = MAX_PIXELS,
        **kwargs,
    ):
        # Half precision would spoil what is meant as float32.
        super().__init__(autocast=False, **kwargs)
        self.frame_preprocessor = ImagePreprocessor(
            image_size, max_pixels=max_pixels
        )
        self.max_pixels = self.frame_preprocessor.max_pixels
        self.num_frames = checks.positive_integer("num_frames", num_frames)
        self.image_size = self.frame_preprocessor.image_size
        self.augmentation = checks.keras_layer(
            "augmentation", augmentation, optional=True
        )
        self._allow_non_tensor_positional_args = True
        self._convert_input_args = False
        self.built = True  # a layer in `augmentation` builds itself

    def call(self, videos, lengths=None, training=False):
        known = lengths is not None
        is_ragged = isinstance(videos, tf.RaggedTensor)
        if is_ragged:
            lengths, videos = videos.row_lengths(), videos.to_tensor()
        videos = ops.convert_to_tensor(checks.array("videos", videos))
        dtype = keras.backend.standardize_dtype(videos.dtype)
        if known and (is_ragged or dtype == "string"):
            raise ValueError(
                "`lengths` must be None where `videos` are files or ragged, "
                f"which have their own. Received: lengths={lengths}"
            )
        if dtype == "string":
            single = len(videos.shape) == 0
            videos = self._decode(videos)
        elif dtype.startswith(("int", "uint", "float", "bfloat")):
            single = len(videos.shape) == 4
            videos = self._standardize(videos, lengths)
        else:
            raise TypeError(
                "`videos` must be integers from 0 to 255, floats in [0, 1] or "
                f"strings holding encoded videos. Received: dtype={dtype}"
            )
        if not training or self.augmentation is None:
            return videos
        if single:
            videos = ops.expand_dims(videos, 0)
        videos = self.augmentation(videos, training=True)
        videos = ops.clip(ops.cast(videos, "float32"), 0.0, 1.0)
        return ops.squeeze(videos, 0) if single else videos

    def decode(self, contents):
        """Decode videos, each of its own length and size, and preprocess them.

        All of it is TensorFlow graph operations, so that an exported model
        takes the bytes of files. Frames are drawn as browsers do, over white
        where they are clear. A JPEG, PNG, BMP or WebP picture is a clip of one
        frame. Other formats, animated PNG and WebP files too, are read before
        the graph, by `keras_xmodal.datasets.read_video`.

        Args:
            contents: String tensor or list of bytes of shape `(batch,)`, or
                `()` for one clip: the content of GIF files, or of pictures.

        Returns:
            Float32 tensor of shape `(batch, num_frames, *image_size, 3)`, or
            `(num_frames, *image_size, 3)` for one clip, in [0, 1].

        Raises:
            TypeError: If `contents` does not hold strings.
            ValueError: If it has another rank.
            tf.errors.InvalidArgumentError: If one of them is no whole clip,
                or has more than `max_pixels`.
        """
        return self._decode(contents)

    def _decode(self, contents):
        shape = self.compute_output_shape((None,))[1:]
        return decode_each(contents, self._decode_one, shape)

    def _decode_one(self, content, name="`contents`"):
        preprocessor = self.frame_preprocessor

        def draw():
            return decode_gif(
                content,
                self.max_pixels,
                name,
                lambda count: sample_frames(count, self.num_frames),
                preprocessor,
                tf.float32,
            )

        def stand_still():
            picture = preprocessor.decode_one(content, name, False)
            return tf.repeat(picture[tf.newaxis], self.num_frames, axis=0)

        clip = tf.cond(
            tf.strings.substr(content, 0, 4) == "GIF8", draw, stand_still
        )
        return tf.ensure_shape(clip, (self.num_frames, *self.image_size, 3))

    def _standardize(self, videos, lengths):
        sizes = ("time", "height", "width", "channels")
        checks.shape("videos", videos.shape, ("batch", *sizes), sizes)
        single = len(videos.shape) == 4
        if single:
            videos = ops.expand_dims(videos, 0)
        if videos.shape[1] == 0:
            raise ValueError(
                "`videos` must have at least one frame. Received: "
                f"shape={videos.shape}"
            )
        if lengths is not None:
            lengths = checks.tensor("lengths", lengths, dtype=None)
            if not lengths.dtype.is_integer:
                raise TypeError(
                    "`lengths` must be integers, numbers of frames. "
                    f"Received: lengths of dtype {lengths.dtype.name}"
                )
            lengths = ops.reshape(ops.cast(lengths, "int32"), (-1,))
            lengths = _check_lengths(lengths, *ops.shape(videos)[:2])
            indices = sample_frames(lengths, self.num_frames)
            videos = tf.gather(videos, indices, batch_dims=1)
        elif videos.shape[1] != self.num_frames:
            indices = sample_frames(ops.shape(videos)[1], self.num_frames)
            videos = ops.take(videos, indices, axis=1)
        # (batch * num_frames, height, width, channels)
        frames = ops.reshape(videos, (-1, *ops.shape(videos)[2:]))
        frames = self.frame_preprocessor(frames)
        batch = () if single else (-1,)
        return ops.reshape(
            frames, (*batch, self.num_frames, *self.image_size, 3)
        )

    def compute_output_spec(self, videos, lengths=None, training=False):
        if keras.backend.standardize_dtype(videos.dtype) != "string":
            return super().compute_output_spec(
                videos, lengths=lengths, training=training
            )
        shape = self.compute_output_shape(videos.shape)
        return keras.KerasTensor(shape, dtype="float32")

    def compute_output_shape(self, videos_shape, lengths_shape=None):
        single = len(videos_shape) in (0, 4)
        batch_shape = () if single else tuple(videos_shape[:1])
        return (*batch_shape, self.num_frames, *self.image_size, 3)


def _check_lengths(lengths, batch, time):
    rule = (
        "`lengths` must be from 1 to the number of frames, one for each clip. "
        "Received:"
    )
    right = tf.reduce_all((lengths >= 1) & (lengths <= time))
    right &= tf.size(lengths) == batch
    if not tf.executing_eagerly():
        check = tf.debugging.Assert(right, [rule, lengths, "of", time])
        with tf.control_dependencies([check]):
            return tf.identity(lengths)
    if not right:
        raise ValueError(
            f"{rule} lengths={lengths.numpy().tolist()} of {int(batch)} clips "
            f"of {int(time)} frames"
        )
    return lengths
