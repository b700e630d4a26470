"""Clips of an MNIST digit that bounces from side to side, with captions.

A digit moves along one axis. Where it is on either axis, at any time, is drawn
from the same distribution, whichever axis it moves along: no frame tells the
motion.

Reference: Mittal, Marwah & Balasubramanian, "Sync-DRAW: Automatic Video
Generation using Deep Recurrent Attentive Architectures", ACM Multimedia 2017,
https://arxiv.org/abs/1611.10314 (one digit, 10 frames of 64 x 64).
"""

import os

import numpy as np
import tensorflow as tf

from keras_xmodal.datasets.collection import mnist

SPLITS = tuple(mnist.PREFIXES)
MODALITIES = ("video", "text")
DEFAULT_MODALITIES = MODALITIES
OPTIONS = ("data_dir",)
MOTIONS = ("left and right", "up and down")
SPEEDS = (2, 3, 4, 5)  # pixels from frame to frame
NUM_FRAMES = 8
CANVAS = 32  # pixels
DIGIT = 16  # pixels
SEED = 0
CHUNK = 512  # examples drawn at a time


def examples(
    split: str,
    modalities: tuple[str, ...],
    data_dir: str | os.PathLike | None = None,
) -> tf.data.Dataset:
    """Put the examples of a split together; see `load` for what they hold.

    They are drawn when they are asked for, some at a time.
    """
    digits, labels = mnist.read("mnist", split, data_dir, "moving_mnist")
    motions, corners = draw_paths(
        len(labels), np.random.default_rng([SEED, SPLITS.index(split)])
    )
    captions = np.array(
        [
            [f"the digit {label} moves {motion}" for motion in MOTIONS]
            for label in range(mnist.NUM_CLASSES)
        ],
        object,
    )

    def chunks():
        for start in range(0, len(labels), CHUNK):
            rows = slice(start, start + CHUNK)
            label, motion = labels[rows], motions[rows]
            chunk = {
                "id": label * len(MOTIONS) + motion,
                "label": label,
                "motion": motion,
            }
            if "video" in modalities:
                chunk["video"] = render(digits[rows], corners[rows])
            if "text" in modalities:
                chunk["text"] = captions[label, motion]
            yield chunk

    number = tf.TensorSpec((None,), tf.int64)
    shape = (None, NUM_FRAMES, CANVAS, CANVAS, 1)
    fields = {
        "video": tf.TensorSpec(shape, tf.uint8),
        "text": tf.TensorSpec((None,), tf.string),
    }
    dataset = tf.data.Dataset.from_generator(
        chunks,
        output_signature={
            **dict.fromkeys(("id", "label", "motion"), number),
            **{name: fields[name] for name in modalities},
        },
    )
    dataset = dataset.unbatch()
    return dataset.apply(tf.data.experimental.assert_cardinality(len(labels)))


def draw_paths(
    count: int, generator: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Draw motions, and where the digits are in each frame."""
    motions = generator.integers(len(MOTIONS), size=count)
    speeds = generator.choice(SPEEDS, size=count)
    way = CANVAS - DIGIT
    # There and back again is a round of twice the way. Both axes are drawn as
    # a place in such a round, and time goes on for one of them.
    phases = generator.integers(2 * way, size=(count, 1, 2))
    phases = np.repeat(phases, NUM_FRAMES, axis=1)  # (clips, frames, 2)
    moving = np.where(motions == 0, 1, 0)  # columns, or rows
    steps = speeds[:, np.newaxis] * np.arange(NUM_FRAMES)
    phases[np.arange(count), :, moving] += steps
    return motions, way - np.abs(phases % (2 * way) - way)


def render(digits: np.ndarray, corners: np.ndarray) -> np.ndarray:
    """Draw digits, at 16 x 16 pixels, on black."""
    small = shrink(digits[..., 0])
    clips, frames, _ = corners.shape
    video = np.zeros((clips, frames, CANVAS, CANVAS, 1), np.uint8)
    offsets = np.arange(DIGIT)
    rows = corners[..., 0, None] + offsets  # (clips, frames, 16)
    columns = corners[..., 1, None] + offsets
    video[
        np.arange(clips)[:, None, None, None],
        np.arange(frames)[:, None, None],
        rows[..., :, None],
        columns[..., None, :],
        0,
    ] = small[:, np.newaxis]
    return video


def shrink(digits: np.ndarray) -> np.ndarray:
    """Shrink pictures of 28 x 28 pixels to 16 x 16, by the mean of areas."""
    edges = np.arange(DIGIT + 1) * mnist.SIZE / DIGIT
    pixels = np.arange(mnist.SIZE)
    overlap = np.minimum(edges[1:, None], pixels + 1) - np.maximum(
        edges[:-1, None], pixels
    )
    # How much of each pixel of the small picture lies in one of the large.
    weights = np.maximum(overlap, 0) * DIGIT / mnist.SIZE  # (16, 28)
    small = weights.astype(np.float32) @ digits @ weights.T.astype(np.float32)
    return np.rint(small).astype(np.uint8)
