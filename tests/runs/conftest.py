"""Run folders that are made once, and copies to change."""

import shutil

import pytest

from tests.runs import folders


@pytest.fixture(scope="session")
def data(tmp_path_factory):
    """A table of the colors, with files of all kinds."""
    return folders.write_table(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="session")
def written(data, tmp_path_factory):
    """A run folder of pictures and texts."""
    return folders.write_run(tmp_path_factory.mktemp("written") / "run", data)


@pytest.fixture(scope="session")
def everything(data, tmp_path_factory):
    """A run folder of all kinds of modalities."""
    folder = tmp_path_factory.mktemp("everything") / "run"
    return folders.write_run(folder, data, *folders.KINDS)


@pytest.fixture
def folder(written, tmp_path):
    """A copy to change."""
    return shutil.copytree(written, tmp_path / "run")
