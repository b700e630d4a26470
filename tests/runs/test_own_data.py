"""Data as a user has it: one command, at least as good as forty lines."""

import json
import pathlib

import pytest

from keras_xmodal_cli import main
from tests import own_data
from tests.runs import by_hand

pytestmark = pytest.mark.large
DATA = {
    "shapes": ["--modality", "image=photo", "--modality", "text=caption"],
    "words": [
        *("--modality", "speech=recording", "--modality", "text=transcript"),
        *("--split-column", "part"),
    ],
    "parts": [
        *("--modality", "image=photo", "--validation", "0.2"),
        *("--modality", "numbers=x,y,radius,red,green,blue"),
    ],
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("own")
    for name in DATA:
        getattr(own_data, f"write_{name}")(folder)
    return folder


@pytest.mark.parametrize("name", DATA)
def test_one_command_is_as_good_as_a_script(folder, name, capsys):
    run = folder / f"run-{name}"
    pairs = str(folder / f"{name}.csv")
    arguments = ["train", pairs, *DATA[name], "--output", str(run), "--json"]
    assert main(arguments) == 0
    report = json.loads(capsys.readouterr().out)
    rows = report["retrieval"]["validation"].values()
    reached = sum(row["R@1"] for row in rows) / len(rows)
    baseline = sum(row["baseline_R@1"] for row in rows) / len(rows)
    assert reached >= getattr(by_hand, name)(folder)
    assert reached >= baseline
    if name == "shapes":
        assert reached > 2 * baseline
        check_search(run, capsys)


def check_search(run, capsys):
    query = "a large red circle on black"
    assert main(["search", str(run), query, "--json", "-k", "3"]) == 0
    hit = json.loads(capsys.readouterr().out)["hits"][0]
    assert "red circle" in hit["captions"][0]
    assert pathlib.Path(hit["file"]).is_file()
