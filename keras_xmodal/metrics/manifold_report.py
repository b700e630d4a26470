"""Whether generated samples lie where real ones do, and the reverse."""

import numpy as np

from keras_xmodal import checks
from keras_xmodal.metrics.features import check_feature_pair, squared_distances
from keras_xmodal.reports import Report

# Distances held at once, 32 MB.
_MAX_DISTANCES = 2**22
# A ball holds its boundary, in spite of rounding.
_MARGIN = 1 + 1e-9


def manifold_report(
    real: np.ndarray, generated: np.ndarray, num_neighbors: int = 5
) -> dict[str, float]:
    """Measure fidelity and diversity apart from each other.

    The ball of a sample reaches to its `num_neighbors`-th neighbour in its own
    set. Precision and density ask whether generated samples lie in the balls
    of real ones, recall and coverage whether the real ones are reached.
    Precision and recall are too high where a set has outliers, whose balls
    are large; density and coverage count by real balls, and how many.

    Of the distance matrix, 4 million entries are held at once.

    Args:
        real: Array of shape `(real samples, dim)`, more samples than
            `num_neighbors`.
        generated: Array of shape `(generated samples, dim)`, of the same kind.
        num_neighbors: Positive integer.

    Returns:
        Dict of Python numbers: `"precision"`, the share of generated samples
        in the ball of a real one; `"recall"`, the share of real samples in the
        ball of a generated one; `"density"`, real balls around a generated
        sample, by `num_neighbors`, 1 on average for the same distribution and
        above it where real samples are dense; `"coverage"`, the share of real
        balls with a generated sample in them; `"expected_coverage"`, what it is
        on average for the same distribution; `"num_real"`, `"num_generated"`.

    Raises:
        TypeError: If features are not real numbers, or `num_neighbors` is no
            integer.
        ValueError: If shapes do not fit, values are not finite, or there are
            too few samples.

    Example:
        ```python
        import numpy as np
        import keras_xmodal as kx

        # Two modes, and a generator that knows one of them.
        rng = np.random.default_rng(0)
        real = rng.normal(size=(400, 2)) + np.repeat([[-9, 0], [9, 0]], 200, 0)
        generated = rng.normal(size=(400, 2)) + [9, 0]
        report = kx.metrics.manifold_report(real, generated)
        print(report["precision"], report["recall"])  # about 1, 0.5
        print(report["density"], report["coverage"])  # about 1, 0.5
        ```

    Reference:
        - Kynkaanniemi et al., 2019, https://arxiv.org/abs/1904.06991,
          equations 1 and 2
        - Naeem et al., 2020, https://arxiv.org/abs/2002.09797, section 3 and
          its lemma 2
    """
    num_neighbors = checks.positive_integer("num_neighbors", num_neighbors)
    real, generated = check_feature_pair(real, generated, num_neighbors + 1)
    real_radii = _squared_radii(real, num_neighbors)
    generated_radii = _squared_radii(generated, num_neighbors)
    num_balls = np.zeros(len(generated))
    covered, recalled = [], []
    for rows in _chunks(len(real), len(generated)):
        distances = squared_distances(real[rows], generated)
        inside = distances <= real_radii[rows, None]  # (rows, generated)
        num_balls += inside.sum(axis=0)
        covered.append(inside.any(axis=1))
        recalled.append((distances <= generated_radii).any(axis=1))
    return Report(
        {
            "precision": float(np.mean(num_balls > 0)),
            "recall": float(np.mean(np.concatenate(recalled))),
            "density": float(np.mean(num_balls) / num_neighbors),
            "coverage": float(np.mean(np.concatenate(covered))),
            "expected_coverage": _expected_coverage(
                len(real), len(generated), num_neighbors
            ),
            "num_real": len(real),
            "num_generated": len(generated),
        }
    )


def _squared_radii(features, num_neighbors):
    """Squared distance of each sample to its neighbour of that rank."""
    radii = []
    for rows in _chunks(len(features), len(features)):
        distances = squared_distances(features[rows], features)
        # No sample is its own neighbour.
        distances[np.arange(len(distances)), np.arange(len(features))[rows]] = (
            np.inf
        )
        distances.partition(num_neighbors - 1, axis=1)
        radii.append(distances[:, num_neighbors - 1])
    return _MARGIN * np.concatenate(radii)


def _chunks(num_rows, num_columns):
    size = max(1, _MAX_DISTANCES // num_columns)
    return [
        slice(start, min(start + size, num_rows))
        for start in range(0, num_rows, size)
    ]


def _expected_coverage(num_real, num_generated, num_neighbors):
    """One minus the chance that the nearest of all others are all real."""
    drawn = np.arange(num_neighbors)
    others = num_real + num_generated - 1
    missed = np.prod((num_real - 1 - drawn) / (others - drawn))
    return float(1 - missed)
