"""One process of `vae/quality.py`, which starts it.

`prepare` writes the data of both sides, the classifiers and the baselines;
`ours` trains and measures `VAEModel`; `score` measures what the peer has
generated.
"""

import argparse
import json
import math
import pathlib
import time

import keras
import numpy as np
from keras import layers
from scipy.special import log_softmax, logsumexp

import keras_xmodal as kx

# Data and classifiers.


def prepare(arguments):
    """Write the data of both sides, the classifiers and the baselines."""
    folder, settings = arguments.folder, arguments.settings
    names = settings["modalities"]
    arrays = {"settings": json.dumps(settings)}
    for split in ("train", "test"):
        count = settings[f"num_{split}"]
        pictures, labels = read_split(arguments, split, names, count)
        for name, values in pictures.items():
            arrays[f"{split}_{name}"] = resize(values, settings)
        arrays[f"{split}_labels"] = labels
    for fraction in arguments.fractions:
        for seed in arguments.seeds:
            arrays[f"present_{fraction}_{seed}"] = draw_present(
                fraction, seed, settings["num_train"], len(names)
            )
    classifiers = train_classifiers(folder, arrays, names)
    baselines = measure_baselines(arrays, settings, classifiers)
    write_json(folder / "baselines.json", baselines)
    save(np.savez, folder / "data.npz", **arrays)


def read_split(arguments, split, modalities, count):
    """Pictures `{modality: uint8 (count, 28, 28, channels)}`, and classes."""
    data = kx.datasets.load(
        arguments.folder.name,
        split=split,
        modalities=modalities,
        data_dir=arguments.cache,
    )
    # Spread over the whole split, of which no part is like the other.
    data = data.shard(len(data) // count, 0).take(count).batch(count)
    return data.as_numpy_iterator().next()


def resize(pictures, settings):
    """Average over squares of pixels; bits for the Bernoulli likelihood."""
    n, height, width, channels = pictures.shape
    size = settings["pooling"]
    cells = (n, height // size, size, width // size, size, channels)
    pictures = pictures.reshape(cells).mean(axis=(2, 4))
    if settings["likelihood"] == "bernoulli":
        pictures = 255 * (pictures > 127)
    return np.round(pictures).astype(np.uint8)


def draw_present(fraction, seed, num_examples, num_modalities):
    """Which cells are there: bool `(examples, modalities)`, one at least."""
    random = np.random.default_rng((seed, round(1000 * fraction)))
    present = random.random((num_examples, num_modalities)) >= fraction
    kept = random.integers(num_modalities, size=num_examples)
    empty = ~present.any(axis=1)
    present[empty, kept[empty]] = True
    return present


def read_data(folder):
    with np.load(folder / "data.npz") as file:
        arrays = dict(file)
    return arrays, json.loads(str(arrays["settings"]))


def floats(arrays, split, modalities):
    return {
        name: arrays[f"{split}_{name}"].astype("float32") / 255
        for name in modalities
    }


def train_classifiers(folder, arrays, modalities):
    """A small convolutional network for each modality, on real pictures."""
    keras.utils.set_random_seed(0)
    classifiers = {}
    for name, x in floats(arrays, "train", modalities).items():
        classifier = keras.Sequential(
            [
                keras.Input(x.shape[1:]),
                layers.Conv2D(32, 3, padding="same", activation="relu"),
                layers.MaxPooling2D(),
                layers.Conv2D(64, 3, padding="same", activation="relu"),
                layers.MaxPooling2D(),
                layers.Flatten(),
                layers.Dropout(0.3),
                layers.Dense(10),
            ]
        )
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        classifier.compile("adam", loss, jit_compile=False)
        labels = arrays["train_labels"]
        classifier.fit(x, labels, batch_size=64, epochs=4, verbose=0)
        classifier.save(folder / f"classifier_{name}.keras")
        classifiers[name] = classifier
    return classifiers


def load_classifiers(folder, modalities):
    return {
        name: keras.saving.load_model(folder / f"classifier_{name}.keras")
        for name in modalities
    }


# Baselines.


class ClassCopy:
    """Reads the class of what is given, copies a picture of that class."""

    def __init__(self, arrays, modalities, classifiers):
        self.modalities, self.classifiers = tuple(modalities), classifiers
        self.pictures = floats(arrays, "train", modalities)
        self.labels = arrays["train_labels"]
        self.random = np.random.default_rng(0)

    def generate(self, num_examples, output, seed):
        return {
            name: self.random.choice(pictures, num_examples)
            for name, pictures in self.pictures.items()
        }

    def translate(self, x, to, **options):
        scores = sum(
            log_softmax(self.classifiers[name].predict(value, verbose=0), -1)
            for name, value in x.items()
        )
        rows = [
            self.random.choice(np.flatnonzero(self.labels == label))
            for label in scores.argmax(axis=1)
        ]
        return self.pictures[to][rows]


def measure_baselines(arrays, settings, classifiers):

    modalities = settings["modalities"]
    x, labels = floats(arrays, "test", modalities), arrays["test_labels"]
    copy = ClassCopy(arrays, modalities, classifiers)
    report = kx.metrics.coherence_report(
        copy,
        x,
        labels,
        classifiers,
        num_examples=settings["num_generated"],
    )
    accuracy = {
        name: np.mean(
            classifiers[name].predict(value, verbose=0).argmax(axis=1) == labels
        )
        for name, value in x.items()
    }
    return {
        "classifier_accuracy": {k: float(v) for k, v in accuracy.items()},
        "class_copy": report,
        "class_means_log_likelihood": class_means(arrays, settings),
    }


def class_means(arrays, settings):
    """Mean log-likelihood of a mixture of each class's mean picture."""
    count, modalities = settings["num_likelihoods"], settings["modalities"]
    x = floats(arrays, "test", modalities)
    train, labels = floats(arrays, "train", modalities), arrays["train_labels"]
    values = np.zeros((10, count))
    for label in range(10):
        of_class = labels == label
        values[label] = np.log(of_class.mean())
        for name in modalities:
            values[label] += np.sum(
                log_prob_of_mean(
                    x[name][:count], train[name][of_class], settings
                ),
                axis=(1, 2, 3),
            )
    return float(logsumexp(values, axis=0).mean())


def log_prob_of_mean(x, train, settings):
    """Log-density of each pixel under the best constant picture."""
    if settings["likelihood"] == "bernoulli":
        # No probability is 0 or 1.
        p = (train.sum(axis=0) + 0.5) / (len(train) + 1)
        return np.where(x > 0.5, np.log(p), np.log1p(-p))
    scale = settings["scale"]
    error = np.abs(x - np.median(train, axis=0))
    return -error / scale - math.log(2 * scale)


# Our side.


def build_model(objective, shapes, settings, seed):
    bernoulli = settings["likelihood"] == "bernoulli"
    arguments = {
        "CVAE": {"target": next(iter(shapes))},
        "MMVAEPlus": {"private_dim": settings["private_dim"]},
        # The peer's defaults are others: both sides get these.
        "MVTCAE": {"alpha": 5 / 6},
        "JMVAE": {"alpha": 0.1},
    }.get(objective, {})
    objective = getattr(kx.objectives, objective)(**arguments)

    def dense():
        return layers.Dense(settings["units"], activation="relu")

    def make_decoder(shape):
        activation = None if bernoulli else "sigmoid"
        output = layers.Dense(math.prod(shape), activation=activation)
        return keras.Sequential(
            [dense(), dense(), output, layers.Reshape(shape)]
        )

    decoders = {
        name: make_decoder(shapes[name])
        for name in objective.generated_modalities(tuple(shapes))
    }
    likelihood = (
        kx.likelihoods.Bernoulli()
        if bernoulli
        else kx.likelihoods.Laplace(settings["scale"])
    )
    return kx.VAEModel(
        latent_dim=settings["latent_dim"],
        encoders={
            name: keras.Sequential([layers.Flatten(), dense(), dense()])
            for name in shapes
        },
        decoders=decoders,
        likelihoods=dict.fromkeys(decoders, likelihood),
        objective=objective,
        seed=seed,
    )


def run_ours(arguments):
    """Train and measure `VAEModel` with each of the seeds."""
    arrays, settings = read_data(arguments.folder)
    names = settings["modalities"]
    classifiers = load_classifiers(arguments.folder, names)
    train = floats(arrays, "train", names)
    test = floats(arrays, "test", names)
    shapes = {name: value.shape[1:] for name, value in train.items()}
    count = num_components(arguments.objective, len(names))
    for seed in arguments.seeds:
        keras.utils.set_random_seed(seed)
        model = build_model(arguments.objective, shapes, settings, seed)
        model.compile(
            # PyTorch's epsilon.
            keras.optimizers.Adam(settings["learning_rate"], epsilon=1e-8),
            jit_compile=False,
        )
        present = arrays[f"present_{arguments.fraction}_{seed}"]
        start = time.perf_counter()
        history = model.fit(
            **with_missing(train, present),
            batch_size=settings["batch_size"],
            epochs=settings["epochs"],
            verbose=0,
        )
        trained = time.perf_counter()
        likelihoods = model.log_likelihood(
            {k: v[: settings["num_likelihoods"]] for k, v in test.items()},
            num_samples=math.ceil(settings["num_samples"] / count),
            seed=seed,
        )
        coherence = measure_coherence(
            model, arguments, arrays, settings, classifiers
        )
        facts = {
            "parameters": sum(
                math.prod(w.shape) for w in model.trainable_variables
            ),
            "losses": [round(float(v), 3) for v in history.history["loss"]],
            "train_s": round(trained - start, 1),
            "evaluate_s": round(time.perf_counter() - trained, 1),
            "versions": {
                "keras": keras.__version__,
                "keras_xmodal": kx.__version__,
            },
        }
        write_result(arguments, "ours", seed, coherence, likelihoods, facts)


def with_missing(x, present):
    """Arguments of `fit`: NaN in the missing cells, and weights of 0."""
    if present.all():
        return {"x": x}
    there = dict(zip(x, present.T, strict=True))
    return {
        "x": {
            name: np.where(there[name][:, None, None, None], value, np.nan)
            for name, value in x.items()
        },
        "sample_weight": {
            name: mask.astype("float32") for name, mask in there.items()
        },
    }


def num_components(objective, num_modalities):
    """Of the posterior; each has as many importance samples."""
    return {
        "MMVAE": num_modalities,
        "MMVAEPlus": num_modalities,
        "MoPoE": 2**num_modalities - 1,
    }.get(objective, 1)


# Both sides.


class Replay:
    """What the peer generated, with the methods of a model."""

    def __init__(self, arrays, modalities):
        self.arrays, self.modalities = arrays, tuple(modalities)

    def generate(self, num_examples, output, seed):
        return {name: self._read(f"joint_{name}") for name in self.modalities}

    def translate(self, x, to, **options):
        return self._read(f"{'+'.join(x)}_to_{to}")

    def _read(self, key):
        return self.arrays[key].astype("float32") / 255


def score_peer(arguments):
    """Measure what the peer has generated with each of the seeds."""
    arrays, settings = read_data(arguments.folder)
    classifiers = load_classifiers(arguments.folder, settings["modalities"])
    for seed in arguments.seeds:
        path = result_path(arguments, "peer", seed).with_suffix(".npz")
        with np.load(path) as file:
            generated = dict(file)
        coherence = measure_coherence(
            Replay(generated, settings["modalities"]),
            arguments,
            arrays,
            settings,
            classifiers,
        )
        facts = json.loads(str(generated["facts"]))
        likelihoods = generated["log_likelihood"]
        write_result(arguments, "peer", seed, coherence, likelihoods, facts)


def measure_coherence(model, arguments, arrays, settings, classifiers):
    x = floats(arrays, "test", settings["modalities"])
    labels = arrays["test_labels"]
    if arguments.objective != "CVAE":
        return kx.metrics.coherence_report(
            model,
            x,
            labels,
            classifiers,
            num_examples=settings["num_generated"],
            output="mode",
        )
    target, *conditions = x
    generated = model.translate(
        {name: x[name] for name in conditions},
        target,
        latent="sample",
        output="mode",
        seed=0,
    )
    scores = classifiers[target].predict(generated, verbose=0)
    accuracy = float(np.mean(scores.argmax(axis=1) == labels))
    return {"conditional": {len(conditions): accuracy}}


def write_result(arguments, side, seed, coherence, log_likelihoods, facts):
    result = {
        "side": side,
        "dataset": arguments.folder.name,
        "objective": arguments.objective,
        "fraction": arguments.fraction,
        "seed": seed,
        **coherence,
        "log_likelihood": round(float(log_likelihoods.mean()), 3),
        **facts,
    }
    write_json(result_path(arguments, side, seed), result)


def result_path(arguments, side, seed):
    name = f"{side}_{arguments.objective}_{arguments.fraction}_{seed}.json"
    return arguments.folder / name


def write_json(path, value):
    text = json.dumps(value, indent=1) + "\n"
    save(lambda partial: partial.write_text(text, encoding="utf-8"), path)


def save(write, path, **values):
    """Write beside and rename, so that no file is there in part."""
    partial = path.with_name(f"partial_{path.name}")
    write(partial, **values)
    partial.replace(path)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("task", choices=["prepare", "ours", "score"])
    add("--folder", type=pathlib.Path, required=True, help="of the data set")
    add("--settings", type=json.loads, help="JSON, for `prepare`")
    add("--cache", help="folder of raw data, for `prepare`")
    add("--fractions", type=float, nargs="+", help="for `prepare`")
    add("--objective")
    add("--fraction", type=float, help="of the cells is missing")
    add("--seeds", type=int, nargs="+", required=True)
    arguments = parser.parse_args()
    tasks = {"prepare": prepare, "ours": run_ours, "score": score_peer}
    tasks[arguments.task](arguments)


if __name__ == "__main__":
    main()
