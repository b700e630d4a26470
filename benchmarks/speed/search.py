"""A served search: text queries against an index inside a SavedModel, in C.

    python -m benchmarks.speed.search --out results.json

The index has 100,000 or a million rows of random vectors and string ids; the
model is a text tower with a table of 20,000 words. Asked are the C program of
the tests (libtensorflow, without Python) and a fresh Python process that has
TensorFlow only: milliseconds of a request, p50 and p99, at batch 1 and 32, the
first request of a process and the first one after a warm-up of one request for
each batch size, seconds to load, and memory. `--peer-python` names an
interpreter with faiss-cpu, which searches the same rows: exactly, and in an
inverted file (IVF) with the recall that it has.
"""

import argparse
import json
import pathlib
import subprocess
import sys
import tempfile

from benchmarks.speed.processes import machine_facts

K, WORDS = 10, 20_000
RUNS = {1: 300, 32: 60}
SETTINGS = [  # rows, dims, rows of an id
    (100_000, 640, 1),
    (100_000, 640, 5),
    (100_000, 128, 1),
    (1_000_000, 128, 1),
]
SIGNATURE = "search_text_string_to_image"
PYTHON = """
import json, sys, time
sys.modules["keras"] = sys.modules["keras_xmodal"] = None
import tensorflow as tf
path, signature, texts, runs = sys.argv[1:3] + [json.loads(a) for a in sys.argv[3:]]
start = time.perf_counter()
loaded = tf.saved_model.load(path)
search = loaded.signatures[signature]
facts = {"load_s": time.perf_counter() - start}
def ask(size):
    start = time.perf_counter()
    search(text=tf.constant(texts[:size]))["ids"].numpy()
    return 1000 * (time.perf_counter() - start)
facts["first"] = ask(1)
for size in runs:
    ask(int(size))
facts["runs"] = {size: [ask(int(size)) for _ in range(count)]
                 for size, count in runs.items()}
print(json.dumps(facts))
"""  # noqa: E501
PEER = """
import json, sys, time
import faiss, numpy as np
path, k, runs = sys.argv[1], int(sys.argv[2]), json.loads(sys.argv[3])
rows = np.load(path)
rng = np.random.default_rng(1)
queries = rows[rng.integers(0, len(rows), 200)]
queries = queries + 0.5 * rng.standard_normal(queries.shape) / rows.shape[1]**.5
queries = queries.astype("float32")
flat = faiss.IndexFlatIP(rows.shape[1])
flat.add(rows)
cells = faiss.index_factory(
    rows.shape[1], f"IVF{int(len(rows) ** .5)},Flat", faiss.METRIC_INNER_PRODUCT)
cells.train(rows[:: max(1, len(rows) // 100_000)])
cells.add(rows)
cells.nprobe = 16
_, right = flat.search(queries, k)
_, found = cells.search(queries, k)
facts = {"recall": float(np.mean([len({*a} & {*b}) / k for a, b in zip(right, found)]))}
for name, index in (("flat", flat), ("ivf", cells)):
    facts[name] = {}
    for size, count in runs.items():
        times = []
        for i in range(count):
            batch = queries[[(i + j) % 200 for j in range(int(size))]]
            start = time.perf_counter()
            index.search(batch, k)
            times.append(1000 * (time.perf_counter() - start))
        facts[name][size] = times
print(json.dumps(facts))
"""  # noqa: E501


def make_model(dim):
    """A text tower, and texts of known words."""
    import keras
    import numpy as np

    import keras_xmodal as kx

    keras.utils.set_random_seed(0)
    words = [f"word{i}" for i in range(WORDS)]
    texts = kx.networks.TextPreprocessor(sequence_length=12, vocabulary=words)
    encoder = kx.networks.TextEncoder(texts.vocabulary_size())
    model = kx.EmbeddingModel(
        encoders={"text": encoder},
        embedding_dim=dim,
        preprocessors={"text": texts},
    )
    chosen = np.random.default_rng(0).choice(words, (32, 4))
    queries = [" ".join(row) for row in chosen]
    model.predict_on_batch({"text": np.array(queries)})
    return model, queries


def export(folder, rows, dim, rows_of_an_id):
    """Write the SavedModel and the rows; return the texts to ask for."""
    import numpy as np

    import keras_xmodal as kx

    rng = np.random.default_rng(0)
    centres = rng.standard_normal((rows // 100, dim), "float32")
    embeddings = centres[rng.integers(0, len(centres), rows)]
    embeddings += rng.standard_normal((rows, dim), "float32")
    embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
    np.save(folder / "rows.npy", embeddings)
    model, queries = make_model(dim)
    index = kx.retrieval.ExactIndex(model)
    ids = [f"item-{i // rows_of_an_id:07d}" for i in range(rows)]
    index.add(embeddings, ids, "image")
    del embeddings
    kx.export.saved_model(model, folder / "1", search=index, k=K)
    return queries


def ask_in_c(program, folder, queries):
    """What the C program says of a model."""
    from tests.export.c_client import Client

    def ask(client, size, count):
        texts = {"text": queries[:size]}
        return client.run(SIGNATURE, texts, count)[1]

    with Client(program, folder / "1", folder) as client:
        facts = {"load_s": client.load_seconds, "first": ask(client, 1, 1)[0]}
        facts["runs"] = {
            size: ask(client, size, count + 1)[1:]
            for size, count in RUNS.items()
        }
        facts["resident_mb"], facts["most_mb"] = (
            round(kib / 1024) for kib in client.memory()
        )
    with Client(program, folder / "1", folder) as client:
        for size in RUNS:
            ask(client, size, 1)
        facts["first_after_warm_up"] = ask(client, 1, 1)[0]
    return facts


def run(command):
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:])
    return json.loads(done.stdout.splitlines()[-1])


def summary(runs):
    """Percentiles of milliseconds, by batch size."""
    import numpy as np

    return {
        str(size): {
            f"p{p}": round(float(np.percentile(times, p)), 2) for p in (50, 99)
        }
        for size, times in runs.items()
    }


def measure(program, setting, peer_python):
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        queries = run(
            [
                *(sys.executable, "-m", "benchmarks.speed.search"),
                *("--export", str(folder), *map(str, setting)),
            ]
        )
        c = ask_in_c(program, folder, queries)
        arguments = [str(folder / "1"), SIGNATURE]
        arguments += [json.dumps(queries), json.dumps(RUNS)]
        python = run([sys.executable, "-c", PYTHON, *arguments])
        result = dict(
            zip(("rows", "dim", "rows_of_an_id"), setting, strict=True)
        )
        files = (folder / "1").rglob("*")
        size = sum(f.stat().st_size for f in files if f.is_file())
        result["megabytes"] = round(size / 1e6)
        for name, facts in (("c", c), ("python", python)):
            runs = facts.pop("runs")
            facts = {key: round(value, 2) for key, value in facts.items()}
            result[name] = {**facts, **summary(runs)}
        if peer_python:
            arguments = [str(folder / "rows.npy"), str(K), json.dumps(RUNS)]
            facts = run([peer_python, "-c", PEER, *arguments])
            result["faiss"] = {
                "flat": summary(facts["flat"]),
                "ivf": summary(facts["ivf"]),
                "recall": round(facts["recall"], 3),
            }
        return result


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=pathlib.Path)
    parser.add_argument("--peer-python", help="interpreter with faiss-cpu")
    parser.add_argument("--export", nargs=4, help=argparse.SUPPRESS)
    parser.add_argument("--only", type=int, nargs="+", help="settings, from 0")
    arguments = parser.parse_args()
    if arguments.export:
        folder, *setting = arguments.export
        print(json.dumps(export(pathlib.Path(folder), *map(int, setting))))
        return
    from tests.export.c_client import compile_client

    results = {**machine_facts(threads=None), "k": K, "table": []}
    with tempfile.TemporaryDirectory() as folder:
        program = compile_client(folder)
        for place in arguments.only or range(len(SETTINGS)):
            result = measure(program, SETTINGS[place], arguments.peer_python)
            results["table"].append(result)
            print(json.dumps(result), flush=True)
    if arguments.out:
        text = json.dumps(results, indent=1)
        arguments.out.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
