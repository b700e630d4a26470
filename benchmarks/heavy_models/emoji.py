"""The demo's towers of texts and pictures, and smaller ones in their place."""

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
from keras_xmodal.demo import questions, recipe

NUM_TOKENS, NUM_NGRAMS, TOKEN_DIM = 8000, 112, 64
PICTURE_DIM = 64
CAPTION_COPIES, PICTURE_COPIES, EPOCHS = 4, 20, 8
# As many examples as 120 passes over the pictures, which were better than 40.
EPOCHS_OF_PAIRS, RATE_OF_PAIRS = 20, 1e-2
BATCH_SIZE, TEMPERATURE = 227, 0.1
STUDENT = "distilled.keras"


def texts(seed, folder):
    """Distil the text tower of the demo."""
    return distil_tower(seed, folder, "text", learn_texts)


def pictures(seed, folder):
    """Distil the picture tower of the demo."""
    return distil_tower(seed, folder, "image", learn_pictures)


def both(seed, folder):
    """Put both small towers in the place of the large ones."""
    model = read_teacher(seed, folder)
    large = ask(model, questions.read_tests(), {})
    rows = [summary("teacher", model, large)]
    for cell in ("texts", "pictures"):
        path = folder.parent / f"{cell}_{seed}" / STUDENT
        tower = keras.saving.load_model(path, compile=False)
        model = kx.models.replace_towers(model, tower)
    small = ask(model, questions.read_tests(), {})
    return [*rows, summary("distilled", model, small)]


def summary(name, model, recall):
    """A row of a whole model."""
    return {
        "tower": "both",
        "model": name,
        "parameters": model.count_params(),
        "recall": recall,
    }


def read_teacher(seed, folder):
    """Train the demo, or read what was trained before."""
    path = folder.parent / f"teacher_{seed}.keras"
    if path.exists():
        return keras.saving.load_model(path, compile=False)
    train = recipe.read_train()
    made = recipe.make(train, seed, quiet=True)
    made.fit(recipe.EPOCHS)
    made.model.save(path)
    return made.model


def distil_tower(seed, folder, modality, learn):
    """Files of the tower, and of small ones that learn from it or do not."""
    train, tests = recipe.read_train(), questions.read_tests()
    teacher = read_teacher(seed, folder)
    files = Files(
        folder,
        modality,
        lambda embed: ask(teacher, tests, {modality: embed}),
        train["image"] if modality == "image" else train["texts"].ravel(),
    )
    files.add("teacher", alone(teacher, modality))
    if modality == "image":
        candidates = teacher.encode(np.unique(train["texts"][:, 0]), "text")
    else:
        candidates = teacher.encode(train["image"], "image")
    loss = kx.losses.SimilarityDistillation(candidates, TEMPERATURE)
    tower = learn(teacher, train, loss, seed)
    tower.save(folder / STUDENT)
    files.add("distilled", tower)
    tower = learn(teacher, train, "cosine_similarity", seed)
    files.add("distilled by cosine", tower, (None,))
    model = without_teacher(teacher, modality, train, seed)
    files.recall = lambda embed: ask(model, tests, {modality: embed})
    files.add("without a teacher", alone(model, modality), (None,))
    return files.rows


def small_text_tower(train, seed):
    """Fewer n-grams, of fewer numbers, and no table of words."""
    words, _ = kx.networks.word_vectors()
    texts = kx.networks.TextPreprocessor(
        max_tokens=NUM_TOKENS,
        split="character",
        ngrams=(1, 2, 3, 4),
        sequence_length=NUM_NGRAMS,
    )
    captions = np.unique(train["texts"])
    texts.adapt(np.concatenate([captions, captions, words]))
    keras.utils.set_random_seed(seed)
    return texts, kx.networks.TextEncoder(texts.vocabulary_size(), TOKEN_DIM)


def small_picture_tower(seed):
    """The demo's oriented gradients, with a map of low rank behind them."""
    keras.utils.set_random_seed(seed)
    return keras.Sequential(
        [
            kx.networks.ImageEncoder(filters=(), dropout=0.0),
            keras.layers.Dense(PICTURE_DIM),
        ]
    )


def learn_texts(teacher, train, loss, seed):
    """Distil from captions, and from words that no picture shows."""
    texts, encoder = small_text_tower(train, seed)
    tower = kx.EmbeddingModel(
        encoders={"text": encoder},
        embedding_dim=teacher.embedding_dim,
        preprocessors={"text": texts},
    )
    captions = np.tile(np.unique(train["texts"]), CAPTION_COPIES)
    x = {"text": np.concatenate([captions, kx.networks.word_vectors()[0]])}
    distil(tower, x, teacher.encode(x), loss, EPOCHS, 5e-3)
    return tower


def learn_pictures(teacher, train, loss, seed):
    """Distil from augmented pictures."""
    tower = kx.EmbeddingModel(
        encoders={"image": small_picture_tower(seed)},
        embedding_dim=teacher.embedding_dim,
        preprocessors={"image": teacher.preprocessors["image"]},
    )
    raw = {"image": train["image"]}
    x = kx.models.Preprocessed(
        image=np.concatenate(
            [teacher.preprocess(raw)["image"]]
            + [
                teacher.preprocess(raw, training=True)["image"]
                for _ in range(PICTURE_COPIES)
            ]
        )
    )
    distil(tower, x, teacher.encode(x), loss, EPOCHS, 2e-3)
    return tower


def without_teacher(teacher, modality, train, seed):
    """The same small tower, trained with the other one by pairs."""
    if modality == "text":
        encoders = {"image": kx.networks.ImageEncoder(filters=(), dropout=0.0)}
        texts, encoders["text"] = small_text_tower(train, seed)
        preprocessors = teacher.preprocessors | {"text": texts}
    else:
        preprocessors = dict(teacher.preprocessors)
        encoders = {
            "image": small_picture_tower(seed),
            "text": teacher.encoders["text"],  # tables that nothing trains
        }
    model = kx.EmbeddingModel(
        encoders=encoders,
        embedding_dim=teacher.embedding_dim,
        preprocessors=preprocessors,
        temperature=TEMPERATURE,
    )
    data = tf.data.Dataset.from_tensor_slices(recipe.as_pairs(train))
    data = data.shuffle(len(data), seed=seed).batch(BATCH_SIZE)
    data = model.preprocess(data, training=True)
    train_pairs(model, data, EPOCHS_OF_PAIRS, RATE_OF_PAIRS)
    return model


def ask(model, tests, embed):
    """Recalls of each question, one tower by another function."""
    result = {}
    for split, data in tests.items():
        # A picture with several captions is one picture.
        _, first = np.unique(data["id"], return_index=True)
        raw = {"image": data["image"][first], "text": np.array(data["text"])}
        ids = {"image": data["id"][first], "text": data["id"]}
        sides = {
            name: embed[name](value)
            if name in embed
            else model.encode(value, name)
            for name, value in raw.items()
        }
        result[split] = recalls(sides, ids)
    return result
