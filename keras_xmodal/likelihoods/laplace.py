"""Real values with heavier tails than a normal distribution."""

from keras_xmodal import checks, saving
from keras_xmodal.likelihoods.likelihood import Likelihood, float32


@saving.register
class Laplace(Likelihood):
    """Independent real values, Laplace around the decoder's output.

    `parameters` are the locations, of the shape of the data. The absolute
    error counts `1 / scale`, so that outliers pull less than under `Normal`.

    Args:
        scale: Float > 0, in units of the data. The default is that of the
            multimodal VAE literature, for images in [0, 1].

    Raises:
        ValueError: If `scale` is not positive.

    Example:
        ```python
        import numpy as np
        import keras_xmodal as kx

        likelihood = kx.likelihoods.Laplace()
        x = np.zeros((8, 32), "float32")
        print(likelihood.log_prob(x, x))  # -32 log(2 * 0.75) = -12.97
        ```

    Reference:
        - Shi et al., 2019, https://arxiv.org/abs/1911.03393
    """

    def __init__(self, scale=0.75):
        self.scale = checks.positive("scale", scale)

    def distribution(self, parameters):
        from tensorflow_probability import distributions as tfd

        return tfd.Laplace(float32(parameters), self.scale)
