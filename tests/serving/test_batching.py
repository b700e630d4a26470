import concurrent.futures

import numpy as np
import pytest
import tensorflow as tf

from keras_xmodal.serving.batching import batch_requests, is_batchable
from tests.serving.conftest import PNGS


class Sums(tf.Module):
    """What two inputs give, and how large the batches were."""

    def __init__(self):
        self.largest = tf.Variable(0)

    @tf.function(
        input_signature=[
            tf.TensorSpec((None, 3), tf.float32, "x"),
            tf.TensorSpec((None,), tf.int32, "seed"),
        ]
    )
    def sums(self, x, seed):
        size = tf.shape(x)[0]
        self.largest.assign(tf.maximum(self.largest, size))
        tf.debugging.assert_greater(seed, -1, "`seed` must be at least 0")
        total = tf.reduce_sum(x, 1) + tf.cast(seed, tf.float32)
        return {"total": total, "double": 2 * x}


@pytest.fixture
def module(tmp_path):
    module = Sums()
    tf.saved_model.save(module, str(tmp_path), signatures=module.sums)
    return tf.saved_model.load(str(tmp_path))


def ask(run, seeds):
    """All at once, each with its own number of rows; None where it fails."""

    def one(seed):
        rows = abs(seed) % 4 + 1
        x = {
            "x": tf.fill((rows, 3), float(seed)),
            "seed": tf.fill((rows,), seed),
        }
        try:
            return {k: v.numpy() for k, v in run(x).items()}
        except tf.errors.InvalidArgumentError:
            return None

    with concurrent.futures.ThreadPoolExecutor(32) as threads:
        return list(threads.map(one, seeds))


def test_each_gets_its_own_rows(module):
    run = batch_requests(module.signatures["serving_default"], (4, 16))
    for seed, found in enumerate(ask(run, range(100))):
        rows = seed % 4 + 1
        np.testing.assert_array_equal(found["total"], np.full(rows, 4.0 * seed))
        np.testing.assert_array_equal(
            found["double"], np.full((rows, 3), 2.0 * seed)
        )
    assert module.largest.numpy() in (4, 16)  # padded to one that is allowed


def test_more_rows_than_the_largest_batch(module):
    run = batch_requests(module.signatures["serving_default"], (1, 4))
    x = {"x": tf.ones((5, 3)), "seed": tf.zeros((5,), tf.int32)}
    with pytest.raises(tf.errors.InvalidArgumentError, match="batch size 4"):
        run(x)


def test_an_error_is_that_of_the_batch(module):
    run = batch_requests(module.signatures["serving_default"], (1, 4))
    assert ask(run, [-1]) == [None]
    assert ask(run, [1])[0] is not None


def test_files_in_a_batch(loaded, requests):
    signature = loaded.signatures["embed_image_bytes"]
    assert is_batchable(signature)
    run = batch_requests(signature, (1, 8))
    expected = requests["embed_image_bytes"][1]

    def one(i):
        return run({"image": tf.constant([PNGS[i]])})["embedding"].numpy()[0]

    with concurrent.futures.ThreadPoolExecutor(8) as threads:
        received = list(threads.map(one, range(len(PNGS))))
    np.testing.assert_allclose(received, expected, atol=1e-6)


def test_functions_do_not_mix_their_requests(loaded, requests):
    """Two that take the same, at the same time."""
    names = ["embed_image_bytes", "embed_text_string"]
    keys = dict(zip(names, ["image", "text"], strict=True))
    runs = {
        name: batch_requests(loaded.signatures[name], (1, 8)) for name in names
    }

    def one(i):
        name = names[i % 2]
        inputs, expected = requests[name]
        row = i // 2 % len(expected)
        (content,) = [inputs[keys[name]][row]]
        found = runs[name]({keys[name]: tf.constant([content])})["embedding"]
        return np.abs(found.numpy()[0] - expected[row]).max()

    with concurrent.futures.ThreadPoolExecutor(16) as threads:
        differences = list(threads.map(one, range(400)))
    assert max(differences) < 1e-6


def test_what_has_no_batch():
    def top(scores, k):
        return {"best": tf.math.top_k(scores, k)[0]}

    scores = tf.TensorSpec((None, 5), tf.float32)
    scalar = tf.function(top).get_concrete_function(
        scores, tf.TensorSpec((), tf.int32)
    )
    scalar_spec = ((), {"scores": scores, "k": tf.TensorSpec((), tf.int32)})

    class Signature:
        structured_input_signature = scalar_spec
        structured_outputs = scalar.structured_outputs

    assert not is_batchable(Signature)
