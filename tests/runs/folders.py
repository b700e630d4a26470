"""Small run folders, and the files that they find."""

import csv

import keras
import numpy as np
import tensorflow as tf

import keras_xmodal as kx
from keras_xmodal.media.gif import encode_gif
from keras_xmodal.media.wav import encode_wav
from keras_xmodal.runs.items import items_of_rows

COLORS = {
    "red": (255, 0, 0),
    "green": (0, 255, 0),
    "blue": (0, 0, 255),
    "white": (255, 255, 255),
}
COLUMNS = {
    "image": ["photo"],
    "text": ["caption"],
    "speech": ["sound"],
    "video": ["clip"],
    "color": ["r", "g", "b"],
}
KINDS = {
    "image": "image",
    "text": "text",
    "speech": "speech",
    "video": "video",
    "color": "numbers",
}
FILES = ("image", "speech", "video")


def make_model(*modalities):
    """Embeddings in which a color is near to itself, without training."""
    layers = keras.layers
    keras.utils.set_random_seed(0)
    text = kx.networks.TextPreprocessor(
        vocabulary=list(COLORS), sequence_length=3
    )
    encoders = {
        "image": [keras.Input((2, 2, 3)), layers.GlobalAveragePooling2D()],
        "text": [
            keras.Input((3,), dtype="int32"),
            layers.Embedding(text.vocabulary_size(), 3, name="words"),
            layers.GlobalMaxPooling1D(),
        ],
        "speech": [keras.Input((5, 5)), layers.Flatten(), layers.Dense(3)],
        "video": [keras.Input((2, 2, 2, 3)), layers.GlobalAveragePooling3D()],
        "color": [keras.Input((3,)), layers.Identity()],
    }
    preprocessors = {
        "image": kx.networks.ImagePreprocessor((2, 2)),
        "text": text,
        "speech": kx.networks.SpeechPreprocessor(duration=0.05, num_mel_bins=5),
        "video": kx.networks.VideoPreprocessor(2, (2, 2)),
    }
    modalities = modalities or ("image", "text")
    model = kx.EmbeddingModel(
        encoders={
            name: keras.Sequential(encoders[name], name=name)
            for name in modalities
        },
        embedding_dim=None,
        preprocessors={
            name: layer
            for name, layer in preprocessors.items()
            if name in modalities
        },
    )
    model.build({n: e.input_shape for n, e in model.encoders.items()})
    if "text" in modalities:
        table = np.zeros((text.vocabulary_size(), 3), "float32")
        table[2:] = np.array(list(COLORS.values())) / 255
        model.encoders["text"].get_layer("words").set_weights([table])
    return model


def picture(color, size=(6, 4)):
    pixels = np.full((*size, 3), color, "uint8")
    return tf.io.encode_png(pixels).numpy()


def write_table(folder, names=tuple(COLORS), captions=("{}", "the {} one")):
    """A table `pairs.csv` of the colors, with files of all kinds."""
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / "pairs.csv", "w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["photo", "caption", "sound", "clip", "r", "g", "b"])
        for place, name in enumerate(names):
            color = COLORS[name]
            (folder / f"{name}.png").write_bytes(picture(color))
            clip = np.full((3, 5, 4, 3), color, "uint8")
            (folder / f"{name}.gif").write_bytes(encode_gif(clip))
            tone = np.sin(np.arange(400) * (0.1 + place / 5)) / 2
            (folder / f"{name}.wav").write_bytes(encode_wav(tone, 8000))
            for caption in captions:
                table.writerow(
                    [f"{name}.png", caption.format(name), f"{name}.wav"]
                    + [f"{name}.gif", *(np.array(color) / 255)]
                )
    return folder / "pairs.csv"


def report_of(*modalities):
    return {
        "modalities": {
            name: {"kind": KINDS[name], "columns": COLUMNS[name]}
            for name in modalities
        },
        "data": {"path": "pairs.csv", "rows": 8, "items": 4},
        "retrieval": {},
    }


def write_run(folder, data, *modalities):
    """A run folder of some modalities, of the table of `write_table`."""
    modalities = modalities or ("image", "text")
    columns = {name: COLUMNS[name] for name in modalities}
    wanted = {
        name: names if len(names) > 1 else names[0]
        for name, names in columns.items()
    }
    files = [name for name in modalities if name in FILES]
    dataset = kx.datasets.from_csv(data, wanted, files=files)
    items = items_of_rows(dataset.items, columns, KINDS)
    model = make_model(*modalities)
    kx.runs.write_run(folder, model, items, report_of(*modalities))
    return folder
