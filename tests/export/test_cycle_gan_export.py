import keras
import numpy as np
import tensorflow as tf

import keras_xmodal as kx
from keras_xmodal import export


def test_both_translations_of_raw_and_preprocessed_input(tmp_path):
    keras.utils.set_random_seed(0)
    dense = keras.layers.Dense
    model = kx.CycleGANModel(
        generators={
            "photo": keras.Sequential([keras.Input((3,)), dense(5)]),
            "painting": keras.Sequential([keras.Input((5,)), dense(3)]),
        },
        discriminators={
            "photo": keras.Sequential([keras.Input((5,)), dense(1)]),
            "painting": keras.Sequential([keras.Input((3,)), dense(1)]),
        },
        preprocessors={
            "photo": keras.Sequential(
                [keras.Input((5,), dtype="uint8"), keras.layers.Rescaling(0.1)]
            )
        },
    )
    # What is served are the averages, and not the generators.
    for generator in model.ema_generators.values():
        for weight in generator.weights:
            weight.assign_add(keras.ops.full(weight.shape, 0.1))
    report = export.saved_model(model, tmp_path / "1")
    assert set(report["endpoints"]) == {
        "translate_photo_to_painting",
        "translate_photo_raw_to_painting",
        "translate_painting_to_photo",
    }
    signatures = tf.saved_model.load(str(tmp_path / "1")).signatures
    raw = np.arange(10, dtype="uint8").reshape(2, 5)
    painting = signatures["translate_photo_raw_to_painting"](
        photo=tf.constant(raw)
    )["painting"]
    np.testing.assert_allclose(
        painting, model.translate({"photo": raw}, to="painting"), atol=1e-5
    )
    on_device = export.litert(model, tmp_path / "device")
    assert on_device["max_abs_error"] < 1e-5
