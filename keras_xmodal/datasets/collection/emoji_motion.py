"""Clips of the bundled sample's emoji in motion, with captions.

A motion is a loop of eight frames, and a clip is one round of it from a random
frame on. Opposite motions are one loop, forwards and backwards: they have the
same frames, each equally often at each time, so that no frame tells them
apart, whatever its time.
"""

import functools
import hashlib
import re
from typing import NamedTuple

import numpy as np
import scipy
import tensorflow as tf

from keras_xmodal.datasets.collection import emoji

MODALITIES = ("video", "text")
DEFAULT_MODALITIES = MODALITIES
OPTIONS = ()
NUM_FRAMES = 8
CANVAS = emoji.TILE  # pixels
SEED = 0
CHUNK = 64  # concepts drawn at a time

# Each loop, frame by frame: turns of the emoji at half its size, its sizes,
# and how far it is moved.
_ANGLES = tuple(45 * k for k in range(NUM_FRAMES))  # degrees, clockwise
_SIZES = tuple(8 + 2 * k for k in range(NUM_FRAMES))  # pixels
_SHIFTS = tuple(4 * k for k in range(NUM_FRAMES))  # pixels, round the canvas
# A fall and a jump, over the places of the vertical loop alone.
_BOUNCE = (8, 0, -4, -8, -8, -8, -4, 0)  # pixels down


class Motion(NamedTuple):
    """A motion: its words, and what an emoji does frame by frame."""

    singular: str
    plural: str
    loop: str
    direction: int


MOTIONS = (
    Motion("moves left", "move left", "horizontal", -1),
    Motion("moves right", "move right", "horizontal", 1),
    Motion("moves up", "move up", "vertical", -1),
    Motion("moves down", "move down", "vertical", 1),
    Motion("grows", "grow", "zoom", 1),
    Motion("shrinks", "shrink", "zoom", -1),
    Motion("spins clockwise", "spin clockwise", "turn", 1),
    Motion("spins anticlockwise", "spin anticlockwise", "turn", -1),
    Motion("bounces", "bounce", "bounce", 1),
)
# How far the whole loop may lie from the centre: rows and columns, in pixels.
_MARGINS = {
    "horizontal": (8, 0),
    "vertical": (0, 8),
    "zoom": (5, 5),
    "turn": (5, 5),
    "bounce": (0, 8),
}


class Split(NamedTuple):
    """The question that a split asks: which style, concepts and motions."""

    style: str
    held_out: bool
    motions: str


SPLITS = {
    "train": Split("noto", False, "seen"),
    "test": Split("noto", False, "unseen"),
    "test_concept": Split("noto", True, "all"),
    "test_style": Split("fluent", False, "seen"),
}


class Row(NamedTuple):
    """One example: a concept and a motion, as positions in their lists."""

    concept: int
    motion: int


def unseen_motions(hexcode: str) -> frozenset[int]:
    """Draw the two motions in which training never sees a concept.

    They are no opposites, and depend on the code points alone.
    """
    digest = hashlib.sha256(hexcode.encode()).digest()
    first = int.from_bytes(digest, "big") % len(MOTIONS)
    return frozenset({first, (first + 4) % len(MOTIONS)})


@functools.lru_cache(maxsize=len(SPLITS))
def rows(split: str) -> tuple[Row, ...]:
    """List the examples of a split, in the order of the concepts."""
    spec = SPLITS[split]
    hexcodes = [concept["hex"] for concept in emoji.read_concepts()]
    held_out = emoji.held_out_concepts(hexcodes)
    found = []
    for index, hexcode in enumerate(hexcodes):
        if (index in held_out) != spec.held_out:
            continue
        unseen = unseen_motions(hexcode)
        found.extend(
            Row(index, motion)
            for motion in range(len(MOTIONS))
            if spec.motions == "all"
            or (motion in unseen) == (spec.motions == "unseen")
        )
    return tuple(found)


def caption(name: str, motion: Motion) -> str:
    """Say in English what moves how."""
    head = re.split(" with | over | showing ", name)[0]
    if re.search("(?<![suio])s$|clothes$", head):
        return f"{name} {motion.plural}"
    vowel = re.match("(?!eu|ewe|one|uni)[aeiou]|hour|x-", name)
    return f"{'an' if vowel else 'a'} {name} {motion.singular}"


def examples(split: str, modalities: tuple[str, ...]) -> tf.data.Dataset:
    """Put the examples of a split together; see `load` for what they hold.

    They are drawn when they are asked for, some at a time.
    """
    selected = rows(split)
    concepts = emoji.read_concepts()
    style = SPLITS[split].style

    def chunks():
        for start in range(0, len(selected), CHUNK * len(MOTIONS)):
            chunk = selected[start : start + CHUNK * len(MOTIONS)]
            concept, motion = np.array(chunk, np.int64).T
            arrays = {
                "id": concept * len(MOTIONS) + motion,
                "concept": concept,
                "motion": motion,
                "style": np.full(len(chunk), style, object),
            }
            if "video" in modalities:
                arrays["video"] = draw(chunk, style)
            if "text" in modalities:
                texts = [
                    caption(concepts[row.concept]["name"], MOTIONS[row.motion])
                    for row in chunk
                ]
                arrays["text"] = np.array(texts, object)
            yield arrays

    number = tf.TensorSpec((None,), tf.int64)
    text = tf.TensorSpec((None,), tf.string)
    specs = {"id": number, "concept": number, "motion": number, "style": text}
    shape = (None, NUM_FRAMES, CANVAS, CANVAS, 3)
    fields = {"video": tf.TensorSpec(shape, tf.uint8), "text": text}
    specs.update((name, fields[name]) for name in modalities)
    dataset = tf.data.Dataset.from_generator(chunks, output_signature=specs)
    dataset = dataset.unbatch()
    return dataset.apply(tf.data.experimental.assert_cardinality(len(selected)))


def draw(selected: tuple[Row, ...], style: str) -> np.ndarray:
    """Draw clips."""
    concepts, position = np.unique(
        [row.concept for row in selected], return_inverse=True
    )
    tiles = emoji.images()[emoji.STYLES.index(style), concepts]
    turned = np.stack([_render(tiles, 16, angle) for angle in _ANGLES], axis=1)
    sized = np.stack([_render(tiles, size, 0) for size in _SIZES], axis=1)
    clips = []
    for row, index in zip(selected, position, strict=True):
        motion = MOTIONS[row.motion]
        identity = row.concept * len(MOTIONS) + row.motion
        generator = np.random.default_rng([SEED, identity])
        phase = generator.integers(NUM_FRAMES)
        order = phase + motion.direction * np.arange(NUM_FRAMES)
        order %= NUM_FRAMES
        margins = np.array(_MARGINS[motion.loop])
        shifts = np.zeros((NUM_FRAMES, 2), int)
        shifts += generator.integers(-margins, margins + 1)
        frames = turned[index, np.zeros(NUM_FRAMES, int)]
        if motion.loop == "turn":
            frames = turned[index, order]
        elif motion.loop == "zoom":
            frames = sized[index, order]
        elif motion.loop == "horizontal":
            shifts[:, 1] += np.array(_SHIFTS)[order]
        else:
            steps = _SHIFTS if motion.loop == "vertical" else _BOUNCE
            shifts[:, 0] += np.array(steps)[order]
        clips.append(
            [
                np.roll(frame, shift, axis=(0, 1))
                for frame, shift in zip(frames, shifts, strict=True)
            ]
        )
    return np.array(clips, np.uint8)


def _render(tiles, size, degrees):
    """Draw tiles smaller and turned, in the middle of a white canvas."""
    matrix = _matrix(size, degrees)
    # (pixels, tiles and colours), of ink, so that what is outside is white.
    ink = 255.0 - np.moveaxis(tiles, 0, 2).reshape(CANVAS * CANVAS, -1)
    drawn = np.rint(255.0 - matrix @ ink).clip(0, 255).astype(np.uint8)
    drawn = drawn.reshape(CANVAS, CANVAS, len(tiles), 3)
    return np.moveaxis(drawn, 2, 0)


@functools.cache
def _matrix(size, degrees, samples=4):
    """Weights of the pixels of a tile, a row for each pixel of the canvas.

    A pixel is the mean of `samples` times as many points in each direction,
    which are interpolated bilinearly.
    """
    points = (np.arange(CANVAS * samples) + 0.5) / samples - CANVAS / 2
    y, x = np.meshgrid(points, points, indexing="ij")
    angle = np.deg2rad(degrees)
    scale = emoji.TILE / size
    middle = (emoji.TILE - 1) / 2
    columns = scale * (np.cos(angle) * x + np.sin(angle) * y) + middle
    lines = scale * (np.cos(angle) * y - np.sin(angle) * x) + middle
    pixel = np.arange(CANVAS * samples) // samples
    pixel = pixel[:, None] * CANVAS + pixel
    matrix = 0.0
    for down in (0, 1):
        for right in (0, 1):
            line = np.floor(lines).astype(int) + down
            column = np.floor(columns).astype(int) + right
            weight = (1 - abs(lines - line)) * (1 - abs(columns - column))
            inside = (np.minimum(line, column) >= 0) & (
                np.maximum(line, column) < emoji.TILE
            )
            source = line * emoji.TILE + column
            matrix = matrix + scipy.sparse.csr_matrix(
                (
                    weight[inside] / samples**2,
                    (pixel[inside], source[inside]),
                ),
                shape=(CANVAS * CANVAS, emoji.TILE * emoji.TILE),
            )
    return matrix
