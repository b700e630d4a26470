"""Linear regression with a penalty, in closed form."""

import numpy as np


class Ridge:
    """`W, b = argmin sum_i w_i |x_i W + b - y_i|^2 + lambda |W|^2`.

    `lambda` is a multiple of the mean variance of the features, summed over
    rows: so the same multiples suit any features. Where there are fewer rows
    than features, the dual problem is solved.
    """

    def __init__(self, x: np.ndarray, y: np.ndarray, weight: np.ndarray):
        self._x_mean = np.average(x, axis=0, weights=weight)
        self._y_mean = np.average(y, axis=0, weights=weight)
        root = np.sqrt(weight).astype("float32")[:, None]
        self._x = (x - self._x_mean).astype("float32") * root
        self._y = (y - self._y_mean).astype("float32") * root
        self._is_wide = x.shape[1] > len(x)
        x = self._x
        self._gram = x @ x.T if self._is_wide else x.T @ x
        self._variance = float(np.trace(self._gram)) / x.shape[1]

    def solve(self, penalty: float) -> tuple[np.ndarray, np.ndarray]:
        """Kernel and bias for a penalty."""
        gram = self._gram.copy()
        gram[np.diag_indices_from(gram)] += max(penalty * self._variance, 1e-6)
        if self._is_wide:
            kernel = self._x.T @ np.linalg.solve(gram, self._y)
        else:
            kernel = np.linalg.solve(gram, self._x.T @ self._y)
        return kernel, self._y_mean - self._x_mean @ kernel
