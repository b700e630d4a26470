"""How much a latent space is used."""

import numpy as np
from keras import ops

from keras_xmodal import checks
from keras_xmodal.ops.gaussian import gaussian_kl
from keras_xmodal.reports import Report


def latent_report(
    mean: np.ndarray, log_variance: np.ndarray, threshold: float = 0.01
) -> dict[str, float]:
    """Measure which latent dimensions carry information.

    A dimension is active if the variance of its posterior means over the
    examples is above a threshold: where the posterior is the same for every
    example, the decoder learns nothing from it. With no active dimension, the
    posterior has collapsed.

    Of a mixture of Gaussians, give mean and variance of the mixture. The
    divergence is then a lower bound of the mixture's: of all densities with
    these moments, the Gaussian is the nearest to the prior.

    Args:
        mean: Array of shape `(examples, dim)`, of `q(z|x)`.
        log_variance: Array of shape `(examples, dim)`.
        threshold: Float, the variance above which a dimension is active.

    Returns:
        Dict of Python numbers: `"kl"`, `KL(q(z|x) || N(0, I))` in nats, the
        mean over the examples; `"kl_per_dim"`, a list of the dimensions'
        shares in it; `"active_units"`; `"num_units"`; and `"collapsed"`.

    Raises:
        TypeError: If an argument is not made of real numbers.
        ValueError: If shapes do not fit, values are not finite, or `threshold`
            is negative.

    Example:
        ```python
        import numpy as np
        import keras_xmodal as kx

        # The first dimension knows the example, the second is the prior.
        mean = np.array([[2.0, 0.0], [-2.0, 0.0]])
        log_variance = np.array([[-3.0, 0.0], [-3.0, 0.0]])
        report = kx.metrics.latent_report(mean, log_variance)
        print(report["active_units"], report["kl_per_dim"])  # 1, [3.02, 0.0]
        ```

    Reference:
        - Burda et al., 2016, https://arxiv.org/abs/1509.00519, section 5.2
    """
    mean = checks.embeddings("mean", mean)
    log_variance = checks.embeddings("log_variance", log_variance)
    checks.same_shape(mean=mean.shape, log_variance=log_variance.shape)
    threshold = checks.not_negative("threshold", threshold)
    # An axis of length 1 is all that is summed over.
    kl = gaussian_kl(mean[..., None], log_variance[..., None])
    kl = ops.convert_to_numpy(kl).mean(axis=0, dtype="float64")  # (dim,)
    active = mean.var(axis=0, dtype="float64") > threshold
    return Report(
        {
            "kl": float(kl.sum()),
            "kl_per_dim": kl.tolist(),
            "active_units": int(active.sum()),
            "num_units": len(active),
            "collapsed": not active.any(),
        }
    )
