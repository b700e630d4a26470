"""Speech in languages that training never heard: a cell of `challenges/`."""

import numpy as np

import keras_xmodal as kx
from benchmarks.challenges.search import recall_row
from benchmarks.directions.speech import (
    RIDGE_ALPHA,
    eighths,
    prompt_model,
    read_prompts,
    train_reader,
)
from keras_xmodal.recipes.ridge_baseline import RidgeBaseline

LANGUAGES = {"en": "English", "es": "Spanish", "fr": "French"}
EPOCHS = 60  # half of those of `directions_speech`


def languages(seed, data_dir):
    """Learn the prompts of one language, and ask in each of the three.

    Each language has a voice of its own, and 100 transcripts to choose from.
    """
    tests = {
        language: read_prompts("test", data_dir, language)
        for language in LANGUAGES
    }
    rows = []
    for learned in LANGUAGES:
        train = read_prompts("train", data_dir, learned)
        reader = train_reader(*train, seed, EPOCHS)
        ridge = RidgeBaseline(RIDGE_ALPHA).fit(eighths(*train[:2]), train[2])
        for asked, test in tests.items():
            data = f"learned {LANGUAGES[learned]}, asked in {LANGUAGES[asked]}"
            rows += search_rows(*reader, ridge, test, data)
    return rows


def search_rows(reader, characters, ridge, test, data):
    """R@1 both ways."""
    spectrograms, seconds, texts = test
    tokens = characters(np.array(texts))
    sides = prompt_model(reader, characters).predict(
        {"speech": spectrograms, "text": tokens}, verbose=0
    )
    linear = {
        "speech": ridge.encode(eighths(spectrograms, seconds)),
        "text": ridge.encode_texts(texts),
    }
    rows = []
    for query, candidate in (("speech", "text"), ("text", "speech")):
        report, floor = (
            kx.metrics.retrieval_report(side[query], side[candidate])
            for side in (sides, linear)
        )
        rows.append(
            recall_row(
                f"{query} to {candidate}",
                data,
                report,
                floor,
                "ridge on log-mel, the same language",
            )
        )
    return rows
