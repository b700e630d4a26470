"""How many modes of the data a generator has, and how evenly."""

import numpy as np
import scipy

from keras_xmodal import checks
from keras_xmodal.metrics.features import squared_distances
from keras_xmodal.reports import Report

# Standard deviations from its centre within which a sample counts.
_NUM_DEVIATIONS = 3


def mode_report(
    samples: np.ndarray,
    num_modes: int | None = None,
    centres: np.ndarray | None = None,
    deviation: float | None = None,
    probabilities: np.ndarray | None = None,
) -> dict[str, float]:
    """Count the modes that generated samples cover, and their imbalance.

    Three kinds of samples: modes, as a classifier reads them; the digits of
    modes, such as the three of Stacked-MNIST; and points around known centres,
    such as a ring or a grid of Gaussians. A point belongs to its nearest
    centre and is of high quality within three deviations of it; only such
    points cover a mode.

    Args:
        samples: Integers of shape `(samples,)`, modes from 0; or integers of
            shape `(samples, digits)`, each from 0 to `num_modes^(1/digits)`,
            exclusive; or, with `centres`, points of shape `(samples, dim)`.
        num_modes: Positive integer, of modes as integers or digits.
        centres: Array of shape `(modes, dim)`, in place of `num_modes`.
        deviation: Positive float, with `centres` only: the standard deviation
            of the Gaussian around each, in every direction.
        probabilities: Array of shape `(modes,)`, of the modes in real data,
            none of them 0. None if all are equal.

    Returns:
        Dict of Python numbers: `"num_covered"`, the modes with a sample;
        `"expected_covered"`, how many as many real samples would cover on
        average; `"num_modes"`; `"kl"`, the divergence in nats of the modes of
        all samples from those of real data, 0 if they agree; `"expected_kl"`,
        its floor, about what as many real samples would have,
        `(num_modes - 1) / (2 samples)`, for several in each mode;
        `"num_samples"`. With `centres` also `"high_quality"`, the share of
        such points, and `"expected_high_quality"`, that of the Gaussians
        themselves.

    Raises:
        TypeError: If modes are not integers, or points no real numbers.
        ValueError: If both of `num_modes` and `centres` are given, or none, or
            the arguments do not fit each other.

    Example:
        ```python
        import numpy as np
        import keras_xmodal as kx

        rng = np.random.default_rng(0)
        # Stacked-MNIST: what a classifier reads in the three channels.
        digits = rng.integers(10, size=(26_000, 3))
        report = kx.metrics.mode_report(digits, num_modes=1000)
        print(report["num_covered"], report["kl"])  # 1000, about 0.0192

        # A ring of eight, and a generator that knows seven of them.
        angles = np.arange(8) * np.pi / 4
        ring = np.stack([np.cos(angles), np.sin(angles)], axis=1)
        points = ring[rng.integers(7, size=2500)]
        points += 0.02 * rng.normal(size=points.shape)
        report = kx.metrics.mode_report(points, centres=ring, deviation=0.02)
        print(report["num_covered"], report["high_quality"])  # 7, about 0.989
        ```

    Reference:
        - Srivastava et al., 2017, https://arxiv.org/abs/1705.07761, section 5
        - Lin et al., 2018, https://arxiv.org/abs/1712.04086
        - Miller, 1955, "Note on the bias of information estimates"
    """
    if (num_modes is None) == (centres is None):
        raise ValueError(
            "Give one of `num_modes` and `centres`. "
            f"Received: num_modes={num_modes}, centres={centres}"
        )
    if (deviation is None) != (centres is None):
        raise ValueError(
            "`centres` and `deviation` must be given together. "
            f"Received: centres={centres}, deviation={deviation}"
        )
    report, real_share = {}, 1.0
    if centres is None:
        num_modes = checks.positive_integer("num_modes", num_modes)
        modes = _check_modes(samples, num_modes)
        good = np.ones(len(modes), bool)
    else:
        modes, good = _nearest(samples, centres, deviation)
        num_modes, dim = np.shape(centres)
        # Of the chi-squared distribution with `dim` degrees of freedom.
        real_share = float(
            scipy.special.gammainc(dim / 2, _NUM_DEVIATIONS**2 / 2)
        )
        report["high_quality"] = float(good.mean())
        report["expected_high_quality"] = real_share
    real = _check_probabilities(probabilities, num_modes)
    share = np.bincount(modes, minlength=num_modes) / len(modes)
    seen = share > 0
    missed = (1 - real_share * real) ** len(modes)
    return Report(
        {
            "num_covered": len(np.unique(modes[good])),
            "expected_covered": float(np.sum(1 - missed)),
            "num_modes": num_modes,
            "kl": float(np.sum(share[seen] * np.log(share[seen] / real[seen]))),
            "expected_kl": (num_modes - 1) / (2 * len(modes)),
            "num_samples": len(modes),
            **report,
        }
    )


def _check_modes(samples, num_modes):
    """Modes of shape `(samples,)`, of modes or of their digits."""
    samples = np.asarray(checks.array("samples", samples))
    if samples.dtype.kind not in "iu":
        raise TypeError(
            "`samples` must be integers, modes or their digits, unless "
            f"`centres` are given. Received: samples of dtype {samples.dtype}"
        )
    if samples.ndim not in (1, 2) or 0 in samples.shape:
        raise ValueError(
            "`samples` must have shape (samples,) or (samples, digits), "
            f"neither being 0. Received: samples.shape={samples.shape}"
        )
    digits = samples.reshape(len(samples), -1).astype("int64")
    num_digits = digits.shape[1]
    base = round(num_modes ** (1 / num_digits))
    if base**num_digits != num_modes:
        raise ValueError(
            "`num_modes` must be the values of a digit to the power of their "
            f"number. Received: num_modes={num_modes}, {num_digits} digits"
        )
    if digits.min() < 0 or digits.max() >= base:
        raise ValueError(
            f"`samples` must be from 0 to {base - 1}. "
            f"Received: samples from {digits.min()} to {digits.max()}"
        )
    return digits @ base ** np.arange(num_digits)[::-1]


def _nearest(samples, centres, deviation):
    """Nearest centre of each sample, and whether it is near enough."""
    samples = checks.embeddings("samples", samples, "float64")
    centres = checks.embeddings("centres", centres, "float64")
    checks.same_dim(samples=samples.shape, centres=centres.shape)
    deviation = checks.positive("deviation", deviation)
    distances = squared_distances(samples, centres)  # (samples, modes)
    good = distances.min(axis=1) <= (_NUM_DEVIATIONS * deviation) ** 2
    return distances.argmin(axis=1), good


def _check_probabilities(probabilities, num_modes):
    if probabilities is None:
        return np.full(num_modes, 1 / num_modes)
    probabilities = checks.real_numbers("probabilities", probabilities)
    probabilities = probabilities.astype("float64")
    if probabilities.shape != (num_modes,):
        raise ValueError(
            f"`probabilities` must have shape ({num_modes},), one for each "
            f"mode. Received: probabilities.shape={probabilities.shape}"
        )
    total = probabilities.sum()
    if not (probabilities.min() > 0 and abs(total - 1) < 1e-5):
        raise ValueError(
            "`probabilities` must be positive, with the sum 1. Received: "
            f"minimum {probabilities.min()}, sum {total}"
        )
    return probabilities / total
