import json
import zipfile

import pytest

from keras_xmodal.runs import info
from keras_xmodal_cli import main
from tests.runs import folders


def test_a_run(folder, capsys):
    report = json.loads((folder / "report.json").read_text())
    direction = {"R@1": 0.5, "R@5": 1, "R@10": 1, "MedR": 1, "chance_R@1": 0.1}
    report["retrieval"] = {"validation": {"image_to_text": direction}}
    report["plan"] = [["image", "gradients", "few pictures"]]
    (folder / "report.json").write_text(json.dumps(report))
    assert main(["info", str(folder), "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["kinds"] == {"image": "image", "text": "text"}
    assert result["rows"] == {"image": 4, "text": 8}
    assert result["model"]["class"] == "EmbeddingModel"
    assert result["model"]["parameters"] == 6 * 3 + 2  # words, temperature
    assert result["model"]["modalities"]["text"] == {
        "preprocessor": "TextPreprocessor", "encoder": "Sequential",
    }  # fmt: skip
    assert result["versions"] == report["versions"]
    assert main(["info", str(folder)]) == 0
    text = capsys.readouterr().out
    for part in (
        "image: preprocessor ImagePreprocessor, encoder Sequential, 4 in the",
        "trained on pairs.csv: rows 8, items 4",
        "image: gradients, few pictures",
        "validation:",
        "image to text  0.500  1.000  1.000     1      0.1000",
    ):
        assert part in text


def test_a_file_whose_classes_nobody_knows(tmp_path, capsys):
    """What it says is read, and nothing is built of it."""
    path = tmp_path / "model.keras"
    folders.make_model("color").save(path)
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    parts["config.json"] = parts["config.json"].replace(
        b'"EmbeddingModel"', b'"Other"'
    )
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    assert main(["info", str(path), "--json"]) == 0
    model = json.loads(capsys.readouterr().out)["model"]
    assert model["class"] == "Other"
    assert model["modalities"] == {"color": {"encoder": "Sequential"}}


@pytest.mark.parametrize(
    ("name", "content", "match"),
    [
        ("model.keras", b"", "a readable `.keras` file"),
        ("generator.keras", b"", "a readable `.keras` file"),
        ("report.json", b"{", "a readable report.json"),
        ("report.json", b'{"format": 9}', "of format 9"),
        ("items.json", b"7", "a readable items.json"),
    ],
)
def test_damaged_runs(folder, name, content, match, capsys):
    (folder / name).write_bytes(content)
    assert main(["info", str(folder)]) == 1
    error = capsys.readouterr().err
    assert match in error
    assert len(error.splitlines()) == 1


@pytest.mark.parametrize("name", ["run", "run.training"])
def test_a_training_that_is_not_at_its_end(tmp_path, name, capsys):
    (tmp_path / "run.training").mkdir()
    (tmp_path / "run.training" / "arguments.json").write_text("{}")
    assert main(["info", str(tmp_path / name)]) == 1
    error = capsys.readouterr().err
    assert f"`keras-xmodal train --resume {tmp_path / 'run'}`" in error
    assert len(error.splitlines()) == 1


def test_what_is_no_run(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"a `\.keras` file, or a f"):
        info.run(tmp_path)
    path = tmp_path / "model.keras"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", "[1]")
        archive.writestr("metadata.json", "{}")
    with pytest.raises(ValueError, match=r"a readable `\.keras` file"):
        info.run(path)
