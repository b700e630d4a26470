"""Pictures of 64 x 64 pixels drawn from captions, by VAEModel and GANModel.

    python -c "import keras_xmodal as kx; kx.datasets.fetch('emoji_large')"
    python -m benchmarks.pictures --work pictures_64 --out results.json

Both learn the Google and Twitter pictures of "emoji_large" by the names and the
keywords of their concepts. The condition is the embedding of the caption by an
`EmbeddingModel` of the demo's recipe. A judge, that model of another seed,
looks for the caption of a picture among 100 (R-precision): for names of the
training, and for names of unseen concepts. Beside it is what real pictures
have, and the trivial baseline: the mean of the two pictures of the concept
whose caption is nearest. The kernel distance is of the judge's features.

A run of GANModel takes 20 to 30 minutes of one core, of VAEModel 15. Each
leaves a file in `--work` and sheets of pictures. The same command goes on where
it was stopped.
"""

import argparse
import functools
import time

import keras
import numpy as np
import tensorflow as tf

import keras_xmodal as kx
from benchmarks.directions import runner
from benchmarks.emoji.retrieval import read_larger
from benchmarks.gan.quality import (
    compile_gan,
    draw_captions,
    encode_captions,
    slices,
)
from benchmarks.gan.quality import train as train_gan
from keras_xmodal.demo import recipe

layers = keras.layers

SIZE = (64, 64)
FILTERS = (64, 48, 32, 16)  # from the coarsest grid to the finest
BATCH_SIZE = 64
SEARCH_EPOCHS = 15
# Name of an embedding model: its seed.
SEARCHES = {"judge": 0, "encoder": 1}
QUESTIONS = {
    "train": "names of the training",
    "test_concept": "unseen concepts",
}
NUM_SHOWN = 12


# Data.


def read(split, data_dir):
    """Pictures, their names, keywords and concepts, row by row."""
    data = kx.datasets.load(
        "emoji_large", split, columns=["keywords"], data_dir=data_dir
    )
    rows, ids = next(data.batch(len(data)).as_numpy_iterator())
    return {
        "image": rows["image"],
        "text": [text.decode() for text in rows["text"]],
        "keywords": [
            [word.decode() for word in words if word]
            for words in rows["keywords"]
        ],
        "id": ids,
    }


def captions_of(rows):
    """Names, and each keyword as a caption of its own, with their rows."""
    pairs = [
        (caption, row)
        for row, name in enumerate(rows["text"])
        for caption in (name, *rows["keywords"][row])
    ]
    captions, numbers = zip(*pairs, strict=True)
    return captions, np.array(numbers)


def learned_pairs(conditions, rows, images):
    """Conditions, and pictures in [-1, 1], shuffled."""

    def with_picture(condition, row):
        return condition, tf.cast(tf.gather(images, row), "float32") / 127.5 - 1

    return slices(conditions, rows).map(with_picture)


# Models: each is trained, and returned as a function that draws.


def vae(conditions, rows, images, steps, seed):
    """A VAE of the picture, given the embedding of the caption."""
    encoder = kx.networks.ImageEncoder(
        SIZE,
        FILTERS[::-1],
        num_orientations=0,
        linear_path=False,
        output_dim=256,
        dropout=0.0,
    )
    condition = keras.Input(conditions.shape[1:])
    model = kx.VAEModel(
        latent_dim=64,
        encoders={
            "image": encoder,
            "text": keras.Model(condition, layers.Dense(256)(condition)),
        },
        decoders={"image": kx.networks.ImageDecoder(SIZE, 3, FILTERS)},
        likelihoods={"image": kx.likelihoods.CalibratedNormal()},
        objective=kx.objectives.CVAE("image"),
        seed=seed,
    )
    rate = keras.optimizers.schedules.CosineDecay(1e-3, steps, alpha=0.05)
    model.compile(keras.optimizers.Adam(rate))
    data = learned_pairs(conditions, rows, images).map(
        lambda condition, image: {"image": image, "text": condition}
    )
    data = data.repeat().batch(BATCH_SIZE).prefetch(2)
    model.fit(data, steps_per_epoch=steps, verbose=0)
    return functools.partial(draw_vae, model)


def draw_vae(model, conditions, seed):
    """Draw latents given the captions, and the mean picture of each."""
    x = {"text": conditions}
    return model.translate(
        x, "image", latent="sample", output="mode", seed=seed
    )


def gan(conditions, rows, images, steps, seed):
    """A GAN from the embedding of the caption to the picture."""
    model = kx.GANModel(
        generator=kx.networks.ConvGenerator((*SIZE, 3), FILTERS),
        discriminator=kx.networks.ConvDiscriminator(FILTERS[::-1]),
        augmenter=kx.layers.DiffAugment(("translation",)),
        ema_momentum=0.998,
        seed=seed,
    )
    settings = {
        "steps": steps,
        "batch_size": BATCH_SIZE,
        "rate": 1e-3,
        "gamma": 5.0,
        "mismatch_weight": 0.5,
    }
    compile_gan(model, "relativistic", settings)
    train_gan(model, learned_pairs(conditions, rows, images), settings)
    return functools.partial(draw_gan, model)


def draw_gan(model, conditions, seed):
    """Draw noise, and a picture of each caption."""
    return model.generate(conditions, seed=seed)


MODELS = {"VAEModel": vae, "GANModel": gan}


# Judge.


def train_searches(arguments):
    """Train the judge, and another model that embeds the captions."""
    for name, seed in SEARCHES.items():
        path = arguments.work / f"{name}.keras"
        if path.exists():
            continue
        train, _ = read_larger(arguments.data_dir)
        made = recipe.make(train, seed, quiet=True)
        made.fit(SEARCH_EPOCHS)
        partial = path.with_name(f"partial_{path.name}")
        made.model.save(partial)
        partial.replace(path)


def mean_pictures(rows):
    """For each row, the mean of all pictures of its concept."""
    number = np.unique(rows["id"], return_inverse=True)[1]
    means = [
        rows["image"][number == i].mean(axis=0) for i in range(number.max() + 1)
    ]
    return np.stack(means).astype("uint8")[number]


def judge_rows(judge, test, made, question):
    """Rows of what the judge finds in pictures made of the names of a test.

    Args:
        judge: `EmbeddingModel`.
        test: Dict of `read`.
        made: Dict of uint8 pictures: of the `model`, and of the `baseline`.
        question: What the test asks.
    """
    texts = encode_captions(judge, test["text"])
    features = keras.Sequential(
        [judge.encoders["image"], judge.projections["image"]], name="judge"
    )
    real = test["image"] / np.float32(255)
    reports = {
        side: kx.metrics.generation_report(
            real, images / np.float32(255), features, subset_size=250
        )
        for side, images in made.items()
    }
    found = {
        side: kx.metrics.text_r_precision(
            judge.encode(images, "image"), texts, test["id"]
        )
        for side, images in {**made, "real": test["image"]}.items()
    }
    common = {
        "direction": "text to image",
        "data": f"emoji_large, {question}",
        "baseline_name": "mean picture of the nearest caption's concept",
    }
    return [
        {
            **common,
            "measure": "caption found among 100 by a judge",
            "chance": found["model"]["chance"],
            **{side: report["r_precision"] for side, report in found.items()},
        },
        {
            **common,
            "measure": "kernel distance, judge's features",
            "chance": None,
            "real": reports["model"]["floor"]["kernel_distance"],
            **{
                side: report["kernel_distance"]
                for side, report in reports.items()
            },
        },
    ]


# Runs.


def run(arguments, family, seed, data_dir):
    """Train a model, and judge what it draws."""
    judge, encoder = (
        keras.saving.load_model(arguments.work / f"{name}.keras")
        for name in SEARCHES
    )
    train = read("train", data_dir)
    captions, numbers = captions_of(train)
    conditions = encode_captions(encoder, captions)
    keras.utils.set_random_seed(seed)
    images = tf.constant(train["image"])
    start = time.perf_counter()
    draw = MODELS[family](conditions, numbers, images, arguments.steps, seed)
    print(f"trained in {time.perf_counter() - start:.0f} s")
    means = mean_pictures(train)
    rows = []
    for split, question in QUESTIONS.items():
        test = read(split, data_dir)
        asked = encode_captions(encoder, test["text"])
        nearest = (asked @ conditions.T).argmax(axis=1)
        drawn = draw(asked, seed=seed)
        made = {
            "model": np.clip((drawn + 1) * 127.5, 0, 255).astype("uint8"),
            "baseline": means[numbers[nearest]],
        }
        rows += judge_rows(judge, test, made, question)
        shown = np.random.default_rng(0).permutation(len(asked))[:NUM_SHOWN]
        draw_captions(
            [test["text"][row] for row in shown],
            {
                "real": test["image"][shown] / 127.5 - 1,
                "drawn": drawn[shown],
                "again": draw(asked[shown], seed=seed + 1),
            },
            arguments.work / f"{family}_{seed}_{split}.png",
        )
    return rows


def main():
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--families", nargs="+", choices=tuple(MODELS), default=tuple(MODELS))
    add("--steps", type=int, default=2500, help="batches of 64 pictures")
    arguments = runner.parse_arguments(parser)
    cells = {
        arguments.work / f"{family}_{arguments.steps}_{seed}.json": (
            "text to image",
            family,
            seed,
        )
        for family in arguments.families
        for seed in arguments.seeds
    }
    if arguments.cell:
        _, family, seed = arguments.cell
        function = functools.partial(run, arguments, family)
        path = arguments.work / f"{family}_{arguments.steps}_{seed}.json"
        runner.run_cell(function, int(seed), arguments.data_dir, path)
        return
    start = time.perf_counter()
    train_searches(arguments)
    runner.run_cells(arguments, cells)
    rows = runner.summarise(cells)
    print(runner.table(rows))
    if arguments.out:
        runner.write_results(arguments, cells, rows, start)


if __name__ == "__main__":
    main()
