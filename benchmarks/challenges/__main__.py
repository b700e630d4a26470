"""The three challenges of cross-modal learning, measured.

    python -c "import keras_xmodal as kx; kx.datasets.fetch('mnist_fashion')"
    python -c "import keras_xmodal as kx; kx.datasets.fetch('spoken_prompts')"
    python -m benchmarks.challenges --work challenges --out results.json

- Too little data: `pairs` trains the demo's recipe on 1, 5, 20 and 100 % of its
  pairs, with and without augmentation, and with what has no pair; `missing`
  trains a VAE whose examples are mostly of one modality, the other missing.
- Heavy models: `towers` trains image towers of several sizes alike, and cuts
  the embeddings of the smallest to fewer dimensions.
- Generalisation: `unseen` asks the demo's model about concepts, styles,
  captions and a language that training never had, each among as many
  candidates; `voices` holds out each of four voices in turn, and beside that
  recordings of voices that training knows from other words; `languages` learns
  to hear one language, and is asked in others.

Each figure stands with chance and a trivial baseline that learned from the same
examples. Cells are functions of the modules `challenges_*.py`, and processes as
in `directions/`: each leaves a file in `--work`, and the same command goes on
where it was stopped.
"""

import argparse
import importlib
import time

from benchmarks.directions import runner
from benchmarks.tables.results import markdown
from benchmarks.tables.retrieval import challenge

# Cell, a function of the same name: the family of its models, and its module.
CELLS = {
    "pairs": ("EmbeddingModel", "search"),
    "missing": ("VAEModel", "missing"),
    "towers": ("EmbeddingModel", "towers"),
    "unseen": ("EmbeddingModel", "search"),
    "voices": ("EmbeddingModel", "voices"),
    "languages": ("EmbeddingModel", "languages"),
}


def table(rows):
    """Write rows of one cell as a table of Markdown: value / baseline."""
    baselines = dict.fromkeys(row["baseline_name"] for row in rows)
    names = "; ".join(name for name in baselines if name)
    lines = markdown(challenge(rows))
    return "\n".join([*lines, "", f"Each value / baseline: {names}."])


def main():
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    choices = tuple(CELLS)
    parser.add_argument("--cells", nargs="+", choices=choices, default=choices)
    arguments = runner.parse_arguments(parser)
    if arguments.cell:
        cell, _, seed = arguments.cell
        path = arguments.work / f"{cell}_{seed}.json"
        module = f"benchmarks.challenges.{CELLS[cell][1]}"
        function = getattr(importlib.import_module(module), cell)
        runner.run_cell(function, int(seed), arguments.data_dir, path)
        return
    start = time.perf_counter()
    cells = {
        arguments.work / f"{cell}_{seed}.json": (cell, CELLS[cell][0], seed)
        for cell in arguments.cells
        for seed in arguments.seeds
    }
    runner.run_cells(arguments, cells)
    all_rows = []
    for cell in arguments.cells:
        rows = runner.summarise(
            {path: value for path, value in cells.items() if value[0] == cell}
        )
        print(f"\n## {cell}\n\n{table(rows)}")
        all_rows += [{"cell": cell, **row} for row in rows]
    if arguments.out:
        runner.write_results(arguments, cells, all_rows, start)


if __name__ == "__main__":
    main()
