import sys

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest

from keras_xmodal.retrieval import ExactIndex
from keras_xmodal.retrieval import parquet as module
from tests.retrieval.test_exact_index import filled, unit


def test_rows_of_all_modalities_are_written(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_GROUP", 3)
    index = filled()
    index.remove([12])
    index.to_parquet(tmp_path / "rows.parquet")
    assert [path.name for path in tmp_path.iterdir()] == ["rows.parquet"]
    table = pyarrow.parquet.read_table(tmp_path / "rows.parquet")
    assert table.schema.names == ["id", "modality", "embedding"]
    assert table.schema.field("embedding").type == pyarrow.list_(
        pyarrow.float32(), 6
    )
    start = 0
    for name, size in index.sizes.items():
        ids, embeddings = index.rows(name)
        part = table.slice(start, size)
        assert part["id"].to_pylist() == ids.tolist()
        assert part["modality"].to_pylist() == [name] * size
        written = np.array(part["embedding"].to_pylist(), "float32")
        np.testing.assert_array_equal(written, embeddings)
        start += size
    assert start == table.num_rows == 21


@pytest.mark.parametrize(
    "ids",
    [
        np.array(["a", "été"]),
        np.array([0, 2**64 - 1], "uint64"),
        np.array([True, False]),
        np.array([0.5, 1.5], "float32"),
        np.array(["2024-02-29", "1066-10-14"], "M8[D]"),
        np.array(["2024-02", "1066-10"], "M8[M]"),
        np.array(["2024-02-29T12", "2024-02-29T13"], "M8[h]"),
        np.array([5, 1], "m8[D]"),
    ],
)
def test_ids_of_any_kind(ids, tmp_path):
    index = ExactIndex()
    index.add(unit(2), ids, "image")
    index.to_parquet(tmp_path / "rows.parquet")
    table = pyarrow.parquet.read_table(tmp_path / "rows.parquet")
    np.testing.assert_array_equal(table["id"].to_numpy().astype(ids.dtype), ids)


def test_what_cannot_be_written(tmp_path, monkeypatch):
    path = tmp_path / "rows.parquet"
    with pytest.raises(ValueError, match="must hold rows"):
        ExactIndex().to_parquet(path)
    index = ExactIndex()
    index.add(unit(1), [1j], "image")
    with pytest.raises(TypeError, match=r"dtype that Arrow has.*complex128"):
        index.to_parquet(path)
    assert list(tmp_path.iterdir()) == []
    filled().to_parquet(path)
    before = path.read_bytes()
    with pytest.raises(FileExistsError, match="overwrite=True"):
        filled().to_parquet(path)
    with pytest.raises(FileExistsError, match="must be a new file"):
        filled().to_parquet(tmp_path, overwrite=True)

    def fail(*args, **kwargs):
        raise OSError("disk full")

    with monkeypatch.context() as patch:
        patch.setattr(pyarrow, "table", fail)
        with pytest.raises(OSError, match="disk full"):
            filled().to_parquet(path, overwrite=True)
    assert path.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["rows.parquet"]
    index = filled()
    index.remove([10])
    index.to_parquet(path, overwrite=True)
    assert pyarrow.parquet.read_metadata(path).num_rows == 21
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ImportError, match=r"keras-xmodal\[parquet\]"):
        index.to_parquet(path, overwrite=True)
