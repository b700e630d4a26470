"""20 kills of each kind of writing: nothing is lost, and the next run works."""

import json
import threading

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_xmodal as kx
from keras_xmodal import files
from tests.robustness import kills
from tests.runs import folders

pytestmark = [
    pytest.mark.large,
    pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning"),
]
SEEDS = range(kills.KILLS)


def check_index(folder):
    """Rows of a whole index; all are of one version."""
    index = kx.retrieval.ExactIndex.load(folder)
    assert len(index) == 2000
    (version,) = {int(i) for i in index._rows["image"].ids}
    expected = kills.make_index(version)._rows["image"].embeddings
    np.testing.assert_array_equal(index._rows["image"].embeddings, expected)


def test_indexes_while_another_process_reads_them(tmp_path):
    folder = tmp_path / "index"
    kills.make_index(0).save(folder)
    errors, reads, stop = [], [], threading.Event()

    def read():
        while not stop.is_set():
            try:
                check_index(folder)
                reads.append(1)
            except Exception as error:
                errors.append(error)

    reader = threading.Thread(target=read)
    reader.start()
    try:
        for seed in SEEDS:
            kills.kill(kills.save_indexes, folder, 0.2, seed)
    finally:
        stop.set()
        reader.join()
    assert errors == []
    assert len(reads) > 20
    check_index(folder)
    kills.make_index(7).save(folder, overwrite=True)
    assert [path.name for path in tmp_path.iterdir()] == ["index"]


def test_pictures_and_recordings(tmp_path):
    folder = tmp_path / "files"
    for seed in SEEDS:
        kills.kill(kills.write_files, folder, 0.1, seed)
        clip = kx.datasets.read_video(folder / "clip.gif")
        assert clip.shape == (2, 64, 64, 3)
        assert len(set(clip.ravel())) == 1
        sound = (folder / "sound.wav").read_bytes()
        assert kx.datasets.decode_wav(sound)[0].shape == (9000,)
    for name in ("clip.gif", "sound.wav"):
        files.write(folder / name, b"")
    assert kills.hidden(tmp_path) == []


def test_fetch(tmp_path, registry):
    folder = tmp_path / "data"
    kx.datasets.fetch("mnist_fashion", tmp_path / "whole")
    for seed in SEEDS:
        kills.kill(kills.fetch_again, folder, 0.4, seed)
    kx.datasets.fetch("mnist_fashion", folder)
    assert kills.hidden(folder) == []
    for path in (tmp_path / "whole").rglob("*"):
        if path.is_file():
            other = folder / path.relative_to(tmp_path / "whole")
            assert other.read_bytes() == path.read_bytes()


def test_index_of_a_run(tmp_path):
    """The old index or the new one, whole; parts that are done are kept."""
    data = folders.write_table(tmp_path / "data")
    folder = folders.write_run(tmp_path / "run", data)
    kept = set()
    for seed in range(6):
        kills.kill(kills.rebuild_index, folder, 0.1, seed, "forkserver")
        (hit,) = kx.runs.Run.load(folder).search("the blue one", k=1)
        assert hit["id"] == "blue.png"
        now = set((folder / "index.parts").rglob("*.npz"))
        assert not now or kept <= now
        kept = now
    kills.index.run(folder, rebuild=True, quiet=True)
    assert len(kx.runs.Run.load(folder).index) == 12
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "run"]
    assert not (folder / "index.parts").exists()


def test_demo(tmp_path):
    folder = tmp_path / "run"
    for seed in SEEDS:
        kills.kill(kills.run_demos, folder, 0.1, seed)
        number = json.loads((folder / "report.json").read_text())["seed"]
        for name in ("model.keras", "index.npz", "training.png"):
            content = (folder / name).read_bytes()
            assert content == bytes([number]) * 100_000
    with files.new_folder(folder, replace=True):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_trainings_with_a_backup(tmp_path):
    folder, last = tmp_path / "backup", 0
    for seed in SEEDS:
        kills.kill(kills.train, folder, 0.1, seed, "forkserver")
        state = json.loads((folder / "training_metadata.json").read_text())
        assert state["epoch"] > last
        last = state["epoch"]
    model = kills.make_model()
    backup = kx.callbacks.BackupAndRestore(folder)
    history = model.fit(kills.X, epochs=last + 2, verbose=0, callbacks=[backup])
    assert history.epoch[0] == last
    assert np.isfinite(history.history["loss"]).all()
    assert list(tmp_path.iterdir()) == []


def test_exports(tmp_path):
    folder, complete = tmp_path / "model", 0
    for seed in SEEDS:
        kills.kill(kills.export_again, folder, 1.5, seed, "forkserver")
        if folder.exists():
            complete += 1
            assert (folder / "assets.extra" / "report.json").is_file()
            loaded = tf.saved_model.load(str(folder))
            assert "embed_text" in loaded.signatures
            for path in sorted(folder.rglob("*"), reverse=True):
                path.rmdir() if path.is_dir() else path.unlink()
            folder.rmdir()
    kx.export.saved_model(kills.make_model(), folder)
    assert [path.name for path in tmp_path.iterdir()] == ["model"]
    keras.backend.clear_session()
