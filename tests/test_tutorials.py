"""The tutorials' notebooks: as their scripts say, run, and small.

`tutorials/execute.py` runs them.
"""

import pathlib

import pytest

jupytext = pytest.importorskip("jupytext")
nbformat = pytest.importorskip("nbformat")

FOLDER = pathlib.Path(__file__).parent.parent / "tutorials"
SCRIPTS = sorted(FOLDER.glob("[0-9]*.py"))
each_tutorial = pytest.mark.parametrize("script", SCRIPTS, ids=lambda p: p.stem)


def read_notebook(script):
    return nbformat.read(script.with_suffix(".ipynb"), as_version=4)


def test_every_notebook_has_a_script():
    notebooks = {path.stem for path in FOLDER.glob("*.ipynb")}
    assert notebooks == {path.stem for path in SCRIPTS}
    assert notebooks


@each_tutorial
def test_notebook_has_the_cells_of_its_script(script):
    expected = [(c.cell_type, c.source) for c in jupytext.read(script).cells]
    notebook = read_notebook(script)
    # If this fails: python tutorials/execute.py --write
    assert [(c.cell_type, c.source) for c in notebook.cells] == expected
    assert notebook.metadata.kernelspec.name == "python3"


@each_tutorial
def test_notebook_was_run_from_top_to_bottom(script):
    cells = [c for c in read_notebook(script).cells if c.cell_type == "code"]
    counts = [cell.execution_count for cell in cells]
    assert counts == list(range(1, len(cells) + 1))
    outputs = [output for cell in cells for output in cell.outputs]
    kinds = {output.output_type for output in outputs}
    assert "error" not in kinds
    assert {output.get("name") for output in outputs} <= {None, "stdout"}
    assert any("image/png" in output.get("data", {}) for output in outputs)


@each_tutorial
def test_notebook_is_small_and_tells_no_paths(script):
    path = script.with_suffix(".ipynb")
    assert path.stat().st_size < 1_200_000
    text = path.read_text(encoding="utf-8")
    for mark in ("site-packages", "/home/", "/tmp/", "Traceback"):
        assert mark not in text
