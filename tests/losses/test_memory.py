"""Losses of a batch among rows of earlier batches are their definition."""

import functools
import itertools

import numpy as np
import pytest
import tensorflow as tf

from keras_xmodal import losses
from tests.losses import reference
from tests.losses.test_chunks import (
    ALL,
    BATCH,
    CANDIDATES,
    DIM,
    EXAMPLES,
    IDS,
    OTHERS,
    Own,
    assert_same,
    chunked_and_whole,
    each_loss,
    graph_of,
    inputs,
    unit,
)

RNG = np.random.default_rng(8)
ROWS = 9
OLD_IDS = RNG.integers(3, 12, ROWS)  # Some are ids of the batch.
SIDES = tuple(
    RNG.integers(0, 3, ROWS).astype("float32") for _ in ("anchors", "others")
)
MEMORY = (OLD_IDS, unit(ROWS), unit(ROWS), *SIDES)
WEIGHTS = {
    "none": None,
    "examples": EXAMPLES,
    "both_sides": (EXAMPLES, OTHERS),
}
LARGE = pytest.mark.large
each_weights = pytest.mark.parametrize("weights", WEIGHTS)


def with_gradient(loss, weights, memory, *inputs):
    with tf.GradientTape() as tape:
        tape.watch((*inputs, *memory[1:3]))
        value = loss.from_embeddings(
            IDS, *inputs, sample_weight=weights, memory=memory
        )
    given = (*inputs, *memory[1:3])
    return value, *tape.gradient(value, given, unconnected_gradients="zero")


def tensors(memory=MEMORY):
    return tuple(map(tf.constant, memory))


def definition(name, weights, given, memory=MEMORY):
    given = [np.asarray(x, "float64") for x in given]
    return reference.with_memory(name, IDS, *given, weights, memory)


@each_loss
@each_weights
@pytest.mark.parametrize("scale", [pytest.param(10.0, marks=LARGE), 100.0])
def test_is_the_definition(name, weights, scale):
    """And its finite differences; without gradients to the memory."""
    weights = WEIGHTS[weights]
    given = inputs(scale)
    chunked, whole = (
        with_gradient(loss, weights, tensors(), *given)
        for loss in chunked_and_whole(name)
    )
    assert_same(chunked, whole, atol=3e-5)
    assert_same(chunked[:1], [definition(name, weights, given)])
    assert not np.any(chunked[-2:])
    rng = np.random.default_rng(2)
    exact = [np.asarray(x, "float64") for x in given]
    for i, slopes in enumerate(chunked[1:5]):
        direction = rng.normal(size=slopes.shape)
        ends = []
        for step in (-1e-7, 1e-7):
            moved = [*exact]
            moved[i] = moved[i] + step * direction
            ends.append(definition(name, weights, moved))
        expected = (ends[1] - ends[0]) / 2e-7
        np.testing.assert_allclose(
            np.sum(slopes * direction), expected, 1e-3, 1e-4
        )


def each_graph():
    for name, mode in itertools.product(ALL, ("graph", "jit")):
        for weights in WEIGHTS if mode == "graph" else ("both_sides",):
            cell = name, mode, weights
            is_quick = cell == ("info_nce", "graph", "both_sides")
            yield pytest.param(*cell, marks=() if is_quick else LARGE)


@pytest.mark.parametrize(("name", "mode", "weights"), [*each_graph()])
def test_graphs_are_the_definition(name, mode, weights):
    """For any batch size or under XLA."""
    chunked, _ = chunked_and_whole(name)
    weights = WEIGHTS[weights]
    function = functools.partial(with_gradient, chunked)
    given = (weights, MEMORY, *inputs())
    expected = with_gradient(chunked, weights, tensors(), *inputs())
    assert_same(graph_of(function, mode, *given)(*given), expected)
    assert_same(expected[:1], [definition(name, weights, inputs())])


@each_loss
@each_weights
def test_an_empty_memory_changes_nothing(name, weights):
    weights = WEIGHTS[weights]
    nothing = np.zeros(ROWS, "float32")
    memory = (IDS[:ROWS], *MEMORY[1:3], nothing, nothing)
    for loss in chunked_and_whole(name):
        options = {"sample_weight": weights}
        if name == "sigmoid" and weights is None:
            options = {"sample_weight": np.ones(BATCH)}
        np.testing.assert_allclose(
            loss.from_embeddings(IDS, *inputs(), weights, memory=memory),
            loss.from_embeddings(IDS, *inputs(), **options),
            rtol=1e-5,
        )
        np.testing.assert_allclose(
            loss.total_weight(IDS, sample_weight=weights, memory=memory),
            loss.total_weight(IDS, **options),
        )


def test_a_positive_in_the_memory_counts():
    """Of an anchor whose own candidate is missing: by the heaviest pair."""
    ids = np.array([0, 1])
    weights = (np.array([2.0, 1.0]), np.array([0.0, 1.0]))
    memory = (np.array([0]), unit(1), unit(1), np.array([5.0]), np.array([3.0]))
    found = losses.InfoNCE().total_weight(
        ids, sample_weight=weights, memory=memory
    )
    # Of anchors 2 * 3 and 1; of candidates 0 and 1.
    np.testing.assert_allclose(found, 0.5 * (7 + 1))


class OfItsOwn(losses.InfoNCE):
    def call(self, y_true, y_pred):
        return super().call(y_true, y_pred)


@pytest.mark.parametrize(
    ("loss", "options", "match"),
    [
        (Own(), {"y_true": np.eye(BATCH)}, "must hold ids"),
        (Own(), {"sample_weight": np.eye(BATCH)}, "weights of examples"),
        (Own(), {"memory": MEMORY[:4]}, "must be a tuple"),
        (Own(), {"memory": (OLD_IDS[:3], *MEMORY[1:])}, "`memory` must have"),
        (
            Own(),
            {"memory": (OLD_IDS, *(x[:, :3] for x in MEMORY[1:3]), *SIDES)},
            "the same dim",
        ),
        (OfItsOwn(), {}, "no more than `anchor_loss`"),
    ],
)
def test_what_does_not_fit_is_refused(loss, options, match):
    arguments = {
        "y_true": IDS,
        "anchors": CANDIDATES,
        "candidates": CANDIDATES,
        "memory": MEMORY,
        **options,
    }
    assert arguments["anchors"].shape == (BATCH, DIM)
    with pytest.raises(ValueError, match=match):
        loss.from_embeddings(**arguments)
