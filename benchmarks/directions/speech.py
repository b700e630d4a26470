"""Speech and text: the cells of `directions/`.

`EmbeddingModel` searches the English prompts of "spoken_prompts", real
recordings of one voice, as `kx.recipes.embedding` trains it; the other families
are in `directions/words.py`. The test has 100 transcripts that are in no
training example.
"""

import numpy as np

import keras_xmodal as kx
from benchmarks.directions import words

SECONDS = 8.0  # what is longer is cut
MEASURES = ("R@1", "R@5", "R@10", "MedR")


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


def embedding(seed, data_dir):
    reports = ask_prompts(train_prompts(seed, data_dir), data_dir)
    return [
        {
            "direction": direction.replace("_", " "),
            "data": "spoken_prompts, 100 unseen transcripts",
            "measure": measure,
            "model": report[measure],
            "chance": report.get(
                f"chance_{measure}", report["num_candidates"] / 2
            ),
            "baseline": report[f"baseline_{measure}"],
            "baseline_name": "ridge on log-mel",
        }
        for direction, report in reports.items()
        for measure in MEASURES
    ]


CELLS = {
    "EmbeddingModel": embedding,
    "VAEModel": words.vae,
    "GANModel": words.gan,
}
