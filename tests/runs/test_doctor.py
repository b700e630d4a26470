import configparser
import importlib.metadata
import json
import pathlib
import subprocess

import pytest

from keras_xmodal.runs import doctor
from keras_xmodal_cli import main

ROOT = pathlib.Path(__file__).parents[2]


def answer(code, out="", err=""):
    return subprocess.CompletedProcess([], code, out, err)


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """A process that loads TensorFlow takes long, and says this."""
    ready = answer(0, 'log\n[["GPU", "H200"], ["CPU", "/device:CPU:0"]]\n')
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: ready)


def test_what_is_there(capsys):
    assert main(["doctor", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["packages"]["keras"] == importlib.metadata.version("keras")
    assert result["devices"] == [["GPU", "H200"], ["CPU", "/device:CPU:0"]]
    assert result["error"] is None
    assert main(["doctor"]) == 0
    assert "device               GPU H200\n" in capsys.readouterr().out


def test_what_is_missing(monkeypatch):
    there = {"one": "1.5", "two": "3.0"}

    def version(name):
        if name not in there:
            raise importlib.metadata.PackageNotFoundError(name)
        return there[name]

    wanted = [
        "keras>=3",
        'one>=1; extra == "video"',
        'two<3; extra == "video"',
        'three[more]>=2; extra == "hub"',
        'keras-xmodal[hub]; extra == "all"',
    ]
    monkeypatch.setattr(importlib.metadata, "version", version)
    monkeypatch.setattr(importlib.metadata, "requires", lambda name: wanted)
    result = doctor.run()
    assert result["extras"]["video"]["missing"] == []
    assert result["extras"]["video"]["wrong"] == ["two<3 (is 3.0)"]
    assert result["extras"]["hub"]["missing"] == ["three"]
    assert set(result["extras"]) == {"video", "hub"}
    text = doctor.format_result(result)
    assert "missing three: pip install 'keras-xmodal[hub]'; for pretr" in text
    assert "numpy                missing" in text


def test_a_package_that_does_not_load(monkeypatch, capsys):
    broken = answer(1, "", "Traceback\nImportError: no libtensorflow\n\nSee\n")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: broken)
    assert main(["doctor"]) == 0
    text = capsys.readouterr().out
    assert "does not load        ImportError: no libtensorflow" in text
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: answer(-11))
    assert main(["doctor"]) == 0
    assert "does not load        exit code -11" in capsys.readouterr().out


def test_every_extra_is_for_something():
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    extras = set(setup["options.extras_require"]) - set(doctor._GATHERED)
    assert extras <= set(doctor.PURPOSES)
