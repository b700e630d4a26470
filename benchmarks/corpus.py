"""A corpus into files and an index, by three engines that are killed twice.

    python -m benchmarks.corpus --out results.json

A million short texts in a Parquet file go through a small text tower, exported
as a SavedModel, by `kx.retrieval.embed_corpus`; the first 100,000 of them by
Ray and by Apache Beam too. Each process is killed, with all that it started,
when a third and when two thirds of the shards are there, and started again.
Then each item must be there once, with the embedding that Keras gives it, and
the million go into an `ExactIndex`. Rows a second count whole legs, with the
start of Python, TensorFlow and the engine, and also from the first shard of a
leg to its last. Memory is that of all processes of an engine (proportional set
size), sampled; to see whether it grows with the rows, a tenth of them is
embedded by itself.
"""

import argparse
import json
import pathlib
import subprocess
import sys
import tempfile
import time

from benchmarks.settings import this_command
from benchmarks.speed.processes import machine_facts
from tests.pipelines import kills

ROWS, ENGINE_ROWS, SHARD_SIZE, BATCH_SIZE = 1_000_000, 100_000, 4096, 256
WORDS, DIM, CHECKED = 20_000, 128, 2000
OPTIONS = {"ids": "id", "shard_size": SHARD_SIZE, "batch_size": BATCH_SIZE}


def make(folder, rows):
    """The model, as Keras has it and exported, and tables of texts."""
    import keras
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    import keras_xmodal as kx

    keras.utils.set_random_seed(0)
    words = [f"word{i}" for i in range(WORDS)]
    texts = kx.networks.TextPreprocessor(sequence_length=12, vocabulary=words)
    encoder = kx.networks.TextEncoder(texts.vocabulary_size(), 64)
    model = kx.EmbeddingModel(
        encoders={"text": encoder},
        embedding_dim=DIM,
        preprocessors={"text": texts},
    )
    model.encode(["word1"], "text")
    model.save(folder / "model.keras")
    kx.export.saved_model(model, folder / "model" / "1")
    rng = np.random.default_rng(0)
    chosen = rng.integers(0, WORDS, (max(rows), 8))
    table = pa.table(
        {
            "id": [f"item-{i:08d}" for i in range(max(rows))],
            "text": [" ".join(words[j] for j in row) for row in chosen],
        }
    )
    for count in rows:
        pq.write_table(table.slice(0, count), folder / f"{count}.parquet")


def embed(engine, folder, rows, out):
    """Embed a table, in this process."""
    import keras_xmodal as kx

    arguments = [str(folder / "model"), folder / f"{rows}.parquet", out]
    if engine == "own":
        kx.retrieval.embed_corpus(*arguments, verbose=0, **OPTIONS)
    elif engine == "beam":
        kx.pipelines.embed_with_beam(*arguments, **OPTIONS)
    else:
        import ray

        ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
        kx.pipelines.embed_with_ray(*arguments, **OPTIONS)


class Watch:
    """The seconds and shards of a leg, and how much memory it takes."""

    def __init__(self, out):
        self.out, self.before = out, set(out.glob("shard-*"))
        self.start, self.most, self._next = time.time(), 0, 0

    def __call__(self, process):
        if time.time() >= self._next:
            self.most = max(self.most, memory(kills.of_session(process.pid)))
            self._next = time.time() + 0.5

    def facts(self):
        """Of the whole leg, and of it from the first shard to the last."""
        end = time.time()
        times = sorted(
            shard.stat().st_mtime
            for shard in set(self.out.glob("shard-*")) - self.before
        )
        return {
            "s": round(end - self.start, 2),
            "shards": len(times),
            "s_after_first": round(times[-1] - times[0], 2),
            "shards_after_first": len(times) - 1,
            "peak_mb": round(self.most / 1024),
        }


def shards(out):
    return len(list(out.glob("shard-*")))


def memory(pids):
    """KiB of processes, of what they share the part of each."""
    total = 0
    for pid in pids:
        try:
            text = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
        except OSError:  # It has ended.
            continue
        total += sum(
            int(line.split()[1])
            for line in text.splitlines()
            if line.startswith("Pss:")
        )
    return total


def run(engine, folder, rows, out, killed):
    """Legs of an engine, all but the last of which are killed."""
    command = [*this_command(), "--embed", engine, str(folder), str(rows)]
    command.append(str(out))
    total, legs = -(-rows // SHARD_SIZE), []
    for kill in range(killed):
        watch = Watch(out)
        at = total * (kill + 1) // (killed + 1)
        kills.kill_at(max(at, shards(out) + 1), command, out, kill, watch)
        legs.append(watch.facts())
    watch, process = Watch(out), kills.start(command)
    try:
        while process.poll() is None:
            watch(process)
            time.sleep(0.01)
        if process.returncode:
            raise RuntimeError(process.stderr.read()[-2000:].decode())
        legs.append(watch.facts())
    finally:
        kills.kill(process)

    def speed(suffix):
        seconds = sum(leg[f"s{suffix}"] for leg in legs)
        done = sum(leg[f"shards{suffix}"] for leg in legs)
        return (
            round(min(done * SHARD_SIZE, rows) / seconds) if seconds else None
        )

    return {
        "engine": engine,
        "rows": rows,
        "killed": killed,
        "legs": legs,
        "rows_per_s": speed(""),
        "rows_per_s_after_first": speed("_after_first"),
        "peak_mb": max(leg["peak_mb"] for leg in legs),
        "megabytes": round(sum(f.stat().st_size for f in out.glob("*")) / 1e6),
    }


def check(folder, rows, out):
    """Count the items, compare some with Keras, and make an index of all."""
    import keras
    import numpy as np
    import pyarrow.parquet as pq

    import keras_xmodal as kx

    def resident(key):
        for line in pathlib.Path("/proc/self/status").read_text().splitlines():
            if line.startswith(key):
                return int(line.split()[1]) // 1024
        return None

    model = keras.saving.load_model(folder / "model.keras", compile=False)
    texts = pq.read_table(folder / f"{rows}.parquet").column("text")
    texts = texts.slice(0, CHECKED).to_pylist()
    expected = model.encode(texts, "text", batch_size=BATCH_SIZE)
    index, start = kx.retrieval.ExactIndex(model), time.perf_counter()
    first, before = [], resident("VmRSS")
    for shard in kx.retrieval.read_corpus(out):
        ids, embeddings = shard["text"]
        index.add(embeddings, ids, "text")
        if len(first) * SHARD_SIZE < CHECKED:
            first.append(embeddings)
    indexed = time.perf_counter() - start
    ids = index.rows("text")[0]
    in_order = np.array([f"item-{i:08d}" for i in range(rows)])
    error = np.abs(np.concatenate(first)[: len(texts)] - expected).max()
    found, _ = index.search({"text": texts[:1]}, k=1)
    return {
        "each_item_once": bool(np.array_equal(np.sort(ids), in_order)),
        "in_order": bool(np.array_equal(ids, in_order)),
        "max_abs_error": float(error),
        "index_s": round(indexed, 2),
        "index_mb_before_and_most": [before, resident("VmHWM")],
        "finds_itself": bool(found[0, 0] == ids[0]),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=pathlib.Path)
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--engine-rows", type=int, default=ENGINE_ROWS)
    parser.add_argument("--engines", nargs="+", default=["own", "ray", "beam"])
    parser.add_argument("--kills", type=int, default=2)
    parser.add_argument("--embed", nargs=4, help=argparse.SUPPRESS)
    parser.add_argument("--check", nargs=3, help=argparse.SUPPRESS)
    parser.add_argument("--make", nargs="+", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.make:
        folder, *rows = arguments.make
        make(pathlib.Path(folder), sorted(map(int, rows)))
        return
    if arguments.embed:
        engine, folder, rows, out = arguments.embed
        embed(engine, pathlib.Path(folder), int(rows), pathlib.Path(out))
        return
    if arguments.check:
        folder, rows, out = arguments.check
        facts = check(pathlib.Path(folder), int(rows), pathlib.Path(out))
        print(json.dumps(facts))
        return
    results = {
        **machine_facts(threads=None),
        "shard_size": SHARD_SIZE,
        "dim": DIM,
        "table": [],
    }
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        rows = {
            "own": arguments.rows,
            "ray": arguments.engine_rows,
            "beam": arguments.engine_rows,
        }
        cells = [("own", arguments.rows // 10, 0)]
        cells += [
            (name, rows[name], arguments.kills) for name in arguments.engines
        ]
        counts = {str(count) for _, count, _ in cells}
        subprocess.run(
            [*this_command(), "--make", str(folder), *counts], check=True
        )
        for place, (engine, count, killed) in enumerate(cells):
            out = folder / f"out{place}"
            result = run(engine, folder, count, out, killed)
            checked = [*this_command(), "--check", str(folder), str(count)]
            done = subprocess.run(
                [*checked, str(out)], capture_output=True, text=True
            )
            if done.returncode:
                raise RuntimeError(done.stderr[-2000:])
            result.update(json.loads(done.stdout.splitlines()[-1]))
            results["table"].append(result)
            print(json.dumps(result), flush=True)
    if arguments.out:
        text = json.dumps(results, indent=1)
        arguments.out.write_text(text + "\n", encoding="utf-8")
    sys.exit(not all(row["each_item_once"] for row in results["table"]))


if __name__ == "__main__":
    main()
