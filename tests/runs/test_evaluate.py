import csv
import json

import pytest

import keras_xmodal as kx
from keras_xmodal.runs import evaluate
from keras_xmodal.runs.items import items_of_rows
from keras_xmodal_cli import main
from tests.runs import folders


def test_all_directions_of_several_captions_an_item(written, data, capsys):
    assert main(["evaluate", str(written), str(data), "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["items"] == 4
    assert result["num_examples"] == {"image": 4, "text": 8}
    assert set(result["retrieval"]) == {"image_to_text", "text_to_image"}
    to_text = result["retrieval"]["image_to_text"]
    to_image = result["retrieval"]["text_to_image"]
    assert to_text["R@1"] == to_image["R@1"] == 1.0
    assert (to_text["num_queries"], to_text["num_candidates"]) == (4, 8)
    assert (to_image["num_queries"], to_image["num_candidates"]) == (8, 4)
    # Two of eight texts are right, and one of four pictures.
    assert to_text["chance_R@1"] == to_image["chance_R@1"] == 0.25
    assert main(["evaluate", str(written), str(data), "--quiet"]) == 0
    output = capsys.readouterr()
    lines = output.out.splitlines()
    assert lines[0] == "4 items, 4 image, 8 text"
    assert lines[2].split() == [
        *("image", "to", "text", "1.000", "1.000", "1.000", "1"),
        *("0.2500", "4", "8"),
    ]


def test_figures_are_those_of_the_report(written, data, tmp_path):
    """A text of two items, an empty cell, and wrong captions."""
    table = tmp_path / "pairs.csv"
    rows = [
        ("red.png", "red"), ("red.png", "blue"), ("blue.png", "red"),
        ("green.png", ""), ("white.png", "green"),
    ]  # fmt: skip
    with open(table, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["photo", "caption"])
        writer.writerows([data.parent / a, b] for a, b in rows)
    result = evaluate.run(str(written), str(table), quiet=True)
    assert result["items"] == 4
    assert result["num_examples"] == {"image": 4, "text": 4}
    model = kx.runs.Run.load(written).model
    pictures = [(data.parent / f"{a}.png").read_bytes()
                for a in ("red", "blue", "green", "white")]  # fmt: skip
    expected = kx.metrics.retrieval_report(
        model.encode(pictures, "image"),
        model.encode(["red", "blue", "red", "green"], "text"),
        [0, 1, 2, 3],
        [0, 0, 1, 3],
    )
    found = result["retrieval"]["image_to_text"]
    assert found == pytest.approx(expected)
    assert found["num_queries"] == 3  # green.png has no text


def test_five_modalities(everything, data):
    result = evaluate.run(str(everything), str(data), quiet=True)
    assert len(result["retrieval"]) == 20
    assert result["retrieval"]["video_to_color"]["R@1"] == 1.0
    assert list(result["num_examples"].items()) == [
        *(("image", 4), ("text", 8), ("speech", 4), ("video", 4), ("color", 4)),
    ]


def test_a_folder_and_another_delimiter(written, data, tmp_path):
    for name in ("red", "blue"):
        content = (data.parent / f"{name}.png").read_bytes()
        (tmp_path / f"{name}.png").write_bytes(content)
        (tmp_path / f"{name}.txt").write_text(f"{name}\nthe {name} one\n")
    table = tmp_path / "pairs.csv"
    table.write_text("photo;caption\nred.png;red\nblue.png;blue\n")
    result = evaluate.run(str(written), str(tmp_path), quiet=True)
    assert result["num_examples"] == {"image": 2, "text": 4}
    assert result["retrieval"]["text_to_image"]["R@1"] == 1.0
    result = evaluate.run(str(written), str(table), delimiter=";", quiet=True)
    assert result["num_examples"] == {"image": 2, "text": 2}


@pytest.fixture(scope="module")
def trained(data, tmp_path_factory):
    """A run that knows in which part of the training its items were."""
    folder = tmp_path_factory.mktemp("trained") / "run"
    columns = {"image": ["photo"], "text": ["caption"]}
    dataset = kx.datasets.from_csv(
        data, {"image": "photo", "text": "caption"}, files=["image"]
    )
    parts = dict(
        zip(dataset.items, ["train", "train", "dev", "test"], strict=True)
    )
    items = items_of_rows(dataset.items, columns, folders.KINDS, parts=parts)
    report = folders.report_of("image", "text")
    kx.runs.write_run(folder, folders.make_model(), items, report)
    return folder


def test_what_was_trained_on_is_told(trained, data, capsys):
    command = ["evaluate", str(trained), str(data), "--quiet"]
    assert main(command) == 0
    assert capsys.readouterr().out.splitlines()[1] == (
        "warning: 2 of 4 items were trained on (4 rows: 2, 3, 4, ...), so that "
        "these figures say little of others; `--part dev` or `--part test` "
        "measures items that were not"
    )
    assert main([*command, "--part", "dev", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert (result["items"], result["num_examples"]["text"]) == (1, 2)
    assert (result["parts"], result["trained_rows"]) == ({"dev": 1}, [])
    result = evaluate.run(str(trained), str(data), part="train", quiet=True)
    assert result["trained_rows"] == [2, 3, 4, 5]
    assert main([*command, "--part", "all"]) == 1
    error = capsys.readouterr().err
    assert "4 were in parts: dev, test, train" in error


def test_the_same_files_in_another_table_are_known(trained, data, tmp_path):
    """Also where it names them otherwise, beside others of the same texts."""
    (tmp_path / "new.png").write_bytes(folders.picture((255, 0, 0)))
    table = tmp_path / "pairs.csv"
    table.write_text(
        f"photo,caption,part\n{data.parent}/red.png,a red thing,a\n"
        "new.png,red,a\nnew.png,the red one,a\n"
        f"{data.parent}/blue.png,blue,b\n"
    )
    result = evaluate.run(str(trained), str(table), quiet=True)
    assert result["parts"] == {"train": 1, "dev": 1}
    assert result["trained_rows"] == [2]


def test_one_part_of_a_table(written, trained, data, tmp_path, capsys):
    rows = [
        f"{data.parent}/{name}.png,{name},{part}\n"
        for name, part in zip(
            folders.COLORS, ["train", "train", "test", "test"], strict=True
        )
    ]
    table = tmp_path / "pairs.csv"
    table.write_text("photo,caption,split\n" + "".join(rows))
    command = ["evaluate", str(written), str(table), "--split-column", "split"]
    assert main([*command, "--part", "test", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["num_examples"] == {"image": 2, "text": 2}
    assert (result["parts"], result["trained_rows"]) == ({}, [])
    for part in ([], ["--part", "dev"]):
        assert main([*command, *part]) == 1
        error = capsys.readouterr().err
        assert "`--part` must be one of ['train', 'test']" in error
    assert main([*command[:3], "--part", "test"]) == 1
    assert "0 were in parts" in capsys.readouterr().err


def test_broken_files_are_named_or_left_out(written, data, tmp_path, capsys):
    for name in ("red", "blue"):
        content = (data.parent / f"{name}.png").read_bytes()
        (tmp_path / f"{name}.png").write_bytes(content)
    (tmp_path / "blue.png").write_bytes(b"GIF89a")
    table = tmp_path / "pairs.csv"
    table.write_text("photo,caption\nred.png,red\nblue.png,blue\n")
    command = ["evaluate", str(written), str(table), "--quiet"]
    assert main(command) == 1
    error = capsys.readouterr().err
    assert str(tmp_path / "blue.png") in error
    assert len(error.splitlines()) == 1
    assert main([*command, "--skip-broken"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "2 items, 1 image, 2 text"
    assert lines[-1].startswith("left out: The file must be a whole JPEG")


@pytest.mark.parametrize(
    ("content", "arguments", "match"),
    [
        (b"photo,caption\n", [], "at least one row"),
        (b"photo,title\nred.png,red\n", [], "columns of 2 modalities"),
        (b"photo;caption\nred.png;red\n", [], "columns of 2 modalities"),
        (b"photo,caption\nred.png,r\xe9d\n", [], "in UTF-8"),
        (b"photo,caption\nnowhere.png,red\n", [], "nowhere.png"),
        (b"photo,caption\nred.png,\n,red\n", [], "an item of two modalities"),
        (b"photo,caption\nred.png,red\n", ["--id-column", "id"], "column 'id'"),
        (
            b"photo,caption\nred.png,red\n",
            ["--modality", "image=photo"],
            "columns of 2 modalities",
        ),
        (None, [], "must be a CSV file"),
    ],
)
def test_wrong_tables(content, arguments, match, written, tmp_path, capsys):
    (tmp_path / "red.png").write_bytes(folders.picture((255, 0, 0)))
    table = tmp_path / "pairs.csv"
    if content is not None:
        table.write_bytes(content)
    assert main(["evaluate", str(written), str(table), *arguments]) == 1
    error = capsys.readouterr().err
    assert match in error
    assert len(error.splitlines()) == 1
