"""Read MNIST and Fashion-MNIST, and group their pictures by class.

Both are four IDX files: a header of big-endian numbers, then one byte a value.
They do not come with the package; `fetch` fetches them.
"""

import os
import pathlib

import numpy as np

from keras_xmodal.datasets.fetching.folder import check_files, data_folder

SIZE = 28  # pixels
NUM_CLASSES = 10
PREFIXES = {"train": "train", "test": "t10k"}  # split: prefix of its files


def read(
    folder: str,
    split: str,
    data_dir: str | os.PathLike | None = None,
    name: str = "mnist_fashion",
) -> tuple[np.ndarray, np.ndarray]:
    """Read the pictures and the labels of a split."""
    data_dir = data_folder(data_dir)
    paths = [
        f"{folder}/{PREFIXES[split]}-images-idx3-ubyte",
        f"{folder}/{PREFIXES[split]}-labels-idx1-ubyte",
    ]
    check_files(name, data_dir, paths)
    images = read_idx(data_dir / paths[0], num_axes=3)
    labels = read_idx(data_dir / paths[1], num_axes=1).astype(np.int64)
    if images.shape != (len(labels), SIZE, SIZE) or not len(labels):
        raise ValueError(
            f"The IDX files of {folder} must hold pictures of {SIZE} x {SIZE} "
            "pixels and as many labels. Received: pictures of shape "
            f"{images.shape} and labels of shape {labels.shape} in "
            f"{str(data_dir)!r}"
        )
    if labels.max() >= NUM_CLASSES:
        raise ValueError(
            f"The labels of {folder} must be less than {NUM_CLASSES}. "
            f"Received: {labels.max()} in {str(data_dir / paths[1])!r}"
        )
    return images[..., np.newaxis], labels


def read_idx(path: pathlib.Path, num_axes: int) -> np.ndarray:
    """Read an IDX file of bytes."""
    content = path.read_bytes()
    magic = bytes([0, 0, 8, num_axes])  # 8: unsigned bytes
    if content[:4] != magic:
        raise ValueError(
            f"An IDX file of bytes with {num_axes} axes must begin with "
            f"{magic.hex(' ')}. Received: {content[:4].hex(' ')!r} in "
            f"{str(path)!r}"
        )
    start = 4 + 4 * num_axes
    header = content[4:start]
    shape = [
        int.from_bytes(header[i : i + 4], "big")
        for i in range(0, len(header), 4)
    ]
    expected = start + int(np.prod(shape, dtype=np.int64))
    if len(header) < 4 * num_axes or len(content) != expected:
        raise ValueError(
            "An IDX file must have as many bytes as its header says: "
            f"{expected} for the shape {tuple(shape)}. Received: "
            f"{len(content)} bytes in {str(path)!r}"
        )
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)


def partners(
    labels: np.ndarray, others: np.ndarray, generator: np.random.Generator
) -> np.ndarray:
    """Pair each item with another set's items of the same class.

    The other set's items of a class are shuffled and dealt out in turn, so
    that each is used as often as any other, give or take one.
    """
    found = np.zeros(len(labels), np.int64)
    for label in np.unique(labels):
        (items,) = np.nonzero(labels == label)
        candidates = generator.permutation(np.flatnonzero(others == label))
        if not len(candidates):
            raise ValueError(
                "Both data sets must have pictures of every class. Received: "
                f"none of class {label} in one of them"
            )
        found[items] = np.resize(candidates, len(items))
    return found


def circles(
    labels: np.ndarray, count: int, generator: np.random.Generator
) -> np.ndarray:
    """Group each item with the next ones of its class.

    The items of a class are put in a circle in random order. In every column
    each item is used once.
    """
    groups = np.zeros((len(labels), count), np.int64)
    for label in np.unique(labels):
        circle = generator.permutation(np.flatnonzero(labels == label))
        for column in range(count):
            groups[circle, column] = np.roll(circle, -column)
    return groups
