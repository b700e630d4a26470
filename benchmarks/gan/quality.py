"""Quality of GANModel: modes, distances of distributions, captions.

    python -m benchmarks.gan --work gan_quality --out results.json

Each task trains the same networks, on the same data, for the same steps, with
each of the recipes:

- `relativistic`: the relativistic loss with R1 and R2, the library's default;
- `non_saturating`: the non-saturating loss without penalties, the baseline;

and over the seeds. All samples come from the averaged generator.

- `ring`, `grid`: eight Gaussians on a ring, 25 on a grid. Modes with a sample
  within three standard deviations, the share of such samples (`high_quality`),
  and the divergence from equal shares, of 2,500 samples.
- `stacked`: three digits of MNIST in the channels of a picture, 1,000 modes,
  read by a classifier of digits; 26,000 samples. The floor of the divergence
  is what as many real pictures have.
- `fashion`: Fashion-MNIST by class. Frechet and kernel distance, precision,
  recall, density, coverage by the features of a classifier trained on real
  pictures, and what a classifier learns from generated ones; beside it the
  floor, real data against other real data.
- `emoji`: pictures from captions, the bundled sample. The condition is the
  embedding of the caption by the demo's model. How often the caption of a
  picture is found among 99 others by a model of another seed, for captions of
  the training, unseen captions of seen concepts and unseen concepts; beside it
  chance, what real pictures have, and the training picture of the nearest
  caption, shown instead of drawing one.

Fetch MNIST and Fashion-MNIST first:
`python -c "import keras_xmodal as kx; kx.datasets.fetch('mnist_fashion')"`.
Each run leaves a file in `--work`, and the same command goes on where it was
stopped. `--quick` is a trial of some minutes.
"""

import argparse
import json
import pathlib
import platform
import statistics
import sys
import textwrap
import time

import keras
import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf

import keras_xmodal as kx
from keras_xmodal.datasets.collection import mnist
from keras_xmodal.demo import recipe

TASKS = ("ring", "grid", "stacked", "fashion", "emoji")
RECIPES = ("relativistic", "non_saturating")
SETTINGS = {
    "ring": {"steps": 10000, "batch_size": 256, "rate": 2e-3, "gamma": 0.1},
    "grid": {"steps": 10000, "batch_size": 256, "rate": 2e-3, "gamma": 0.1},
    "stacked": {"steps": 3000, "batch_size": 64, "rate": 1e-3, "gamma": 5.0},
    "fashion": {"steps": 4000, "batch_size": 64, "rate": 2e-3, "gamma": 0.5},
    "emoji": {"steps": 4000, "batch_size": 64, "rate": 2e-3, "gamma": 0.5},
}
# Of all pictures' networks: small, so that two cores do a run in minutes.
FILTERS = (64, 32, 16)
QUICK_STEPS = 100
NUM_POINTS = 2500
NUM_STACKED = 26_000
NUM_PICTURES = 10_000


def compile_gan(gan, loss, settings):
    """The recipe, with a rate that falls to a twentieth."""

    def optimizer():
        rate = keras.optimizers.schedules.CosineDecay(
            settings["rate"], settings["steps"], alpha=0.05
        )
        return keras.optimizers.Adam(rate, beta_1=0.0, beta_2=0.99)

    penalties = []
    if loss == "relativistic":
        gamma = settings["gamma"]
        penalties = [kx.adversarial.R1(gamma), kx.adversarial.R2(gamma)]
    gan.compile(
        optimizer(),
        optimizer(),
        loss=loss,
        penalties=penalties,
        mismatch_weight=settings.get("mismatch_weight", 0.0),
    )


def train(gan, data, settings):
    """Train for the steps; return the seconds."""
    options = tf.data.Options()
    options.autotune.enabled = False
    data = data.repeat().batch(settings["batch_size"], drop_remainder=True)
    data = data.prefetch(2).with_options(options)
    start = time.perf_counter()
    gan.fit(data, steps_per_epoch=settings["steps"], verbose=0)
    return time.perf_counter() - start


def slices(*arrays):
    data = tf.data.Dataset.from_tensor_slices(arrays)
    return data.shuffle(len(arrays[0]))


# Points.


def ring_centres():
    angles = np.arange(8) * np.pi / 4
    return 2 * np.stack([np.cos(angles), np.sin(angles)], axis=1), 0.02


def grid_centres():
    axis = np.arange(-4.0, 5.0, 2.0)
    return np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2), 0.05


def run_points(centres, deviation, loss, settings, seed, folder):
    random = np.random.default_rng(seed)
    rows = random.integers(len(centres), size=50_000)
    points = centres[rows] + deviation * random.normal(size=(len(rows), 2))
    gan = kx.GANModel(
        generator=kx.networks.DenseGenerator(2, (128,) * 3, activation=None),
        discriminator=kx.networks.DenseDiscriminator((128,) * 3),
        latent_dim=16,
        conditional=False,
        seed=seed,
    )
    compile_gan(gan, loss, settings)
    seconds = train(gan, slices(points.astype("float32")), settings)
    samples = gan.generate(num_examples=NUM_POINTS, seed=seed)
    report = kx.metrics.mode_report(
        samples, centres=centres, deviation=deviation
    )
    return report, seconds


def run_ring(arguments, *options):
    return run_points(*ring_centres(), *options)


def run_grid(arguments, *options):
    return run_points(*grid_centres(), *options)


# Pictures by class.


def read_pictures(arguments, name, split):
    """Pictures in [-1, 1], float32 `(pictures, 28, 28, 1)`, and classes."""
    pictures, labels = mnist.read(name, split, arguments.cache)
    return pictures.astype("float32") / 127.5 - 1, labels


def build_classifier():
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            layers.Conv2D(32, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(64, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dropout(0.3),
            layers.Dense(64, activation="relu", name="features"),
            layers.Dense(10),
        ]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("adam", loss, metrics=["accuracy"], jit_compile=False)
    return model


def get_classifier(arguments, name):
    """A classifier of real pictures, trained once."""
    path = arguments.work / f"classifier_{name}.keras"
    if not path.exists():
        keras.utils.set_random_seed(0)
        model = build_classifier()
        pictures, labels = read_pictures(arguments, name, "train")
        model.fit(pictures, labels, batch_size=128, epochs=3, verbose=0)
        partial = path.with_name(f"partial_{path.name}")
        model.save(partial)
        partial.replace(path)
    return keras.saving.load_model(path)


def run_stacked(arguments, loss, settings, seed, folder):
    pictures, _ = read_pictures(arguments, "mnist", "train")
    gan = kx.GANModel(
        generator=kx.networks.ConvGenerator((28, 28, 3), FILTERS),
        discriminator=kx.networks.ConvDiscriminator(FILTERS[::-1]),
        conditional=False,
        ema_momentum=0.998,
        seed=seed,
    )
    compile_gan(gan, loss, settings)
    random = np.random.default_rng(seed)
    rows = random.integers(len(pictures), size=(128_000, 3))
    images = tf.constant(pictures[..., 0])

    def stack(rows):
        return (tf.transpose(tf.gather(images, rows), (1, 2, 0)),)

    seconds = train(gan, slices(rows).map(lambda *r: stack(r[0])), settings)
    samples = gan.generate(num_examples=NUM_STACKED, seed=seed)
    classifier = get_classifier(arguments, "mnist")
    digits = [
        classifier.predict(samples[..., [i]], verbose=0).argmax(axis=1)
        for i in range(3)
    ]
    draw(samples[:40], folder)
    report = kx.metrics.mode_report(np.stack(digits, axis=1), num_modes=1000)
    return report, seconds


def run_fashion(arguments, loss, settings, seed, folder):
    pictures, labels = read_pictures(arguments, "fashion_mnist", "train")
    gan = kx.GANModel(
        generator=kx.networks.ConvGenerator((28, 28, 1), FILTERS),
        discriminator=kx.networks.ConvDiscriminator(FILTERS[::-1]),
        condition_encoder=keras.layers.CategoryEncoding(10, "one_hot"),
        seed=seed,
    )
    compile_gan(gan, loss, settings)
    seconds = train(gan, slices(labels, pictures), settings)
    classes = np.arange(NUM_PICTURES) % 10
    samples = gan.generate(classes, seed=seed)
    draw(samples[:40], folder)
    classifier = get_classifier(arguments, "fashion_mnist")
    extractor = keras.Model(
        classifier.inputs,
        classifier.get_layer("features").output,
        name="fashion_classifier",
    )
    test, test_labels = read_pictures(arguments, "fashion_mnist", "test")
    real = pictures[:NUM_PICTURES], labels[:NUM_PICTURES]
    report = kx.metrics.generation_report(
        test, samples, extractor, reference=real[0]
    )
    keras.utils.set_random_seed(seed)
    score = kx.metrics.classification_accuracy_score(
        build_classifier, samples, classes, *real, test, test_labels, epochs=5
    )
    report["classification_accuracy"] = score["accuracy"]
    report["floor"]["classification_accuracy"] = score["ceiling"]
    return report, seconds


# Pictures from captions.


def read_emoji(split):
    """Pictures in [-1, 1], captions, keywords and ids, row by row."""
    data = kx.datasets.load("emoji", split, columns=["keywords"])
    x, ids = data.batch(len(data)).as_numpy_iterator().next()
    return {
        "pictures": x["image"] / 127.5 - 1,
        "captions": [text.decode() for text in x["text"]],
        "keywords": [
            [word.decode() for word in words if word] for words in x["keywords"]
        ],
        "ids": ids,
    }


def run_emoji(arguments, loss, settings, seed, folder):
    train_rows = read_emoji("train")
    gan = kx.GANModel(
        generator=kx.networks.ConvGenerator((32, 32, 3), FILTERS),
        discriminator=kx.networks.ConvDiscriminator(FILTERS[::-1]),
        augmenter=kx.layers.DiffAugment(("translation",)),
        ema_momentum=0.998,
        seed=seed,
    )
    compile_gan(gan, loss, {**settings, "mismatch_weight": 0.5})
    # Names, and each keyword of a concept as a caption of its own.
    captions, rows = [], []
    for row, name in enumerate(train_rows["captions"]):
        for caption in (name, *train_rows["keywords"][row]):
            captions.append(caption)
            rows.append(row)
    rows = np.array(rows)
    pictures = train_rows["pictures"].astype("float32")
    # Of another model than the reader's: the judge must be a third party.
    encoder = get_embedding_model(arguments, "encoder", seed=1)
    shown = encode_captions(encoder, captions)
    data = slices(shown, rows).map(
        lambda caption, row: (caption, tf.gather(pictures, row))
    )
    seconds = train(gan, data, settings)

    reader = get_embedding_model(arguments, "reader", seed=0)
    report = {}
    for question, split in (
        ("seen captions", "train"),
        ("seen concepts, unseen captions", "test_keyword"),
        ("unseen concepts", "test_concept"),
    ):
        test = read_emoji(split)
        asked = encode_captions(encoder, test["captions"])
        nearest = rows[(asked @ shown.T).argmax(axis=1)]
        images = {
            "generated": gan.generate(asked, seed=seed),
            "of the nearest caption": pictures[nearest],
            "real": test["pictures"],
        }
        for name, batch in images.items():
            # The reader takes bytes.
            pixels = np.clip((batch + 1) * 127.5, 0, 255).astype("uint8")
            embeddings = reader.encode(
                {"image": pixels, "text": np.array(test["captions"])}
            )
            report[f"{question}, {name}"] = kx.metrics.text_r_precision(
                embeddings["image"], embeddings["text"], test["ids"]
            )
        rows_shown = np.random.default_rng(0).permutation(len(asked))[:12]
        draw_captions(
            [test["captions"][row] for row in rows_shown],
            {
                "real": test["pictures"][rows_shown],
                "generated": gan.generate(asked[rows_shown], seed=1),
                "again": gan.generate(asked[rows_shown], seed=2),
            },
            folder / f"{split}.png",
        )
    return report, seconds


def encode_captions(model, captions):
    """Unit vectors of captions, `(captions, dim)`."""
    return model.encode({"text": np.array(captions)})["text"]


def get_embedding_model(arguments, name, seed):
    """The demo's embedding model of a seed, trained once."""
    path = arguments.work / f"{name}.keras"
    if not path.exists():
        made = recipe.make(recipe.read_train(), seed, quiet=True)
        made.fit(recipe.EPOCHS)
        partial = path.with_name(f"partial_{path.name}")
        made.model.save(partial)
        partial.replace(path)
    return keras.saving.load_model(path)


def draw(pictures, folder):
    """Write a sheet of pictures of four rows."""
    pictures = np.clip((pictures + 1) * 127.5, 0, 255).astype("uint8")
    rows = np.concatenate(np.split(pictures, 4), axis=1)
    sheet = np.concatenate(list(rows), axis=1)
    folder.mkdir(parents=True, exist_ok=True)
    content = tf.io.encode_png(sheet).numpy()
    (folder / "samples.png").write_bytes(content)


def draw_captions(captions, rows, path):
    """Write rows of pictures under their captions."""
    path.parent.mkdir(parents=True, exist_ok=True)
    figure, axes = plt.subplots(len(rows), len(captions), figsize=(12, 3.5))
    for line, (label, pictures) in zip(axes, rows.items(), strict=True):
        line[0].set_ylabel(label, fontsize=9)
        for ax, picture in zip(line, pictures, strict=True):
            ax.imshow(np.clip((picture + 1) / 2, 0, 1))
            ax.set(xticks=[], yticks=[], frame_on=False)
    for ax, caption in zip(axes[0], captions, strict=True):
        ax.set_title(textwrap.shorten(caption, 16, placeholder="…"), fontsize=7)
    figure.tight_layout(pad=0.4)
    figure.savefig(path, dpi=80)
    plt.close(figure)


RUNS = {
    "ring": run_ring,
    "grid": run_grid,
    "stacked": run_stacked,
    "fashion": run_fashion,
    "emoji": run_emoji,
}


# All runs.


def run_all(arguments):
    """Run what is left; return all results."""
    results = []
    for task in arguments.tasks:
        settings = dict(SETTINGS[task])
        if arguments.steps:
            settings["steps"] = arguments.steps
        if arguments.quick:
            settings["steps"] = QUICK_STEPS
        for seed in arguments.seeds:
            for loss in arguments.recipes:
                name = f"{task}_{loss}_{seed}"
                path = arguments.work / f"{name}.json"
                if not path.exists():
                    result = run_one(arguments, task, loss, settings, seed)
                    partial = path.with_name(f"partial_{path.name}")
                    partial.write_text(json.dumps(result, indent=1) + "\n")
                    partial.replace(path)
                    print(f"{name}: {result['train_s']} s", file=sys.stderr)
                result = json.loads(path.read_text())
                if result["settings"] != settings:
                    raise SystemExit(
                        "--work must be a new folder, or one of the same "
                        f"settings. Received: {path} of {result['settings']}, "
                        f"not {settings}"
                    )
                results.append(result)
    return results


def run_one(arguments, task, loss, settings, seed):
    keras.utils.set_random_seed(seed)
    folder = arguments.work / f"{task}_{loss}_{seed}"
    report, seconds = RUNS[task](arguments, loss, settings, seed, folder)
    return {
        "task": task,
        "recipe": loss,
        "seed": seed,
        "settings": settings,
        "train_s": round(seconds, 1),
        "report": report,
    }


def flatten(report, prefix=""):
    """The measures of a report, `{name: number}`."""
    measures = {}
    for name, value in report.items():
        if isinstance(value, dict):
            measures |= flatten(value, f"{prefix}{name}: ")
        elif isinstance(value, (int, float)):
            measures[prefix + name] = value
    return measures


def summarise(results):
    """Mean and standard deviation over the seeds, a row a measure."""
    groups = {}
    for result in results:
        for name, value in flatten(result["report"]).items():
            key = (result["task"], name, result["recipe"])
            groups.setdefault(key, []).append(value)
    return [
        {
            "task": task,
            "measure": name,
            "recipe": loss,
            "mean": round(statistics.fmean(values), 4),
            "std": round(statistics.pstdev(values), 4),
            "seeds": len(values),
        }
        for (task, name, loss), values in groups.items()
    ]


def print_table(rows, recipes):
    """Markdown, the recipes side by side."""
    cells = {
        (row["task"], row["measure"], row["recipe"]): (
            f"{row['mean']:.4g} ± {row['std']:.2g}"
        )
        for row in rows
    }
    print(f"| task | measure | {' | '.join(recipes)} |")
    print("|---" * (2 + len(recipes)) + "|")
    for task, measure in dict.fromkeys(key[:2] for key in cells):
        values = [cells.get((task, measure, loss), "–") for loss in recipes]
        print(f"| {task} | {measure} | {' | '.join(values)} |")


def main():
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add("--work", type=pathlib.Path, required=True, help="folder of the runs")
    add("--cache", default="~/.cache/keras_xmodal", help="folder of raw data")
    add("--tasks", nargs="+", choices=TASKS, default=[*TASKS])
    add("--recipes", nargs="+", choices=RECIPES, default=[*RECIPES])
    add("--seeds", nargs="+", type=int, default=[0, 1, 2])
    add("--steps", type=int, help="instead of the tasks' own")
    add("--quick", action="store_true", help="few steps: a trial")
    add("--out", type=pathlib.Path, help="file for the results, as JSON")
    arguments = parser.parse_args()
    if arguments.out and not arguments.out.resolve().parent.is_dir():
        parser.error(f"--out must be in a folder. Received: {arguments.out}")
    arguments.work.mkdir(parents=True, exist_ok=True)
    results = run_all(arguments)
    rows = summarise(results)
    print_table(rows, arguments.recipes)
    if arguments.out:
        report = {
            "benchmark": "gan_quality",
            "versions": {
                "python": platform.python_version(),
                "tensorflow": tf.__version__,
                "keras": keras.__version__,
                "keras_xmodal": kx.__version__,
            },
            "table": rows,
            "runs": results,
        }
        text = json.dumps(report, indent=1) + "\n"
        arguments.out.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
