"""One-call check of a retrieval metric."""

import doctest
import sys
import tempfile

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.helpers import check_config


def tied_problem(queries=24, candidates=9, levels=4, grades=2, seed=0):
    """Many ties, several positives, two queries without any."""
    rng = np.random.default_rng(seed)
    relevance = rng.integers(grades, size=(queries, candidates))
    relevance[[3, -2]] = 0
    scores = rng.integers(levels, size=(queries, candidates))
    return relevance.astype("float32"), scores.astype("float32")


def ranking(relevance, scores):
    """Relevance in rank order, equal scores worst first, in plain Python."""
    order = sorted(range(len(scores)), key=lambda i: (-scores[i], relevance[i]))
    return [float(relevance[i]) for i in order]


def check_metric(cls, init_kwargs, query_value, grades=2):
    """Compare with `query_value(ranking)`, averaged, whole and streamed."""
    check_config(cls, {**init_kwargs, "name": "other", "dtype": "float32"})
    assert doctest.testmod(sys.modules[cls.__module__]).failed == 0
    relevance, scores = tied_problem(grades=grades)
    counted = relevance.any(axis=1)
    values = np.array(
        [
            query_value(ranking(row, score)) if any(row) else np.nan
            for row, score in zip(relevance, scores, strict=True)
        ]
    )
    metric = cls(**init_kwargs)
    assert metric.result() == 0
    metric.update_state(relevance, scores)
    np.testing.assert_allclose(
        metric.result(), values[counted].mean(), rtol=1e-5
    )

    streamed = cls(**init_kwargs)
    for rows in np.split(np.arange(len(scores)), [5, 6, 17]):
        streamed.update_state(relevance[rows], scores[rows])
    np.testing.assert_allclose(streamed.result(), metric.result(), rtol=1e-6)

    weights = np.random.default_rng(1).uniform(size=len(scores))
    weights[0] = 0
    for shape in ((-1,), (-1, 1)):
        metric.reset_state()
        metric.update_state(relevance, scores, weights.reshape(shape))
        np.testing.assert_allclose(
            metric.result(),
            np.average(values[counted], weights=weights[counted]),
            rtol=1e-5,
        )


def check_compiled_metric(cls, init_kwargs):
    """Compiled updates, ids as targets, and a model that holds the metric."""
    relevance, scores = tied_problem(queries=8, candidates=8)
    metric, compiled = cls(**init_kwargs), cls(**init_kwargs)
    metric.update_state(relevance, scores)

    @tf.function(
        jit_compile=True, input_signature=[tf.TensorSpec((None, None))] * 2
    )
    def update(relevance, scores):
        compiled.update_state(relevance, scores)
        return compiled.result()

    np.testing.assert_allclose(
        update(relevance, scores), metric.result(), rtol=1e-6
    )

    ids = np.array([2**40, 1, 2**40 + 1, 1, 5, 6, 7, 5])
    by_ids, by_matrix = cls(**init_kwargs), cls(**init_kwargs)
    by_ids.update_state(ids, scores)
    by_matrix.update_state(ids[:, None] == ids[None, :], scores)
    assert by_ids.result() == by_matrix.result()

    metric.reset_state()
    inputs = keras.Input((8,))
    model = keras.Model(inputs, keras.layers.Dense(8)(inputs))
    metrics = [cls(**init_kwargs, name="metric")]
    # The metric was compiled above; a model takes longer.
    model.compile(loss="mse", metrics=metrics, run_eagerly=True)
    model.optimizer.build(model.trainable_variables)
    logs = model.evaluate(
        scores, relevance, batch_size=4, verbose=0, return_dict=True
    )
    metric.update_state(relevance, model.predict(scores, verbose=0))
    np.testing.assert_allclose(logs["metric"], metric.result(), rtol=1e-5)

    with tempfile.TemporaryDirectory() as folder:
        model.save(f"{folder}/model.keras")
        loaded = keras.saving.load_model(f"{folder}/model.keras")
    assert logs == pytest.approx(
        loaded.evaluate(
            scores, relevance, batch_size=4, verbose=0, return_dict=True
        )
    )
