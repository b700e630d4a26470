"""Tutorial 04's tower of spoken words, and a smaller one in its place."""

import keras
import numpy as np
import tensorflow as tf

import keras_xmodal as kx
from benchmarks.heavy_models.towers import (
    Files,
    alone,
    distil,
    recalls,
    train_pairs,
)

DURATION, TEST_VOICE, COPIES = 1.05, b"slt", 20
BATCH_SIZE, EMBEDDING_DIM = 60, 128
EPOCHS = 15  # of 20 copies, as many steps as the tutorial's 30 of 10
RATE = 2e-3
SMALL = {"filters": (32, 32), "hidden_dim": 32, "num_layers": 1}
TEMPERATURE = 0.1


def speech(seed, folder):
    """Distil the tower of recordings, from three voices; the fourth asks."""
    data = kx.datasets.load(
        "emoji", "train+test_concept", ("text", "speech"), columns=["voice"]
    )
    rows, ids = data.batch(len(data)).as_numpy_iterator().next()
    is_test = rows["voice"] == TEST_VOICE
    words = np.array([text.decode() for text in rows["text"]])
    heard = rows["speech"][~is_test]
    keras.utils.set_random_seed(seed)
    preprocess = kx.networks.SpeechPreprocessor(
        duration=DURATION,
        augmentation=kx.layers.SpeechAugmentation(
            time_shift=0.05, speed=0.2, noise=0.05, seed=seed
        ),
    )
    copies = [np.asarray(preprocess(heard))]
    copies += [
        np.asarray(preprocess(heard, training=True)) for _ in range(COPIES - 1)
    ]
    x = kx.models.Preprocessed(speech=np.concatenate(copies))
    texts = np.tile(words[~is_test], COPIES)
    items = np.tile(ids[~is_test], COPIES)

    def train(**options):
        keras.utils.set_random_seed(seed)
        model = build(preprocess, words, seed, **options)
        tokens = model.preprocess({"text": texts})["text"]
        data = tf.data.Dataset.from_tensor_slices(
            (kx.models.Preprocessed(x, text=tokens), items)
        )
        data = data.shuffle(len(items), seed=seed).batch(BATCH_SIZE)
        train_pairs(model, data, EPOCHS, RATE)
        return model

    def recall_of(model):
        return lambda embed: {
            "unseen voice": recalls(
                {
                    "speech": embed(rows["speech"][is_test]),
                    "text": model.encode(words[is_test], "text"),
                },
                {"speech": ids[is_test], "text": ids[is_test]},
            )
        }

    teacher = train()
    files = Files(folder, "speech", recall_of(teacher), heard)
    files.add("teacher", alone(teacher, "speech"))
    targets = teacher.encode(x)
    losses = {
        "distilled": kx.losses.SimilarityDistillation(
            teacher.encode(np.unique(words), "text"), TEMPERATURE
        ),
        "distilled by cosine": "cosine_similarity",
    }
    for name, loss in losses.items():
        keras.utils.set_random_seed(seed)
        tower = alone(build(preprocess, words, seed, **SMALL), "speech")
        distil(tower, x, targets, loss, EPOCHS, RATE, BATCH_SIZE)
        files.add(
            name, tower, (None, "int8") if name == "distilled" else (None,)
        )
    model = train(**SMALL)
    files.recall = recall_of(model)
    files.add("without a teacher", alone(model, "speech"), (None,))
    return files.rows


def build(preprocess, words, seed, **options):
    """The model of the tutorial, or one whose tower of speech is smaller."""
    letters = kx.networks.TextPreprocessor(
        split="character", ngrams=(1, 2, 3), sequence_length=40
    )
    letters.adapt(words)
    encoder = kx.networks.SpeechEncoder(
        preprocess.num_frames,
        augmentation=kx.layers.SpecAugment(
            max_frequency_mask=8, max_time_mask=10, seed=seed
        ),
        **options,
    )
    model = kx.EmbeddingModel(
        encoders={
            "speech": encoder,
            "text": kx.networks.TextEncoder(letters.vocabulary_size(), 128),
        },
        embedding_dim=EMBEDDING_DIM,
        preprocessors={"speech": preprocess, "text": letters},
    )
    model.build({"speech": encoder.input_shape, "text": (None, 40)})
    return model
