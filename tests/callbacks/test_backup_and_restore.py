import os

import keras
import numpy as np
import pytest

import keras_xmodal as kx

X = {
    "image": np.random.default_rng(0).random((16, 6)).astype("float32"),
    "text": np.random.default_rng(1).random((16, 4)).astype("float32"),
}


class Killed(BaseException):
    pass


class KillAt(keras.callbacks.Callback):
    def __init__(self, epoch):
        super().__init__()
        self.epoch = epoch

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == self.epoch:
            raise Killed


def make_model():
    keras.utils.set_random_seed(0)
    model = kx.EmbeddingModel({"image": 6, "text": 4}, 3)
    model.compile("adam", run_eagerly=True)
    model(X)
    return model


def fit(folder, *callbacks, epochs=4, make=None, **kwargs):
    model = make_model()
    make = make or kx.callbacks.BackupAndRestore
    backup = make(folder, **kwargs)
    history = model.fit(
        X,
        epochs=epochs,
        shuffle=False,
        verbose=0,
        callbacks=[backup, *callbacks],
    )
    return model, history.epoch


def test_a_killed_training_goes_on_as_if_it_had_not_been(tmp_path):
    folder = tmp_path / "new" / "backup"
    with pytest.raises(Killed):
        fit(folder, KillAt(2))
    assert sorted(os.listdir(folder)) == [
        "latest.weights.h5",
        "training_metadata.json",
    ]
    model, epochs = fit(folder)
    assert epochs == [2, 3]
    assert os.listdir(folder.parent) == []
    expected, _ = fit(tmp_path / "other")
    for a, b in zip(model.get_weights(), expected.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)


def test_a_kill_while_it_writes_leaves_the_last_backup(tmp_path, monkeypatch):
    folder = tmp_path / "backup"
    save, calls = kx.EmbeddingModel.save_weights, []

    def save_half(self, path, *args, **kwargs):
        save(self, path, *args, **kwargs)
        calls.append(path)
        if len(calls) == 3:
            with open(path, "r+b") as file:
                file.truncate(100)
            raise Killed

    monkeypatch.setattr(kx.EmbeddingModel, "save_weights", save_half)
    with pytest.raises(Killed):
        fit(folder)
    assert fit(folder)[1] == [2, 3]
    assert os.listdir(tmp_path) == []


def test_it_reads_what_keras_wrote(tmp_path):
    with pytest.raises(Killed):
        fit(tmp_path, KillAt(3), make=keras.callbacks.BackupAndRestore)
    assert fit(tmp_path)[1] == [3]


def test_the_backup_before_the_last_one(tmp_path):
    options = {"double_checkpoint": True, "delete_checkpoint": False}
    fit(tmp_path / "backup", **options)
    assert len(os.listdir(tmp_path / "backup")) == 4
    (tmp_path / "backup" / "latest.weights.h5").write_bytes(b"half")
    assert fit(tmp_path / "backup", epochs=5, **options)[1] == [3, 4]


@pytest.mark.parametrize(
    "name", ["latest.weights.h5", "training_metadata.json"]
)
def test_a_damaged_backup_says_how_to_go_on(tmp_path, name):
    with pytest.raises(Killed):
        fit(tmp_path, KillAt(2))
    content = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(content[: len(content) // 2])
    with pytest.raises(ValueError, match=r"whole backup.*Remove it to begin"):
        fit(tmp_path)


def test_bad_paths():
    with pytest.raises(TypeError, match="`backup_dir` must be a string"):
        kx.callbacks.BackupAndRestore(3)


def test_a_mounted_disk_holds_a_folder(tmp_path, monkeypatch):
    is_mount = type(tmp_path).is_mount
    monkeypatch.setattr(
        type(tmp_path), "is_mount", lambda p: p == tmp_path or is_mount(p)
    )
    with pytest.raises(Killed):
        fit(tmp_path, KillAt(2))
    assert os.listdir(tmp_path) == ["backup"]
    assert fit(tmp_path)[1] == [2, 3]


def test_a_place_that_cannot_be_written_is_found_before(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("x")
    with pytest.raises(NotADirectoryError, match="is a file"):
        fit(tmp_path / "file" / "backup", KillAt(0))
    monkeypatch.setattr(os, "access", lambda *args: False)
    with pytest.raises(PermissionError, match="cannot"):
        fit(tmp_path / "backup", KillAt(0))
