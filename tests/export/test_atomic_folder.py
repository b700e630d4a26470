import os

import pytest

from keras_xmodal.export.atomic_folder import atomic_folder


def test_folder_appears_when_complete(tmp_path):
    path = tmp_path / "a" / "b"
    with atomic_folder(path) as folder:
        (folder / "file").write_text("x")
        assert folder.parent == path.parent
        assert not path.exists()
    assert os.listdir(path) == ["file"]
    assert os.listdir(path.parent) == ["b"]
    assert path.stat().st_mode & 0o777 == path.parent.stat().st_mode & 0o777


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_failure_leaves_nothing(tmp_path, error):
    (tmp_path / "kept").mkdir()
    for path in (tmp_path / "a" / "b" / "c", tmp_path / "kept" / "c"):
        with pytest.raises(error), atomic_folder(path) as folder:  # noqa: PT012
            (folder / "file").write_text("x")
            raise error
    assert os.listdir(tmp_path) == ["kept"]
    assert os.listdir(tmp_path / "kept") == []


def test_nothing_is_overwritten(tmp_path):
    for path in (tmp_path, tmp_path / "file", tmp_path / "link"):
        if path.name == "file":
            path.write_text("x")
        if path.name == "link":
            path.symlink_to("nowhere")
        with (
            pytest.raises(FileExistsError, match=r"`path`.*Received"),
            atomic_folder(path),
        ):
            pass
    assert (tmp_path / "file").read_text() == "x"


def test_path_that_appears_meanwhile_is_kept(tmp_path):
    path = tmp_path / "a"
    with (
        pytest.raises(FileExistsError, match="`path`"),
        atomic_folder(path),
    ):
        path.mkdir()
    assert os.listdir(tmp_path) == ["a"]


def test_bad_paths(tmp_path):
    with pytest.raises(TypeError, match="`path`"), atomic_folder(3):
        pass
    (tmp_path / "file").write_text("x")
    with (
        pytest.raises(NotADirectoryError, match="`path`"),
        atomic_folder(tmp_path / "file" / "a"),
    ):
        pass


def test_relative_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with atomic_folder("a"):
        pass
    assert os.listdir(tmp_path) == ["a"]
