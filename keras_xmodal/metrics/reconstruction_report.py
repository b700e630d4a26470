"""How near reconstructions are to the data."""

import numpy as np
import tensorflow as tf

from keras_xmodal import checks
from keras_xmodal.reports import Report

# SSIM's Gaussian window, cut to smaller images.
_WINDOW = 11


def reconstruction_report(
    x: np.ndarray,
    reconstruction: np.ndarray,
    value_range: float | None = None,
    padding_id: int | None = None,
) -> dict[str, float]:
    """Compare one modality with its reconstruction or translation.

    Integers on both sides are ids, such as tokens, and are counted, unless
    they have the shape of images; all else is compared by squares, images by
    their structure, too.

    Args:
        x: Array of shape `(examples, ...)`; images have shape
            `(examples, height, width, channels)` with 1 or 3 channels.
        reconstruction: Array of the shape of `x`.
        value_range: Positive float, the difference between the largest and
            the smallest value that a pixel may have. Defaults to 255 where
            one side is of integers, and else to 1. Of images only.
        padding_id: Integer id whose positions in `x` do not count, or None. Of
            ids only.

    Returns:
        Dict of Python numbers. Of ids: `"token_accuracy"`, and
        `"most_frequent_token"`, the accuracy of the id that is most frequent
        in `x`. Else: `"mse"`, and `"mse_of_mean"`, that of the mean example,
        which a model that ignores its input may reach; of images also
        `"ssim"`, from -1 to 1, the mean over examples.

    Raises:
        TypeError: If the values are not real numbers.
        ValueError: If shapes differ, values are not finite, all is padding, or
            `value_range` is not positive, or what it or `padding_id` is about
            is not there.

    Example:
        ```python
        import numpy as np
        import keras_xmodal as kx

        images = np.random.default_rng(0).random((8, 16, 16, 3))
        report = kx.metrics.reconstruction_report(images, images + 0.1)
        print(report["mse"], report["mse_of_mean"])  # 0.01, about 0.07
        ```

    Reference:
        - Wang et al., 2004, https://doi.org/10.1109/TIP.2003.819861, SSIM
    """
    x = np.asarray(checks.array("x", x))
    reconstruction = np.asarray(checks.array("reconstruction", reconstruction))
    for argument, value in (("x", x), ("reconstruction", reconstruction)):
        if value.dtype != "bool":
            checks.real_numbers(argument, value)
    if x.shape != reconstruction.shape or not x.size:
        raise ValueError(
            "`x` and `reconstruction` must have the same shape, without a 0. "
            f"Received: x.shape={x.shape}, "
            f"reconstruction.shape={reconstruction.shape}"
        )
    value_range = checks.positive("value_range", value_range, optional=True)
    padding_id = checks.integer("padding_id", padding_id, optional=True)
    integers = [a.dtype.kind in "iu" for a in (x, reconstruction)]
    are_images = x.ndim == 4 and x.shape[-1] in (1, 3)
    are_ids = all(integers) and not are_images
    for argument, value, fits, kind in (
        ("value_range", value_range, are_images, "images"),
        ("padding_id", padding_id, are_ids, "ids"),
    ):
        if value is not None and not fits:
            raise ValueError(
                f"`{argument}` must be None where `x` are no {kind}. Received: "
                f"{argument}={value}, x of dtype {x.dtype} and shape {x.shape}"
            )
    if are_ids:
        return _compare_ids(x, reconstruction, padding_id)
    value_range = value_range or (255.0 if any(integers) else 1.0)
    x, reconstruction = x.astype("float64"), reconstruction.astype("float64")
    checks.finite("x", x)
    checks.finite("reconstruction", reconstruction)
    report = {
        "mse": float(np.mean((x - reconstruction) ** 2)),
        "mse_of_mean": float(np.mean((x - x.mean(axis=0)) ** 2)),
    }
    if are_images:
        ssim = tf.image.ssim(
            tf.cast(x, "float32"),
            tf.cast(reconstruction, "float32"),
            max_val=value_range,
            filter_size=min(_WINDOW, *x.shape[1:3]),
        )
        report["ssim"] = float(np.clip(tf.reduce_mean(ssim), -1, 1))
    return Report(report)


def _compare_ids(x, reconstruction, padding_id):
    counted = np.ones(x.shape, bool) if padding_id is None else x != padding_id
    if not counted.any():
        raise ValueError(
            "`x` must have ids other than `padding_id`. "
            f"Received: {x.size} ids, all of them {padding_id}"
        )
    x, reconstruction = x[counted], reconstruction[counted]
    _, counts = np.unique(x, return_counts=True)
    return Report(
        {
            "token_accuracy": float(np.mean(x == reconstruction)),
            "most_frequent_token": float(counts.max() / len(x)),
        }
    )
