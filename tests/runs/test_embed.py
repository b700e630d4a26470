"""`keras-xmodal embed`: tables of all kinds, and on after a stop."""

import json

import numpy as np

import keras_xmodal as kx
from keras_xmodal.retrieval.corpus.folder import shard_name
from keras_xmodal.runs import embed
from keras_xmodal_cli import main
from tests.retrieval import corpora
from tests.runs import folders


def test_a_table_as_the_run_finds_it(everything, data, tmp_path, capsys):
    out = tmp_path / "corpus"
    command = ["embed", str(everything), str(data), "--output", str(out)]
    command += ["--id-column", "photo", "--shard-size", "3"]
    columns = {n: ",".join(c) for n, c in folders.COLUMNS.items()}
    kinds = "text", "color"  # Files are below.
    for name in kinds:
        command += ["--modality", f"{name}={columns[name]}"]
    assert main([*command, "--quiet"]) == 0
    text = capsys.readouterr().out
    assert text.startswith("8 rows embedded in ")
    found = corpora.read(out)
    assert set(found) == set(kinds)
    names = [name for name in folders.COLORS for _ in range(2)]
    index = kx.runs.Run.load(everything).index
    for modality, (ids, embeddings) in found.items():
        assert ids.tolist() == [f"{name}.png" for name in names]
        scores = embeddings @ index.rows(modality)[1].T
        norms = np.linalg.norm(embeddings, axis=1)
        np.testing.assert_allclose(scores.max(axis=1), norms, atol=1e-5)

    (out / shard_name(1)).unlink()
    assert main([*command, "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert (result["embedded"], result["complete"]) == (3, True)
    assert main(["embed", str(everything), str(data), "--output", str(out)])
    assert "of another source" in capsys.readouterr().err


def test_files_of_a_folder_and_broken_ones(written, data, tmp_path, capsys):
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for name, color in folders.COLORS.items():
        (pictures / f"{name}.png").write_bytes(folders.picture(color))
    (pictures / "cut.png").write_bytes(folders.picture((1, 2, 3))[:40])
    command = ["embed", str(written), str(pictures)]
    command += ["--output", str(tmp_path / "corpus"), "--quiet"]
    assert main(command) == 1
    error = capsys.readouterr().err
    assert "1 of 5 rows that cannot: row 2 (id 'cut.png')" in error
    assert main([*command, "--skip-broken"]) == 0
    text = capsys.readouterr().out
    assert "left out: row 2 (id cut.png): The file must be a whole" in text
    (found,) = kx.retrieval.read_corpus(tmp_path / "corpus")
    assert found["image"][0].tolist() == [
        f"{name}.png" for name in sorted(folders.COLORS)
    ]


def test_result_in_words():
    left_out = [{"row": i, "id": i, "error": "it is empty"} for i in range(12)]
    result = {"out": "corpus", "rows": 20, "embedded": 8, "seconds": 2.4}
    text = embed.format_result(
        {**result, "complete": True, "left_out": left_out}
    )
    assert text.splitlines()[0] == ("8 rows embedded in 2 s, of 20, in corpus/")
    assert text.endswith("and 2 more, see _corpus.json")
    text = embed.format_result({**result, "complete": False})
    assert text.endswith("another process is at the rest")
