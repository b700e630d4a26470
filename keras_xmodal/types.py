"""What signatures call the data that Keras computes with."""

from typing import TypeAlias, Union

import numpy as np
import tensorflow as tf

Tensor: TypeAlias = tf.Tensor
TensorLike: TypeAlias = Union[np.ndarray, tf.Tensor]  # noqa: UP007
