"""Engines that are killed on the way: each item is there exactly once."""

import json
import sys

import numpy as np
import pytest

import keras_xmodal as kx
from tests.pipelines import child, kills
from tests.retrieval import corpora

pytestmark = pytest.mark.large
ROWS = 3000
# How many shards of 60 are there when it is killed.
KILLS = {"own": (5, 30), "beam": (5, 30), "ray": (20,)}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A model in a file, a table of texts, and what they should become."""
    folder = tmp_path_factory.mktemp("made")
    model = corpora.make_model()
    model.save(folder / "model.keras")
    texts = corpora.texts(ROWS)
    names = [f"item {i}" for i in range(ROWS)]
    table = folder / "table.csv"
    corpora.write_csv(table, {"name": names, "text": texts})
    return folder / "model.keras", table, names, model.encode(texts, "text")


def at_once(command, folder):
    """Rows that two processes have embedded, of which none counts twice."""
    reports = [folder / "0.json", folder / "1.json"]
    processes = [kills.start([*command, str(path)]) for path in reports]
    for process in processes:
        error = process.communicate(timeout=300)[1]
        assert process.returncode == 0, error[-2000:]
    return sum(json.loads(p.read_text())["embedded"] for p in reports)


@pytest.mark.parametrize("engine", KILLS)
def test_each_item_is_there_exactly_once(engine, made, tmp_path):
    if engine != "own":
        pytest.importorskip({"ray": "ray", "beam": "apache_beam"}[engine])
    model, table, names, expected = made
    out = tmp_path / "out"
    command = [sys.executable, "-m", "tests.pipelines.child"]
    command += [engine, str(model), str(table), str(out)]
    done = [
        kills.kill_at(shards, command, out, seed)
        for seed, shards in enumerate(KILLS[engine])
    ]
    assert done == sorted(done)
    assert done[-1] < 60
    left = {p.name: p.stat().st_mtime_ns for p in out.glob("shard-*")}
    with pytest.raises(ValueError, match="must hold all shards"):
        kx.retrieval.read_corpus(out)
    if engine == "own":  # Two processes share the rest.
        embedded = at_once(command, tmp_path)
    else:  # Another engine may go on: they write one kind of folder.
        embedded = child.embed("own", model, table, out)["embedded"]
    assert embedded == ROWS - 50 * done[-1]
    now = {p.name: p.stat().st_mtime_ns for p in out.glob("shard-*")}
    assert {name: now[name] for name in left} == left
    ids, rows = corpora.read(out)["text"]
    assert ids.tolist() == names
    np.testing.assert_allclose(rows, expected, atol=1e-6)
    left_by_kills = [p for p in out.glob(".*") if p.name != ".claims"]
    assert left_by_kills == []
