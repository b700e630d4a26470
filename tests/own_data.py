"""Data as a user has it: `python tests/own_data.py FOLDER` writes three kinds.

- `shapes.csv`: 600 pictures of coloured shapes with three captions each;
- `words.csv`: 60 recordings of 15 words in four voices with their transcripts;
- `parts.csv`: 240 pictures of a part with what was measured of it.

Their column `part` says `train`, `validation` or `test`; of the words these
are two voices, one and one.
"""

import contextlib
import csv
import itertools
import pathlib
import sys

import numpy as np
from PIL import Image, ImageDraw

import keras_xmodal as kx

COLORS = {
    "red": (214, 40, 40),
    "orange": (245, 140, 20),
    "yellow": (240, 220, 60),
    "green": (40, 160, 70),
    "blue": (40, 90, 210),
    "purple": (130, 60, 170),
    "pink": (245, 150, 190),
    "brown": (120, 75, 40),
}
GROUNDS = {
    "white": (250, 250, 250),
    "gray": (128, 128, 128),
    "black": (15, 15, 15),
    "beige": (235, 215, 180),
    "navy": (20, 30, 80),
}
SIZES = {"small": 0.17, "large": 0.31}
CORNERS = {"triangle": 3, "square": 4, "pentagon": 5, "circle": 60}
STARS = {"star": (5, 0.45), "flower": (8, 0.7), "spark": (4, 0.3)}
SHAPES = (*CORNERS, *STARS, "ring")
CAPTIONS = (
    "a {size} {color} {shape} on {ground}",
    "{ground} background with a {color} {shape}, {size}",
    "{shape}: {size}, {color}, the ground is {ground}",
)
PIXELS = 96


def outline(shape):
    """Corners around 0, at a distance of 1 or less."""
    if shape in STARS:
        points, inner = STARS[shape]
        radius = np.where(np.arange(2 * points) % 2, inner, 1.0)
    else:
        radius = np.ones(CORNERS.get(shape, 60))
    angle = 2 * np.pi * np.arange(len(radius)) / len(radius) - np.pi / 2
    return np.stack([np.cos(angle), np.sin(angle)], axis=1) * radius[:, None]


def draw(shape, color, radius, ground, center, turn, random):
    """A picture with noise, `radius` and `center` in parts of its side."""
    side = 2 * PIXELS
    image = Image.new("RGB", (side, side), ground)
    turned = np.array(
        [[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]
    )
    for scale, fill in [(1.0, color), (0.55, ground)][: 1 + (shape == "ring")]:
        corners = outline(shape) @ turned * scale * radius + center
        ImageDraw.Draw(image).polygon(
            [tuple(corner) for corner in corners * side], fill=fill
        )
    pixels = np.asarray(image.resize((PIXELS, PIXELS), Image.LANCZOS), float)
    noise = random.normal(0, 6, pixels.shape) + random.normal(0, 6, 3)
    return Image.fromarray(np.clip(pixels + noise, 0, 255).astype("uint8"))


def write_shapes(folder, count=600, seed=0):
    """Pictures of different combinations, so that captions tell them apart."""
    random = np.random.default_rng(seed)
    (folder / "shapes").mkdir(parents=True)
    things = list(itertools.product(SHAPES, COLORS, SIZES, GROUNDS))
    with table(folder / "shapes.csv", "photo", "caption", "part") as write:
        for row, number in enumerate(random.permutation(len(things))[:count]):
            shape, color, size, ground = things[number]
            name = f"shapes/{number:03d}.png"
            draw(
                shape,
                COLORS[color],
                SIZES[size] * random.uniform(0.9, 1.1),
                GROUNDS[ground],
                random.uniform(0.36, 0.64, 2),
                random.uniform(-0.3, 0.3),
                random,
            ).save(folder / name)
            for caption in CAPTIONS:
                words = {"shape": shape, "color": color, "size": size}
                caption = caption.format(**words, ground=ground)
                write(name, caption, part_of(row / count))


def write_words(folder, count=15, seed=0):
    """Bundled recordings, a voice in one part alone."""
    (folder / "words").mkdir(parents=True)
    columns = {"columns": ["voice"]}
    recordings = {}
    for split in ("train", "test_concept"):
        data = kx.datasets.load("emoji", split, ("text", "speech"), **columns)
        for row, _ in data.as_numpy_iterator():
            key = row["text"].decode(), row["voice"].decode()
            recordings[key] = row["speech"]
    words = sorted({word for word, _ in recordings})
    voices = sorted({voice for _, voice in recordings})
    chosen = np.random.default_rng(seed).permutation(words)[:count]
    header = "recording", "transcript", "voice", "part"
    with table(folder / "words.csv", *header) as write:
        for word, voice in itertools.product(sorted(chosen), voices):
            name = f"words/{word} {voice}.wav".replace(" ", "_")
            kx.datasets.write_wav(folder / name, recordings[word, voice], 8000)
            share = (voices.index(voice) + 0.5) / len(voices)
            write(name, word, voice, part_of(share, 0.5, 0.75))


def write_parts(folder, count=240, seed=0):
    """Pictures of one shape, and its place, size and turn as numbers."""
    random = np.random.default_rng(seed)
    (folder / "parts").mkdir(parents=True)
    header = "photo", "x", "y", "radius", "red", "green", "blue", "part"
    with table(folder / "parts.csv", *header) as write:
        for number in range(count):
            center = random.uniform(0.3, 0.7, 2)
            radius = random.uniform(0.1, 0.28)
            color = random.integers(30, 250, 3)
            name = f"parts/{number:03d}.png"
            draw(
                "square",
                tuple(map(int, color)),
                radius,
                (250, 250, 250),
                center,
                random.uniform(0, 1.5),
                random,
            ).save(folder / name)
            numbers = (float(f"{v:.4g}") for v in (*center, radius))
            write(name, *numbers, *color, part_of(number / count, 0.6, 0.8))


def part_of(share, validation=0.8, test=0.9):
    """The part of a row, by the share of the rows before it."""
    if share < validation:
        return "train"
    return "validation" if share < test else "test"


@contextlib.contextmanager
def table(path, *header):
    """Give a function that writes a row of cells to a CSV file."""
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(header)
        yield lambda *cells: rows.writerow(cells)


if __name__ == "__main__":
    for write in (write_shapes, write_words, write_parts):
        write(pathlib.Path(sys.argv[1]))
