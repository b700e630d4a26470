"""Packages with changed bytes: refused, or read, and nothing is written."""

import collections
import io
import random
import tarfile

import numpy as np
import pytest

import keras_xmodal as kx
from keras_xmodal.datasets.fetching import debian_package
from keras_xmodal.retrieval import ExactIndex
from tests.datasets.registry import files_below

pytestmark = pytest.mark.large
MUTATIONS = 500
FILES = {
    f"./usr/share/{name}": bytes(range(256)) * 3
    for name in ("a/1.wav", "a/deep/2.wav", "b")
}
DPKG_DEB = """#!/bin/sh
cat "$2"
"""


def mutate(content, generator):
    """Change, cut or repeat some bytes."""
    content = bytearray(content)
    for _ in range(generator.choice([1, 1, 3, 20])):
        place = generator.randrange(len(content))
        kind = generator.randrange(4)
        if kind == 0:
            content[place] = generator.randrange(256)
        elif kind == 1:
            del content[place:]
        elif kind == 2:
            end = place + generator.randrange(600)
            content[place:place] = content[place:end]
        else:
            del content[place : place + generator.randrange(600)]
        content = content or bytearray(1)
    return bytes(content)


def tar():
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as out:
        for name, content in FILES.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            member.pax_headers = {"comment": "é" * 40}
            out.addfile(member, io.BytesIO(content))
    return file.getvalue()


def test_debian_packages(tmp_path, monkeypatch):
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "dpkg-deb").write_text(DPKG_DEB)
    (tmp_path / "bin" / "dpkg-deb").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/bin:/usr/bin")
    package = debian_package.DebianPackage("x", ("usr/share/a", "usr/share/b"))
    path = tmp_path / "cache" / "x_1_all.deb"
    path.parent.mkdir()
    generator, outcomes = random.Random(0), collections.Counter()
    path.write_bytes(tar())
    assert len(package._unpack(path)) == 3
    for _ in range(MUTATIONS):
        path.write_bytes(mutate(tar(), generator))
        before = files_below(tmp_path)
        try:
            found = package._unpack(path)
            outcomes["damaged" if found is None else "read"] += 1
        except ValueError as error:
            assert "`" in str(error) or "Debian package" in str(error)  # noqa: PT017
            outcomes["refused"] += 1
        assert files_below(tmp_path) == before
    assert sum(outcomes.values()) == MUTATIONS
    assert outcomes["read"] < MUTATIONS


def test_indexes(tmp_path):
    index = ExactIndex()
    rows = np.random.default_rng(0).normal(size=(20, 6))
    index.add(rows, ids=[f"name {i}" for i in range(20)], modality="image")
    index.add(rows, ids=[f"name {i}" for i in range(20)], modality="text")
    index.save(tmp_path / "index")
    path = tmp_path / "index" / "index.npz"
    whole = path.read_bytes()
    generator, outcomes = random.Random(0), collections.Counter()
    for _ in range(MUTATIONS):
        path.write_bytes(mutate(whole, generator))
        try:
            loaded = ExactIndex.load(tmp_path / "index")
        except (ValueError, FileNotFoundError) as error:
            assert "`folder` must hold" in str(error)  # noqa: PT017
            outcomes["refused"] += 1
            continue
        outcomes["read"] += 1
        for modality in loaded.modalities:
            _, scores = loaded.search(rows, 3, modality)
            assert np.isfinite(scores).all()
    assert outcomes["refused"] > MUTATIONS / 2


def test_tables(tmp_path):
    rows = "".join(f"{i}.txt,text {i},{i / 7},é\n" for i in range(9))
    whole = ("file,caption,number,note\n" + rows).encode()
    for i in range(9):
        (tmp_path / f"{i}.txt").write_text("x")
    path = tmp_path / "table.csv"
    generator, outcomes = random.Random(0), collections.Counter()
    for _ in range(MUTATIONS):
        path.write_bytes(mutate(whole, generator))
        try:
            data = kx.datasets.from_csv(
                path,
                {"a": "file", "text": "caption", "n": ["number"]},
                files=["a"],
                root=tmp_path,
            )
            examples = list(data)
        except (ValueError, FileNotFoundError) as error:
            assert "must" in str(error) or "may" in str(error)  # noqa: PT017
            outcomes["refused"] += 1
            continue
        outcomes["read"] += 1
        assert all(np.isfinite(x["n"]).all() for x, *_ in examples)
    assert outcomes["refused"] > MUTATIONS / 4
