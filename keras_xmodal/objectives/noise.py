"""A source of noise for one training step."""

from keras_xmodal.ops.noise import (
    fold_in,
    stateless_normal,
    stateless_uniform,
)


class Noise:
    """Noise that a seed and a step decide, fresh at every draw.

    Args:
        seed: Integer, or integer tensor.
        step: Integer, or integer tensor.

    Example:
        ```python
        noise = Noise(seed=0, step=optimizer.iterations)
        z = noise.normal((64, 8))
        ```
    """

    def __init__(self, seed=0, step=0):
        self._seed = fold_in(seed, step)
        self._num_draws = 0

    def normal(self, shape):
        """Draw standard normal noise of a shape."""
        return stateless_normal(shape, self._next())

    def uniform(self, shape):
        """Draw uniform noise in (0, 1) of a shape."""
        return stateless_uniform(shape, self._next())

    def seed(self):
        """Draw a seed for another source of noise."""
        return self._next()

    def _next(self):
        self._num_draws += 1
        return fold_in(self._seed, self._num_draws)
