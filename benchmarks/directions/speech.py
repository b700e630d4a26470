"""Speech and text: the cells of `directions/`.

`EmbeddingModel` searches the English prompts of "spoken_prompts", real
recordings of one voice, as `kx.recipes.embedding` trains it; the other families
are in `directions/words.py`. The test has 100 transcripts that are in no
training example.
"""

import numpy as np

import keras_xmodal as kx
from benchmarks.directions import words
from benchmarks.directions.aligned_ridge import AlignedRidge

SECONDS = 8.0  # what is longer is cut
MEASURES = ("R@1", "R@5", "R@10", "MedR")
BASELINE = "kernel ridge in relative time"


def read_prompts(split, data_dir, language="en"):
    """Recordings and transcripts, and ids of the transcripts."""
    data = kx.datasets.load(
        "spoken_prompts", split, languages=(language,), data_dir=data_dir
    )
    rows, ids = data.batch(len(data)).as_numpy_iterator().next()
    return {name: rows[name] for name in ("speech", "text")}, ids


def train_prompts(seed, data_dir, language="en"):
    """What the recipe makes of the training split of a language."""
    train = read_prompts("train", data_dir, language)
    recipe = kx.recipes.embedding(train, duration=SECONDS, seed=seed, verbose=0)
    recipe.fit()
    return recipe


def ask_prompts(recipe, data_dir, language="en"):
    """Reports of the test split by direction, its rows told apart."""
    x, _ = read_prompts("test", data_dir, language)
    return recipe.evaluate((x, np.arange(len(x["text"]))))


def train_baseline(data_dir, language="en"):
    """What can be had of the training split without a network."""
    train, _ = read_prompts("train", data_dir, language)
    return AlignedRidge().fit(*_seen_and_read(train))


def ask_baseline(ridge, data_dir, language="en"):
    """Its reports of the test split by direction."""
    test, _ = read_prompts("test", data_dir, language)
    spectrograms, texts = _seen_and_read(test)
    speech, text = ridge.encode(spectrograms), ridge.encode_texts(texts)
    ids = np.arange(len(texts))
    return {
        "speech_to_text": kx.metrics.retrieval_report(speech, text, ids, ids),
        "text_to_speech": kx.metrics.retrieval_report(text, speech, ids, ids),
    }


def _seen_and_read(x):
    """Spectrograms, and texts as strings."""
    preprocess = kx.networks.SpeechPreprocessor(duration=SECONDS)
    parts = np.array_split(x["speech"], -(-len(x["speech"]) // 32))
    spectrograms = np.concatenate([preprocess(part) for part in parts])
    return spectrograms, [text.decode() for text in x["text"]]


def embedding(seed, data_dir):
    reports = ask_prompts(train_prompts(seed, data_dir), data_dir)
    baseline = ask_baseline(train_baseline(data_dir), data_dir)
    return [
        {
            "direction": direction.replace("_", " "),
            "data": "spoken_prompts, 100 unseen transcripts",
            "measure": measure,
            "model": report[measure],
            "chance": report.get(
                f"chance_{measure}", report["num_candidates"] / 2
            ),
            "baseline": baseline[direction][measure],
            "baseline_name": BASELINE,
        }
        for direction, report in reports.items()
        for measure in MEASURES
    ]


CELLS = {
    "EmbeddingModel": embedding,
    "VAEModel": words.vae,
    "GANModel": words.gan,
}
