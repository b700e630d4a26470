"""The README, line by line as printed, on files that its demo makes."""

import csv
import os
import pathlib
import re
import shlex
import subprocess
import sys

import pytest

import keras_xmodal_cli

README = (pathlib.Path(__file__).parent.parent / "README.md").read_text()
SCRIPTS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
# What a user makes first: an environment, which is there.
INSTALLATION = "python3 -m venv .venv && .venv/bin/pip install "


def block(name):
    """The commands of a block that is marked by its name."""
    (found,) = re.findall(
        f"<!-- {name} -->(.*?)<!-- /{name} -->", README, re.DOTALL
    )
    return [line.strip() for line in found.strip().splitlines()]


def run(command, folder):
    """Run a command as printed, but with this environment."""
    arguments = shlex.split(command)
    assert arguments[0] == ".venv/bin/keras-xmodal"
    root = str(pathlib.Path(__file__).parent.parent)
    result = subprocess.run(
        [sys.executable, "-m", "keras_xmodal_cli", *arguments[1:]],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": root},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_every_command_is_in_a_block_that_a_test_runs():
    names = ("own", "play", "demo", "search", "export", "test")
    blocks = [line for name in names for line in block(name)]
    text = re.sub(r"```.*?```", "", README, flags=re.DOTALL)
    printed = re.findall(r"^    (\S.*)$", text, re.MULTILINE)
    assert printed == blocks


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Where the README's demo has run."""
    folder = tmp_path_factory.mktemp("readme")
    (command,) = block("demo")
    assert command.startswith(f"{INSTALLATION}. && ")
    table = run(command.split(" && ")[-1], folder)
    assert "Next: keras-xmodal search keras-xmodal-demo" in table
    return folder


@pytest.mark.large
def test_own_pairs_are_trained_on_and_searched(folder):
    """Of the demo's pictures, in a table as the README's user has it."""
    with open(folder / "keras-xmodal-demo" / "pictures.csv") as file:
        rows = list(csv.DictReader(file))[:120]
    with open(folder / "pairs.csv", "w") as file:
        table = csv.writer(file)
        table.writerow(["photo", "caption"])
        for row in rows:
            table.writerow([f"keras-xmodal-demo/{row['file']}", row["name"]])
    train, search = block("own")
    assert "image to text" in run(train, folder)
    assert len(run(search, folder).splitlines()) == 5


def test_the_page_is_opened_as_printed():
    (command,) = block("play")
    parser = keras_xmodal_cli._parser()
    arguments = parser.parse_args(shlex.split(command)[1:])
    assert arguments.folder == "keras-xmodal-run"


@pytest.mark.large
def test_the_demo_answers_as_one_would(folder):
    answers = [run(command, folder) for command in block("search")]
    tree, apple, picture = (
        [line[8:] for line in a.splitlines()] for a in answers
    )
    assert all("tree" in name for name in tree[:3])
    assert all("apple" in name for name in apple[:2])
    assert "umbrella" in picture[0]


@pytest.mark.large
def test_what_is_exported_is_verified(folder):
    exported, verified = (run(command, folder) for command in block("export"))
    lines = exported.splitlines()
    assert [line.split(":")[0] for line in lines[:2]] == [
        "saved_model",
        "litert",
    ]
    assert verified.count("against Keras") == 2


@pytest.mark.large
@pytest.mark.parametrize("number", range(len(SCRIPTS)))
def test_every_script_runs_as_printed(folder, number, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    names = {}
    exec(compile(SCRIPTS[number], "README.md", "exec"), names)
    if "kx.recipes" in SCRIPTS[number]:
        assert names["recipe"].evaluate(names["test"])["image_to_text"]["R@1"]
    elif "from_csv" in SCRIPTS[number]:
        printed = capsys.readouterr().out.strip().splitlines()[-1]
        assert len(eval(printed)) == 3
    if "GANModel" in SCRIPTS[number]:
        assert names["drawn"].shape == (8, 32, 32, 3)
        assert names["drawn"].std() > 0


def test_scripts_are_as_wide_as_the_code():
    lines = [line for script in SCRIPTS for line in script.splitlines()]
    assert max(map(len, lines)) <= 80


def test_links_lead_somewhere():
    root = pathlib.Path(__file__).parent.parent
    for target in re.findall(r"\]\(([^)#:]+)\)", README):
        assert (root / target).exists(), target


def test_commands_are_there_for_ci():
    for name, end in (("demo", "keras-xmodal demo"), ("test", "pytest")):
        assert block(name)[-1].endswith(end)
