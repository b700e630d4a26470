"""The kernel distance of two sets of features."""

import numpy as np

from keras_xmodal import checks
from keras_xmodal.metrics.features import check_feature_pair
from keras_xmodal.reports import Report


def kernel_distance(
    real: np.ndarray,
    generated: np.ndarray,
    num_subsets: int = 100,
    subset_size: int = 1000,
    *,
    seed: int = 0,
) -> dict[str, float]:
    """Measure how far two sets of features are apart, without bias.

    This is the formula of the KID on features of your choice: the squared
    maximum mean discrepancy with the kernel `(x.y / dim + 1)^3`, estimated
    without bias on random subsets. Unlike the Frechet distance, it is 0 on
    average between samples of one distribution, however few; a single value
    may be negative.

    Args:
        real: Array of shape `(real samples, dim)`, two samples at least.
        generated: Array of shape `(generated samples, dim)`, of the same kind.
        num_subsets: Positive integer, the subsets drawn.
        subset_size: Integer from 2, samples of each side in a subset, drawn
            without replacement; no more than the smaller side has.
        seed: Integer, seed of the subsets.

    Returns:
        Dict of Python numbers: `"mean"`, the distance, over the subsets;
        `"standard_deviation"` between them, which is not the error of the
        mean; `"num_subsets"`, `"subset_size"`, those that were used. Where a
        subset is all of both sides, there is but one, and no deviation: 0.

    Raises:
        TypeError: If features are not real numbers, or a number of subsets or
            samples is no integer.
        ValueError: If shapes do not fit, values are not finite, or there are
            too few samples or subsets.

    Example:
        ```python
        import numpy as np
        import keras_xmodal as kx

        rng = np.random.default_rng(0)
        real, generated = rng.normal(size=(2, 500, 4))
        report = kx.metrics.kernel_distance(real, generated, subset_size=100)
        print(report["mean"], report["standard_deviation"])  # about 0
        report = kx.metrics.kernel_distance(real, generated + 1)
        print(report["mean"])  # about 10
        ```

    Reference:
        - Binkowski et al., 2018, https://arxiv.org/abs/1801.01401, section 4
        - Gretton et al., 2012, https://jmlr.org/papers/v13/gretton12a.html,
          equation 3
    """
    num_subsets = checks.positive_integer("num_subsets", num_subsets)
    subset_size = checks.integer("subset_size", subset_size, least=2)
    real, generated = check_feature_pair(real, generated, 2)
    subset_size = min(subset_size, len(real), len(generated))
    if subset_size == len(real) == len(generated):
        num_subsets = 1
    rng = np.random.default_rng(checks.seed(seed))

    def subset(features):
        rows = rng.choice(len(features), subset_size, replace=False)
        return features[rows]

    distances = [
        _squared_discrepancy(subset(real), subset(generated))
        for _ in range(num_subsets)
    ]
    return Report(
        {
            "mean": float(np.mean(distances)),
            "standard_deviation": float(np.std(distances)),
            "num_subsets": num_subsets,
            "subset_size": subset_size,
        }
    )


def _squared_discrepancy(x, y):
    """Unbiased estimate, from equally many samples of both sides."""
    within = _mean_of_pairs(x) + _mean_of_pairs(y)
    return within - 2 * _kernel(x, y).mean()


def _mean_of_pairs(x):
    """Mean kernel of two samples, none of them beside itself."""
    kernel = _kernel(x, x)
    return (kernel.sum() - np.trace(kernel)) / (len(x) * (len(x) - 1))


def _kernel(x, y):
    return (x @ y.T / x.shape[1] + 1) ** 3
