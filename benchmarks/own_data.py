"""One command on a user's own pairs, beside what he would write by hand.

    python -m benchmarks.own_data --work own --out results.json

For each seed it makes the three data sets of `tests/own_data.py` anew, runs
`keras-xmodal train` on each, and the script of `tests/runs/by_hand.py`. Both
are measured on a part that neither has trained on, stopped by or chosen by.
"""

import argparse
import contextlib
import io
import json
import pathlib

import numpy as np

from keras_xmodal_cli import main as command
from tests import own_data
from tests.runs import by_hand

MODALITIES = {
    "shapes": ("image=photo", "text=caption"),
    "words": ("speech=recording", "text=transcript"),
    "parts": ("image=photo", "numbers=x,y,radius,red,green,blue"),
}


def train(folder, name, seed):
    """The report of the command."""
    arguments = ["train", str(folder / f"{name}.csv"), "--json"]
    for modality in MODALITIES[name]:
        arguments += ["--modality", modality]
    arguments += ["--split-column", "part", "--seed", str(seed)]
    arguments += ["--output", str(folder / f"run-{name}"), "--overwrite"]
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        if command(arguments) != 0:
            raise RuntimeError(f"{arguments} failed: {said.getvalue()}")
    return json.loads(said.getvalue())


def measure(folder, name, seed):
    """Mean R@1 of both directions on the test part."""
    report = train(folder, name, seed)
    rows = report["retrieval"]["test"].values()

    def mean(key):
        return float(np.mean([row[key] for row in rows]))

    return {
        "data": name,
        "seed": seed,
        "recipe": mean("R@1"),
        "by hand": getattr(by_hand, name)(folder, seed),
        "ridge": mean("baseline_R@1"),
        "chance": mean("chance_R@1"),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=pathlib.Path, default="own")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--data", nargs="+", default=[*MODALITIES])
    parser.add_argument("--out", type=pathlib.Path)
    arguments = parser.parse_args()
    runs = []
    for seed in arguments.seeds:
        folder = arguments.work / f"seed-{seed}"
        for name in arguments.data:
            if not (folder / f"{name}.csv").exists():
                getattr(own_data, f"write_{name}")(folder, seed=seed)
            runs.append(measure(folder, name, seed))
            print(json.dumps(runs[-1]), flush=True)
    if arguments.out:
        arguments.out.write_text(json.dumps({"runs": runs}, indent=1) + "\n")


if __name__ == "__main__":
    main()
