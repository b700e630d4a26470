"""Files and folders that are complete or not there."""

import os
import signal
import subprocess
import sys

import pytest

from keras_xmodal import files


def test_folder_appears_when_complete(tmp_path):
    path = tmp_path / "a" / "b"
    with files.new_folder(path) as folder:
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
        with pytest.raises(error), files.new_folder(path) as folder:  # noqa: PT012
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
            files.new_folder(path),
        ):
            pass
    assert (tmp_path / "file").read_text() == "x"


def test_path_that_appears_meanwhile_is_kept(tmp_path):
    path = tmp_path / "a"
    with (
        pytest.raises(FileExistsError, match="`path`"),
        files.new_folder(path),
    ):
        path.mkdir()
    assert os.listdir(tmp_path) == ["a"]


def test_bad_paths(tmp_path):
    with pytest.raises(TypeError, match="`path`"), files.new_folder(3):
        pass
    (tmp_path / "file").write_text("x")
    with (
        pytest.raises(NotADirectoryError, match="`path`"),
        files.new_folder(tmp_path / "file" / "a"),
    ):
        pass


def test_relative_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with files.new_folder("a"):
        pass
    assert os.listdir(tmp_path) == ["a"]


def test_a_file_is_replaced(tmp_path, monkeypatch):
    path = tmp_path / "a.png"
    files.write(path, b"one")
    files.write(path, b"two")
    assert path.read_bytes() == b"two"

    def fail(*args):
        raise OSError("no space")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="no space"):
        files.write(path, b"three")
    assert path.read_bytes() == b"two"
    assert os.listdir(tmp_path) == ["a.png"]


def test_a_file_does_not_replace_a_folder(tmp_path):
    (tmp_path / "a").mkdir()
    with pytest.raises(OSError, match="a"):
        files.write(tmp_path / "a", b"one")
    assert os.listdir(tmp_path) == ["a"]
    assert (tmp_path / "a").is_dir()


def fill(path, text, replace=True, error=None):
    with files.new_folder(path, replace=replace) as folder:
        (folder / text).write_text(text)
        if error:
            raise error


def test_a_folder_is_replaced_when_the_new_one_is_complete(tmp_path):
    path = tmp_path / "a"
    fill(path, "one")
    with pytest.raises(KeyboardInterrupt):
        fill(path, "two", error=KeyboardInterrupt)
    assert os.listdir(path) == ["one"]
    fill(path, "two")
    assert os.listdir(path) == ["two"]
    assert os.listdir(tmp_path) == ["a"]


def test_the_old_folder_comes_back_where_the_new_one_cannot_move(
    tmp_path, monkeypatch
):
    path = tmp_path / "a"
    fill(path, "one")
    rename, calls = os.rename, []

    def fail_second(self, target):
        calls.append(target)
        if len(calls) == 2:
            raise OSError("no space")
        rename(self, target)

    monkeypatch.setattr(type(path), "rename", fail_second)
    with pytest.raises(OSError, match="no space"):
        fill(path, "two")
    assert os.listdir(path) == ["one"]
    assert os.listdir(tmp_path) == ["a"]


def left_by(process, path, kind):
    """What a process left when it was killed while it wrote `path`."""
    name = files._own_name(path, kind).name
    left = path.with_name(name.replace(f"-{os.getpid()}-", f"-{process}-"))
    left.mkdir()
    (left / kind).write_text("x")
    return left


def dead_process():
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_only_what_the_dead_left_of_the_same_path_is_removed(tmp_path):
    path, dead = tmp_path / "a", dead_process()
    gone = [left_by(dead, path, kind) for kind in ("partial", "old")]
    path.mkdir()
    kept = [
        left_by(os.getpid(), path, "partial"),
        left_by(os.getppid(), path, "old"),
        left_by(dead, tmp_path / "a.b", "partial"),
        left_by(dead, tmp_path / "b", "partial"),
    ]
    other_machine = tmp_path / kept[2].name.replace(
        files._machine(), "0" * 8
    ).replace("a.b", "a")
    other_machine.mkdir()
    for name in (".a.partial", f".a.{dead}.partial", f"{gone[0].name}x", "a.b"):
        kept.append(tmp_path / name)
        kept[-1].mkdir()
    fill(path, "new")
    assert os.listdir(path) == ["new"]
    assert all(left.exists() for left in [*kept, other_machine])
    assert not any(left.exists() for left in gone)


def test_an_old_folder_of_the_dead_comes_back(tmp_path):
    path = tmp_path / "a"
    left_by(dead_process(), path, "old")
    with pytest.raises(FileExistsError, match="`path`"):
        fill(path, "new", replace=False)
    files.recover(path)
    assert os.listdir(path) == ["old"]
    assert os.listdir(tmp_path) == ["a"]


KILLED = """
import os, pathlib, signal, sys
from keras_xmodal import files

path = pathlib.Path(sys.argv[1])
kill = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
if sys.argv[2] == "exchanged":
    rename, calls = os.rename, []
    def renamed(self, target):
        calls.append(target)
        kill() if len(calls) == 2 else rename(self, target)
    type(path).rename = renamed
if sys.argv[2] == "file":
    os.replace = kill
    files.write(path, b"new")
with files.new_folder(path, replace=True) as folder:
    (folder / "new").write_text("new")
    if sys.argv[2] == "folder":
        kill()
"""


@pytest.mark.large
@pytest.mark.parametrize("when", ["file", "folder", "exchanged"])
def test_killed(tmp_path, when):
    path = tmp_path / "a"
    if when == "file":
        files.write(path, b"old")
    else:
        fill(path, "old")
    command = [sys.executable, "-c", KILLED, str(path), when]
    result = subprocess.run(command, capture_output=True)
    assert result.returncode == -signal.SIGKILL, result.stderr[-2000:]
    assert len(os.listdir(tmp_path)) == 2
    files.recover(path)
    if when == "file":
        assert path.read_bytes() == b"old"
    else:
        assert os.listdir(path) == ["old"]
    assert os.listdir(tmp_path) == ["a"]
