"""What a Keras user would write for one data set, in some forty lines each.

They take the folder that `tests/own_data.py` writes, train on all but its
test part, having nothing to stop by, and return how well they do there.
"""

import keras
import numpy as np
import tensorflow as tf

import keras_xmodal as kx

layers = keras.layers


def images(filters=(32, 64, 96, 128)):
    """A small convolutional network."""
    network = keras.Sequential([keras.Input((64, 64, 3))])
    for channels in filters:
        network.add(layers.Conv2D(channels, 3, 2, "same", use_bias=False))
        network.add(layers.BatchNormalization())
        network.add(layers.ReLU())
    network.add(layers.GlobalAveragePooling2D())
    return network


def recall(model, data):
    """Mean R@1 of both directions, a value of each modality once an item."""
    x, ids = next(iter(data.batch(5000)))
    embedded = {}
    for name, values in x.items():
        _, first = np.unique(values.numpy(), axis=0, return_index=True)
        if name == "text":
            first = np.arange(len(ids))
        values = values.numpy()[first]
        embedded[name] = model.encode(values, name), ids.numpy()[first]
    (a, a_ids), (b, b_ids) = embedded.values()
    there = kx.metrics.retrieval_report(a, b, a_ids, b_ids)["R@1"]
    back = kx.metrics.retrieval_report(b, a, b_ids, a_ids)["R@1"]
    return (there + back) / 2


def read(path, columns, files):
    """What is trained on, and the test part."""
    parts = kx.datasets.from_csv(path, columns, files=files, split="part")
    return parts["train"].concatenate(parts["validation"]), parts["test"]


def fit(model, train, epochs, batch_size, rate):
    """Preprocess once, train with AdamW and a cosine."""
    steps = epochs * max(1, len(train) // batch_size)
    schedule = keras.optimizers.schedules.CosineDecay(rate, steps)
    model.compile(keras.optimizers.AdamW(schedule), loss="info_nce")
    data = model.preprocess(train.batch(batch_size)).unbatch().cache()
    counted = tf.data.experimental.assert_cardinality(len(train))
    data = data.apply(counted).shuffle(2000).batch(batch_size)
    model.fit(data, epochs=epochs, verbose=0)


def shapes(folder, seed=0):
    """Pictures and captions: a CNN, and an average of word embeddings."""
    keras.utils.set_random_seed(seed)
    columns = {"image": "photo", "text": "caption"}
    train, test = read(folder / "shapes.csv", columns, ["image"])
    words = kx.networks.TextPreprocessor(sequence_length=16)
    words.adapt(train.map(lambda x, ids: x["text"]).batch(64))
    texts = keras.Sequential(
        [
            keras.Input((16,)),
            layers.Embedding(words.vocabulary_size(), 128, mask_zero=True),
            layers.GlobalAveragePooling1D(),
        ]
    )
    model = kx.EmbeddingModel(
        encoders={"image": images(), "text": texts},
        preprocessors={
            "image": kx.networks.ImagePreprocessor((64, 64)),
            "text": words,
        },
    )
    fit(model, train, epochs=40, batch_size=90, rate=2e-3)
    return recall(model, test)


def words(folder, seed=0):
    """Recordings and transcripts: convolutions over time, and letters."""
    keras.utils.set_random_seed(seed)
    columns = {"speech": "recording", "text": "transcript"}
    train, test = read(folder / "words.csv", columns, ["speech"])
    letters = kx.networks.TextPreprocessor(
        split="character", sequence_length=16
    )
    letters.adapt(train.map(lambda x, ids: x["text"]).batch(64))
    speech = kx.networks.SpeechPreprocessor(duration=1.0)
    listener = keras.Sequential([keras.Input((speech.num_frames, 40))])
    listener.add(layers.GaussianNoise(0.05))
    for filters in (64, 96, 128):
        listener.add(layers.Conv1D(filters, 5, 2, "same", activation="relu"))
    listener.add(layers.GlobalAveragePooling1D())
    speller = keras.Sequential(
        [
            keras.Input((16,)),
            layers.Embedding(letters.vocabulary_size(), 32),
            layers.Flatten(),
            layers.Dense(128, "relu"),
        ]
    )
    model = kx.EmbeddingModel(
        encoders={"speech": listener, "text": speller},
        embedding_dim=64,
        preprocessors={"speech": speech, "text": letters},
    )
    fit(model, train, epochs=200, batch_size=45, rate=1e-3)
    return recall(model, test)


def parts(folder, seed=0):
    """Pictures and numbers: a CNN, and two dense layers."""
    keras.utils.set_random_seed(seed)
    columns = ["x", "y", "radius", "red", "green", "blue"]
    columns = {"image": "photo", "numbers": columns}
    train, test = read(folder / "parts.csv", columns, ["image"])
    normalize = layers.Normalization()
    normalize.adapt(train.map(lambda x, ids: x["numbers"]).batch(64))
    numbers = keras.Sequential(
        [
            keras.Input((6,)),
            normalize,
            layers.Dense(128, "relu"),
            layers.Dense(128, "relu"),
        ]
    )
    model = kx.EmbeddingModel(
        encoders={
            "image": keras.Sequential(
                [*images().layers[:-1], layers.Flatten()]
            ),
            "numbers": numbers,
        },
        embedding_dim=32,
        preprocessors={"image": kx.networks.ImagePreprocessor((64, 64))},
    )
    fit(model, train, epochs=60, batch_size=64, rate=1e-3)
    return recall(model, test)
