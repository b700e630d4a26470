import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_xmodal.layers import MinibatchStandardDeviation
from keras_xmodal.networks import ConvDiscriminator
from keras_xmodal.networks.adversarial import convolutions
from tests.helpers import assert_close
from tests.layers.check_r1 import randomize_weights
from tests.networks.check_network import check_network, check_penalty

RNG = np.random.default_rng(0)
CONDITION = RNG.standard_normal((3, 5)).astype("float32")


def targets(*shape):
    return RNG.standard_normal((3, *shape)).astype("float32")


@pytest.mark.parametrize(
    ("shape", "conditional", "kwargs"),
    [
        (
            (9, 14, 2),
            True,
            {
                "filters": (4, 6),
                "num_blocks": 2,
                "minibatch_deviation": True,
                "name": "pictures",
            },
        ),
        ((5, 8, 7, 2), False, {"filters": (4, 4), "num_blocks": 1}),
        ((13, 2), True, {"filters": (4, 6, 6)}),
    ],
    ids=["picture", "clip", "sequence"],
)
def test_network(shape, conditional, kwargs, tmp_path):
    inputs = targets(*shape)
    inputs = [inputs, CONDITION] if conditional else inputs
    network = check_network(
        ConvDiscriminator,
        kwargs,
        inputs,
        (3, 1),
        tmp_path,
        randomize=True,
        litert=False,
    )
    shapes = keras.tree.map_structure(lambda x: (None, *x.shape[1:]), inputs)
    assert network.compute_output_shape(shapes) == (None, 1)


@pytest.mark.parametrize(
    ("shape", "conditional", "deviation"),
    [((7, 6, 1), True, True), ((2, 4, 5, 1), False, False)],
    ids=["picture", "clip"],
)
def test_r1(shape, conditional, deviation):
    inputs = targets(*shape)
    discriminator = ConvDiscriminator(
        (3, 4), minibatch_deviation=deviation, dtype="float64"
    )
    check_penalty(discriminator, [inputs, CONDITION] if conditional else inputs)


def test_halves_are_averages():
    clip = targets(5, 4, 3, 2)
    discriminator = ConvDiscriminator((2, 2))
    discriminator(clip)
    stage = discriminator.network.get_layer("stage_1_block_0_add")
    assert stage.output.shape == (None, 2, 1, 1, 2)  # of (3, 2, 2) before
    inputs = keras.Input((5, 4, 3, 2))
    outputs = convolutions.shrink(inputs, "float32", "half")
    pooling = keras.layers.AveragePooling3D(2, padding="same")
    shrink = keras.Model(inputs, outputs)
    assert_close(shrink(clip), pooling(clip), atol=1e-6)


def test_condition_matters():
    x = targets(8, 8, 1)
    discriminator = ConvDiscriminator((4,))
    logits = discriminator([x, CONDITION])
    others = discriminator([x, CONDITION[::-1].copy()])
    assert np.abs(logits - others).max() > 1e-3


def test_any_scale_of_the_condition():
    x = targets(8, 8, 1)
    discriminator = ConvDiscriminator((4,))
    for dim in (1, 5, 512):
        for scale in (0.0, 1.0, 1e4):
            condition = scale * RNG.standard_normal((3, dim))
            logits = ConvDiscriminator((4,))([x, condition])
            assert np.abs(logits).max() < 10
    # No two conditions are one.
    condition = np.array([[0.5], [5.0], [6.0]])
    logits = discriminator([np.repeat(x[:1], 3, axis=0), condition]).numpy()
    assert np.abs(np.diff(logits[:, 0])).min() > 1e-4


def test_projection_and_logit_start_with_one_size():
    keras.utils.set_random_seed(0)
    x = RNG.standard_normal((64, 8, 8, 1)).astype("float32")
    discriminator = ConvDiscriminator((16, 32))
    classes = np.eye(10, dtype="float32")[np.arange(64) % 10]
    logits = discriminator([x, classes])
    head = discriminator.network.get_layer("logit")
    head.projection.kernel.assign(0 * head.projection.kernel)
    without = discriminator([x, classes])
    assert 0.3 < np.std(logits - without) / np.std(without) < 3


@pytest.mark.parametrize("deviation", [False, True])
def test_minibatch_deviation(deviation):
    x = targets(8, 8, 1)
    discriminator = ConvDiscriminator((4,), minibatch_deviation=deviation)
    whole = discriminator(x).numpy()
    alone = np.concatenate([discriminator(x[i : i + 1]) for i in range(3)])
    assert (np.abs(whole - alone).max() > 1e-5) == deviation
    layers = discriminator._flatten_layers()
    kinds = [type(layer) for layer in layers]
    assert (MinibatchStandardDeviation in kinds) == deviation
    assert deviation == any(
        getattr(layer, "batch_statistics", False) for layer in layers
    )


def test_variance_is_kept():
    """Without normalisation, neither vanishing nor growing."""
    keras.utils.set_random_seed(0)
    discriminator = ConvDiscriminator((16, 32, 32), num_blocks=4)
    x = RNG.standard_normal((16, 32, 32, 3)).astype("float32")
    discriminator(x)
    for layer in discriminator.network.layers:
        if layer.name.endswith("_3"):  # which start at zero
            kernel = layer.kernel
            kernel.assign(keras.initializers.HeNormal(1)(kernel.shape))
    logits = discriminator(x)
    assert 0.05 < np.std(logits) < 20


def test_learns_to_tell():
    keras.utils.set_random_seed(0)
    x = RNG.standard_normal((64, 8, 8, 1)).astype("float32")
    y = (np.arange(64) % 2).astype("float32")
    x[y == 1] += np.eye(8, dtype="float32")[..., None]
    discriminator = ConvDiscriminator((8, 8))
    discriminator.compile(
        keras.optimizers.Adam(0.01),
        keras.losses.BinaryCrossentropy(from_logits=True),
    )
    data = np.tile(x, (20, 1, 1, 1)), np.tile(y, 20)
    discriminator.fit(*data, shuffle=False, verbose=0)
    logits = discriminator.predict(x, verbose=0)[:, 0]
    assert ((logits > 0) == y).mean() > 0.95


def test_loaded_network_gives_the_same_slope(tmp_path):
    x = tf.constant(targets(6, 6, 1))

    def slope(network):
        with tf.GradientTape() as tape:
            tape.watch(x)
            total = tf.reduce_sum(network(x))
        return tape.gradient(total, x)

    network = ConvDiscriminator((4,))
    network(x)
    randomize_weights(network)
    network.save(tmp_path / "network.keras")
    loaded = keras.saving.load_model(tmp_path / "network.keras")
    assert_close(slope(loaded), slope(network), atol=0)


@pytest.mark.parametrize(
    ("kwargs", "match"),
    [
        ({"filters": (4, 0)}, "`filters` must be a tuple of"),
        ({"filters": ()}, "`filters` must be a tuple of"),
        ({"num_blocks": 0}, "`num_blocks` must be a positive"),
    ],
)
def test_wrong_arguments(kwargs, match):
    with pytest.raises(ValueError, match=match):
        ConvDiscriminator(**kwargs)


def test_wrong_inputs():
    for inputs in (
        CONDITION,
        [targets(4, 4, 1), targets(4, 4, 1)],
        [targets(4, 4, 1), CONDITION, CONDITION],
    ):
        with pytest.raises(ValueError, match="`inputs` must be pictures"):
            ConvDiscriminator()(inputs)
    with pytest.raises(ValueError, match="`inputs` must be pictures"):
        ConvDiscriminator()(keras.Input((None, 28, 1)))
