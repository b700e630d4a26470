"""The README, line by line as printed, on files that its demo makes."""

import csv
import pathlib
import re
import shlex

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


@pytest.fixture
def run(folder, monkeypatch, capsys):
    """Run a command as printed, but in this process, which is loaded."""

    def run(command):
        program, *arguments = shlex.split(command)
        assert program == ".venv/bin/keras-xmodal"
        monkeypatch.chdir(folder)
        code = keras_xmodal_cli.main(arguments)
        told = capsys.readouterr()
        assert code == 0, told.err
        return told.out

    return run


def test_every_command_is_in_a_block_that_a_test_runs():
    names = ("own", "play", "demo", "search", "export", "test")
    blocks = [line for name in names for line in block(name)]
    text = re.sub(r"```.*?```", "", README, flags=re.DOTALL)
    printed = re.findall(r"^    (\S.*)$", text, re.MULTILINE)
    assert printed == blocks


@pytest.fixture(scope="module")
def folder(demo):
    """Where the README's demo has run."""
    (command,) = block("demo")
    assert command == f"{INSTALLATION}. && .venv/bin/keras-xmodal demo"
    process, path = demo
    assert process.returncode == 0, process.stderr
    assert f"Next: keras-xmodal search {path}" in process.stdout
    default = keras_xmodal_cli._parser().parse_args(["demo"]).output
    assert path.name == default == "keras-xmodal-demo"
    return path.parent


@pytest.mark.large
def test_own_pairs_are_trained_on_and_searched(folder, run):
    """Of the demo's pictures, in a table as the README's user has it."""
    with open(folder / "keras-xmodal-demo" / "pictures.csv") as file:
        rows = list(csv.DictReader(file))[:120]
    with open(folder / "pairs.csv", "w") as file:
        table = csv.writer(file)
        table.writerow(["photo", "caption"])
        for row in rows:
            table.writerow([f"keras-xmodal-demo/{row['file']}", row["name"]])
    train, search = block("own")
    assert "image to text" in run(train)
    assert len(run(search).splitlines()) == 5


def test_the_page_is_opened_as_printed():
    (command,) = block("play")
    parser = keras_xmodal_cli._parser()
    arguments = parser.parse_args(shlex.split(command)[1:])
    assert arguments.folder == "keras-xmodal-run"


@pytest.mark.large
def test_the_demo_answers_as_one_would(run):
    answers = [run(command) for command in block("search")]
    tree, apple, picture = (
        [line[8:] for line in a.splitlines()] for a in answers
    )
    assert all("tree" in name for name in tree[:3])
    assert all("apple" in name for name in apple[:2])
    assert "umbrella" in picture[0]


@pytest.mark.large
def test_what_is_exported_is_verified(run):
    exported, verified = (run(command) for command in block("export"))
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
