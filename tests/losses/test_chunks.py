"""In chunks, losses and gradients are those of the whole matrix."""

import functools
import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops

import keras_xmodal as kx
from keras_xmodal import losses
from keras_xmodal.ops import chunks
from tests.losses import reference

RNG = np.random.default_rng(3)
BATCH, DIM, CHUNK = 13, 5, 4  # The last chunk holds one new row.


class Own(losses.ContrastiveLoss):
    """A user's: the positives' mean, at least .1 above the highest negative."""

    initial_temperature = 0.5

    def anchor_loss(self, positives, logits, mask):
        if mask is None:
            mask = ops.ones_like(logits)
        count = ops.sum(positives * mask, axis=1)
        mean = ops.sum(
            ops.where(positives * mask > 0, logits, 0.0), axis=1
        ) / ops.maximum(count, 1.0)
        negatives = ops.where((1 - positives) * mask > 0, logits, -1e9)
        margins = 0.1 + ops.max(negatives, axis=1) - mean
        return ops.where(count > 0, ops.softplus(margins), 0.0)


ALL = {
    "info_nce": losses.InfoNCE,
    "one_direction": functools.partial(losses.InfoNCE, symmetric=False),
    "sigmoid": losses.SigmoidContrastive,
    "all_negatives": losses.TripletAllNegatives,
    "hard": losses.TripletHardNegative,
    "semi_hard": losses.TripletSemiHardNegative,
    "own": Own,
}
each_loss = pytest.mark.parametrize("name", ALL)


def unit(rows):
    x = RNG.normal(size=(rows, DIM))
    return (x / np.linalg.norm(x, axis=1, keepdims=True)).astype("float32")


ANCHORS, CANDIDATES = unit(BATCH), unit(BATCH)
IDS = RNG.integers(0, 7, BATCH)
POSITIVES = RNG.random((BATCH, BATCH)) < 0.2
POSITIVES[2] = POSITIVES[:, 5] = False  # Without any.
EXAMPLES = np.array([1, 0, 2, 1, 1, 3, 0, 0.5, 1, 1, 2, 0, 1], "float32")
OTHERS = EXAMPLES[::-1].copy()
PAIRS = (RNG.random((BATCH, BATCH)) * 2 - 0.7).clip(0).astype("float32")
PAIRS[4] = PAIRS[:, 7] = 0
TARGETS = {"ids": IDS, "positives": POSITIVES}
WEIGHTS = {
    "none": None,
    "examples": EXAMPLES,
    "both_sides": (EXAMPLES, OTHERS),
    "pairs": PAIRS,
    "nothing": np.zeros(BATCH, "float32"),
}
CASES = [
    *itertools.product(TARGETS, ("none", "examples", "pairs")),
    ("ids", "both_sides"),
    ("ids", "nothing"),
]


def with_gradient(loss, targets, weights, *inputs):
    """Loss, and its gradient by embeddings, scale and bias."""
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        value = loss.from_embeddings(targets, *inputs, weights)
    return value, *tape.gradient(value, inputs, unconnected_gradients="zero")


def inputs(scale=10.0, bias=-3.0, anchors=ANCHORS, candidates=CANDIDATES):
    given = (anchors, candidates, scale, bias)
    return tuple(tf.constant(x, "float32") for x in given)


def assert_same(found, expected, rtol=1e-5, atol=1e-5, **kwargs):
    for a, b in zip(found, expected, strict=True):
        scale = max(1.0, float(np.abs(b).max()))
        np.testing.assert_allclose(a, b, rtol=rtol, atol=atol * scale, **kwargs)


def chunked_and_whole(name, chunk_size=CHUNK, **kwargs):
    return [ALL[name](chunk_size=size, **kwargs) for size in (chunk_size, None)]


@each_loss
def test_chunks_are_the_whole(name):
    """And both are the definition."""
    chunked, whole = chunked_and_whole(name)
    for target, weight in CASES:
        case = TARGETS[target], WEIGHTS[weight]
        found, expected = (
            with_gradient(loss, *case, *inputs()) for loss in (chunked, whole)
        )
        assert_same(found, expected, err_msg=f"{target}, {weight}")
        assert_same(found[:1], [definition(name, case, inputs())])


def definition(name, case, given):
    given = [np.asarray(x, "float64") for x in given]
    return reference.of_embeddings(name, case[0], *given, case[1])


@each_loss
def test_gradients_are_finite_differences(name):
    """Along one direction through embeddings, scale and bias at once.

    With this seed a step crosses no hinge. Losses of up to 10 in float32 are
    right to 1e-6: their differences, divided by 2e-3, to 5e-4.
    """
    loss = ALL[name](chunk_size=CHUNK)
    step, rng = 1e-3, np.random.default_rng(19)
    given = inputs(4.0, -1.0, *rng.normal(size=(2, BATCH, DIM)) / DIM**0.5)
    given = tuple(tf.cast(x, "float32") for x in given)
    directions = [rng.normal(size=x.shape).astype("float32") for x in given]
    for target, weight in CASES:
        arguments = TARGETS[target], WEIGHTS[weight]
        _, *gradient = with_gradient(loss, *arguments, *given)
        slope = sum(
            np.sum(a * b) for a, b in zip(gradient, directions, strict=True)
        )
        plus, minus = (
            loss.from_embeddings(
                arguments[0],
                *(
                    x + sign * step * d
                    for x, d in zip(given, directions, strict=True)
                ),
                arguments[1],
            )
            for sign in (1, -1)
        )
        np.testing.assert_allclose(
            slope,
            (plus - minus) / (2 * step),
            rtol=1e-3,
            atol=1e-3,
            err_msg=f"{target}, {weight}",
        )


# Batches that are hard: large scales, all embeddings in one place, one id.
OPPOSITE = np.where(np.arange(BATCH)[:, None] % 2, 1, -1) * unit(1)
SAME = np.tile(ANCHORS[:1], (BATCH, 1))
HARD = {
    "scale 100": (IDS, inputs(100.0)),
    "scale 100, opposite": (IDS, inputs(100.0, 0.0, OPPOSITE, OPPOSITE)),
    "scale -100": (IDS, inputs(-100.0)),
    "long": (IDS, inputs(30.0, 0.0, 5 * ANCHORS, 7 * CANDIDATES)),
    "collapsed": (
        IDS,
        inputs(100.0, 0.0, SAME, SAME),
    ),
    "one item": (np.zeros(BATCH, int), inputs()),
    "collapsed to 0": (
        np.zeros(BATCH, int),
        inputs(1.0, 0.0, np.zeros_like(ANCHORS), np.zeros_like(ANCHORS)),
    ),
}


def each_hard_cell():
    """In the quick lane all of losses with code of their own, and a third."""
    for name, weights in itertools.product(ALL, ("none", "examples", "pairs")):
        is_quick = weights == "examples" or name in ("info_nce", "sigmoid")
        marks = () if is_quick else pytest.mark.large
        yield pytest.param(name, weights, marks=marks)


@pytest.mark.parametrize(("name", "weights"), [*each_hard_cell()])
@pytest.mark.parametrize("batch", HARD)
def test_hard_batches(name, batch, weights):
    ids, given = HARD[batch]
    found, expected = (
        with_gradient(loss, ids, WEIGHTS[weights], *given)
        for loss in chunked_and_whole(name, 7)
    )
    assert np.isfinite(np.concatenate([np.ravel(x) for x in found])).all()
    assert_same(found, expected, atol=3e-5)


def each_cell():
    """Losses, modes, targets and weights; in the quick lane what has code."""
    ids, matrices = ("ids", "examples"), ("positives", "pairs")
    quick = {"info_nce": CASES, "sigmoid": (ids, matrices), "own": (matrices,)}
    for name, mode, case in itertools.product(ALL, ("graph", "jit"), CASES):
        is_quick = case in quick.get(name, (ids,)) and name != "one_direction"
        if mode == "jit":
            is_quick = (name, case) == ("info_nce", ids)
        if case != ("ids", "nothing"):  # Another value of the same graph.
            marks = () if is_quick else pytest.mark.large
            yield pytest.param(name, mode, *case, marks=marks)


@pytest.mark.parametrize(("name", "mode", "target", "weight"), [*each_cell()])
def test_graphs_are_the_whole(name, mode, target, weight):
    """One graph of a cell, for any batch size or under XLA; hard batches."""
    chunked, whole = chunked_and_whole(name)
    weights = WEIGHTS[weight]
    cases = [(TARGETS[target], weights, inputs())]
    for ids, given in HARD.values():
        if target == "positives":
            ids = ids[:, None] == ids
        cases.append((ids, weights, given))
    if weight == "examples":
        cases.append((TARGETS[target], WEIGHTS["nothing"], inputs()))

    function = functools.partial(with_gradient, chunked)
    graph = graph_of(function, mode, *cases[0][:2], *inputs())
    for targets, weights, given in cases:
        expected = with_gradient(whole, targets, weights, *given)
        assert_same(graph(targets, weights, *given), expected, atol=3e-5)


def graph_of(function, mode, *arguments):
    """A graph for any number of rows, or under XLA, that takes arrays."""

    def spec(x):
        shape = np.shape(x)
        if mode == "graph":
            shape = [None if n == BATCH else n for n in shape]
        return tf.TensorSpec(shape, tensor(x).dtype)

    def tensor(x):
        return tf.convert_to_tensor(x)

    def each(function, arguments):
        return keras.tree.map_structure(
            lambda x: None if x is None else function(x), arguments
        )

    graph = tf.function(function, autograph=False, jit_compile=mode == "jit")
    graph = graph.get_concrete_function(*each(spec, arguments))
    return lambda *arguments: graph(*each(tensor, arguments))


@each_loss
@pytest.mark.parametrize(
    "case",
    [
        pytest.param(
            case,
            id="-".join(case),
            marks=() if case in CASES[1::4] else pytest.mark.large,
        )
        for case in CASES[:7]
    ],
)
@pytest.mark.parametrize("spread", [1.0, 0.01])
def test_finite_differences_at_scale_100(name, case, spread):
    """Of the definition in float64, also of a batch that nearly collapsed."""
    rng = np.random.default_rng(5)
    targets, weights = TARGETS[case[0]], WEIGHTS[case[1]]
    rows = [SAME + spread * rng.normal(size=SAME.shape) for _ in range(2)]
    rows = [x / np.linalg.norm(x, axis=1, keepdims=True) for x in rows]
    given = [x.astype("float32") for x in rows] + [np.float32(100), 0]
    directions = [rng.normal(size=np.shape(x)) for x in given]
    _, *gradient = with_gradient(
        ALL[name](chunk_size=CHUNK),
        targets,
        weights,
        *(tf.constant(x, "float32") for x in given),
    )
    slopes = [np.sum(a * b) for a, b in zip(gradient, directions, strict=True)]
    for i, slope in enumerate(slopes):
        ends = []
        for step in (-1e-7, 1e-7):
            moved = list(given)
            moved[i] = moved[i] + step * directions[i]
            ends.append(definition(name, (targets, weights), moved))
        expected = (ends[1] - ends[0]) / 2e-7
        np.testing.assert_allclose(slope, expected, 1e-3, 1e-4)


@pytest.mark.parametrize("scale", [14.0, 100.0])
def test_info_nce_in_float64(scale):
    z = scale * ANCHORS.astype("float64") @ CANDIDATES.T.astype("float64")
    expected = np.mean(
        [np.mean(np.log(np.exp(x).sum(1)) - x.diagonal()) for x in (z, z.T)]
    )
    found = losses.InfoNCE(chunk_size=CHUNK).from_embeddings(
        np.arange(BATCH), ANCHORS, CANDIDATES, scale
    )
    assert float(found) == pytest.approx(expected, rel=2e-6)


@each_loss
@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_is_cast_first(name, dtype):
    """The maths is float32; gradients have the dtype of the embeddings."""
    loss = ALL[name](chunk_size=CHUNK)
    half = [tf.cast(x, dtype) for x in (ANCHORS, CANDIDATES)]
    full = [tf.cast(x, "float32") for x in half]
    rest = (tf.constant(50.0), tf.constant(-3.0))
    found = with_gradient(loss, IDS, EXAMPLES, *half, *rest)
    expected = with_gradient(loss, IDS, EXAMPLES, *full, *rest)
    assert [x.dtype for x in found[:3]] == ["float32", dtype, dtype]
    assert_same([tf.cast(x, "float32") for x in found], expected, 0.01, 0.001)
    np.testing.assert_array_equal(found[0], expected[0])


@each_loss
@pytest.mark.parametrize("candidates", [3, 30])
def test_other_candidates_than_anchors(name, candidates):
    positives = RNG.random((BATCH, candidates)) < 0.3
    pairs = RNG.random((BATCH, candidates)).astype("float32")
    pairs = np.where(pairs < 0.3, 0, pairs)
    sides = (EXAMPLES, RNG.integers(0, 3, candidates).astype("float32"))
    given = inputs(candidates=unit(candidates))
    for weights in (None, pairs, sides):
        found, expected = (
            with_gradient(loss, positives, weights, *given)
            for loss in chunked_and_whole(name, 7)
        )
        assert_same(found, expected)


@each_loss
@pytest.mark.parametrize("chunk_size", [1, 100])
def test_any_size_of_chunks(name, chunk_size):
    found, expected = (
        with_gradient(ALL[name](chunk_size=size), IDS, EXAMPLES, *inputs())
        for size in (chunk_size, None)
    )
    assert_same(found, expected)


@each_loss
@pytest.mark.parametrize("reduction", ["none", "sum", "sum_over_batch_size"])
def test_every_reduction(name, reduction):
    found, expected = (
        with_gradient(loss, IDS, PAIRS, *inputs())
        for loss in chunked_and_whole(name, 7, reduction=reduction)
    )
    assert found[0].shape == expected[0].shape
    assert_same(found, expected)


def test_weights_of_both_sides_are_their_products():
    for name in ALL:
        for loss in chunked_and_whole(name):
            np.testing.assert_allclose(
                loss.from_embeddings(
                    IDS, *inputs(), sample_weight=(EXAMPLES, OTHERS)
                ),
                loss.from_embeddings(
                    IDS, *inputs(), sample_weight=np.outer(EXAMPLES, OTHERS)
                ),
                rtol=1e-5,
            )


@each_loss
def test_embeddings_give_the_loss_of_their_logits(name):
    logits = 10.0 * ANCHORS @ CANDIDATES.T - 3.0
    for weights in (None, EXAMPLES, PAIRS):
        for loss in chunked_and_whole(name):
            np.testing.assert_allclose(
                loss.from_embeddings(IDS, *inputs(), weights),
                loss(IDS, logits, weights),
                rtol=1e-5,
            )


def test_what_has_weight_0_may_be_nan():
    """As in the whole, but for gradients there, which are 0."""
    broken, kept = ANCHORS.copy(), ANCHORS.copy()
    broken[EXAMPLES == 0], kept[EXAMPLES == 0] = np.nan, 0
    loss = losses.InfoNCE(chunk_size=CHUNK)
    found, expected = (
        with_gradient(loss, IDS, EXAMPLES, *inputs(anchors=anchors))
        for anchors in (broken, kept)
    )
    assert_same(found, expected)
    assert not found[1].numpy()[EXAMPLES == 0].any()


def rows_of_logits(monkeypatch, loss, **kwargs):
    """How many rows the losses of one call saw at once."""
    rows = []
    anchor_loss = type(loss).anchor_loss

    def spy(self, positives, logits, mask):
        rows.append(logits.shape[0])
        return anchor_loss(self, positives, logits, mask)

    monkeypatch.setattr(type(loss), "anchor_loss", spy)
    loss.from_embeddings(IDS, *inputs(), **kwargs)
    return rows


def test_auto_makes_small_matrices_whole(monkeypatch):
    assert set(rows_of_logits(monkeypatch, Own())) == {BATCH}
    monkeypatch.setattr(chunks, "_WHOLE", BATCH**2 - 1)
    monkeypatch.setattr(chunks, "_BLOCK", 5 * BATCH)
    assert set(rows_of_logits(monkeypatch, Own())) == {5}
    assert set(rows_of_logits(monkeypatch, Own(chunk_size=None))) == {BATCH}


def test_a_subclass_of_info_nce_keeps_its_maths():
    class Doubled(losses.InfoNCE):
        def anchor_loss(self, positives, logits, mask):
            return 2 * super().anchor_loss(positives, logits, mask)

    doubled, plain = (
        cls(chunk_size=CHUNK).from_embeddings(IDS, *inputs())
        for cls in (Doubled, losses.InfoNCE)
    )
    np.testing.assert_allclose(doubled, 2 * plain, rtol=1e-5)


def test_a_call_of_its_own_sees_all_logits():
    class Shifted(losses.InfoNCE):
        def __call__(self, y_true, y_pred, sample_weight=None):
            assert y_pred.shape == (BATCH, BATCH)
            return 1 + super().__call__(y_true, y_pred, sample_weight)

    for weights in (None, EXAMPLES, (EXAMPLES, OTHERS)):
        shifted, plain = (
            cls(chunk_size=CHUNK).from_embeddings(
                IDS, *inputs(), sample_weight=weights
            )
            for cls in (Shifted, losses.InfoNCE)
        )
        np.testing.assert_allclose(shifted, 1 + plain, rtol=1e-5)


@pytest.mark.parametrize("dtype", ["bool", "uint8", "uint64", "float32"])
def test_ids_of_every_dtype(dtype):
    ids = np.array([0, 1, 1, 0] * 3 + [1]).astype(dtype)
    if dtype == "uint64":
        ids += np.uint64(2**63)
    found, expected = (
        loss.from_embeddings(given, *inputs())
        for loss, given in zip(
            chunked_and_whole("info_nce"), (ids, ids != ids[0]), strict=True
        )
    )
    np.testing.assert_allclose(found, expected, rtol=1e-5)


@each_loss
def test_weight_of_a_batch_needs_no_logits(name):
    logits = np.zeros((BATCH, BATCH), "float32")
    for weights in (None, EXAMPLES, PAIRS, (EXAMPLES, OTHERS)):
        found = ALL[name](chunk_size=CHUNK).total_weight(
            IDS, sample_weight=weights
        )
        if isinstance(weights, tuple):
            weights = np.outer(*weights)
        expected = ALL[name]().total_weight(IDS, logits, weights)
        np.testing.assert_allclose(found, expected, rtol=1e-6)


@each_loss
@pytest.mark.parametrize("chunk_size", ["auto", 7, None])
def test_chunk_size_is_kept(name, chunk_size):
    loss = ALL[name](chunk_size=chunk_size)
    assert loss.get_config()["chunk_size"] == chunk_size
    again = type(loss).from_config(loss.get_config())
    assert again.chunk_size == chunk_size


@pytest.mark.parametrize("chunk_size", [0, -1, 1.5, "whole", [4]])
def test_chunk_size_is_a_positive_integer(chunk_size):
    with pytest.raises((TypeError, ValueError), match="`chunk_size` must be"):
        losses.InfoNCE(chunk_size=chunk_size)


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ((IDS, ANCHORS[0], ANCHORS), "`anchors` must have shape"),
        ((IDS, ANCHORS, ANCHORS[:, :3]), "equal|same"),
        ((IDS[:4], ANCHORS, ANCHORS), "`y_true` must have shape"),
        ((IDS, ANCHORS[:0], ANCHORS), "must have a row at least"),
        ((IDS, ANCHORS, ANCHORS, [1.0, 2.0]), "`scale` must have shape"),
        ((IDS, ANCHORS, ANCHORS, 1, 0, IDS[:4]), "`sample_weight` must have"),
        (
            (IDS, ANCHORS, ANCHORS, 1, 0, (EXAMPLES, EXAMPLES[:4])),
            "`sample_weight` must have",
        ),
        ((IDS, ANCHORS, ANCHORS, 1, 0, -EXAMPLES), "must be finite, from 0"),
    ],
)
def test_what_does_not_fit_is_refused(arguments, match):
    with pytest.raises(ValueError, match=match):
        losses.InfoNCE(chunk_size=CHUNK).from_embeddings(*arguments)


# In training.

X = {"image": unit(40), "text": unit(40)}
SIDES = {name: RNG.integers(0, 3, 40).astype("float32") for name in X}


def train(monkeypatch, most, loss="info_nce", batch_sizes=(13,), **kwargs):
    """Losses and weights, and how often losses in chunks were traced."""
    monkeypatch.setattr(chunks, "_WHOLE", most)
    monkeypatch.setattr(chunks, "_BLOCK", 64)
    traced = []
    chunked = losses.ContrastiveLoss._chunked
    monkeypatch.setattr(
        losses.ContrastiveLoss,
        "_chunked",
        lambda *arguments: traced.append(1) or chunked(*arguments),
    )
    keras.utils.set_random_seed(0)
    model = kx.EmbeddingModel({"image": DIM, "text": DIM}, 4)
    model.compile(keras.optimizers.SGD(0.1), loss, **kwargs)
    history = []
    for batch_size in batch_sizes:
        data = tf.data.Dataset.from_tensor_slices(
            (X, np.arange(40) // 2, SIDES)
        )
        fitted = model.fit(
            data.batch(batch_size).prefetch(1), verbose=0, epochs=2
        )
        history += fitted.history["loss"]
    monkeypatch.undo()
    return (history, model.get_weights()), len(traced)


@pytest.mark.parametrize(
    "loss",
    [
        "info_nce",
        pytest.param("triplet_hard_negative", marks=pytest.mark.large),
    ],
)
def test_training_in_chunks(monkeypatch, loss):
    expected, traced = train(monkeypatch, 13**2, loss)
    assert traced == 0
    found, traced = train(monkeypatch, 13**2 - 1, loss)
    assert traced
    for a, b in zip(found[1], expected[1], strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)
    np.testing.assert_allclose(found[0], expected[0], rtol=1e-5)


def test_larger_batches_than_before_are_chunked(monkeypatch):
    _, traced = train(monkeypatch, 100, batch_sizes=(5, 10, 13, 9))
    assert traced == 1
