"""Rows a second that pictures in files give, to a loop and to `fit`.

    python -m benchmarks.speed.input --out results.json

PNG files of 32 px with a caption each, in a CSV file, after the first epoch,
in which `from_csv` checks them: read (`raw`), read and preprocessed, and in
`fit` of an `EmbeddingModel` with `ImageEncoder` and `TextEncoder`, shuffled, in
batches of 256. Beside them `tf.io.read_file` and `tf.io.decode_png` in a bare
`tf.data` graph, which know no text and check nothing; and `fit` on the same
rows in memory: contents (`data.cache()`), and batches that are preprocessed
(`model.preprocess(data.batch(256)).cache()`). Rounds of all of them take turns;
the medians count. `wait` is what `kx.callbacks.InputWait` says.
"""

import argparse
import csv
import json
import pathlib
import statistics
import tempfile
import time

ROWS, BATCH, ROUNDS, SIZE = 20_000, 256, 5, 32
SHUFFLE, EPOCHS = 2048, 3


def write(folder, rows):
    """Pictures of few frequencies, as drawings have, and their captions."""
    import numpy as np
    import tensorflow as tf

    random = np.random.default_rng(0)
    with (folder / "pairs.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["file", "caption"])
        for i in range(rows):
            small = random.integers(0, 256, (6, 6, 3))
            picture = tf.image.resize(small, (SIZE, SIZE), "bicubic")
            picture = tf.cast(tf.clip_by_value(picture, 0, 255), tf.uint8)
            content = tf.io.encode_png(picture).numpy()
            (folder / f"{i}.png").write_bytes(content)
            table.writerow([f"{i}.png", f"picture number {i % 997}"])
    return folder / "pairs.csv"


def make_model(texts):
    import keras

    import keras_xmodal as kx

    text = kx.networks.TextPreprocessor(sequence_length=8)
    text.adapt(texts)
    model = kx.EmbeddingModel(
        encoders={
            "image": kx.networks.ImageEncoder((SIZE, SIZE)),
            "text": kx.networks.TextEncoder(text.vocabulary_size()),
        },
        embedding_dim=64,
        preprocessors={
            "image": kx.networks.ImagePreprocessor((SIZE, SIZE)),
            "text": text,
        },
    )
    model.compile(keras.optimizers.Adam(1e-3), loss=kx.losses.InfoNCE())
    return model


def make_uses(path):
    """Dict `{name: function}`, which return clocks of epochs and the wait."""
    import keras
    import tensorflow as tf

    import keras_xmodal as kx
    from keras_xmodal.models.data import without_autotuner

    raw = kx.datasets.from_csv(
        path, {"image": "file", "text": "caption"}, files=["image"]
    )
    model = make_model(raw.map(lambda x, ids: x["text"]).batch(BATCH))
    files = [str(file) for file in sorted(path.parent.glob("*.png"))]
    bare = tf.data.Dataset.from_tensor_slices(files).map(
        lambda file: tf.io.decode_png(tf.io.read_file(file), channels=3),
        tf.data.AUTOTUNE,
    )
    prepared = model.preprocess(raw.batch(BATCH)).cache()

    def loop(data):
        data = without_autotuner(data)

        def run():
            clocks = [clock()]
            for _ in range(EPOCHS):
                for _ in data:
                    pass
                clocks.append(clock())
            return clocks, None

        return run

    def fit(data):
        def run():
            clocks, wait = [], kx.callbacks.InputWait()
            at_end = keras.callbacks.LambdaCallback(
                on_epoch_end=lambda epoch, logs: clocks.append(clock())
            )
            logs = model.fit(
                data, epochs=EPOCHS, verbose=0, callbacks=[wait, at_end]
            ).history["input_wait"]
            return clocks, statistics.mean(logs[1:])

        return run

    return {
        "read_file, decode_png": loop(bare.batch(BATCH)),
        "raw": loop(raw.batch(BATCH)),
        "preprocessed": loop(model.preprocess(raw.batch(BATCH))),
        "fit, files": fit(raw.shuffle(SHUFFLE).batch(BATCH)),
        "fit, contents in memory": fit(
            raw.cache().shuffle(SHUFFLE).batch(BATCH)
        ),
        "fit, preprocessed in memory": fit(prepared),
    }


def clock():
    return time.perf_counter(), time.process_time()


def measure(use, rows):
    """Rows a second, microseconds of CPU a row, and the share of waiting.

    Of all epochs but the first of a `fit`, which traces.
    """
    clocks, wait = use()
    (wall, cpu), (end, cpu_end) = clocks[0], clocks[-1]
    rows *= len(clocks) - 1
    return {
        "rows_per_s": rows / (end - wall),
        "cpu_us": 1e6 * (cpu_end - cpu) / rows,
        "wait": wait,
    }


def median(values):
    return None if None in values else float(f"{statistics.median(values):.3g}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = write(pathlib.Path(folder), arguments.rows)
        uses = make_uses(path)
        _, *rounds = (
            {name: measure(use, arguments.rows) for name, use in uses.items()}
            for _ in range(1 + arguments.rounds)
        )
    table = [
        {"use": name}
        | {
            key: median([r[name][key] for r in rounds])
            for key in rounds[0][name]
        }
        for name in uses
    ]
    results = {"rows": arguments.rows, "table": table}
    arguments.out.write_text(json.dumps(results, indent=1) + "\n")
    for row in table:
        wait = "" if row["wait"] is None else f"  waits {row['wait']:.2f}"
        print(
            f"{row['rows_per_s']:8,.0f} rows/s {row['cpu_us']:8.1f} us of CPU"
            f"  {row['use']}{wait}"
        )


if __name__ == "__main__":
    main()
