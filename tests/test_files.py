"""Files and folders that are complete or not there."""

import contextlib
import errno
import os
import signal
import subprocess
import sys

import numpy as np
import pytest

import keras_xmodal as kx
from keras_xmodal import files


def test_folder_appears_when_complete(tmp_path):
    path = tmp_path / "a" / "b"
    with files.new_folder(path) as folder:
        (folder / "file").write_text("x")
        assert folder.stat().st_dev == path.parent.stat().st_dev
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


@pytest.fixture(params=[True, False], ids=["at once", "by two renames"])
def exchange(request, monkeypatch):
    """Also where the system cannot exchange two folders in one step."""
    if not request.param:
        monkeypatch.setattr(files, "_exchange_at_once", lambda *paths: False)
    return request.param


def test_no_moment_without_the_folder(tmp_path, monkeypatch):
    path, missing = tmp_path / "a", []
    fill(path, "one")

    def watch(frame, event, argument):
        if event == "c_return":
            missing.append(not os.path.exists(path))

    sys.setprofile(watch)
    try:
        fill(path, "two")
    finally:
        sys.setprofile(None)
    assert len(missing) > 10
    assert not any(missing)
    assert os.listdir(path) == ["two"]


def test_replaced_either_way(tmp_path, exchange):
    path = tmp_path / "a"
    for text in ("one", "two", "three"):
        fill(path, text)
        assert os.listdir(path) == [text]
    assert os.listdir(tmp_path) == ["a"]


def test_a_link_stays_where_its_folder_is_replaced(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    fill(tmp_path / "link", "new")
    assert (tmp_path / "link").is_symlink()
    assert os.listdir(tmp_path / "real") == ["new"]


def test_the_old_folder_comes_back_where_the_new_one_cannot_move(
    tmp_path, monkeypatch
):
    path = tmp_path / "a"
    fill(path, "one")
    monkeypatch.setattr(files, "_exchange_at_once", lambda *paths: False)
    rename, calls = os.rename, []

    def fail_third(self, target):
        calls.append(target)
        if len(calls) == 3:
            raise OSError("no space")
        rename(self, target)

    monkeypatch.setattr(type(path), "rename", fail_third)
    with pytest.raises(OSError, match="no space"):
        fill(path, "two")
    assert os.listdir(path) == ["one"]
    assert os.listdir(tmp_path) == ["a"]


def left_behind(path, old=False, slot=0):
    """What a process left when it was killed while it wrote `path`."""
    hidden = files._hidden(path)[slot]
    left = hidden / "old" / path.name if old else hidden / path.name
    left.mkdir(parents=True)
    (left / "file").write_text("x")
    return hidden


@pytest.mark.parametrize("slot", [0, 1, 15])
def test_only_what_the_dead_left_of_the_same_path_is_removed(tmp_path, slot):
    path = tmp_path / "a"
    gone = left_behind(path, slot=slot)
    path.mkdir()
    kept = [left_behind(tmp_path / "a.b"), left_behind(tmp_path / "b")]
    kept.append(tmp_path / ".a.partial")
    kept[-1].mkdir()
    with files.beside(path) as living:
        fill(path, "new")
        assert living.parent.exists()
    assert os.listdir(path) == ["new"]
    assert all(left.exists() for left in kept)
    assert not gone.exists()


def test_an_old_folder_of_the_dead_comes_back(tmp_path):
    path = tmp_path / "a"
    left_behind(path, old=True)
    with (
        pytest.raises(FileExistsError, match="`path`"),
        files.new_folder(path),
    ):
        pytest.fail("the block ran")
    assert os.listdir(path) == ["file"]
    path.rename(tmp_path / "gone")
    left_behind(path, old=True, slot=2)
    files.recover(path)
    assert os.listdir(path) == ["file"]
    assert sorted(os.listdir(tmp_path)) == ["a", "gone"]


def test_writers_of_one_path_do_not_meet(tmp_path):
    path = tmp_path / "a"
    with contextlib.ExitStack() as stack:
        partial = [stack.enter_context(files.beside(path)) for _ in range(16)]
        assert len(set(partial)) == 16
        with (
            pytest.raises(OSError, match="at most 16 writers"),
            files.beside(path),
        ):
            pass
    assert os.listdir(tmp_path) == []


def test_a_disk_without_locks(tmp_path, monkeypatch):
    def flock(*args):
        raise OSError(errno.ENOLCK, "no locks")

    monkeypatch.setattr(files.fcntl, "flock", flock)
    left = left_behind(tmp_path / "a")
    fill(tmp_path / "a", "one")
    fill(tmp_path / "a", "two")
    assert os.listdir(tmp_path / "a") == ["two"]
    assert left.exists()  # Somebody may be writing it.
    assert len(os.listdir(tmp_path)) == 2


def test_names_of_any_length_that_the_disk_takes(tmp_path):
    path = tmp_path / ("ä" * 127)
    files.write(path, b"one")
    assert path.read_bytes() == b"one"
    fill(tmp_path / ("n" * 255), "one")
    with pytest.raises(OSError, match="too long"), files.new_folder("n" * 256):
        pass


def test_what_cannot_be_written_is_found_first(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("x")
    for replace in (True, False):
        with (
            pytest.raises(NotADirectoryError, match="is a file"),
            files.new_folder(tmp_path / "file" / "a" / "b", replace),
        ):
            pytest.fail("the block ran")
    with pytest.raises(FileNotFoundError, match="`path` must lie in a folder"):
        files.write(tmp_path / "nowhere" / "a", b"")
    monkeypatch.setattr(os, "access", lambda *args: False)
    for replace in (True, False):
        with (
            pytest.raises(PermissionError, match="`path` must lie in a folder"),
            files.new_folder(tmp_path / "a", replace),
        ):
            pytest.fail("the block ran")
    monkeypatch.setattr(os, "access", lambda path, mode: path == tmp_path)
    fill(tmp_path / "a", "one")
    with (
        pytest.raises(PermissionError, match="not writable"),
        files.new_folder(tmp_path / "a", True),
    ):
        pytest.fail("the block ran")


def test_a_snapshot_is_of_one_state(tmp_path, monkeypatch):
    def fill_both(text):
        with files.new_folder(tmp_path / "a", replace=True) as folder:
            (folder / "x").write_text(text)
            (folder / "y").write_text(text)

    fill_both("one")
    with files.snapshot(tmp_path / "a", ("x", "y", "z")) as opened:
        fill_both("two")
        assert {n: f.read() for n, f in opened.items()} == {
            "x": b"one",
            "y": b"one",
        }
    real, texts = open, iter(["three", "four"])

    def open_late(path, mode):
        file = real(path, mode)
        if path.name == "x" and (text := next(texts, None)):
            fill_both(text)
        return file

    monkeypatch.setattr(files, "open", open_late, raising=False)
    with files.snapshot(tmp_path / "a", ("x", "y")) as opened:
        assert {f.read() for f in opened.values()} == {b"four"}
    with files.snapshot(tmp_path / "nowhere", ("x",)) as opened:
        assert opened == {}


KILLED = """
import os, pathlib, signal, sys
from keras_xmodal import files

path = pathlib.Path(sys.argv[1])
kill = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
if sys.argv[2] == "between":
    files._exchange_at_once = lambda *paths: False
    rename, calls = os.rename, []
    def renamed(self, target):
        calls.append(target)
        kill() if len(calls) == 3 else rename(self, target)
    type(path).rename = renamed
if sys.argv[2] == "exchanged":
    files._remove = kill
if sys.argv[2] == "file":
    os.replace = kill
    files.write(path, b"new")
with files.new_folder(path, replace=True) as folder:
    (folder / "new").write_text("new")
    if sys.argv[2] == "folder":
        kill()
"""


@pytest.mark.large
@pytest.mark.parametrize("when", ["file", "folder", "between", "exchanged"])
def test_killed(tmp_path, when):
    path = tmp_path / "a"
    if when == "file":
        files.write(path, b"old")
    else:
        fill(path, "old")
    command = [sys.executable, "-c", KILLED, str(path), when]
    result = subprocess.run(command, capture_output=True)
    assert result.returncode == -signal.SIGKILL, result.stderr[-2000:]
    assert len(os.listdir(tmp_path)) == (1 if when == "between" else 2)
    files.recover(path)
    if when == "file":
        assert path.read_bytes() == b"old"
    else:
        assert os.listdir(path) == ["new" if when == "exchanged" else "old"]
    assert os.listdir(tmp_path) == ["a"]


def test_a_folder_is_no_file(tmp_path):
    for write in (
        lambda: files.write(tmp_path, b""),
        lambda: kx.datasets.write_wav(tmp_path, [0.0], 8000),
        lambda: kx.datasets.write_gif(tmp_path, np.zeros((1, 2, 2, 3))),
    ):
        with pytest.raises(IsADirectoryError, match="`path` must be that of a"):
            write()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("path", ["/proc/x", "/proc/x/y"])
def test_where_no_folder_can_be_made(path):
    if not os.path.isdir("/proc/self"):
        pytest.skip("needs a file system that takes no folders")
    error = pytest.raises(OSError, match=r"must .*Received: path='/proc/x")
    with error, files.new_folder(path):
        pass


def test_one_writer_at_a_time(tmp_path):
    with (
        files.locked(tmp_path),
        pytest.raises(BlockingIOError, match="by another process"),
        files.locked(tmp_path),
    ):
        pass
    with files.locked(tmp_path):
        pass


@pytest.mark.parametrize("can_link", [True, False])
def test_a_folder_takes_the_files_of_another(tmp_path, can_link, monkeypatch):
    if not can_link:

        def refuse(*arguments, **options):
            raise OSError(errno.EPERM, "no links here")

        monkeypatch.setattr(os, "link", refuse)
    old, new = tmp_path / "old", tmp_path / "new"
    (old / "deep" / "deeper").mkdir(parents=True)
    (old / "deep" / "deeper" / "file").write_text("x")
    (old / "file").write_text("y")
    (old / "link").symlink_to("file")
    (old / "left").write_text("z")
    new.mkdir()
    files.copy_links(old, new, without=("left",))
    assert sorted(os.listdir(new)) == ["deep", "file", "link"]
    assert (new / "deep" / "deeper" / "file").read_text() == "x"
    assert os.readlink(new / "link") == "file"
    assert os.path.samefile(old / "file", new / "file") == can_link
    assert (new / "file").read_text() == "y"
