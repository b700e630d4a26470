"""Speech in languages that training never heard: a cell of `challenges/`."""

from benchmarks.challenges.search import recall_row
from benchmarks.directions.speech import (
    BASELINE,
    ask_baseline,
    ask_prompts,
    train_baseline,
    train_prompts,
)

LANGUAGES = {"en": "English", "es": "Spanish", "fr": "French"}


def languages(seed, data_dir):
    """Learn the prompts of one language, and ask in each of the three.

    Each language has a voice of its own, and 100 transcripts to choose from.
    """
    rows = []
    for learned in LANGUAGES:
        recipe = train_prompts(seed, data_dir, learned)
        ridge = train_baseline(data_dir, learned)
        for asked, name in LANGUAGES.items():
            reports = ask_prompts(recipe, data_dir, asked)
            baseline = ask_baseline(ridge, data_dir, asked)
            data = f"learned {LANGUAGES[learned]}, asked in {name}"
            rows += [
                recall_row(
                    direction.replace("_", " "),
                    data,
                    report,
                    baseline[direction],
                    f"{BASELINE}, the same language",
                )
                for direction, report in reports.items()
            ]
    return rows
