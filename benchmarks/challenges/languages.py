"""Speech in languages that training never heard: a cell of `challenges/`."""

from benchmarks.challenges.search import recall_row
from benchmarks.directions.speech import ask_prompts, train_prompts

LANGUAGES = {"en": "English", "es": "Spanish", "fr": "French"}


def languages(seed, data_dir):
    """Learn the prompts of one language, and ask in each of the three.

    Each language has a voice of its own, and 100 transcripts to choose from.
    """
    rows = []
    for learned in LANGUAGES:
        recipe = train_prompts(seed, data_dir, learned)
        for asked, name in LANGUAGES.items():
            reports = ask_prompts(recipe, data_dir, asked)
            data = f"learned {LANGUAGES[learned]}, asked in {name}"
            rows += [
                recall_row(
                    direction.replace("_", " "),
                    data,
                    report,
                    {"R@1": report["baseline_R@1"]},
                    "ridge on log-mel, the same language",
                )
                for direction, report in reports.items()
            ]
    return rows
