import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_xmodal as kx
from keras_xmodal import losses
from tests.helpers import check_loss

RNG = np.random.default_rng(1)
LOGITS = RNG.normal(size=(6, 6)).astype("float32")
ALL = [
    losses.InfoNCE,
    losses.SigmoidContrastive,
    losses.TripletHardNegative,
    losses.TripletSemiHardNegative,
    losses.TripletAllNegatives,
]
each_loss = pytest.mark.parametrize("cls", ALL)


@each_loss
def test_ids_and_their_positives_matrix_agree(cls):
    ids = np.array([4, 5, 4, 6, 7, 7])
    matrix = ids[:, None] == ids[None, :]
    np.testing.assert_allclose(
        cls()(ids, LOGITS), cls()(matrix, LOGITS), rtol=1e-6
    )


@each_loss
def test_duplicates_are_not_negatives(cls):
    """A second row of the same item must not push the first away."""
    ids = np.array([0, 0, 1, 2, 3, 4])
    near = LOGITS.copy()
    near[0, 1] = near[1, 0] = 5.0
    far = LOGITS.copy()
    far[0, 1] = far[1, 0] = -5.0
    assert float(cls()(ids, near)) < float(cls()(ids, far))


@each_loss
def test_large_ids_are_not_confused(cls):
    ids = 2**40 + np.arange(6)
    np.testing.assert_allclose(
        cls()(ids, LOGITS), cls()(np.arange(6), LOGITS), rtol=1e-6
    )


@each_loss
def test_example_of_weight_zero_changes_nothing(cls):
    weights = np.array([1, 1, 0, 1, 1, 0], "float32")
    poisoned = LOGITS.copy()
    poisoned[2], poisoned[:, 5] = 1e3, 1e3
    kept = weights > 0
    np.testing.assert_allclose(
        cls()(np.arange(6), poisoned, sample_weight=weights),
        cls()(np.arange(4), LOGITS[kept][:, kept]),
        rtol=1e-6,
    )


@each_loss
def test_all_examples_missing_is_zero_not_nan(cls):
    value = cls()(np.arange(6), LOGITS, sample_weight=np.zeros(6))
    assert float(value) == 0


@each_loss
def test_weight_counts_an_anchor_that_often(cls):
    """Weight 2 on an anchor is that anchor twice in the mean."""
    loss = cls(reduction="none", **_rows_only(cls))
    rows = keras.ops.convert_to_numpy(loss(np.eye(6), LOGITS))
    weights = np.array([2, 1, 1, 1, 1, 1], "float32")
    pairs = np.repeat(weights[:, None], 6, axis=1)
    value = cls(**_rows_only(cls))(np.eye(6), LOGITS, sample_weight=pairs)
    np.testing.assert_allclose(value, np.sum(rows * weights) / 7, rtol=1e-5)


@each_loss
def test_more_candidates_than_anchors(cls):
    loss = cls(**_rows_only(cls))
    assert np.isfinite(loss(np.eye(4, 6), LOGITS[:4]))


@pytest.mark.parametrize(
    "cls", [c for c in ALL if c is not losses.SigmoidContrastive]
)
@pytest.mark.parametrize("weighted", [False, True])
def test_symmetric_loss_is_the_mean_of_both_directions(cls, weighted):
    ids, weights = np.arange(6), None
    if weighted:  # Two anchors are missing, and others of the candidates.
        weights = np.outer([1, 0, 2, 1, 0, 1], [1, 3, 1, 0, 1, 1])
    loss = cls(symmetric=False)
    rows = loss(ids, LOGITS, weights)
    columns = loss(ids, LOGITS.T, None if weights is None else weights.T)
    np.testing.assert_allclose(
        cls()(ids, LOGITS, weights), (rows + columns) / 2, rtol=1e-6
    )


@each_loss
def test_works_as_a_plain_keras_loss(cls):
    """In a Functional model whose output is a matrix of similarities."""
    inputs = keras.Input((3,))
    a = keras.layers.Dense(4)(inputs)
    b = keras.layers.Dense(4)(inputs)
    logits = keras.layers.Lambda(lambda t: t[0] @ keras.ops.transpose(t[1]))(
        [a, b]
    )
    model = keras.Model(inputs, logits)
    model.compile("adam", cls())
    history = model.fit(
        RNG.normal(size=(8, 3)), np.arange(8), batch_size=8, verbose=0
    )
    assert np.isfinite(history.history["loss"][0])


def test_targets_of_another_length_are_refused():
    with pytest.raises(ValueError, match=r"`y_true` must have shape.*\(4, 4\)"):
        losses.InfoNCE()(np.arange(4), LOGITS)
    with pytest.raises(ValueError, match="`sample_weight` must have shape"):
        losses.InfoNCE()(np.arange(6), LOGITS, sample_weight=np.ones(5))
    with pytest.raises(ValueError, match=r"`y_pred` must have shape.*\(6,\)"):
        losses.InfoNCE()(np.arange(6), LOGITS[0])


@each_loss
@pytest.mark.parametrize("of", ["examples", "pairs"])
def test_what_has_weight_0_may_be_nan(cls, of):
    """It changes neither the value nor the gradient of the others."""
    logits = LOGITS[:3, :3].copy()
    weights = np.ones((3, 3) if of == "pairs" else 3, "float32")
    weights[2] = 0
    logits[2] = np.nan
    if of == "examples":
        logits[:, 2] = np.nan
    found = []
    for nothing in (np.nan, 0.0):
        z = tf.constant(np.nan_to_num(logits, nan=nothing))
        with tf.GradientTape() as tape:
            tape.watch(z)
            value = cls()(np.arange(3), z, weights)
        found.append((value, tape.gradient(value, z)))
    np.testing.assert_allclose(found[0][0], found[1][0])
    np.testing.assert_allclose(found[0][1], found[1][1])


# Positives .5, .9, .4; of rows, with a margin of .3.
SIMILARITIES = np.array(
    [[0.5, 0.6, 0.4], [0.1, 0.9, 0.2], [0.41, 0.6, 0.4]], "float32"
)
TRIPLETS = {
    losses.TripletAllNegatives: [0.4 + 0.2, 0.0, 0.31 + 0.5],
    losses.TripletHardNegative: [0.4, 0.0, 0.5],
    losses.TripletSemiHardNegative: [0.2, 0.0, 0.31],
}


@pytest.mark.parametrize("cls", TRIPLETS)
def test_triplets_by_hand(cls):
    check_loss(
        cls,
        {"margin": 0.3, "symmetric": False, "name": "a"},
        np.arange(3),
        SIMILARITIES,
        np.mean(TRIPLETS[cls]),
    )


@pytest.mark.parametrize("cls", TRIPLETS)
def test_margin_has_to_be_positive(cls):
    with pytest.raises(ValueError, match=r"a positive number.*margin=0"):
        cls(margin=0)


def _rows_only(cls):
    return {} if cls is losses.SigmoidContrastive else {"symmetric": False}


@each_loss
def test_an_anchor_counts_by_its_own_weight(cls):
    """Also where other examples have its id, in both directions."""
    ids = np.array([0, 0, 1, 2])
    weights = np.array([1, 4, 1, 1], "float32")
    logits = LOGITS[:4, :4]
    none = cls(reduction="none", **_rows_only(cls))
    rows, columns = (
        np.sum(weights * none(ids, z)) / 7 for z in (logits, logits.T)
    )
    np.testing.assert_allclose(
        cls()(ids, logits, weights), (rows + columns) / 2, rtol=1e-5
    )


@each_loss
def test_weights_of_one_side_are_those_of_examples(cls):
    ids = np.array([0, 0, 1, 2])
    weights = np.array([1, 4, 1, 1], "float32")
    pairs = np.tile(weights, (4, 1))
    if cls is losses.SigmoidContrastive:  # Negatives count by both anchors.
        pairs = (pairs + pairs.T) / 2
    for each in (pairs, pairs.T):
        np.testing.assert_allclose(
            cls()(ids, LOGITS[:4, :4], each),
            cls()(ids, LOGITS[:4, :4], weights),
            rtol=1e-5,
        )


@each_loss
@pytest.mark.parametrize("shape", ["examples", "pairs"])
def test_sides_may_be_swapped(cls, shape):
    ids = np.array([0, 1, 1, 2, 3, 3])
    rows = np.array([1, 0, 2, 1, 3, 0], "float32")
    weights = rows
    if shape == "pairs":
        weights = np.outer(rows, [1, 3, 0, 0, 1, 2])
    np.testing.assert_allclose(
        cls()(ids, LOGITS, weights), cls()(ids, LOGITS.T, weights.T), rtol=1e-6
    )


def test_values_of_weights_with_equal_ids():
    ids, weights = np.array([0, 0, 1, 2]), np.array([1, 4, 1, 1])
    log_p = LOGITS[:4, :4].astype("float64")
    expected = []
    for z in (log_p, log_p.T):
        log_p = z - np.log(np.exp(z).sum(1, keepdims=True))
        nll = [-log_p[:2, :2].mean(1), -log_p[2:, 2:].diagonal()]
        expected.append(np.average(np.concatenate(nll), weights=weights))
    np.testing.assert_allclose(
        losses.InfoNCE()(ids, LOGITS[:4, :4], weights),
        np.mean(expected),
        rtol=1e-5,
    )


@pytest.mark.parametrize("dtype", ["int64", "uint64"])
def test_large_ids_of_every_dtype_are_different(dtype):
    ids = np.arange(4, dtype=dtype) << np.array(32, dtype)
    loss = kx.losses.InfoNCE()(ids, 5 * np.eye(4, dtype="float32"))
    expected = np.log(1 + 3 * np.exp(-5))
    np.testing.assert_allclose(loss, expected, rtol=1e-5)
    metric = kx.metrics.HitRate(1)
    metric.update_state(ids, -np.eye(4, dtype="float32"))
    assert float(metric.result()) == 0


def test_ids_are_whole_and_weights_not_negative():
    loss, logits = kx.losses.InfoNCE(), np.zeros((2, 2), "float32")
    loss(np.array([0.0, 1.0]), logits)
    with pytest.raises(ValueError, match=r"`y_true` .* integer ids"):
        loss(np.array([0.5, 1.5]), logits)
    for weights in ([-1.0, 1.0], [[1, 1], [1, -1]], [np.inf, 1], [np.nan, 1]):
        with pytest.raises(ValueError, match="`sample_weight` must be finite"):
            loss(np.arange(2), logits, np.array(weights))
