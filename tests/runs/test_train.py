"""Training on a user's own pairs, from a CSV file to a run folder."""

import csv
import json
import shutil

import keras
import numpy as np
import pytest
from PIL import Image

import keras_xmodal as kx
from keras_xmodal.recipes import generation_recipe
from keras_xmodal.runs import evaluate, info, train

COLORS = {"red": (250, 20, 20), "green": (20, 250, 20), "blue": (20, 20, 250)}


@pytest.fixture
def pairs(tmp_path):
    """Thirty pictures of colors in places, and a caption of each."""
    random = np.random.default_rng(0)
    folder = tmp_path / "data"
    folder.mkdir()
    with open(folder / "pairs.csv", "w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["photo", "caption", "part", "maker"])
        for number in range(30):
            color = list(COLORS)[number % 3]
            pixels = random.integers(0, 30, (16, 16, 3)).astype("uint8")
            place = ("left", "right")[number % 2]
            columns = slice(0, 7) if place == "left" else slice(9, 16)
            pixels[:, columns] = COLORS[color]
            name = f"{number}.png"
            Image.fromarray(pixels).save(folder / name)
            part = ("train", "stop", "test")[number % 5 // 3 + number % 10 // 9]
            rows.writerow([name, f"{color} {place}", part, number // 5])
    return folder / "pairs.csv"


MODALITIES = {"image": ["photo"], "text": ["caption"]}
MODELS = ("model.keras", "generator.keras")


@pytest.fixture
def short_epochs(monkeypatch):
    """Of generators."""
    monkeypatch.setattr(generation_recipe, "_STEPS", 2)


def assert_same_models(one, other):
    for name in MODELS:
        pair = (keras.saving.load_model(path / name) for path in (one, other))
        weights = zip(*(model.get_weights() for model in pair), strict=True)
        for a, b in weights:
            np.testing.assert_array_equal(a, b)


def run(pairs, output, **arguments):
    arguments = {"modalities": MODALITIES, "epochs": 1, **arguments}
    return train.run(str(pairs), output=str(output), quiet=True, **arguments)


def test_a_run_is_written_that_can_be_searched(pairs, tmp_path):
    report = run(pairs, tmp_path / "run", validation=0.3)
    assert not (tmp_path / "run.training").exists()
    written = json.loads((tmp_path / "run" / "report.json").read_text())
    assert written == {k: v for k, v in report.items() if k != "output"}
    assert written["data"]["train_items"] == 21
    assert written["data"]["validation_items"] == 9
    assert written["modalities"]["image"] == {
        "kind": "image",
        "columns": ["photo"],
    }
    row = written["retrieval"]["validation"]["text_to_image"]
    assert {"R@1", "chance_R@1", "baseline_R@1"} <= set(row)
    hits = kx.runs.Run.load(tmp_path / "run").search("red left", k=3)
    assert hits[0]["captions"] == ["red left"]
    assert "run/" in train.format_report(report)


def test_the_script_trains_the_same_models(
    pairs, tmp_path, monkeypatch, short_epochs
):
    arguments = {"split_column": "part", "generator": "gan", "epochs": 2}
    run(pairs, tmp_path / "run", **arguments)
    monkeypatch.chdir(tmp_path)
    code = (tmp_path / "run" / "train.py").read_text()
    assert len(code.splitlines()) < 50
    exec(compile(code, "train.py", "exec"), {})
    assert_same_models(tmp_path, tmp_path / "run")


def test_parts_are_those_of_a_column(pairs, tmp_path):
    report = run(pairs, tmp_path / "run", split_column="part")
    assert report["data"]["train_items"] == 18
    assert report["data"]["validation_items"] == 9
    assert report["data"]["test_items"] == 3
    assert set(report["retrieval"]) == {"validation", "test"}


def test_evaluate_measures_what_training_did(pairs, tmp_path):
    """Also where captions repeat: equal texts are one item to both."""
    with open(pairs) as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        row["caption"] = row["caption"].split()[0]
    stop = [row for row in rows if row["part"] == "stop"]
    for name, part in (("labels", rows), ("stop", stop)):
        with open(pairs.with_name(f"{name}.csv"), "w", newline="") as file:
            table = csv.DictWriter(file, rows[0])
            table.writeheader()
            table.writerows(part)
    report = run(
        pairs.with_name("labels.csv"),
        tmp_path / "run",
        split_column="part",
    )
    again = evaluate.run(
        str(tmp_path / "run"), str(pairs.with_name("stop.csv")), quiet=True
    )
    for direction, row in again["retrieval"].items():
        expected = report["retrieval"]["validation"][direction]
        for key in ("R@1", "MedR", "chance_R@1", "num_candidates"):
            assert row[key] == pytest.approx(expected[key]), (direction, key)


def test_it_goes_on_after_a_kill(pairs, tmp_path, monkeypatch, short_epochs):
    def kill(*arguments, **options):
        raise KeyboardInterrupt

    arguments = {"validation": 0.3, "generator": "vae", "epochs": 2}
    whole = run(pairs, tmp_path / "whole", **arguments)
    with monkeypatch.context() as patch:
        patch.setattr(train, "fill", kill)
        with pytest.raises(KeyboardInterrupt):
            run(pairs, tmp_path / "run", **arguments)
    assert not (tmp_path / "run").exists()
    with pytest.raises(FileExistsError, match="--resume"):
        run(pairs, tmp_path / "run", **arguments)
    resumed = train.run(resume=str(tmp_path / "run"), quiet=True)
    for part in ("retrieval", "generation", "plan"):
        assert resumed[part] == whole[part]
    assert_same_models(tmp_path / "whole", tmp_path / "run")
    assert not (tmp_path / "run.training").exists()
    check_generator(tmp_path / "run", whole)


def check_generator(folder, report):
    """The generator draws, and all say that it is there."""
    drawn = kx.runs.Run.load(folder).generator.translate(
        {"text": np.array(["red left"])}, "image"
    )
    assert drawn.shape == (1, 32, 32, 3)
    told = info.run(str(folder))
    assert told["generation"] == report["generation"]
    assert "generator.keras" in told["bytes"]
    text = info.format_info(told)
    assert "generator: VAEModel, " in text
    assert "MB, makes image or text of image or text, saved" in text
    assert "drawn:" in text
    written = train.format_report({**report, "output": "run"})
    assert "generator: VAEModel" in written
    assert "validation   text to image" in written.split("real")[1]


def add_a_row(folder):
    with open(folder / "pairs.csv", "a") as file:
        file.write("0.png,another caption,train,9\n")


def change_a_picture(folder):
    path = next(folder.rglob("3.png"))
    Image.fromarray(np.zeros((16, 16, 3), "uint8")).save(path)


def break_a_picture(folder):
    next(folder.rglob("3.png")).write_bytes(b"no picture")


def add_a_picture(folder):
    path = next(folder.rglob("3.png"))
    shutil.copy(path, path.with_name("another.png"))


@pytest.mark.parametrize(
    ("of_folder", "change"),
    [
        (False, add_a_row),
        (False, change_a_picture),
        (False, break_a_picture),
        (True, change_a_picture),
        (True, add_a_picture),
    ],
)
def test_a_training_is_not_gone_on_with_on_other_data(
    pairs, tmp_path, monkeypatch, of_folder, change
):
    def kill(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(kx.recipes, "embedding", kill)
    data, modalities = pairs, MODALITIES
    if of_folder:
        data, modalities = copy_by_color(pairs, tmp_path / "classes"), {}
    with pytest.raises(KeyboardInterrupt):
        run(data, tmp_path / "run", modalities=modalities)
    with pytest.raises(KeyboardInterrupt):  # It goes on.
        train.run(resume=str(tmp_path / "run"), quiet=True)
    change(data if of_folder else data.parent)
    with pytest.raises(ValueError, match="when the training began"):
        train.run(resume=str(tmp_path / "run"), quiet=True)


def test_rows_that_are_not_sound_stop_it_or_are_left_out(pairs, tmp_path):
    (pairs.parent / "3.png").write_bytes(b"no picture")
    with pytest.raises(ValueError, match=r"--skip-broken.*1 of 30 rows.*row 5"):
        run(pairs, tmp_path / "run")
    assert not list(tmp_path.glob("run*"))
    report = run(pairs, tmp_path / "run", skip_broken=True)
    assert report["data"]["left_out"] == 1
    assert report["data"]["items"] == 29


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"modalities": {"image": ["no"], "text": ["caption"]}}, ValueError,
         "one column 'no'.*columns"),
        ({"split_column": "maker"}, ValueError, "`--split-column` must say"),
        ({"validation": 0.001}, ValueError, "`--validation` must leave"),
        ({"modalities": {}}, ValueError, "must name two modalities at least"),
        ({"generator": "gpt"}, ValueError, "`--generator` must be one of"),
        ({"generator": "gan", "modalities": {
            "one": ["caption"], "two": ["maker"]}}, ValueError, "`target`"),
    ],
)  # fmt: skip
def test_bad_arguments_leave_nothing(
    pairs, tmp_path, arguments, error, message
):
    with pytest.raises(error, match=message):
        run(pairs, tmp_path / "run", **arguments)
    assert not list(tmp_path.glob("run*"))


def test_what_is_there_stays(pairs, tmp_path):
    (tmp_path / "run").mkdir()
    with pytest.raises(FileExistsError, match="must not exist yet"):
        run(pairs, tmp_path / "run")
    with pytest.raises(FileExistsError, match=r"holds no report\.json"):
        run(pairs, tmp_path / "run", overwrite=True)


def test_resume_needs_a_training(tmp_path):
    with pytest.raises(ValueError, match="was killed, with"):
        train.run(resume=str(tmp_path / "run"))


def copy_by_color(pairs, folder):
    for number in range(30):
        color = list(COLORS)[number % 3]
        (folder / color).mkdir(parents=True, exist_ok=True)
        shutil.copy(pairs.parent / f"{number}.png", folder / color)
    return folder


def test_a_folder_of_classes_is_taken(pairs, tmp_path):
    copy_by_color(pairs, tmp_path / "classes")
    report = run(
        tmp_path / "classes", tmp_path / "run", modalities={}, validation=0.3
    )
    assert report["retrieval"]["validation"]["image_to_text"]["R@1"] == 1.0
    hits = kx.runs.Run.load(tmp_path / "run").search("green", k=5)
    assert all("green" in hit["id"] for hit in hits)


def test_recordings_that_would_be_cut_are_told(tmp_path):
    rows = ["sound,word"]
    random = np.random.default_rng(0)
    for number in range(12):
        pitch = (1, 2, 4)[number % 3]
        times = np.arange(8000 if number == 4 else 3200)
        wave = np.sin(times * pitch / 8) / 2 + random.normal(
            0, 0.01, len(times)
        )
        kx.datasets.write_wav(tmp_path / f"{number}.wav", wave, 8000)
        rows.append(f"{number}.wav,{('low', 'middle', 'high')[number % 3]}")
    (tmp_path / "sounds.csv").write_text("\n".join(rows))
    arguments = {
        "modalities": {"speech": ["sound"], "text": ["word"]},
        "duration": 0.5,
        "validation": 0.25,
    }
    pairs = tmp_path / "sounds.csv"
    with pytest.raises(ValueError, match=r"1 of 12 rows.*row 6"):
        run(pairs, tmp_path / "run", **arguments)
    report = run(pairs, tmp_path / "run", **arguments, skip_broken=True)
    assert report["data"]["items"] == 11
    assert ["length of speech", "0.5 s at 8000 Hz"] in [
        choice[:2] for choice in report["plan"]
    ]
