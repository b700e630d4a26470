import pathlib
import re

import keras
import numpy as np

import keras_xmodal as kx

README = (pathlib.Path(__file__).parent.parent / "README.md").read_text()


SCRIPTS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


def test_every_script_is_run():
    """The second one by `tests/datasets/test_from_csv.py`, which has files."""
    assert len(SCRIPTS) == 3
    assert "from_csv" in SCRIPTS[1]


def test_the_script_runs_as_printed(capsys, monkeypatch):
    exec(compile(SCRIPTS[0], "README.md", "exec"), {})
    printed = capsys.readouterr().out
    assert "array" in printed


def test_the_last_script_needs_data_only():
    images = np.zeros((8, 28, 28, 1), "float32")
    names = {"keras": keras, "kx": kx, "images": images}
    names["labels"] = np.arange(8)
    exec(compile(SCRIPTS[2], "README.md", "exec"), names)
    assert names["images"].shape == (8, 28, 28, 1)
    assert names["images"].std() > 0


def test_links_lead_somewhere():
    root = pathlib.Path(__file__).parent.parent
    for target in re.findall(r"\]\(([^)#:]+)\)", README):
        assert (root / target).exists(), target


def test_commands_are_there_for_ci():
    for name, end in (("demo", "keras-xmodal demo"), ("test", "pytest")):
        block = README.split(f"<!-- {name} -->")[1]
        block = block.split(f"<!-- /{name} -->")[0]
        assert block.strip().endswith(end)
