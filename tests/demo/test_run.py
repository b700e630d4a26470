"""One run of the whole demo, looked at from all sides."""

import json
import re
import shutil

import keras
import numpy as np
import pytest
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter

from keras_xmodal import export
from keras_xmodal.demo import recipe, run
from keras_xmodal.demo.questions import QUESTIONS, read_split
from keras_xmodal.export.search_script import Search
from keras_xmodal.metrics import retrieval_report
from keras_xmodal.retrieval import ExactIndex
from keras_xmodal.runs import index, search
from keras_xmodal_cli import main
from tests.helpers import run_command

pytestmark = pytest.mark.large


@pytest.fixture(scope="module")
def folder(demo):
    process, path = demo
    assert process.returncode == 0, process.stderr
    return path


@pytest.fixture(scope="module")
def report(folder):
    return json.loads((folder / "report.json").read_text())


def test_run_folder_is_complete(folder):
    assert sorted(p.name for p in folder.iterdir()) == [
        "index.npz",
        "items.json",
        "litert",
        "model.keras",
        "picture.png",
        "pictures",
        "pictures.csv",
        "report.json",
        "retrieval.png",
        "saved_model",
        "thumbnails.npz",
        "training.png",
    ]
    assert not list(folder.parent.glob(".*"))


def test_only_the_table_and_the_progress_bar_are_printed(demo):
    process, _ = demo
    lines = process.stderr.splitlines()
    bars = ("start of image:", "projections:")
    assert all(not line or line.startswith(bars) for line in lines)
    assert process.stdout.startswith("test  ")


def test_search_prints_its_answer_and_no_log(folder):
    process = run_command("search", folder, "red apple", "-k", "2")
    assert process.stderr == ""
    assert len(process.stdout.splitlines()) == 2


def test_report_has_every_figure(report):
    keys = {
        "R@1", "R@5", "R@10", "MedR", "num_queries", "num_candidates",
        "chance_R@1", "baseline_R@1",
    }  # fmt: skip
    assert set(report["retrieval"]) == set(QUESTIONS)
    for directions in report["retrieval"].values():
        assert set(directions) == {"image_to_text", "text_to_image"}
        for row in directions.values():
            assert keys <= set(row)
            assert 0 < row["chance_R@1"] < 0.02
    for kind in ("saved_model", "litert"):
        assert {"max_abs_error", "bytes", "R@1"} <= set(report["exports"][kind])
    assert report["exports"]["saved_model"]["max_abs_error"] < 1e-5


def test_it_beats_the_baseline_in_an_unseen_style(report):
    for row in report["retrieval"]["test_style"].values():
        assert row["R@10"] > row["baseline_R@10"] + 0.05
    for row in report["retrieval"]["test_concept"].values():
        assert row["R@10"] > 2 * row["chance_R@10"]


def test_table_shows_every_question(folder, report):
    text = run.format_report({**report, "output": str(folder)})
    for question in QUESTIONS.values():
        assert len(re.findall(rf"^{question}  ", text, re.MULTILINE)) == 2
    assert "baseline" in text


def test_saved_model_answers_with_the_loaded_index(folder):
    model = keras.saving.load_model(folder / "model.keras")
    index = ExactIndex.load(folder)
    assert len(index) == 3 * 831
    served = tf.saved_model.load(str(folder / "saved_model"))
    names = [name for name in served.signatures if "text" in name]
    assert names
    np.testing.assert_allclose(
        index.model.encode(["red apple"], "text"),
        model.encode(["red apple"], "text"),
        atol=1e-6,
    )


def test_search_with_words(folder, capsys):
    assert main(["search", str(folder), "red apple", "-k", "3", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["modality"] == "text"
    scores = [hit["score"] for hit in result["hits"]]
    assert len(scores) == 3
    assert scores == sorted(scores, reverse=True)
    assert all(h["id"].endswith(("(Noto)", "(Fluent)")) for h in result["hits"])


def test_search_with_a_picture(folder, tmp_path, capsys):
    picture = tmp_path / "picture.png"
    image = read_split("train")["image"][0]
    picture.write_bytes(tf.io.encode_png(image).numpy())
    assert main(["search", str(folder), str(picture)]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 5


@pytest.mark.parametrize(
    ("query", "match"),
    [("missing.png", r"missing\.png"), ("  ", "must hold a word")],
)
def test_search_errors(folder, query, match, capsys):
    assert main(["search", str(folder), query]) == 1
    error = capsys.readouterr().err
    assert error.startswith("keras-xmodal: error:")
    with pytest.raises((ValueError, OSError), match=match):
        search.run(str(folder), [query])


def test_search_refuses_what_is_no_picture(folder, tmp_path):
    path = tmp_path / "broken.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\nbroken")
    with pytest.raises(ValueError, match=r"broken\.png of 14 bytes"):
        search.run(str(folder), [str(path)])


def test_search_refuses_what_is_no_run_folder(tmp_path, capsys):
    assert main(["search", str(tmp_path / "nothing"), "apple"]) == 1
    assert "nothing" in capsys.readouterr().err


def test_its_index_can_be_made_anew(folder, tmp_path):
    copy = shutil.copytree(folder, tmp_path / "run")
    before = ExactIndex.load(folder)
    result = index.run(str(copy), rebuild=True, quiet=True)
    assert result["rows"] == {"image": 2 * 831, "text": 831}
    after = ExactIndex.load(copy)
    for name in ("image", "text"):
        (ids, rows), (known, expected) = after.rows(name), before.rows(name)
        assert ids.tolist() == known.tolist()
        np.testing.assert_allclose(rows, expected, atol=1e-5)


def test_existing_output_is_kept(folder, tmp_path, capsys):
    before = (folder / "report.json").stat().st_mtime_ns
    assert main(["demo", "--output", str(folder)]) == 1
    assert "--overwrite" in capsys.readouterr().err
    assert (folder / "report.json").stat().st_mtime_ns == before
    (tmp_path / "precious").write_text("mine")
    assert main(["demo", "--output", str(tmp_path), "--overwrite"]) == 1
    assert (tmp_path / "precious").exists()


def test_failure_leaves_nothing(tmp_path, monkeypatch):
    def fail(*args, **kwargs):
        raise ValueError("no more")

    monkeypatch.setattr(recipe, "make", fail)
    with pytest.raises(ValueError, match="no more"):
        run.run(str(tmp_path / "run"), quiet=True)
    assert list(tmp_path.iterdir()) == []


def test_the_files_for_a_device_find_the_same(folder):
    """Words of several languages and scripts, and the example picture."""
    on_device = Search(folder / "litert")
    for query in (
        "red apple",
        "manzana roja",
        "собака",
        "{folder}/picture.png",
    ):
        query = query.format(folder=folder)
        expected = search.run(folder, [query], k=10)
        found = on_device.search(query, k=10)
        assert found["modality"] != expected["modality"]  # of the query
        scores = [
            [hit["score"] for hit in r["hits"]] for r in (found, expected)
        ]
        np.testing.assert_allclose(*scores, atol=1e-4)
        ids = [[hit["id"] for hit in r["hits"]] for r in (found, expected)]
        assert ids[0] == ids[1]


@pytest.mark.parametrize("quantization", ["dynamic", "int8"])
def test_files_of_8_bits_are_small_and_find_as_well(
    quantization, folder, report, tmp_path
):
    """At most 30% of float32, and R@1 within 2 points on every split."""
    model = keras.saving.load_model(folder / "model.keras")
    train = read_split("train")
    representative = {
        "image": train["image"][:128],
        "text": np.array(train["text"][:128]),
    }
    written = export.litert(
        model,
        tmp_path / "device",
        quantization=quantization,
        representative=representative if quantization == "int8" else None,
    )
    sizes = [
        sum(fact["bytes"] for fact in result["endpoints"].values())
        for result in (written, report["exports"]["litert"])
    ]
    assert sizes[0] < 0.3 * sizes[1]
    runners = {
        name: Interpreter(
            str(tmp_path / "device" / f"{name}.tflite")
        ).get_signature_runner(f"embed_{name}")
        for name in ("image", "text")
    }
    for split in QUESTIONS:
        data = read_split(split)
        _, first = np.unique(data["id"], return_index=True)
        raw = {"image": data["image"][first], "text": np.array(data["text"])}
        ids = {"image": data["id"][first], "text": data["id"]}
        embeddings = {
            name: runners[name](**{name: np.asarray(value)})["embedding"]
            for name, value in model.preprocess(raw).items()
        }
        difference = [
            retrieval_report(embeddings[a], embeddings[b], ids[a], ids[b])[
                "R@1"
            ]
            - report["retrieval"][split][f"{a}_to_{b}"]["R@1"]
            for a, b in (("image", "text"), ("text", "image"))
        ]
        assert abs(np.mean(difference)) < 0.02
