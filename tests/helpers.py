"""One-call checks of layers, losses and models."""

import os
import subprocess
import sys

import keras
import numpy as np
import tensorflow as tf
from keras import tree


def run_command(*arguments):
    """A run of the command in a process of its own, as a user starts it."""
    environment = dict(os.environ)
    environment.pop("TF_CPP_MIN_LOG_LEVEL", None)
    return subprocess.run(
        [sys.executable, "-m", "keras_xmodal_cli", *map(str, arguments)],
        env=environment,
        capture_output=True,
        text=True,
    )


def assert_close(actual, expected, **kwargs):
    """Compare two structures of tensors."""
    tree.assert_same_structure(actual, expected)
    for a, b in zip(tree.flatten(actual), tree.flatten(expected), strict=True):
        np.testing.assert_allclose(
            keras.ops.convert_to_numpy(a),
            keras.ops.convert_to_numpy(b),
            **kwargs,
        )


def check_config(cls, init_kwargs):
    """The config holds what was passed, and builds the same object."""
    instance = cls(**init_kwargs)
    config = instance.get_config()
    for name, value in init_kwargs.items():
        assert name in config, f"{name} is lost by get_config"
        if not isinstance(value, (keras.layers.Layer, dict)):
            expected = list(value) if isinstance(value, tuple) else value
            found = config[name]
            found = list(found) if isinstance(found, tuple) else found
            assert found == expected, (name, found, expected)
    revived = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(instance)
    )
    assert type(revived) is cls
    assert revived.get_config().keys() == config.keys()
    assert cls.__module__.startswith("keras_xmodal")
    assert (
        keras.saving.get_registered_name(cls) == f"keras_xmodal>{cls.__name__}"
    )
    return instance


def check_layer(
    cls, init_kwargs, inputs, output_shape, tmp_path, symbolic=True
):
    """Config, shapes, dtypes and `.keras` round trip of a layer.

    `init_kwargs` should hold non-default values, so that a lost one shows.
    """
    layer = check_config(cls, init_kwargs)
    outputs = layer(inputs)
    assert tuple(outputs.shape) == tuple(output_shape)
    if symbolic:
        spec = keras.KerasTensor(
            inputs.shape, keras.backend.standardize_dtype(inputs.dtype)
        )
        assert tuple(layer(spec).shape) == tuple(output_shape)

    for policy in ("float32", "mixed_float16", "mixed_bfloat16"):
        cast = cls(**{**init_kwargs, "dtype": policy})
        value = keras.ops.convert_to_numpy(
            keras.ops.cast(cast(inputs), "float32")
        )
        assert np.isfinite(value).all(), policy

    path = str(tmp_path / "layer.keras")
    shape = inputs.shape[1:]
    model = keras.Sequential([keras.Input(shape, dtype=inputs.dtype), layer])
    model.save(path)
    loaded = keras.saving.load_model(path)
    assert_close(loaded(inputs), model(inputs), atol=1e-6)
    return layer


def check_loss(cls, init_kwargs, y_true, y_pred, expected):
    """Config, value, dtypes, gradient and Keras use of a loss."""
    loss = check_config(cls, init_kwargs)
    assert_close(loss(y_true, y_pred), np.float32(expected), rtol=1e-5)
    half = loss(y_true, keras.ops.cast(y_pred, "float16"))
    assert keras.backend.standardize_dtype(half.dtype) == "float32"

    jitted = tf.function(loss, jit_compile=True)
    y_true, y_pred = tf.constant(y_true), tf.constant(y_pred)
    assert_close(jitted(y_true, y_pred), loss(y_true, y_pred), rtol=1e-5)

    check_gradient(lambda x: loss(y_true, x), y_pred)
    for scale in (1e4, -1e4):
        with tf.GradientTape() as tape:
            tape.watch(y_pred)
            value = loss(y_true, y_pred * scale)
        gradient = tape.gradient(value, y_pred)
        assert np.isfinite(value).all()
        assert np.isfinite(gradient).all()
    return loss


def check_gradient(function, x, step=1e-2, atol=2e-3):
    """Compare the gradient of a scalar function with central differences."""
    x = tf.convert_to_tensor(x, "float32")
    with tf.GradientTape() as tape:
        tape.watch(x)
        value = function(x)
    gradient = tape.gradient(value, x).numpy().ravel()
    flat = x.numpy().ravel()
    for i in range(flat.size):
        shift = np.zeros_like(flat)
        shift[i] = step
        plus = function(tf.reshape(flat + shift, x.shape))
        minus = function(tf.reshape(flat - shift, x.shape))
        np.testing.assert_allclose(
            gradient[i], float(plus - minus) / (2 * step), atol=atol
        )


def check_model(make_model, x, y, tmp_path, optimizer="adam", **compile_kwargs):
    """Train, compare XLA with eager, save, load and resume a model.

    `make_model` builds the same uncompiled model at each call.
    """
    keras.utils.set_random_seed(7)
    model = make_model()
    # Tracing a graph takes longer than so few steps; graphs are compared by
    # `check_same_training`.
    model.compile(optimizer=optimizer, run_eagerly=True, **compile_kwargs)
    history = model.fit(
        x, y, epochs=5, batch_size=len(y) // 2, shuffle=False, verbose=0
    ).history["loss"]
    assert history[-1] < history[0], "loss must fall"

    check_gradients_reach_all_weights(model, x, y)
    check_step(model, x, y)

    # Save, load, and go on as if nothing had happened.
    path = str(tmp_path / "model.keras")
    model.save(path)
    loaded = keras.saving.load_model(path)
    assert_close(
        loaded.predict(x, verbose=0), model.predict(x, verbose=0), atol=0
    )
    resumed = [
        m.fit(x, y, batch_size=len(y) // 2, shuffle=False, verbose=0)
        for m in (model, loaded)
    ]
    assert resumed[0].history == resumed[1].history
    for a, b in zip(model.get_weights(), loaded.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    return model


MODES = {
    "graph": {"run_eagerly": False},
    "eager": {"run_eagerly": True},
    "jit": {"jit_compile": True},
}


def check_same_training(train, rtol=1e-3, atol=0.0):
    """The same history as a graph, eagerly and compiled by XLA.

    `train` takes arguments of `compile`, and returns a model and its history.
    """
    histories = {}
    for mode, options in MODES.items():
        keras.utils.set_random_seed(7)
        model, histories[mode] = train(**options)
        assert model.jit_compile is (mode == "jit")
    for mode in ("eager", "jit"):
        assert histories[mode].keys() == histories["graph"].keys()
        for name, values in histories["graph"].items():
            np.testing.assert_allclose(
                histories[mode][name],
                values,
                rtol=rtol,
                atol=atol,
                err_msg=f"{name}, {mode}",
            )


def check_step(model, x, y=None, rtol=1e-5, atol=1e-5):
    """Loss and gradients of one step, compiled by XLA, are those of eager."""
    x = tree.map_structure(tf.convert_to_tensor, x)
    y = None if y is None else tf.convert_to_tensor(y)

    def step():
        with tf.GradientTape() as tape:
            y_pred = model(x, training=True)
            loss = model.compute_loss(x, y, y_pred, None)
        gradients = tape.gradient(loss, model.trainable_weights)
        return loss, [tf.convert_to_tensor(g) for g in gradients]

    expected = step()
    compiled = tf.function(step, jit_compile=True, autograph=False)
    assert_close(compiled(), expected, rtol=rtol, atol=atol)


def check_gradients_reach_all_weights(model, x, y):
    """Every trainable weight changes the loss."""
    x = tree.map_structure(tf.convert_to_tensor, x)
    with tf.GradientTape() as tape:
        y_pred = model(x, training=True)
        loss = model.compute_loss(x, tf.convert_to_tensor(y), y_pred, None)
    gradients = tape.gradient(loss, model.trainable_weights)
    for weight, gradient in zip(
        model.trainable_weights, gradients, strict=True
    ):
        assert gradient is not None, f"no gradient reaches {weight.path}"


def check_train_step(make_model, data, rtol=1e-3, atol=1e-4):
    """Results and weights of a training step: compiled by XLA, as eagerly.

    Of the second step, so that optimizers have moments. `make_model` builds
    the same compiled model at each call.
    """
    logs, weights = {}, {}
    for mode in ("eager", "jit"):
        model = make_model()
        model.train_step(data)
        model.reset_metrics()
        step = model.train_step
        if mode == "jit":
            step = tf.function(step, jit_compile=True, autograph=False)
        logs[mode] = step(data)
        weights[mode] = model.get_weights()
    assert_close(logs["jit"], logs["eager"], rtol=rtol, atol=atol)
    assert_close(weights["jit"], weights["eager"], atol=atol)
