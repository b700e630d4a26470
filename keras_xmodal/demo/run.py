"""`keras-xmodal demo`: from the bundled pictures to a served model."""

import csv
import os
import shutil

import keras
import numpy as np

from keras_xmodal import checks, export, files
from keras_xmodal.callbacks import RetrievalEvaluation
from keras_xmodal.demo import figures, recipe
from keras_xmodal.demo.questions import (
    QUESTIONS,
    evaluate,
    read_split,
    read_tests,
)
from keras_xmodal.recipes.ridge_baseline import RidgeBaseline
from keras_xmodal.retrieval import ExactIndex
from keras_xmodal.runs.clock import Clock
from keras_xmodal.runs.items import to_json
from keras_xmodal.runs.run import REPORT
from keras_xmodal.runs.write_run import check_output, fill

EXAMPLE = "umbrella"  # whose picture in another style is `picture.png`


def run(
    output: str | os.PathLike,
    epochs: int = recipe.EPOCHS,
    seed: int = 0,
    overwrite: bool = False,
    quiet: bool = False,
) -> dict:
    """Train, measure, draw and export; write everything to a run folder.

    Beside the model are examples to ask it with, `picture.png`, and to read,
    `pictures.csv`, of a drawing style that it was not trained on.

    Args:
        output: Path of the run folder, which must not exist.
        epochs: Integer, training epochs.
        seed: Integer, seed of everything random.
        overwrite: Whether to replace the folder if it holds an earlier run.
        quiet: Whether to leave the progress bar out.

    Returns:
        The report, as it is written to `report.json`: `retrieval[split]
        [direction]`, `exports[format]` and `seconds` for each step.

    Raises:
        FileExistsError: If the folder exists and is not to be replaced.
        OSError: If it cannot be written; nothing has been computed then.
    """
    path = checks.path("output", output)
    files.recover(path)
    check_output(path, overwrite)
    with files.new_folder(path, replace=overwrite) as folder:
        report = _run_in(folder, epochs, seed, quiet)
        (folder / REPORT).write_bytes(to_json(report))
    report["output"] = str(output)
    return report


def _run_in(folder, epochs, seed, quiet):
    clock = Clock()
    train = recipe.read_train()
    tests = read_tests()
    english = list(train["texts"][:, 0])
    baseline = RidgeBaseline().fit(train["image"], english)
    clock.lap("baseline")

    made = recipe.make(train, seed=seed, quiet=quiet)
    clock.lap("start")
    evaluations = [
        RetrievalEvaluation(
            made.features(as_rows(tests[split])),
            prefix=f"{split}_",
            frequency=max(1, epochs // 10),
            diagnostics=False,
        )
        for split in ("test_style", "test_concept")
    ]
    history = made.fit(epochs, evaluations)["projections"]
    model = made.model
    clock.lap("training")

    report = {
        "modalities": {
            "image": {"kind": "image", "columns": ["image"]},
            "text": {"kind": "text", "columns": ["text"]},
        },
        "data": describe_data(train),
        "seed": seed,
        "epochs": epochs,
        "plan": [list(choice) for choice in made.plan],
        "parameters": model.count_params(),
        "retrieval": {
            split: evaluate(model, baseline, data)
            for split, data in tests.items()
        },
    }
    index = build_index(model)
    report = fill(
        folder,
        model,
        build_items(),
        report,
        index=index,
        thumbnails={"image": read_thumbnails()},
    )
    clock.lap("evaluation")

    style = tests["test_style"]
    evaluation = ({k: style[k] for k in ("image", "text")}, style["id"])
    report["exports"] = {
        "saved_model": export.saved_model(
            model, folder / "saved_model", evaluation=evaluation
        ),
        "litert": export.litert(
            model, folder / "litert", evaluation=evaluation, search=index
        ),
    }
    clock.lap("export")
    write_pictures(folder)
    write_examples(style, folder)
    figures.draw_training(history, folder / "training.png")
    figures.draw_retrieval(model, style, folder / "retrieval.png", seed=seed)
    clock.lap("figures")
    report["seconds"] = clock.laps
    return report


def as_rows(data: dict) -> tuple:
    """A split of `read_split` as `fit` takes it, `(x, ids)`."""
    x = {"image": data["image"], "text": np.array(data["text"])}
    return x, data["id"]


def build_index(model) -> ExactIndex:
    """Index every picture and every name of the bundled sample.

    Args:
        model: `EmbeddingModel` of images and texts.

    Returns:
        Index whose ids are names, of pictures with their style in brackets.
    """
    index = ExactIndex(model)
    styles = _read_styles()
    for style, data in styles.items():
        names = [f"{name} ({style})" for name in data["text"]]
        index.add({"image": data["image"]}, ids=names)
    index.add({"text": styles["Noto"]["text"]}, ids=styles["Noto"]["text"])
    return index


def build_items() -> dict:
    """Say what the rows of `build_index` show, as `kx.runs.write_run` takes it.

    Returns:
        Dict `{modality: {id: entry}}`.
    """
    items: dict[str, dict] = {"image": {}, "text": {}}
    for style, data in _read_styles().items():
        for item, name in zip(data["id"], data["text"], strict=True):
            items["image"][f"{name} ({style})"] = {
                "file": _path(style, item),
                "item": str(item),
                "captions": [name],
            }
            items["text"].setdefault(
                name, {"text": name, "item": str(item), "captions": []}
            )
    return items


def describe_data(train: dict) -> dict:
    """Say what the demo trains on, as reports of runs do.

    Args:
        train: As `recipe.read_train` returns it.

    Returns:
        Dict of `path`, `rows`, `items`, `train_items` and `validation_items`.
    """
    count = len(train["image"])
    return {
        "path": "the bundled emoji, Noto style",
        "rows": count,
        "items": count,
        "train_items": count,
        "validation_items": 0,
    }


def read_thumbnails() -> np.ndarray:
    """Read the pictures of `build_index`, in its order.

    Returns:
        Array of shape `(pictures, 32, 32, 3)`, uint8.
    """
    return np.concatenate([data["image"] for data in _read_styles().values()])


def _read_styles():
    return {
        "Noto": read_split("train+test_concept"),
        "Fluent": read_split("test_style+test_style_concept"),
    }


def _path(style, item):
    return f"pictures/{style.lower()}/{item}.png"


def write_pictures(folder) -> None:
    """Write the pictures of `build_items` into a run folder, as PNG files."""
    for style, data in _read_styles().items():
        (folder / _path(style, "")).parent.mkdir(parents=True)
        for item, image in zip(data["id"], data["image"], strict=True):
            content = keras.utils.array_to_img(image, scale=False)
            content.save(folder / _path(style, item))


def write_examples(data: dict, folder) -> None:
    """Write a table to learn from, and a picture to ask with.

    Args:
        data: Split as `read_split` returns it, of an unseen style.
        folder: Run folder with pictures, which gets `picture.png`, and
            `pictures.csv` with the file, the name and the mean color of each,
            from 0 to 1.
    """
    with open(
        folder / "pictures.csv", "w", encoding="utf-8", newline=""
    ) as file:
        table = csv.writer(file)
        table.writerow(["file", "name", "red", "green", "blue"])
        for item, image, name in zip(*data.values(), strict=True):
            path = _path("Fluent", item)
            color = (image.mean(axis=(0, 1)) / 255).round(3)
            table.writerow([path, name, *color])
            if name == EXAMPLE:
                shutil.copy(folder / path, folder / "picture.png")


def format_report(report: dict) -> str:
    """Format a report as the table that the demo prints.

    Args:
        report: Dict that `run` returns.

    Returns:
        The table as text.
    """
    header = (
        f"{'test':<28} {'direction':<15}"
        f"{'R@1':>6}{'R@5':>6}{'R@10':>6}{'MedR':>6}"
        f"{'chance':>9}{'baseline R@1/5/10':>20}{'candidates':>12}"
    )
    lines = [header, "-" * len(header)]
    for split, directions in report["retrieval"].items():
        for direction, row in directions.items():
            baseline = "/".join(
                f"{row[f'baseline_R@{k}']:.2f}" for k in (1, 5, 10)
            )
            lines.append(
                f"{QUESTIONS[split]:<28} {direction.replace('_', ' '):<15}"
                f"{row['R@1']:6.2f}{row['R@5']:6.2f}{row['R@10']:6.2f}"
                f"{row['MedR']:6.0f}{row['chance_R@1']:9.4f}"
                f"{baseline:>20}{row['num_candidates']:12d}"
            )
    lines.append("")
    for name, row in report["exports"].items():
        lines.append(
            f"{name}: max abs error {row['max_abs_error']:.1e} against Keras, "
            f"{row['bytes'] / 1e6:.0f} MB, R@1 in an unseen style "
            f"{row['R@1_before']:.3f} before, {row['R@1']:.3f} after"
        )
    total = sum(report["seconds"].values())
    lines.append(
        f"training {report['seconds']['training']:.0f} s, "
        f"all {total:.0f} s. Written to {report['output']}/"
    )
    lines.append(f'Next: keras-xmodal search {report["output"]} "tree"')
    return "\n".join(lines)
