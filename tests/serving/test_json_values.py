import json

import numpy as np
import pytest

from keras_xmodal.serving import kserve_v2
from keras_xmodal.serving.json_values import from_json, named, to_json

TEXT = np.array([["a", "груша"], ["", "\0"]], object)
BYTES = np.array([b"\xff\x00", b"a", "б".encode()], object)


@pytest.mark.parametrize(
    "array",
    [
        np.random.default_rng(0).standard_normal((3, 2, 1)).astype("float32"),
        np.array([[2**31 - 1, -(2**31)]], "int32"),
        np.array([True, False]),
        np.array(3, "int64"),
    ],
)
def test_numbers_come_back_exactly(array):
    text = json.dumps(to_json(array))
    found = from_json(json.loads(text)).astype(array.dtype)
    np.testing.assert_array_equal(found, array)
    assert found.shape == array.shape


def test_bytes_and_texts_come_back():
    encoded = np.vectorize(str.encode, otypes=[object])(TEXT)
    for array in (BYTES, encoded):
        found = from_json(json.loads(json.dumps(to_json(array))))
        assert found.tolist() == array.tolist()
    assert to_json(BYTES) == [{"b64": "/wA="}, "a", "б"]


def test_null_is_nan():
    found = from_json([[1.5, None]])
    np.testing.assert_array_equal(found, [[1.5, np.nan]])


@pytest.mark.parametrize(
    "value",
    [[1, "a"], [[1], [1, 2]], [{}], [{"b64": 1}], [{"b64": "!"}], {"a": 1}],
)
def test_what_is_no_tensor(value):
    with pytest.raises(ValueError, match=r"`x` must hold .* Received: "):
        from_json(value, "x")


def test_outputs_of_strings_are_texts_but_where_they_are_not():
    assert named("id", BYTES[1:]).tolist() == ["a", "б"]
    assert named("id_bytes", BYTES[1:]).tolist() == [b"a", "б".encode()]
    assert named("id", BYTES).tolist() == BYTES.tolist()


@pytest.mark.parametrize("array", [BYTES, BYTES[1:], np.ones((2, 3), "int8")])
def test_data_of_v2(array):
    fields = {
        "datatype": kserve_v2.to_datatype(array.dtype),
        "shape": list(array.shape),
        **kserve_v2.to_data(array),
    }
    found = kserve_v2.from_data(json.loads(json.dumps(fields)))
    assert found.tolist() == array.tolist()


def test_dtypes_of_v2():
    for name in ("float32", "int64", "bool", "uint8"):
        datatype = kserve_v2.to_datatype(np.dtype(name))
        assert kserve_v2.to_dtype(datatype).name == name
    with pytest.raises(TypeError, match="dtypes of the V2 protocol"):
        kserve_v2.to_datatype(np.dtype("complex64"))
    with pytest.raises(ValueError, match="`datatype` must be one of"):
        kserve_v2.to_dtype("FP8")
