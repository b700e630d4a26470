"""A small model, and corpora of it."""

import csv

import keras
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

import keras_xmodal as kx

WORDS = ("red", "green", "blue", "apple", "tree", "sky")
ROWS = 60


def make_model(seed=0):
    """Pictures, texts and three numbers in one space."""
    keras.utils.set_random_seed(seed)
    words = kx.networks.TextPreprocessor(
        vocabulary=list(WORDS), sequence_length=4
    )
    picture = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Flatten()])
    model = kx.EmbeddingModel(
        encoders={
            "image": picture,
            "text": kx.networks.TextEncoder(words.vocabulary_size(), 6),
            "size": keras.Sequential([keras.Input((3,))]),
        },
        embedding_dim=5,
        preprocessors={
            "image": kx.networks.ImagePreprocessor((8, 8)),
            "text": words,
        },
    )
    model(
        {
            "image": np.zeros((1, 8, 8, 3)),
            "text": np.zeros((1, 4), "int32"),
            "size": np.zeros((1, 3)),
        }
    )
    return model


def texts(rows=ROWS):
    """Texts of which no two neighbours are equal."""
    return [f"{WORDS[i % 3]} {WORDS[3 + i // 3 % 3]} {i}" for i in range(rows)]


def sizes(rows=ROWS):
    return np.random.default_rng(0).normal(size=(rows, 3)).astype("float32")


def write_pictures(folder, rows=ROWS):
    """Pictures of different sizes; their paths below the folder."""
    names = []
    for i in range(rows):
        pixels = np.random.default_rng(i).integers(0, 256, (6 + i % 5, 9, 3))
        names.append(f"photos/{i:03d}.png")
        (folder / "photos").mkdir(exist_ok=True)
        Image.fromarray(pixels.astype("uint8")).save(folder / names[-1])
    return names


def write_csv(path, columns, delimiter=","):
    with open(path, "w", newline="", encoding="utf-8-sig") as file:
        writer = csv.writer(file, delimiter=delimiter)
        writer.writerow(columns)
        writer.writerows(zip(*columns.values(), strict=True))
    return path


def write_parquet(folder, columns, files=3, row_group_size=7):
    """A table in several files of several row groups."""
    folder.mkdir()
    table = pa.table(columns)
    step = -(-table.num_rows // files)
    for i in range(files):
        pq.write_table(
            table.slice(i * step, step),
            folder / f"{i}.parquet",
            row_group_size=row_group_size,
        )
    return folder


def read(folder):
    """Ids and embeddings of a corpus by modality."""
    shards = list(kx.retrieval.read_corpus(folder))
    return {
        name: tuple(
            np.concatenate(parts)
            for parts in zip(*(shard[name] for shard in shards), strict=True)
        )
        for name in shards[0]
    }
