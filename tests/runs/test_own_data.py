"""Data as a user has it: one command, at least as good as forty lines."""

import json
import pathlib

import pytest

from benchmarks.own_data import MODALITIES, measure
from keras_xmodal_cli import main
from tests import own_data

pytestmark = pytest.mark.large


@pytest.mark.parametrize("name", MODALITIES)
def test_one_command_is_as_good_as_a_script(tmp_path, name, capsys):
    getattr(own_data, f"write_{name}")(tmp_path)
    reached = measure(tmp_path, name, seed=0)
    assert reached["recipe"] >= reached["by hand"]
    assert reached["recipe"] >= reached["ridge"]
    if name == "shapes":
        assert reached["recipe"] > 2 * reached["ridge"]
        check_search(tmp_path / "run-shapes", capsys)


def check_search(run, capsys):
    query = "a large red circle on black"
    assert main(["search", str(run), query, "--json", "-k", "3"]) == 0
    hit = json.loads(capsys.readouterr().out)["hits"][0]
    assert "red circle" in hit["captions"][0]
    assert pathlib.Path(hit["file"]).is_file()
