"""The five questions that the demo asks of a model, and their answers."""

import numpy as np

from keras_xmodal import datasets
from keras_xmodal.metrics import retrieval_report

# What each split asks, as the table says it.
QUESTIONS = {
    "test_keyword": "unseen captions: keywords",
    "test_language": "unseen captions: Italian",
    "test_style": "seen concepts, unseen style",
    "test_concept": "unseen concepts",
    "test_style_concept": "unseen concepts and style",
}
DIRECTIONS = {
    "image_to_text": ("image", "text"),
    "text_to_image": ("text", "image"),
}
BASELINE_FIGURES = ("R@1", "R@5", "R@10", "MedR")


def read_split(split: str) -> dict:
    """Read a split of the bundled sample into memory.

    Args:
        split: Name of a split.

    Returns:
        Dict of arrays `id`, `image` (uint8) and a list `text`.
    """
    data = datasets.load("emoji", split)
    x, ids = data.batch(len(data)).as_numpy_iterator().next()
    texts = [text.decode() for text in x["text"]]
    return {"id": ids, "image": x["image"], "text": texts}


def read_tests() -> dict:
    """Read the splits of all questions, as `{split: read_split(split)}`."""
    return {split: read_split(split) for split in QUESTIONS}


def evaluate(model, baseline, data: dict) -> dict:
    """Measure both directions, with the baseline and chance beside them.

    Args:
        model: `EmbeddingModel` of images and texts.
        baseline: Fitted `RidgeBaseline`.
        data: Split as `read_split` returns it.

    Returns:
        `{direction: {"R@1": ..., "baseline_R@1": ..., ...}}`.
    """
    # A picture with several captions is one picture.
    _, first = np.unique(data["id"], return_index=True)
    ids = {"image": data["id"][first], "text": data["id"]}
    raw = {"image": data["image"][first], "text": data["text"]}
    encoded = {name: model.encode(raw[name], name) for name in raw}
    trivial = {
        "image": baseline.encode(raw["image"]),
        "text": baseline.encode_texts(raw["text"]),
    }
    result = {}
    for direction, (query, candidate) in DIRECTIONS.items():
        rows = retrieval_report(
            encoded[query], encoded[candidate], ids[query], ids[candidate]
        )
        lower = retrieval_report(
            trivial[query], trivial[candidate], ids[query], ids[candidate]
        )
        rows.update({f"baseline_{k}": lower[k] for k in BASELINE_FIGURES})
        result[direction] = rows
    return result
