"""Generated data beside real data, by the features of a named extractor."""

import hashlib
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_xmodal import checks
from keras_xmodal.metrics.features import check_samples
from keras_xmodal.metrics.frechet_distance import frechet_distance
from keras_xmodal.metrics.kernel_distance import kernel_distance
from keras_xmodal.metrics.manifold_report import manifold_report
from keras_xmodal.reports import Report


def generation_report(
    real: np.ndarray,
    generated: np.ndarray,
    extractor: keras.Model,
    reference: np.ndarray | None = None,
    *,
    num_neighbors: int = 5,
    num_subsets: int = 100,
    subset_size: int = 1000,
    batch_size: int = 128,
    seed: int = 0,
) -> dict[str, Any]:
    """Compare generated with real data, and real with other real data.

    All numbers depend on the features, and the Frechet distance on the number
    of samples, too. So the report says which extractor with which weights it
    is of, takes equally many samples everywhere, and gives the floor, the same
    numbers of real data against other real data: a generator is perfect when
    it has reached it, not at 0. Values of other extractors, other numbers of
    samples, or the FID of a paper are not comparable.

    The samples are drawn at random where there are more than needed.

    Args:
        real: Array of shape `(samples, ...)`, such as images, as the
            extractor takes it.
        generated: Array of shape `(samples, ...)`.
        extractor: Keras model from a batch of samples to features of shape
            `(batch, dim)`, one that the generator's loss never saw.
        reference: Array of shape `(samples, ...)`, other real data for the
            floor. None to split `real` into halves, and to compare the
            generated data with the first.
        num_neighbors: Positive integer, see `manifold_report`.
        num_subsets: Positive integer, see `kernel_distance`.
        subset_size: Integer from 2, see `kernel_distance`.
        batch_size: Positive integer, samples that are embedded at once.
        seed: Integer, seed of what is drawn.

    Returns:
        Dict: `"name"`, of the Frechet distance, `"FD(extractor@hash)"`;
        `"frechet_distance"`; `"kernel_distance"` with its
        `"kernel_standard_deviation"` between subsets; `"precision"`,
        `"recall"`, `"density"`, `"coverage"`; `"floor"`, a dict of the same
        seven; `"num_samples"`, on each side of each comparison;
        `"extractor"`, its name; `"weights_hash"`, the first 8 digits of the
        SHA-256 of its weights.

    Raises:
        TypeError: If samples are not real numbers, or `extractor` is no Keras
            model.
        ValueError: If shapes do not fit, samples or features are not finite,
            or there are too few samples.

    Example:
        ```python
        import keras
        import numpy as np
        import keras_xmodal as kx

        extractor = keras.Sequential(
            [
                keras.Input((8, 8, 1)),
                keras.layers.Conv2D(8, 3, activation="relu"),
                keras.layers.GlobalAveragePooling2D(),
            ],
            name="random_convolution",
        )
        rng = np.random.default_rng(0)
        real, generated = rng.random((2, 200, 8, 8, 1))
        report = kx.metrics.generation_report(real, generated, extractor)
        print(report["name"], report["frechet_distance"])
        print(report["floor"]["frechet_distance"], report["num_samples"])
        ```

    Reference:
        - Heusel et al., 2017, https://arxiv.org/abs/1706.08500, equation 6
        - Chong and Forsyth, 2020, https://arxiv.org/abs/1911.07023, the bias
          of finite samples
        - Parmar et al., 2022, https://arxiv.org/abs/2104.11222, what else
          makes values incomparable
    """
    num_neighbors = checks.positive_integer("num_neighbors", num_neighbors)
    batch_size = checks.positive_integer("batch_size", batch_size)
    checks.instance_of("extractor", extractor, keras.Model, "a Keras model")
    sets = {"real": real, "generated": generated}
    if reference is not None:
        sets["reference"] = reference
    sets = dict(zip(sets, check_samples(**sets), strict=True))
    rng = np.random.default_rng(checks.seed(seed))
    rows = {name: rng.permutation(len(value)) for name, value in sets.items()}
    if reference is None:
        sets["reference"] = sets["real"]
        half = len(rows["real"]) // 2
        rows["real"], rows["reference"] = np.split(rows["real"], [half])
    num_samples = min(map(len, rows.values()))
    if num_samples <= num_neighbors:
        raise ValueError(
            "There must be more samples than `num_neighbors` on each side, of "
            "`real` in each half where there is no `reference`. Received: "
            f"{num_samples} on a side, num_neighbors={num_neighbors}"
        )
    features = {
        name: _features(extractor, sets[name][kept[:num_samples]], batch_size)
        for name, kept in rows.items()
    }

    def compare(name):
        pair = features["real"], features[name]
        kernel = kernel_distance(*pair, num_subsets, subset_size, seed=seed)
        manifold = manifold_report(*pair, num_neighbors)
        return {
            "frechet_distance": frechet_distance(*pair),
            "kernel_distance": kernel["mean"],
            "kernel_standard_deviation": kernel["standard_deviation"],
            **{
                key: manifold[key]
                for key in ("precision", "recall", "density", "coverage")
            },
        }

    weights_hash = _weights_hash(extractor)
    return Report(
        {
            "name": f"FD({extractor.name}@{weights_hash})",
            **compare("generated"),
            "floor": compare("reference"),
            "num_samples": num_samples,
            "extractor": extractor.name,
            "weights_hash": weights_hash,
        }
    )


def _features(extractor, samples, batch_size):
    features = extractor.predict(samples, batch_size, verbose=0)
    shape = np.shape(features)
    if len(shape) != 2 or shape[0] != len(samples):
        raise ValueError(
            "`extractor` must return features of shape (batch, dim). "
            f"Received: shape {shape} for {len(samples)} samples"
        )
    if not np.isfinite(features).all():
        raise ValueError(
            "`extractor` must return finite features. Received: NaN or infinity"
        )
    return features


def _weights_hash(model):
    digest = hashlib.sha256()
    for weight in model.weights:
        value = np.ascontiguousarray(ops.convert_to_numpy(weight))
        digest.update(f"{value.dtype}{value.shape}".encode())
        digest.update(value.tobytes())
    return digest.hexdigest()[:8]
