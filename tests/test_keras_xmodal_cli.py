import os
import pathlib
import subprocess
import sys
import types

import numpy as np
import pytest

import keras_xmodal as kx
from keras_xmodal.demo import recipe
from keras_xmodal_cli import EPOCHS, main
from tests.runs import folders

COMMANDS = (
    *("demo", "train", "search", "index", "embed", "evaluate", "play"),
    *("export", "verify", "info", "doctor"),
)


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_each_command_has_an_example(command, capsys):
    with pytest.raises(SystemExit) as exit:
        main([command, "--help"])
    assert exit.value.code == 0
    text = capsys.readouterr().out
    assert f"usage: keras-xmodal {command}" in text
    assert f"example: keras-xmodal {command}" in " ".join(text.split())


def test_help_names_all_commands(capsys):
    with pytest.raises(SystemExit) as exit:
        main(["--help"])
    assert exit.value.code == 0
    text = capsys.readouterr().out
    assert f"{{{','.join(COMMANDS)}}}" in text


def test_version(capsys):
    with pytest.raises(SystemExit):
        main(["--version"])
    assert kx.__version__ in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["unknown"],
        ["search", "run"],
        ["demo", "--epochs", "0"],
        ["search", "run", "apple", "-k", "none"],
        ["index", "run"],
        ["evaluate", "run"],
        ["train"],
        ["train", "a.csv", "--resume", "run"],
        ["train", "a.csv", "--validation", "1"],
        ["train", "a.csv", "--validation", "0.2", "--split-column", "part"],
        ["train", "a.csv", "--modality", "image"],
        ["play", "run", "--port", "70000"],
    ],
)
def test_wrong_usage_exits_with_2(arguments, capsys):
    with pytest.raises(SystemExit) as exit:
        main(arguments)
    assert exit.value.code == 2
    assert "usage: keras-xmodal" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "code"),
    [(["--help"], 0), (["--version"], 0), (["demo", "--epochs", "0"], 2)],
)
def test_help_and_wrong_usage_wait_for_no_tensorflow(arguments, code):
    script = (
        "import sys, keras_xmodal_cli\n"
        "try:\n"
        f"    keras_xmodal_cli.main({arguments})\n"
        "except SystemExit as exit:\n"
        f"    assert exit.code == {code}\n"
        "loaded = {name.partition('.')[0] for name in sys.modules}\n"
        "assert not loaded & {'tensorflow', 'keras', 'keras_xmodal', 'numpy'}\n"
        "print('light')\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True
    )
    assert result.stdout.endswith("light\n"), result.stderr


FAILURE = """
import os, keras_xmodal_cli
def fail():
    os.write(2, b"what C++ logged, ")
    raise %s("no more")
keras_xmodal_cli.main = fail
keras_xmodal_cli.command()
"""


@pytest.mark.parametrize("log_level", [None, "3", "0"])
@pytest.mark.parametrize("error", ["RuntimeError", "SystemExit"])
def test_log_is_told_when_the_command_fails_or_who_asks(error, log_level):
    environment = dict(os.environ)
    environment.pop("TF_CPP_MIN_LOG_LEVEL", None)
    if log_level is not None:
        environment["TF_CPP_MIN_LOG_LEVEL"] = log_level
    result = subprocess.run(
        [sys.executable, "-c", FAILURE % error],
        env=environment,
        capture_output=True,
        text=True,
    )
    assert result.returncode == 1
    assert result.stderr.endswith("no more\n")
    told = result.stderr.startswith("what C++ logged, ")
    assert told == (error == "RuntimeError" or log_level == "0")


def test_default_of_the_help_is_the_recipe_s():
    assert EPOCHS == recipe.EPOCHS


class WordsAlone:
    """Answers every query of words."""

    preprocessors = {}

    def encode(self, x, modality):
        assert modality == "text"
        return np.ones((len(x), 3))


def answer_with(model, monkeypatch):
    """Let a run of three pictures be the one that is loaded."""
    index = kx.retrieval.ExactIndex(model)
    index.add(np.eye(3), ids=["a", "b", "c"], modality="image")
    run = kx.runs.Run(pathlib.Path("run"), index, {}, {}, {"text": "text"})
    monkeypatch.setattr(kx.runs.Run, "load", lambda folder: run)


@pytest.mark.parametrize(
    ("arguments", "given"),
    [
        (
            ["a.csv", "--modality", "image=photo", "--modality", "text=a"],
            {"modalities": {"image": ["photo"], "text": ["a"]}},
        ),
        (
            ["a.csv", "--split-column", "part", "--towers", "small"],
            {"validation": None, "split_column": "part", "towers": "small"},
        ),
        (
            [
                "a.csv",
                "--output",
                "b",
                "--overwrite",
                "--epochs",
                "3",
                "--quiet",
            ],
            {"output": "b", "overwrite": True, "epochs": 3, "quiet": True},
        ),
        (["--resume", "run"], {"pairs": None, "resume": "run"}),
    ],
)
def test_arguments_of_a_training(arguments, given, monkeypatch, capsys):
    received = {}

    def run(pairs, **options):
        received.update(pairs=pairs, **options)
        return {"output": options["output"]}

    train = types.ModuleType("train")
    train.run = run
    train.format_report = lambda report: f"written to {report['output']}"
    monkeypatch.setitem(sys.modules, "keras_xmodal.runs.train", train)
    monkeypatch.setattr(kx.runs, "train", train, raising=False)
    assert main(["train", *arguments]) == 0
    expected = {
        **{"pairs": "a.csv", "modalities": {}, "output": "keras-xmodal-run"},
        **{
            "towers": "auto",
            "generator": None,
            "validation": 0.1,
            "split_column": None,
        },
        **{"group_column": None, "id_column": None, "delimiter": ","},
        **{"duration": None, "epochs": None, "seed": 0, "resume": None},
        **{"skip_broken": False, "overwrite": False, "quiet": False},
        **given,
    }
    assert received == expected
    assert capsys.readouterr().out == f"written to {expected['output']}\n"


def test_arguments_of_a_page(monkeypatch):
    received = {}
    play = types.ModuleType("play")
    play.serve = lambda run, **options: received.update(run=run, **options)
    monkeypatch.setitem(sys.modules, "keras_xmodal.play", play)
    monkeypatch.setattr(kx, "play", play, raising=False)
    monkeypatch.setattr(kx.runs.Run, "load", lambda folder: folder)
    assert main(["play", "run", "--port", "0"]) == 0
    assert received == {
        "run": "run", "host": "127.0.0.1", "port": 0, "open_browser": False,
    }  # fmt: skip


@pytest.mark.parametrize(
    "query",
    [
        *("a", "long " * 100, "x" * 5000, "red\0fruit", "/", "ä" * 200),
        f"{'x' * 300}.png",
    ],
)
def test_queries_of_any_length_are_words(query, monkeypatch, capsys):
    answer_with(WordsAlone(), monkeypatch)
    assert main(["search", "run", query, "-k", "2"]) == 0
    assert capsys.readouterr().out.splitlines() == [" 0.577  a", " 0.577  b"]


@pytest.mark.parametrize("query", ["🦖", "?!", "unknown"])
def test_what_the_model_cannot_read_is_said(query, monkeypatch, capsys):
    answer_with(folders.make_model("text"), monkeypatch)
    assert main(["search", "run", query]) == 1
    assert "that the model knows" in capsys.readouterr().err
    assert main(["search", "run", "red"]) == 0


@pytest.mark.parametrize(
    ("output", "arguments", "match"),
    [
        ("file/run", [], "is a file"),
        ("run", [], "must not exist yet"),
        ("run", ["--overwrite"], "earlier run only"),
        ("file", ["--overwrite"], "earlier run only"),
        ("broken", [], "must not exist yet"),
        ("n" * 300, [], "too long"),
        ("closed/run", [], "cannot"),
    ],
)
def test_the_demo_finds_at_once_where_it_cannot_write(
    tmp_path, output, arguments, match, monkeypatch, capsys
):
    (tmp_path / "file").write_text("x")
    (tmp_path / "run").mkdir()
    (tmp_path / "broken").symlink_to("nowhere")
    (tmp_path / "closed").mkdir()
    monkeypatch.setattr(
        os, "access", lambda path, mode: "closed" not in str(path)
    )
    monkeypatch.setattr(recipe, "read_train", lambda: pytest.fail("it began"))
    before = sorted(tmp_path.rglob("*"))
    assert main(["demo", "--output", str(tmp_path / output), *arguments]) == 1
    error = capsys.readouterr().err
    assert match in error
    assert len(error.splitlines()) == 1
    assert sorted(tmp_path.rglob("*")) == before
