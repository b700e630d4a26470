import gzip
import hashlib
import io
import os
import tarfile

import pytest

from keras_xmodal.datasets.fetching import commands
from tests.datasets.registry import files_below, write_tar


def test_files_move_at_the_end_and_the_sums_last(tmp_path, monkeypatch):
    folder = tmp_path / "new" / "folder"
    moved = []

    def replace(source, target, replace=os.replace):
        moved.append(target.relative_to(folder).as_posix())
        replace(source, target)

    monkeypatch.setattr(os, "replace", replace)
    with commands.written_beside(folder) as beside:
        (beside / "deep" / "down").mkdir(parents=True)
        for name in ("a", "z", "SHA256SUMS", "deep/down/b"):
            (beside / name).write_text(name)
        assert not folder.exists()
        assert beside.stat().st_dev == folder.parent.stat().st_dev
    assert sorted(moved[:3]) == ["a", "deep/down/b", "z"]
    assert moved[3:] == ["SHA256SUMS"]
    assert list(folder.parent.iterdir()) == [folder]
    assert (folder / "deep" / "down" / "b").read_text() == "deep/down/b"


def test_nothing_moves_after_an_error(tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "a").write_text("old")

    def write():
        with commands.written_beside(folder) as beside:
            (beside / "a").write_text("new")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write()
    assert files_below(tmp_path) == {"folder/a": b"old"}


def test_sums_are_written_and_read_and_compared(tmp_path):
    assert commands.read_sums(tmp_path) == {}
    names = ("two  spaces.wav", "é.wav", "deep/down.wav")
    (tmp_path / "deep").mkdir()
    for name in names:
        (tmp_path / name).write_text(name)
    commands.write_sums(tmp_path)
    sums = commands.read_sums(tmp_path)
    assert sums == {
        name: hashlib.sha256(name.encode()).hexdigest() for name in names
    }
    assert commands.damaged(tmp_path, sums) == []
    (tmp_path / "é.wav").write_text("e")
    (tmp_path / "deep" / "down.wav").unlink()
    assert sorted(commands.damaged(tmp_path, sums)) == [
        "deep/down.wav",
        "é.wav",
    ]


@pytest.mark.parametrize(
    "name",
    [
        *("a/../../x", "a/..", "a/./x", "a//x", "a/b\\..\\x", "a/"),
        *("a/../a/1", "/a/x", "../a/x"),
    ],
)
def test_names_that_leave_are_refused(tmp_path, name):
    write_tar(tmp_path / "x.tgz", {f"package/{name}": b"1"})
    content = io.BytesIO((tmp_path / "x.tgz").read_bytes())
    with tarfile.open(fileobj=content) as archive:
        if name.startswith("a"):
            with pytest.raises(ValueError, match="lie in its folders"):
                commands.members(archive, ("a",))
        else:
            assert commands.members(archive, ("a",)) == {}
    with pytest.raises(ValueError, match="lie in its folders"):
        commands.write_files(tmp_path / "new", {name: b"1"})
    assert os.listdir(tmp_path) == ["x.tgz"]


def test_links_and_devices_are_not_read(tmp_path):
    with tarfile.open(tmp_path / "x.tar", "w") as archive:
        for i, kind in enumerate(
            (
                tarfile.SYMTYPE,
                tarfile.LNKTYPE,
                tarfile.CHRTYPE,
                tarfile.FIFOTYPE,
            )
        ):
            member = tarfile.TarInfo(f"package/a/{i}")
            member.type, member.linkname = kind, "/etc/passwd"
            archive.addfile(member)
    with tarfile.open(tmp_path / "x.tar") as archive:
        assert commands.members(archive, ("a",)) == {}


def test_bombs_are_not_unpacked(tmp_path, monkeypatch):
    monkeypatch.setattr(commands, "MOST_BYTES", 1000)
    assert commands.gunzip(gzip.compress(bytes(1000))) == bytes(1000)
    with pytest.raises(ValueError, match="at most 1000 bytes"):
        commands.gunzip(gzip.compress(bytes(1001)))
    for number, name in enumerate(("a/1", "elsewhere/1")):
        path = tmp_path / f"{number}.tgz"
        write_tar(path, {"package/a/0": b"1", f"package/{name}": bytes(1000)})
        with (
            tarfile.open(path) as archive,
            pytest.raises(ValueError, match=f"at most 1000.*{name}"),
        ):
            commands.members(archive, ("a",))


def test_members_are_files_and_whole_folders(tmp_path):
    files = {
        "package/a/1": b"1",
        "package/a/b/2": b"2",
        "package/ab/3": b"3",
        "package/c": b"4",
        "package/cd": b"5",
    }
    write_tar(tmp_path / "x.tgz", files)
    content = io.BytesIO((tmp_path / "x.tgz").read_bytes())
    with tarfile.open(fileobj=content) as archive:
        found = commands.members(archive, ("a", "c"))
    assert found == {"a/1": b"1", "a/b/2": b"2", "c": b"4"}
