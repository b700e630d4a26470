"""The distance of the Gaussians of two sets of features."""

import numpy as np

from keras_xmodal.metrics.features import check_feature_pair


def frechet_distance(real: np.ndarray, generated: np.ndarray) -> float:
    """Measure how far two sets of features are apart, as Gaussians.

    This is the formula of the FID, `|m - m'|^2 + tr(C + C' - 2 (C C')^(1/2))`
    of means and covariances, on features of your choice. Only on those of the
    original Inception graph may the value be called FID; else name the
    extractor, as `generation_report` does.

    The distance of finite samples is too large: for features of unit variance
    by about `dim^2 / (2 samples)`, with so many on both sides. Compare values
    of equally many samples only, beside that of real to other real data.

    The trace of the matrix root is the sum of the singular values of `A B^T`,
    where `A^T A` and `B^T B` are the covariances. No root of a matrix is
    taken, so fewer samples than dimensions do no harm.

    Args:
        real: Array of shape `(real samples, dim)`, two samples at least.
        generated: Array of shape `(generated samples, dim)`, of the same kind.

    Returns:
        Float, the squared distance, not below 0.

    Raises:
        TypeError: If features are not real numbers.
        ValueError: If shapes do not fit, values are not finite, or a side has
            one sample only.

    Example:
        ```python
        import numpy as np
        import keras_xmodal as kx

        rng = np.random.default_rng(0)
        real = rng.normal(size=(5000, 4))
        generated = rng.normal(size=(5000, 4)) + [1.0, 0.0, 0.0, 0.0]
        print(kx.metrics.frechet_distance(real, generated))  # about 1
        ```

    Reference:
        - Heusel et al., 2017, https://arxiv.org/abs/1706.08500, equation 6
        - Dowson and Landau, 1982, https://doi.org/10.1016/0047-259X(82)90077-X
    """
    real, generated = check_feature_pair(real, generated, 2)
    shift = real.mean(axis=0) - generated.mean(axis=0)
    real, generated = _root(real), _root(generated)
    overlap = np.linalg.svd(real @ generated.T, compute_uv=False).sum()
    distance = shift @ shift + np.sum(real**2) + np.sum(generated**2)
    # Rounding may leave less than nothing between equal sets.
    return max(float(distance - 2 * overlap), 0.0)


def _root(features):
    """`A` of shape `(min(samples, dim), dim)`: `A^T A` is the covariance."""
    samples, dim = features.shape
    centred = (features - features.mean(axis=0)) / np.sqrt(samples - 1)
    return np.linalg.qr(centred, mode="r") if samples > dim else centred
