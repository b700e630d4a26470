import pytest

import keras_xmodal as kx
from keras_xmodal.cli import main


@pytest.mark.parametrize("command", [[], ["demo"], ["search"]])
def test_help(command, capsys):
    with pytest.raises(SystemExit) as exit:
        main([*command, "--help"])
    assert exit.value.code == 0
    assert "usage: keras-xmodal" in capsys.readouterr().out


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
    ],
)
def test_wrong_usage_exits_with_2(arguments, capsys):
    with pytest.raises(SystemExit) as exit:
        main(arguments)
    assert exit.value.code == 2
    assert "usage: keras-xmodal" in capsys.readouterr().err
