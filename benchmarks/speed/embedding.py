"""Training speed of EmbeddingModel beside PyTorch with open_clip's losses.

    python -m benchmarks.speed.embedding --peer-python peers/bin/python

Both sides train the towers that `peers/bench_torch_embedding.py` describes, in
float32 with Adam, on data in memory, as `speed/compare.py` says. `fit` is on a
`from_tensor_slices(...).shuffle(...).repeat().batch(...).prefetch(...)` over as
many examples as the peer has; the peer's figure is its median step, without
data pipeline, in all cases. With the defaults, the whole takes eight minutes on
two idle cores.
"""

from benchmarks.speed import compare

LOSSES = {"info_nce": "clip", "sigmoid_contrastive": "siglip"}


def build_model(loss, jit_compile):
    import keras
    from keras import layers

    import keras_xmodal as kx

    image = keras.Sequential([keras.Input((32, 32, 3))])
    for filters in (32, 64, 128):
        image.add(
            layers.Conv2D(
                filters, 3, strides=2, padding="same", activation="relu"
            )
        )
    image.add(layers.GlobalAveragePooling2D())
    text = keras.Sequential(
        [
            keras.Input((16,), dtype="int32"),
            layers.Embedding(2000, 128),
            layers.GlobalAveragePooling1D(),
            layers.Dense(256, activation="relu"),
        ]
    )
    # The last dense layer of each tower is the model's own projection.
    model = kx.EmbeddingModel(
        encoders={"image": image, "text": text}, embedding_dim=128
    )
    model.compile(
        optimizer=keras.optimizers.Adam(1e-3),
        loss=loss,
        jit_compile=jit_compile,
    )
    model(make_data(1)[0])
    model.optimizer.build(model.trainable_variables)
    return model


def make_data(num_examples):
    import numpy as np

    generator = np.random.default_rng(0)
    x = {
        "image": generator.random((num_examples, 32, 32, 3), dtype="float32"),
        "text": generator.integers(2000, size=(num_examples, 16)),
    }
    x["text"] = x["text"].astype("int32")
    return x, np.arange(num_examples)


def fit_options(mode, batch_size, num_batches):
    import tensorflow as tf

    x, ids = make_data(compare.NUM_BATCHES * batch_size)
    data = tf.data.Dataset.from_tensor_slices((x, ids))
    data = data.shuffle(len(ids)).repeat().batch(batch_size)
    data = compare.without_autotuning(data.prefetch(tf.data.AUTOTUNE))
    return {"x": data, "steps_per_epoch": num_batches}


def peer_options(configuration, arguments):
    return [
        f"--loss={LOSSES[configuration['loss']]}",
        f"--batch-size={configuration['batch_size']}",
        f"--steps={arguments.steps}",
        f"--threads={arguments.threads}",
    ]


if __name__ == "__main__":
    compare.main(
        compare.Benchmark(
            name="embedding_speed",
            description=__doc__,
            peer="bench_torch_embedding.py",
            peer_packages="torch and open_clip",
            peer_check=["--batch-size=2", "--steps=1"],
            peer_options=peer_options,
            axes={"loss": [*LOSSES]},
            build_model=build_model,
            make_data=make_data,
            fit_options=fit_options,
            batch_size=256,
            defaults={"jit": ["off", "on"], "epochs": 1},
        )
    )
