import csv
import json
import shutil

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_xmodal as kx
import keras_xmodal_cli
from keras_xmodal.export.litert import QUANTIZATIONS
from keras_xmodal.runs import export
from keras_xmodal_cli import main

WORDS = ("red", "green", "blue", "white", "black", "gray")


def make_model():
    keras.utils.set_random_seed(0)
    text = kx.networks.TextPreprocessor(
        vocabulary=list(WORDS), sequence_length=2
    )
    layers = keras.layers
    return kx.EmbeddingModel(
        encoders={
            "image": keras.Sequential(
                [keras.Input((4, 4, 3)), layers.Flatten()]
            ),
            "text": kx.networks.TextEncoder(text.vocabulary_size(), 4),
            "color": keras.Sequential([keras.Input((3,)), layers.Dense(4)]),
        },
        embedding_dim=5,
        preprocessors={
            "image": kx.networks.ImagePreprocessor((4, 4)),
            "text": text,
        },
    )


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory):
    """A run folder, and a table whose last row lacks a text."""
    folder = tmp_path_factory.mktemp("run") / "run"
    index = kx.retrieval.ExactIndex(make_model())
    index.add({"text": list(WORDS)}, ids=list(WORDS))
    index.save(folder)
    generator = np.random.default_rng(0)
    with open(folder / "pairs.csv", "w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["photo", "text", "r", "g", "b"])
        for i, word in enumerate((*WORDS, "")):
            pixels = generator.integers(0, 256, (5, 4, 3)).astype("uint8")
            content = tf.io.encode_png(pixels).numpy()
            (folder / f"{i}.png").write_bytes(content)
            table.writerow([f"{i}.png", word, *np.eye(3)[i % 3]])
    return folder


COLUMNS = ["--modality", "image=photo", "--modality", "color=r,g,b"]


def told(capsys):
    return json.loads(capsys.readouterr().out)


def test_export_and_verify(run_folder, tmp_path, capsys):
    output = str(tmp_path / "out")
    command = ["export", str(run_folder), "--output", output]
    command += ["--format", "litert", "--quantization", "dynamic"]
    data = ["--data", str(run_folder / "pairs.csv"), *COLUMNS]
    assert main([*command, *data, "--json"]) == 0
    result = told(capsys)
    exported = result["exports"]["litert"]
    assert list(result["exports"]) == ["litert"]
    assert exported["quantization"] == "dynamic"
    # The row without a text is left out.
    assert exported["endpoints"]["embed_image"]["num_examples"] == 6
    assert (tmp_path / "out" / "litert" / "search.py").is_file()
    assert main([*command, *data]) == 1
    assert "`path` must not exist yet" in capsys.readouterr().err

    place = str(tmp_path / "out" / "litert")
    assert main(["verify", output]) == 0
    assert capsys.readouterr().out.startswith(f"{place}: 3 signatures, ")
    against = ["--model", str(run_folder), *data]
    assert main(["verify", output, *against, "--json"]) == 0
    assert told(capsys)["exports"][place]["R@1"] == exported["R@1"]

    (tmp_path / "out" / "onnx").mkdir()
    (tmp_path / "out" / "onnx" / "lost.onnx").write_bytes(b"")
    assert main(["verify", output, "--json"]) == 1
    result = told(capsys)
    assert set(result["exports"]) == {place}
    (error,) = result["errors"].values()
    assert "no report.json can be read" in error

    other = kx.retrieval.ExactIndex.load(run_folder).model
    other.set_weights([w + 0.1 for w in other.get_weights()])
    other.save(tmp_path / "other.keras")
    file = str(tmp_path / "other.keras")
    assert main(["verify", place, "--model", file]) == 1
    text = capsys.readouterr().out
    assert f"{place}: error: The exported endpoint" in text
    assert "must equal Keras" in text


@pytest.mark.large
def test_all_formats(run_folder, tmp_path, capsys):
    output = str(tmp_path / "out")
    command = ["export", str(run_folder), "--output", output, "-k", "2"]
    arguments = ["--format", ",".join(export.FORMATS), "--json"]
    data = ["--data", str(run_folder / "pairs.csv"), *COLUMNS]
    int8 = ["--quantization", "int8"]
    name = ["--name", "colors", "--model-version"]
    assert main([*command, *arguments, *int8, *data, *name, "3"]) == 0
    exports = told(capsys)["exports"]
    assert set(exports) == set(export.FORMATS)
    assert exports["web"]["quantization"] == "int8"
    assert exports["web"]["index"]["text"]["rows"] == 6
    assert exports["litert"]["quantization"] == "int8"
    assert exports["serving"]["version"] == 3
    for form in ("saved_model", "serving"):
        assert exports[form]["search"]["rows"] == {"text": 6}
        assert exports[form]["search"]["k"] == 2
    assert main([*command, "--format", "serving", *name, "4"]) == 0
    assert capsys.readouterr().out.startswith("serving: ")

    versions = [
        str(tmp_path / "out" / "serving" / "colors" / str(number))
        for number in (3, 4)
    ]
    for arguments in ([], ["--model", str(run_folder), *data]):
        assert main(["verify", output, "--json", *arguments]) == 0
        verified = told(capsys)["exports"]
        assert set(versions) < set(verified)
        assert len(verified) == 6


def test_model_file_without_an_index(run_folder, tmp_path, capsys):
    file = str(run_folder / "model.keras")
    output = str(tmp_path / "out")
    assert main(["export", file, "--output", output]) == 0
    text = capsys.readouterr().out
    assert text.startswith("saved_model: 5 signatures, ")
    assert text.endswith(f"Written to {output}/\n")
    output = str(tmp_path / "again")
    command = ["export", str(run_folder), "--output", output, "--no-search"]
    assert main(command) == 0
    assert capsys.readouterr().out.startswith("saved_model: 5 signatures, ")


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        (["RUN/nowhere"], "RUN must be a `.keras` file, or a folder that"),
        (["RUN/index.npz"], "RUN must be a `.keras` file, or a folder that"),
        (["RUN", "--format", "litert", "-k", "3"], "`-k` is for saved_model"),
        (["RUN", "--model-version", "3"], "`--model-version` is for serving"),
        (["RUN", "--quantization", "int8"], "`--quantization` is for litert"),
        (
            ["RUN", "--format", "litert", "--quantization", "int8"],
            "needs `--data`",
        ),
        (["RUN", *COLUMNS], "`--modality` is for the columns of `--data`"),
        (["RUN", "--output", " "], "`--output` must name a folder"),
        (
            ["RUN", "--data", "RUN/pairs.csv"],
            "must have one column 'image'. Received: ",
        ),
        (
            ["RUN", "--data", "RUN/pairs.csv", "--modality", "text=r,g"],
            "one column for 'text', which is no numbers. Received: r,g",
        ),
        (
            ["RUN", "--data", "RUN/pairs.csv", "--modality", "sound=r"],
            "`--modality` must",
        ),
        (["RUN", "--output", "RUN/pairs.csv"], "is a file"),
        (["RUN/model.keras", "--format", "web"], "needs an index to search"),
        (["RUN", "--format", "web", "--no-search"], "Received: RUN --no-se"),
    ],
)
def test_wrong_exports(arguments, match, run_folder, tmp_path, capsys):
    arguments = [a.replace("RUN", str(run_folder)) for a in arguments]
    if "--output" not in arguments:
        arguments += ["--output", str(tmp_path / "out")]
    assert main(["export", *arguments]) == 1
    error = capsys.readouterr().err
    assert match.replace("RUN --", f"{run_folder} --") in error
    assert len(error.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_damaged_run_folders(run_folder, tmp_path, capsys):
    folder = shutil.copytree(run_folder, tmp_path / "run")
    (folder / "thumbnails.npz").write_bytes(b"no pictures")
    output = str(tmp_path / "out")
    command = ["export", str(folder), "--output", output, "--format", "web"]
    assert main(command) == 1
    error = capsys.readouterr().err
    assert "must hold a readable thumbnails.npz" in error
    layer = Unknown()
    model = keras.Sequential([keras.Input((2,)), layer])
    model.save(folder / "model.keras")
    assert main(["export", str(folder / "model.keras"), *command[2:4]]) == 1
    error = capsys.readouterr().err
    assert "For layers of your own, call `kx.export`" in error
    assert len(error) < 600


class Unknown(keras.layers.Layer):
    """Registered nowhere."""

    def call(self, x):
        return x


def test_wrong_verifications(run_folder, tmp_path, capsys):
    for arguments, match in (
        ([str(tmp_path)], "no report.json can be read"),
        ([str(tmp_path / "a")], "must be a folder"),
        (
            [str(tmp_path), "--data", str(run_folder / "pairs.csv")],
            "comparison with Keras",
        ),
        ([str(tmp_path), "--modality", "image=photo"], "Received: no --data"),
    ):
        assert main(["verify", *arguments]) == 1
        assert match in "".join(capsys.readouterr())


@pytest.mark.parametrize(
    "arguments",
    [
        ["export", "run", "--format", "saved_model,tflite"],
        ["export", "run", "--format", "onnx,onnx"],
        ["export", "run", "--modality", "image"],
        ["export", "run", "--modality", "=a"],
        ["export", "run", "--quantization", "int4"],
        ["verify"],
    ],
)
def test_wrong_usage(arguments, capsys):
    with pytest.raises(SystemExit) as exit:
        main(arguments)
    assert exit.value.code == 2
    assert "usage: keras-xmodal" in capsys.readouterr().err


def test_options_are_those_of_the_package():
    assert keras_xmodal_cli.FORMATS == export.FORMATS
    quantizations = tuple(filter(None, QUANTIZATIONS))
    assert quantizations == keras_xmodal_cli.QUANTIZATIONS


def test_rows_for_ranges_are_from_all_over():
    x = {"a": np.arange(2000), "b": np.arange(3)}
    rows = export._some(x)
    assert len(rows["a"]) == 512
    assert rows["a"][[0, -1]].tolist() == [0, 1999]
    assert rows["b"].tolist() == [0, 1, 2]
