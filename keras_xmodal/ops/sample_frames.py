"""Which frames of a clip stand for all of it."""

import keras
from keras import ops

from keras_xmodal import checks
from keras_xmodal.types import Tensor, TensorLike


def sample_frames(length: TensorLike | int, num_frames: int) -> Tensor:
    """Choose the frames in the middle of equal parts of a clip.

    Frame `i` of `num_frames` is the frame `floor((2 i + 1) length /
    (2 num_frames))`. A clip of `num_frames` keeps all of its frames, a shorter
    one repeats some, and one of a single frame stands still.

    Args:
        length: Positive integer or integer tensor of any shape, the number of
            frames of a clip.
        num_frames: Positive integer, how many to choose.

    Returns:
        Int32 tensor of shape `(*length.shape, num_frames)`, ascending.

    Raises:
        TypeError: If `num_frames` or a length is no integer.
        ValueError: If one is not positive.
        tf.errors.InvalidArgumentError: If a length is not, in a graph.

    Example:
        >>> sample_frames(10, 4).numpy().tolist()
        [1, 3, 6, 8]

    Reference:
        - Wang et al., 2016, https://arxiv.org/abs/1608.00859, section 3.1
          (one from each of several segments of equal durations)
    """
    num_frames = checks.positive_integer("num_frames", num_frames)
    lengths = checks.tensor("length", length, dtype=None)
    if "int" not in keras.backend.standardize_dtype(lengths.dtype):
        raise TypeError(
            "`length` must be integers, numbers of frames. "
            f"Received: length of dtype {lengths.dtype}"
        )
    lengths = checks.values("length", lengths, 1, 2**31 - 1)
    # Products of 32 bits would overflow.
    lengths = ops.expand_dims(ops.cast(lengths, "int64"), -1)
    odd = 2 * ops.arange(num_frames, dtype="int64") + 1
    return ops.cast(ops.floor_divide(odd * lengths, 2 * num_frames), "int32")
