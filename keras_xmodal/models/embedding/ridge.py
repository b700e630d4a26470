"""Linear regression with a penalty, in closed form."""

import numpy as np

_BLOCK = 1024  # rows that are centred at once


class Ridge:
    """`W, b = argmin sum_i w_i |x_i W + b - y_i|^2 + lambda |W|^2`.

    `lambda` is a multiple of the mean variance of the features, summed over
    rows: so the same multiples suit any features. Where there are fewer rows
    than features, the dual problem is solved; else the sums of the normal
    equations are all that is kept.
    """

    def __init__(self, x: np.ndarray, y: np.ndarray, weight: np.ndarray):
        self._x_mean, self._y_mean = _mean(x, weight), _mean(y, weight)
        root = np.sqrt(weight).astype("float32")[:, None]
        size = x.shape[1]
        self._is_wide = size > len(x)
        if self._is_wide:
            self._x = np.concatenate(list(_centred(x, self._x_mean, root)))
            self._y = np.concatenate(list(_centred(y, self._y_mean, root)))
            self._gram = self._x @ self._x.T
        else:
            self._gram = np.zeros((size, size), "float32")
            self._products = np.zeros((size, y.shape[1]), "float32")
            for a, b in zip(
                _centred(x, self._x_mean, root),
                _centred(y, self._y_mean, root),
                strict=True,
            ):
                self._gram += a.T @ a
                self._products += a.T @ b
        self._variance = float(np.trace(self._gram)) / size

    def solve(self, penalty: float) -> tuple[np.ndarray, np.ndarray]:
        """Kernel and bias for a penalty."""
        gram = self._gram.copy()
        gram[np.diag_indices_from(gram)] += max(penalty * self._variance, 1e-6)
        if self._is_wide:
            kernel = self._x.T @ np.linalg.solve(gram, self._y)
        else:
            kernel = np.linalg.solve(gram, self._products)
        return kernel, self._y_mean - self._x_mean @ kernel


def _mean(x, weight):
    """The weighted mean of the rows, in float64."""
    total = sum(
        weight[start : start + _BLOCK] @ x[start : start + _BLOCK]
        for start in range(0, len(x), _BLOCK)
    )
    return total / np.sum(weight)


def _centred(x, mean, root):
    """The weighted rows, block by block, in float32."""
    for start in range(0, len(x), _BLOCK):
        rows = slice(start, start + _BLOCK)
        yield (x[rows] - mean).astype("float32") * root[rows]
