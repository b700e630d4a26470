"""The trainings that one device and several workers do alike.

As a script, it is one of the workers that `TF_CONFIG` names: it writes what it
has found into a folder.
"""

import faulthandler
import pathlib
import pickle
import sys

import keras
import numpy as np
import tensorflow as tf

import keras_xmodal as kx
from keras_xmodal.ops.replicas import is_chief, num_workers

ROWS = 7  # Batches of 5 and 2: four workers have 2 + 2 + 1 + 0 of the first.
RNG = np.random.default_rng(0)
X = {
    "image": RNG.uniform(0, 1, (ROWS, 8)).astype("float32"),
    "text": RNG.uniform(0, 1, (ROWS, 5)).astype("float32"),
}
IDS = np.array([3, 1, 4, 1, 5, 9, 3])
TARGETS = {name: RNG.uniform(size=(ROWS, 4)) for name in X}
HALF = {
    "image": np.array([1, 0, 1, 2, 1, 1, 0], "float32"),
    "text": np.array([1, 3, 1, 0, 1, 1, 2], "float32"),
}
PICTURES = RNG.uniform(-1, 1, (ROWS, 4, 4, 3)).astype("float32")
OPTIONS = {"shuffle": False, "verbose": 0}


class Batches(keras.utils.PyDataset):
    def __len__(self):
        return 2

    def __getitem__(self, i):
        rows = slice(5 * i, 5 * i + 5)
        x = {name: value[rows] for name, value in X.items()}
        return x, IDS[rows]


class Sensor(keras.layers.Layer):
    """Four bytes of a file as numbers."""

    def call(self, x, training=False):
        numbers = tf.io.decode_raw(x, "uint8", fixed_length=4)
        return tf.cast(numbers, "float32") / 255.0


def embedding(loss="info_nce", **kwargs):
    model = kx.EmbeddingModel({"image": 8, "text": 5}, 4)
    model.compile(keras.optimizers.SGD(0.1, momentum=0.9), loss, **kwargs)
    return model


def vae():
    model = kx.VAEModel({"image": 8, "text": 5}, 3, seed=0)
    model.compile(keras.optimizers.SGD(0.01, momentum=0.9))
    return model


def gan():
    layers = keras.layers
    target = (4, 4, 3)
    image, condition = keras.Input(target), keras.Input((5,))
    joined = layers.Concatenate()([layers.Flatten()(image), condition])
    z = keras.Input((3,))
    drawn = layers.Dense(48, "tanh")(layers.Concatenate()([z, condition]))
    model = kx.GANModel(
        generator=keras.Model([z, condition], layers.Reshape(target)(drawn)),
        discriminator=keras.Model(
            [image, condition],
            layers.Dense(1, kernel_initializer="ones")(joined),
        ),
        latent_dim=3,
        seed=0,
        augmenter=kx.layers.AdaptiveAugmentation(-0.99, adaptation_speed=30),
    )
    model.compile(
        loss="hinge", penalties=["r1", kx.adversarial.GradientPenalty()]
    )
    return model


def cycle_gan():
    model = kx.CycleGANModel(
        generators={
            "image": keras.Sequential([keras.layers.Dense(8, "sigmoid")]),
            "text": keras.Sequential([keras.layers.Dense(5, "sigmoid")]),
        },
        discriminators={
            "image": keras.Sequential([keras.layers.Dense(1)]),
            "text": keras.Sequential([keras.layers.Dense(1)]),
        },
        seed=0,
    )
    model.compile()
    return model


UNPAIRED = {"image": X["image"], "text": X["text"][:4]}
MODELS = {
    "embedding": (embedding, X, IDS, HALF),
    "vae": (vae, X, None, HALF),
    "gan": (gan, X["text"], PICTURES, HALF["text"]),
    "cycle_gan": (cycle_gan, UNPAIRED, None, None),
}


def made(make, *args, **kwargs):
    keras.utils.set_random_seed(0)
    with tf.distribute.get_strategy().scope():
        return make(*args, **kwargs)


def variables(model):
    names = ("optimizer", "generator_optimizer", "discriminator_optimizer")
    optimizers = [getattr(model, name, None) for name in names]
    owners = [model, *(o for o in optimizers if o is not None)]
    return [np.asarray(v) for owner in owners for v in owner.variables]


def ten_steps(name):
    """A model after ten steps, and what it has said."""
    make, x, y, weight = MODELS[name]
    model = made(make)
    history = model.fit(x, y, 5, 5, sample_weight=weight, **OPTIONS)
    return model, {"history": history.history, "variables": variables(model)}


def train_all_models(folder):
    """Ten steps of all models."""
    return {name: ten_steps(name)[1] for name in MODELS}


def use_all_models(folder):
    """Ten steps of all models, and all that is done with them then."""
    found = {}
    for name, (_, x, y, weight) in MODELS.items():
        model, found[name] = ten_steps(name)
        path = folder / f"{name}.keras"
        model.save(path)
        found[name] |= {
            "evaluation": model.evaluate(x, y, 5, 0, weight, return_dict=True),
            "prediction": model.predict(
                x if name == "gan" else X, batch_size=5, verbose=0
            ),
            "loaded": variables(made(keras.saving.load_model, path)),
        }
    return found


def train_on_other_losses(folder):
    """A loss of Keras, and micro-batches."""
    found = {}
    for name, y, options in (
        ("cosine", TARGETS, {"loss": "cosine_similarity"}),
        ("micro-batches", IDS, {"micro_batch_size": 2}),
    ):
        model = made(embedding, **options)
        history = model.fit(X, y, 5, 2, sample_weight=HALF, **OPTIONS)
        found[name] = history.history, variables(model)
    return found


def train_on_all_sources(folder):
    """A `PyDataset`, a generator, a CSV file, and TFRecord files by file."""
    workers = num_workers(tf.distribute.get_strategy())
    model = made(embedding)
    model.fit(Batches(), **OPTIONS)
    batches = Batches()
    model.fit((batches[i % 2] for i in range(9)), steps_per_epoch=2, **OPTIONS)
    rows = tf.data.Dataset.from_tensor_slices((X, IDS))
    rows = rows.shuffle(ROWS, seed=1, reshuffle_each_iteration=False)
    model.fit(rows.batch(5), **OPTIONS)
    model.fit(by_file(folder, workers), steps_per_epoch=2, **OPTIONS)
    found = {"variables": variables(model)}

    def of_files():
        return kx.EmbeddingModel(
            {"sensor": 4, "number": 2}, 3, preprocessors={"sensor": Sensor()}
        )

    model = made(of_files)
    model.compile(keras.optimizers.SGD(0.1))
    data = kx.datasets.from_csv(
        folder / "sensors.csv",
        {"sensor": "file", "number": ["a", "b"]},
        files=["sensor"],
    )
    history = model.fit(data.batch(5), epochs=2, **OPTIONS)
    return {**found, "csv": (history.history, variables(model))}


def write_files(folder):
    """A CSV file of files, with a missing cell, and two TFRecord files."""
    lines = ["file,a,b"]
    for i in range(ROWS):
        (folder / f"{i}.bin").write_bytes(bytes([i, i * i, 2 * i, 7]))
        lines.append(f"{i}.bin,{'' if i == 2 else i},{'' if i == 2 else 1}")
    (folder / "sensors.csv").write_text("\n".join(lines))
    for part in range(2):
        with tf.io.TFRecordWriter(str(folder / f"{part}.records")) as writer:
            for i in range(2 * part, 2 * part + 2):
                writer.write(str(i))


def by_file(folder, workers):
    """Two batches of two rows, one from each of two files."""

    def read(record):
        i = tf.strings.to_number(record, "int32")
        return {n: tf.gather(v, i) for n, v in X.items()}, tf.gather(IDS, i)

    if workers > 1:
        paths = [str(folder / f"{part}.records") for part in range(2)]
        records = tf.data.TFRecordDataset(paths)
    else:
        records = tf.data.Dataset.from_tensor_slices([*"0213"])
    options = tf.data.Options()
    options.experimental_distribute.auto_shard_policy = (
        tf.data.experimental.AutoShardPolicy.FILE
    )
    return records.map(read).batch(2).with_options(options)


# Of workers alone.


def shuffled_rows(folder):
    """Rows of arrays that this worker is given, epoch by epoch."""
    strategy = tf.distribute.get_strategy()
    model = made(cycle_gan)
    rows = {
        name: np.tile(np.arange(len(x))[:, None] / ROWS, (1, x.shape[1]))
        for name, x in UNPAIRED.items()
    }
    dataset = model._gate(rows, training=True, batch_size=5, shuffle=True)
    dataset = strategy.experimental_distribute_dataset(dataset)
    found = []
    for _ in range(3):
        seen = {"image": [], "text": []}
        for batch in dataset:
            for name, value in batch[0].items():
                (part,) = strategy.experimental_local_results(value)
                seen[name] += np.rint(ROWS * part.numpy()[:, 0]).tolist()
        found.append(seen)
    return found


def callbacks(folder):
    """What Keras' and our own callbacks see and write."""
    model = made(embedding)
    checkpoint = folder / "best.keras"
    stopping = keras.callbacks.EarlyStopping("loss", 100.0, patience=1)
    history = model.fit(
        X,
        IDS,
        5,
        4,
        callbacks=[
            kx.callbacks.RetrievalEvaluation((X, IDS), ks=[1]),
            keras.callbacks.ModelCheckpoint(
                checkpoint, "val_image_text_rsum", True, True, mode="max"
            ),
            kx.callbacks.BackupAndRestore(
                folder / "backup", delete_checkpoint=False
            ),
            stopping,
        ],
        **OPTIONS,
    )
    return {
        "history": history.history,
        "stopped": stopping.stopped_epoch,
        "checkpoint": checkpoint.exists(),
    }


def refusals(folder):
    """What several workers are told that they cannot do."""
    errors = {}

    def attempt(name, function, *args, **kwargs):
        try:
            function(*args, **kwargs)
        except Exception as error:
            errors[name] = str(error)

    model = made(embedding)
    attempt("PyDataset", model.fit, Batches(), verbose=0)
    own = folder / f"backup{'' if is_chief(model.distribute_strategy) else 2}"
    backup = kx.callbacks.BackupAndRestore(own)
    attempt("backup", model.fit, X, IDS, callbacks=[backup], verbose=0)
    attempt("batch", model.train_on_batch, X, IDS)
    model.compile(jit_compile=True)
    attempt("jit", model.fit, X, IDS, verbose=0)

    def plain():
        model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(1)])
        model.compile("sgd", "mse")
        return model

    y = np.ones((ROWS, 1))
    attempt("keras", made(plain).fit, X["image"], y, verbose=0)
    return errors


def main(folder, *names):
    """Run the functions of the names as one of the workers."""
    faulthandler.dump_traceback_later(800, exit=True)
    folder = pathlib.Path(folder)
    strategy = tf.distribute.MultiWorkerMirroredStrategy()
    with strategy.scope():
        found = {name: globals()[name](folder) for name in names}
    task = strategy.cluster_resolver.task_id
    (folder / f"{task}.pickle").write_bytes(pickle.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
