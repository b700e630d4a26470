import numpy as np
import pytest
import tensorflow as tf

from keras_xmodal.retrieval.queries import unit_embeddings

DATA = tf.data.Dataset.from_tensor_slices({"image": [[1.0]]})


class Model:
    def encode(self, x, modality):
        return np.asarray(x, "float64") * (2 if modality == "image" else 3)


def test_raw_examples_are_encoded():
    x = {"image": [[3.0, 4.0]], "text": [[0.0, 1.0]]}
    found = unit_embeddings(Model(), x, None, "x")
    assert list(found) == ["image", "text"]
    np.testing.assert_allclose(found["image"], [[0.6, 0.8]], rtol=1e-6)
    assert found["image"].dtype == np.float32


def test_rows_have_length_one_whatever_their_scale():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(5, 8)) * np.array([[1e-300, 1e-3, 1, 1e3, 1e300]]).T
    found = unit_embeddings(None, x, "image", "x")["image"]
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, rtol=1e-6)


def test_zero_rows_stay_zero():
    found = unit_embeddings(None, np.zeros((1, 3)), "image", "x")["image"]
    np.testing.assert_array_equal(found, 0)


@pytest.mark.parametrize(
    ("model", "x", "modality", "error", "match"),
    [
        (None, {"image": [1]}, None, ValueError, "needs a model.*image"),
        (Model(), {}, None, ValueError, "at least one"),
        (Model(), {1: [1]}, None, ValueError, r"by name.*keys \[1\]"),
        (Model(), {"image": [[1]]}, "image", ValueError, "must be left out"),
        (None, [[1.0]], None, TypeError, "`modality` must name"),
        (None, DATA, None, TypeError, "`x` must be a dict.*TensorSlice"),
        (None, DATA, "image", TypeError, "`x` must be a dict.*TensorSlice"),
        (Model(), {"text": [[np.nan]]}, None, ValueError, r"encode\(x\['te"),
        (None, [1.0], "image", ValueError, "`x` must have shape"),
    ],
)
def test_bad_input(model, x, modality, error, match):
    with pytest.raises(error, match=match):
        unit_embeddings(model, x, modality, "x")
