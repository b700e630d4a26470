import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_xmodal.layers import SpectralNormalization
from tests.helpers import assert_close, check_layer
from tests.layers.check_r1 import check_r1

RNG = np.random.default_rng(0)


def examples(*shape):
    return RNG.standard_normal((2, *shape)).astype("float32")


def wrap(layer, x, updates=30):
    wrapped = SpectralNormalization(layer)
    wrapped(x)
    for _ in range(updates):
        wrapped.update()
    return wrapped


LAYERS = {
    "dense": (keras.layers.Dense(3, activation="relu"), (5,)),
    "sequence": (keras.layers.Conv1D(3, 2), (6, 2)),
    "picture": (
        keras.layers.Conv2D(3, 2, strides=2, padding="same"),
        (5, 5, 2),
    ),
    "clip": (keras.layers.Conv3D(2, 2, use_bias=False), (3, 4, 4, 2)),
    "transpose": (keras.layers.Conv2DTranspose(3, 2, strides=2), (3, 3, 2)),
}


@pytest.mark.parametrize("kind", list(LAYERS))
def test_layers(kind):
    # Of close singular values, power iterations tell apart too slowly.
    keras.utils.set_random_seed(0)
    layer, shape = LAYERS[kind]
    x = tf.constant(examples(*shape))
    wrapped = wrap(layer, x, updates=100)
    kernel = layer.kernel.numpy()
    axis = -2 if kind == "transpose" else -1
    matrix = np.moveaxis(kernel, axis, -1)
    matrix = matrix.reshape(-1, matrix.shape[-1])
    sigma = np.linalg.norm(matrix, 2)
    twin = type(layer).from_config(layer.get_config())
    twin.build(x.shape)
    twin.set_weights([kernel / sigma, *layer.get_weights()[1:]])
    assert_close(wrapped(x), twin(x), atol=1e-4)
    assert wrapped.compute_output_shape(x.shape) == twin(x).shape
    assert_close(layer.kernel, kernel, atol=0)
    assert [w.path.split("/")[-1] for w in wrapped.non_trainable_weights] == [
        "u"
    ]


def test_layer(tmp_path):
    x = tf.constant(examples(6, 6, 2))
    kwargs = {
        "layer": keras.layers.Conv2D(4, 3, padding="same"),
        "power_iterations": 2,
        "name": "normalized",
    }
    layer = check_layer(
        SpectralNormalization, kwargs, x, (2, 6, 6, 4), tmp_path
    )
    expected = layer(x)
    for jit in (False, True):
        function = tf.function(lambda x: layer(x), jit_compile=jit)
        assert_close(function(x), expected, atol=1e-5)


def test_a_call_changes_nothing():
    x = tf.constant(examples(4))
    layer = wrap(keras.layers.Dense(3), x, updates=1)
    before = layer.get_weights()
    first = layer(x, training=True)
    assert_close(layer(x, training=True), first, atol=0)
    assert_close(layer(x, training=False), first, atol=0)
    for a, b in zip(layer.get_weights(), before, strict=True):
        np.testing.assert_array_equal(a, b)


def test_update_moves_u_only_and_converges():
    x = tf.constant(examples(16))
    layer = SpectralNormalization(keras.layers.Dense(16))
    layer(x)
    kernel = layer.layer.kernel.numpy()
    largest = np.linalg.norm(kernel, 2)
    assert_close(np.linalg.norm(layer.u), np.float32(1), rtol=1e-5)
    update = tf.function(layer.update, jit_compile=True)
    estimates = []
    for _ in range(200):
        estimates.append(np.linalg.norm(kernel @ layer.u.numpy()))
        update()
    assert estimates[0] < 0.9 * largest
    assert_close(estimates[-1], largest, rtol=1e-3)
    assert np.diff(estimates).min() > -1e-5
    assert_close(layer.layer.kernel, kernel, atol=0)


def test_several_iterations_in_one_update():
    x = tf.constant(examples(8))
    one = wrap(keras.layers.Dense(5), x, updates=0)
    three = SpectralNormalization(one.layer, power_iterations=3)
    three(x)
    three.u.assign(one.u)
    three.update()
    for _ in range(3):
        one.update()
    assert_close(three.u, one.u, atol=1e-5)


def test_gradient_flows_through_sigma():
    x = tf.constant(examples(4))
    layer = wrap(keras.layers.Dense(3, use_bias=False), x)
    kernel, u = layer.layer.kernel.value, layer.u.numpy()
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(layer(x) ** 2)
    found = tape.gradient(loss, kernel)
    with tf.GradientTape() as tape:
        v = tf.stop_gradient(kernel @ u / tf.norm(kernel @ u))
        sigma = tf.transpose(v) @ kernel @ u
        loss = tf.reduce_sum((x @ kernel / sigma) ** 2)
    assert_close(found, tape.gradient(loss, kernel), atol=1e-5)
    # The output does not depend on the size of the kernel.
    assert_close(tf.reduce_sum(found * kernel), np.float32(0), atol=1e-4)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_mixed_precision(policy):
    x = tf.constant(examples(4))
    layer = wrap(keras.layers.Dense(3, dtype=policy), x)
    assert layer.dtype_policy.name == policy
    assert layer.u.dtype == layer.layer.kernel.dtype == "float32"
    assert layer(x).dtype == policy.removeprefix("mixed_")
    model = keras.Sequential([layer])
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(tf.cast(model(x), "float32") ** 2)
    gradients = tape.gradient(loss, layer.trainable_weights)
    single = wrap(keras.layers.Dense(3, dtype="float32"), x)
    single.set_weights(layer.get_weights())
    assert_close(tf.cast(layer(x), "float32"), single(x), atol=2e-2)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(single(x) ** 2)
    expected = tape.gradient(loss, single.trainable_weights)
    assert_close(gradients, expected, atol=0.1)


def test_values_of_an_outer_scope_are_seen():
    x = tf.constant(examples(4))
    layer = wrap(keras.layers.Dense(3), x)
    expected = layer(x)
    with keras.StatelessScope():
        assert_close(layer(x), expected, atol=0)
    kernel, bias = layer.layer.variables
    replaced = [(kernel, 2 * kernel.value), (bias, bias.value + 1.0)]
    with keras.StatelessScope(replaced):
        assert_close(layer(x), expected + 1.0, atol=1e-5)
    # What the function says of updates in a scope is told, and undone.
    with keras.StatelessScope() as scope:
        layer.update()
        assert scope.get_current_value(layer.u) is not None
    trainable = [v.value * 3.0 for v in layer.trainable_variables]
    others = [v.value for v in layer.non_trainable_variables]
    outputs, _ = layer.stateless_call(trainable, others, x)
    assert_close(outputs, expected, atol=1e-5)  # 3 W, and a bias of 0


def test_gradient_in_a_stateless_scope():
    """As the generator's step takes it."""
    x = tf.constant(examples(4))
    layer = wrap(keras.layers.Dense(3), x)

    def gradient():
        with tf.GradientTape() as tape:
            tape.watch(x)
            with keras.StatelessScope():
                loss = tf.reduce_sum(layer(x) ** 2)
        return tape.gradient(loss, x)

    kernel = layer.layer.kernel.numpy()
    kernel = kernel / np.linalg.norm(kernel @ layer.u.numpy())
    expected = 2 * (x @ kernel) @ kernel.T
    assert_close(gradient(), expected, atol=1e-5)
    assert_close(tf.function(gradient, jit_compile=True)(), expected, atol=1e-5)


def test_trained_weights_stay_normalized(tmp_path):
    keras.utils.set_random_seed(0)
    layer = SpectralNormalization(keras.layers.Dense(1))
    model = keras.Sequential([keras.Input((4,)), layer])
    model.compile(keras.optimizers.Adam(0.1), loss="mse", jit_compile=True)
    x = RNG.standard_normal((64, 4)).astype("float32")
    y = x @ np.float32([[0.6], [0.8], [0], [0]])
    model.fit(np.tile(x, (60, 1)), np.tile(y, (60, 1)), verbose=0)
    assert model.evaluate(x, y, verbose=0) < 1e-3
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert_close(loaded(x), model(x), atol=0)
    assert_close(loaded.layers[-1].u, layer.u, atol=0)


def test_kernel_of_zeros_stays_one():
    x = tf.constant(examples(4))
    layer = wrap(keras.layers.Dense(3, kernel_initializer="zeros"), x)
    assert_close(layer(x), np.zeros((2, 3), "float32"), atol=0)
    assert_close(np.linalg.norm(layer.u), np.float32(1), rtol=1e-5)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(layer(x))
    gradient = tape.gradient(loss, layer.layer.kernel.value)
    expected = np.tile(np.sum(x, axis=0)[:, None], (1, 3))
    assert_close(gradient, expected, atol=1e-6)


def test_r1():
    model = keras.Sequential(
        [
            keras.Input((4, 4, 2)),
            SpectralNormalization(
                keras.layers.Conv2D(3, 3, strides=2, activation="tanh")
            ),
            keras.layers.Flatten(),
            SpectralNormalization(keras.layers.Dense(2, activation="tanh")),
        ]
    )
    x = examples(4, 4, 2)
    check_r1(model, x, model.trainable_weights, step=1e-2, rtol=1e-2)


def test_errors():
    dense = keras.layers.Dense(3)
    with pytest.raises(ValueError, match="Received: power_iterations=0"):
        SpectralNormalization(dense, power_iterations=0)
    with pytest.raises(ValueError, match="`activity_regularizer`"):
        SpectralNormalization(keras.layers.Dense(3, activity_regularizer="l2"))
    with pytest.raises(ValueError, match="must have a variable `kernel`"):
        SpectralNormalization(keras.layers.ReLU())(examples(4))
    with pytest.raises(TypeError, match="must be a Keras layer"):
        SpectralNormalization("dense")
