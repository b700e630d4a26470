#!/usr/bin/env python
"""Run the tutorials: each percent script as a notebook, in a fresh kernel.

The notebook is made from the script that lies beside it, so that what runs is
what the script says. Nothing is written over unless `--write` asks for it.
"""

import argparse
import base64
import io
import os
import pathlib
import sys
import tempfile
import time
from concurrent import futures

import jupytext
import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import (
    CellExecutionError,
    CellTimeoutError,
)
from PIL import Image

FOLDER = pathlib.Path(__file__).resolve().parent
PICTURE_COLORS = 192


def main(arguments=None):
    """Run the tutorials that were asked for.

    Args:
        arguments: List of strings, the command line.

    Returns:
        Exit code: 0, or 1 if a tutorial failed.
    """
    options = parse(arguments)
    scripts = find_scripts(options.names)
    with futures.ThreadPoolExecutor(options.jobs) as pool:
        passed = list(pool.map(lambda script: run(script, options), scripts))
    return int(not all(passed))


def run(script, options):
    """Run one tutorial and tell how long it took.

    Args:
        script: Path of the percent script.
        options: What `parse` returns.

    Returns:
        Whether it passed.
    """
    start = time.perf_counter()
    message = execute(script, options)
    seconds = time.perf_counter() - start
    state = "failed after" if message else "ran in"
    print(f"{script.stem}: {state} {seconds:.0f} s", flush=True)
    if message:
        print(message, file=sys.stderr, flush=True)
    return not message


def parse(arguments):
    """Read the command line; errors end the program with exit code 2."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument(
        "names",
        nargs="*",
        help="scripts to run, or the start of their names; all by default",
    )
    parser.add_argument(
        "--fast", action="store_true", help="the same code for fewer epochs"
    )
    parser.add_argument(
        "--write",
        action="store_true",
        help="replace the notebook beside the script, with its outputs",
    )
    parser.add_argument(
        "--timeout",
        type=int,
        default=1800,
        help="seconds that one cell may take (default: %(default)s)",
    )
    parser.add_argument(
        "--jobs",
        type=int,
        default=1,
        help="tutorials that run at a time (default: %(default)s)",
    )
    options = parser.parse_args(arguments)
    if options.jobs < 1:
        parser.error(f"--jobs must be at least 1, not {options.jobs}")
    if options.fast and options.write:
        parser.error(
            "--write keeps the outputs of a full run: leave --fast out"
        )
    return options


def find_scripts(names):
    """Find the percent scripts, those that begin with a number.

    Args:
        names: List of paths, names or starts of names; empty for all.

    Returns:
        List of paths.
    """
    scripts = sorted(FOLDER.glob("[0-9]*.py"))
    if not names:
        return scripts
    found = []
    for name in names:
        stem = pathlib.Path(name).name.removesuffix(".py")
        stem = stem.removesuffix(".ipynb")
        matches = [path for path in scripts if path.stem.startswith(stem)]
        if not matches:
            known = ", ".join(path.stem for path in scripts)
            sys.exit(f"no tutorial {name!r}; there are: {known}")
        found += [path for path in matches if path not in found]
    return found


def execute(script, options):
    """Run one tutorial.

    Args:
        script: Path of the percent script.
        options: What `parse` returns.

    Returns:
        None, or what to tell the user about a failure.
    """
    notebook = read_script(script)
    environment = dict(os.environ, KERAS_XMODAL_FAST=str(int(options.fast)))
    environment.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    with tempfile.TemporaryDirectory() as folder:
        client = NotebookClient(
            notebook,
            timeout=options.timeout,
            startup_timeout=180,
            kernel_name="python3",
            resources={"metadata": {"path": folder}},
        )
        # The interpreter that runs this, whatever kernel is installed.
        client.create_kernel_manager().kernel_spec.argv[0] = sys.executable
        try:
            client.execute(env=environment)
        except CellExecutionError as error:
            return str(error)
        except (CellTimeoutError, RuntimeError) as error:  # no kernel
            return f"{type(error).__name__}: {error}"
    if options.write:
        write_notebook(notebook, script.with_suffix(".ipynb"))
    return None


def read_script(script):
    """Read a percent script as a notebook.

    Args:
        script: Path of the percent script.

    Returns:
        Notebook without outputs, the ids of its cells counted from 0, so that
        it only changes where the script does.
    """
    notebook = jupytext.read(script)
    for number, cell in enumerate(notebook.cells):
        cell["id"] = f"cell-{number}"
    notebook.metadata["language_info"] = {"name": "python"}
    return notebook


def write_notebook(notebook, path):
    """Write a notebook that was run, in one step.

    Standard error is left out: what TensorFlow logs there belongs to the
    machine, not to the tutorial. Pictures are compressed.

    Args:
        notebook: Notebook with outputs.
        path: Path of the file.
    """
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
        if cell.cell_type != "code":
            continue
        cell.outputs = join_streams(cell.outputs)
        for output in cell.outputs:
            data = output.get("data", {})
            if "image/png" in data:
                data["image/png"] = compress(data["image/png"])
    nbformat.validate(notebook)
    beside = path.with_name(f".{path.name}.incomplete")
    nbformat.write(notebook, beside)
    os.replace(beside, path)


def join_streams(outputs):
    """Leave standard error out and join what was printed in pieces.

    Args:
        outputs: List of outputs of a cell.

    Returns:
        List of outputs.
    """
    joined = []
    for output in outputs:
        if output.get("name") == "stderr":
            continue
        if joined and output.get("name") == joined[-1].get("name") == "stdout":
            joined[-1]["text"] += output["text"]
        else:
            joined.append(output)
    return joined


def compress(png):
    """Reduce the colours of a picture, where that makes it smaller.

    Args:
        png: String, the picture in base64.

    Returns:
        String, a PNG in base64.
    """
    image = Image.open(io.BytesIO(base64.b64decode(png))).convert("RGB")
    buffer = io.BytesIO()
    image.quantize(PICTURE_COLORS, dither=Image.Dither.NONE).save(
        buffer, "PNG", optimize=True
    )
    smaller = base64.b64encode(buffer.getvalue()).decode()
    return min(png, smaller, key=len)


if __name__ == "__main__":
    sys.exit(main())
