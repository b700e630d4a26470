"""A layer whose kernel has the largest singular value 1."""

import math

import keras
from keras import ops

from keras_xmodal import checks
from keras_xmodal.saving import register

# Their kernels end in (outputs, inputs), all others in (inputs, outputs).
_TRANSPOSES = (
    keras.layers.Conv1DTranspose,
    keras.layers.Conv2DTranspose,
    keras.layers.Conv3DTranspose,
)


@register
class SpectralNormalization(keras.layers.Wrapper):
    """Wrap a layer to compute with `W / sigma(W)` in place of its kernel `W`.

    `sigma(W)` is the largest singular value of the kernel as a matrix with one
    column for each output, `|W u|` for a unit vector `u` that power iteration
    finds. Gradients flow through `sigma`, with `u` as a constant.

    The kernel itself is never assigned, and a call changes nothing, in training
    or not, unlike `keras.layers.SpectralNormalization`: the `u` of a
    discriminator stays as it is while the generator learns from it. `update`
    moves it, and is to be called once for each step that trains the kernel.

    Args:
        layer: Keras layer with a `kernel`: dense, a convolution or the
            transpose of one. What it adds to the losses in its call is lost,
            so it must have no `activity_regularizer`.
        power_iterations: Positive integer, iterations of each `update`.
        **kwargs: Arguments of `keras.layers.Layer`. The dtype policy is by
            default that of the wrapped layer.

    Call arguments:
        inputs: What the wrapped layer takes.

    Returns:
        What the wrapped layer returns.

    Raises:
        ValueError: If `power_iterations` is not positive, or the layer has no
            kernel or has an activity regularizer.

    Example:
        ```python
        import keras
        import keras_xmodal as kx
        import numpy as np

        layer = kx.layers.SpectralNormalization(keras.layers.Dense(8))
        layer(np.ones((2, 4))).shape  # (2, 8)
        layer.update()
        ```

    Reference:
        - Miyato et al., 2018, https://arxiv.org/abs/1802.05957, section 2 and
          algorithm 1
    """

    def __init__(
        self, layer: keras.layers.Layer, power_iterations: int = 1, **kwargs
    ):
        checks.keras_layer("layer", layer)
        kwargs.setdefault("dtype", layer.dtype_policy)
        super().__init__(layer, **kwargs)
        if layer.activity_regularizer is not None:
            raise ValueError(
                "`layer` must have no `activity_regularizer`; give it to "
                "`SpectralNormalization`. Received: "
                f"activity_regularizer={layer.activity_regularizer}"
            )
        self.power_iterations = checks.positive_integer(
            "power_iterations", power_iterations
        )

    def build(self, input_shape=None):
        super().build(input_shape)
        kernel = getattr(self.layer, "kernel", None)
        if not isinstance(kernel, keras.Variable):
            raise ValueError(
                "`layer` must have a variable `kernel`. "
                f"Received: {type(self.layer).__name__}"
            )
        transposed = isinstance(self.layer, _TRANSPOSES)
        self._output_axis = -2 if transposed else -1
        self.u = self.add_weight(
            shape=(kernel.shape[self._output_axis], 1),
            initializer="orthogonal",  # of one column: a unit vector
            trainable=False,
            dtype="float32",
            autocast=False,
            aggregation="only_first_replica",
            name="u",
        )
        self.built = True

    def update(self):
        """Move `u` towards the first right singular vector of the kernel."""
        matrix = self._matrix()
        u = self.u.value
        for _ in range(self.power_iterations):
            v = _normalize(ops.matmul(matrix, u), 0.0)
            u = _normalize(ops.matmul(ops.transpose(matrix), v), u)
        self.u.assign(u)

    def call(self, inputs):
        kernel = self.layer.kernel
        # Values, not variables: an outer scope may have replaced them.
        state = {id(v): (v, v.value) for v in self.layer.variables}
        state[id(kernel)] = kernel, self._normalized_kernel()
        with keras.StatelessScope(state.values(), initialize_variables=False):
            return self.layer(inputs)

    def _normalized_kernel(self):
        square = ops.sum(ops.square(ops.matmul(self._matrix(), self.u.value)))
        # A kernel of zeros stays one, and gets its own gradient.
        positive = square > 0
        sigma = ops.sqrt(ops.where(positive, square, 1.0))
        kernel = self.layer.kernel
        return ops.cast(
            ops.cast(kernel, "float32") / ops.where(positive, sigma, 1.0),
            kernel.dtype,
        )

    def _matrix(self):
        """The kernel in float32, of shape `(others, outputs)`."""
        kernel = ops.cast(self.layer.kernel, "float32")
        kernel = ops.moveaxis(kernel, self._output_axis, -1)
        size = math.prod(kernel.shape[:-1])
        return ops.reshape(kernel, (size, kernel.shape[-1]))

    def compute_output_shape(self, input_shape):
        return self.layer.compute_output_shape(input_shape)


def _normalize(vector, otherwise):
    norm = ops.sqrt(ops.sum(ops.square(vector)))
    return ops.where(
        norm > 0, vector / ops.where(norm > 0, norm, 1.0), otherwise
    )
