"""Indexes beside Faiss, USearch and NumPy, and what a text query takes in all.

    python -m benchmarks.speed.indexes --out results.json

Rows of 128 numbers, in clusters, as those of a model are; k is 10. Each index
runs in a process of its own, with the threads that a user has who sets none,
and the processes take turns: milliseconds of one query and of a hundred, of one
row that is added and the first search after it, and of one that is removed;
seconds to build, to load and to map; recall against the exact answer; memory.
`usearch` and `faiss` are the libraries alone, with integer ids; `ExactIndex`,
`FaissIndex` and `UsearchIndex` are ours, which check their arguments, find each
id once and take strings.

A text query is encoded by a model of small towers and searched for among
100,000 rows. `recall` is of `recall_report`: queries of the modality that is
searched and of another one whose mean lies elsewhere, with longer shortlists
and, in the library alone, with the mean of the rows subtracted.
"""

import argparse
import json
import os
import pathlib
import resource
import statistics
import subprocess
import tempfile
import time

from benchmarks.settings import this_command
from benchmarks.speed.processes import machine_facts

DIM, K, QUERIES = 128, 10, 100
ROWS = (10_000, 100_000, 1_000_000)
RECALL_ROWS = 50_000
INDEXES = (
    "ExactIndex",
    "faiss, IndexFlatIP",
    "NumPy",
    "UsearchIndex",
    "usearch",
    "FaissIndex, IVF",
    "faiss, IVF",
)


class Ours:
    """An index of this package."""

    def __init__(self, rows, **arguments):
        import keras_xmodal as kx

        kind, self.arguments = arguments.pop("kind"), arguments
        self.kind = getattr(kx.retrieval, kind)
        self.index = self.kind(**arguments)
        self.index.add(rows, modality="image")

    def search(self, queries):
        return self.index.search(queries, K)[0]

    def add(self, row):
        self.index.add(row, modality="image")

    def remove(self, number):
        self.index.remove([number])

    def save(self, folder):
        self.index.save(folder / "ours")

    def load(self, folder):
        return self.kind.load(folder / "ours")

    def map(self, folder):
        return self.kind.load(folder / "ours", mmap=True)

    def threads(self):
        return os.cpu_count()


class Faiss:
    """Faiss alone."""

    def __init__(self, rows, factory, nprobe=None):
        import faiss

        self.faiss = faiss
        metric = faiss.METRIC_INNER_PRODUCT
        self.index = faiss.index_factory(DIM, factory, metric)
        if not self.index.is_trained:
            self.index.train(rows)
            self.index.nprobe = nprobe
        self.index.add(rows)

    def search(self, queries):
        return self.index.search(queries, K)[1]

    def add(self, row):
        self.index.add(row)

    def remove(self, number):
        import numpy as np

        self.index.remove_ids(np.array([number]))

    def save(self, folder):
        self.faiss.write_index(self.index, str(folder / "faiss"))

    def load(self, folder):
        return self.faiss.read_index(str(folder / "faiss"))

    def map(self, folder):
        flag = self.faiss.IO_FLAG_MMAP
        return self.faiss.read_index(str(folder / "faiss"), flag)

    def threads(self):
        return self.faiss.omp_get_max_threads()


class Usearch:
    """USearch alone."""

    def __init__(self, rows, dtype="f16"):
        import numpy as np
        from usearch.index import Index

        self.kind, self.count = Index, len(rows)
        self.index = Index(ndim=DIM, metric="cos", dtype=dtype)
        self.index.add(np.arange(len(rows)), rows)

    def search(self, queries):
        return self.index.search(queries, K).keys.reshape(len(queries), -1)

    def add(self, row):
        self.index.add(self.count, row[0])
        self.count += 1

    def remove(self, number):
        self.index.remove(number)

    def save(self, folder):
        self.index.save(str(folder / "usearch"))

    def load(self, folder):
        return self.kind.restore(str(folder / "usearch"))

    def map(self, folder):
        return self.kind.restore(str(folder / "usearch"), view=True)

    def threads(self):
        return os.cpu_count()


class NumPy:
    """What one writes oneself: blocks of float32, and argpartition."""

    def __init__(self, rows):
        self.rows = rows

    def search(self, queries):
        import numpy as np

        numbers, scores = [], []
        for start in range(0, len(self.rows), 65536):
            block = queries @ self.rows[start : start + 65536].T
            best = np.argpartition(-block, K, axis=1)[:, :K]
            numbers.append(best + start)
            scores.append(np.take_along_axis(block, best, axis=1))
        numbers, scores = np.hstack(numbers), np.hstack(scores)
        order = np.argsort(-scores, axis=1)[:, :K]
        return np.take_along_axis(numbers, order, axis=1)

    def add(self, row):
        import numpy as np

        self.rows = np.concatenate([self.rows, row])

    def remove(self, number):
        import numpy as np

        self.rows = np.delete(self.rows, number, axis=0)

    def save(self, folder):
        import numpy as np

        np.save(folder / "numpy.npy", self.rows)

    def load(self, folder):
        import numpy as np

        return np.load(folder / "numpy.npy")

    def map(self, folder):
        import numpy as np

        return np.load(folder / "numpy.npy", mmap_mode="r")

    def threads(self):
        return os.cpu_count()


def make(name, rows):
    cells = int(len(rows) ** 0.5)
    factory = f"IVF{cells},Flat"
    return {
        "ExactIndex": lambda: Ours(rows, kind="ExactIndex"),
        "UsearchIndex": lambda: Ours(rows, kind="UsearchIndex"),
        "FaissIndex, IVF": lambda: Ours(
            rows, kind="FaissIndex", factory=factory, parameters="nprobe=32"
        ),
        "faiss, IndexFlatIP": lambda: Faiss(rows, "Flat"),
        "faiss, IVF": lambda: Faiss(rows, factory, 32),
        "usearch": lambda: Usearch(rows),
        "NumPy": lambda: NumPy(rows),
    }[name]()


def make_data(folder, num_rows):
    """Rows in clusters, queries near to some, and their true neighbours."""
    import numpy as np

    rng = np.random.default_rng(0)
    centres = rng.standard_normal((num_rows // 100, DIM), "float32")
    rows = centres[rng.integers(0, len(centres), num_rows)]
    rows += rng.standard_normal(rows.shape, "float32")
    queries = rows[rng.integers(0, num_rows, QUERIES)]
    queries = queries + 0.5 * rng.standard_normal(queries.shape, "float32")
    for array in (rows, queries):
        array /= np.linalg.norm(array, axis=1, keepdims=True)
    np.save(folder / "rows.npy", rows)
    np.save(folder / "queries.npy", queries)
    np.save(folder / "true.npy", NumPy(rows).search(queries))


def milliseconds(use, count):
    """Median of several calls, after the first."""
    use(0)
    times = []
    for i in range(count):
        start = time.perf_counter()
        use(i + 1)
        times.append(1000 * (time.perf_counter() - start))
    return statistics.median(times)


def resident_mib():
    """Memory of this process, without what it has given back."""
    pages = int(pathlib.Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


def seconds(use):
    start = time.perf_counter()
    result = use()
    return time.perf_counter() - start, result


def measure(name, folder):
    """Facts of one index."""
    import numpy as np

    rows, queries, true = (
        np.load(folder / f"{part}.npy") for part in ("rows", "queries", "true")
    )
    count = 50 if len(rows) <= 100_000 else 11
    facts, before = {}, resident_mib()
    facts["build_s"], index = seconds(lambda: make(name, rows))
    found = index.search(queries)
    hits = [len({*a} & {*b}) for a, b in zip(found, true, strict=True)]
    facts["recall"] = sum(hits) / (K * len(hits))

    def one(i):
        index.search(queries[i % QUERIES][None])

    facts["one_ms"] = milliseconds(one, count)
    facts["hundred_ms"] = milliseconds(lambda i: index.search(queries), 9)
    added, after = [], []
    for i in range(5):
        added.append(seconds(lambda i=i: index.add(queries[i][None]))[0])
        after.append(seconds(lambda i=i: one(i))[0])
    facts["add_ms"] = 1000 * statistics.median(added)
    facts["search_after_add_ms"] = 1000 * statistics.median(after)
    removed = [seconds(lambda i=i: index.remove(i))[0] for i in range(5)]
    facts["remove_ms"] = 1000 * statistics.median(removed)
    facts["more_mib"] = resident_mib() - before
    with tempfile.TemporaryDirectory(dir=folder) as place:
        place = pathlib.Path(place)
        index.save(place)
        facts["load_s"] = seconds(lambda: index.load(place))[0]
        facts["map_s"] = seconds(lambda: index.map(place))[0]
    return {**facts, "threads": index.threads()}


def text_query(folder):
    """Milliseconds of a text query, and of its two parts."""
    import numpy as np

    import keras_xmodal as kx
    from benchmarks.speed.search import make_model

    model, texts = make_model(DIM)
    index = kx.retrieval.ExactIndex(model)
    index.add(np.load(folder / "rows.npy"), modality="image")
    embedded = model.encode({"text": np.array(texts)})
    embedded = embedded["text"] if isinstance(embedded, dict) else embedded

    def ask(i):
        index.search({"text": np.array([texts[i % len(texts)]])}, K)

    return {
        "in_all_ms": milliseconds(ask, 100),
        "encode_ms": milliseconds(
            lambda i: model.encode({"text": np.array([texts[i % len(texts)]])}),
            100,
        ),
        "search_ms": milliseconds(
            lambda i: index.search(embedded[i % len(texts)][None], K), 100
        ),
    }


def two_modalities(num_rows, gap):
    """Embeddings of the same items, about two means that lie apart."""
    import numpy as np

    rng = np.random.default_rng(0)
    falling = np.exp(-np.arange(DIM) / 24)
    items = rng.standard_normal((num_rows, DIM)) * falling
    items /= np.sqrt((items**2).sum(axis=1).mean())
    for _ in ("image", "text"):
        mean = rng.standard_normal(DIM)
        turned = np.linalg.qr(rng.standard_normal((DIM, DIM)))[0]
        own = rng.standard_normal(items.shape) * falling
        own /= np.sqrt((own**2).sum(axis=1).mean())
        x = gap * mean / np.linalg.norm(mean) + items + 0.7 * own @ turned
        yield (x / np.linalg.norm(x, axis=1, keepdims=True)).astype("float32")


def recalls(num_rows, gap=2.0):
    """Recall by the modality of the queries, of several settings."""
    import keras_xmodal as kx

    image, text = two_modalities(num_rows + 500, gap)
    queries = {"image": image[num_rows:], "text": text[num_rows:]}
    rows = image[:num_rows]
    cells = int(num_rows**0.5)
    kinds = {
        "usearch f16": lambda **o: kx.retrieval.UsearchIndex(**o),
        "usearch i8": lambda **o: kx.retrieval.UsearchIndex(dtype="i8", **o),
        "usearch f16, expansion_search=256": lambda **o: (
            kx.retrieval.UsearchIndex(expansion_search=256, **o)
        ),
        "faiss HNSW32, efSearch=64": lambda **o: kx.retrieval.FaissIndex(
            factory="HNSW32", parameters="efSearch=64", **o
        ),
        f"faiss IVF{cells},SQ4, nprobe=32": lambda **o: kx.retrieval.FaissIndex(
            factory=f"IVF{cells},SQ4", parameters="nprobe=32", **o
        ),
    }
    table = []
    for name, kind in kinds.items():
        index = kind()
        index.add(rows, modality="image")
        for rescore in (1, 4, 16):
            index.rescore = rescore
            report = kx.retrieval.recall_report(index, queries, K)
            same, other = (report[f"recall@{K}_{n}"] for n in queries)
            setting = f"{name}, rescore={rescore}"
            table.append({"index": setting, "same": same, "other": other})
    table.append({"index": "usearch f16, centred", **centred(rows, queries)})
    return table


def centred(rows, queries):
    """Recall of USearch where the mean of the rows is subtracted.

    The products with a query change by the same number for all rows, so that
    the exact order stays.
    """
    import numpy as np
    from usearch.index import Index

    index = Index(ndim=DIM, metric="ip", dtype="f16")
    index.add(np.arange(len(rows)), rows - rows.mean(axis=0))
    facts = {}
    for name, x in zip(("same", "other"), queries.values(), strict=True):
        found, true = index.search(x, K).keys, NumPy(rows).search(x)
        hits = [len({*a} & {*b}) for a, b in zip(found, true, strict=True)]
        facts[name] = sum(hits) / (K * len(hits))
    return facts


def worker(name, folder):
    if name == "data":
        make_data(folder, int(folder.name))
        return {}
    if name == "text query":
        return text_query(folder)
    if name == "recall":
        return {"rows": RECALL_ROWS, "table": recalls(RECALL_ROWS)}
    import tensorflow  # noqa: F401  (USearch before it breaks Faiss)

    return measure(name, folder)


def run(name, folder):
    command = [*this_command(), "--worker", name, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{name}: {done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def median(rounds):
    """Medians of the facts of several runs, to four digits."""
    return {
        key: float(f"{statistics.median(r[key] for r in rounds):.4g}")
        for key in rounds[0]
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=pathlib.Path)
    parser.add_argument("--rows", type=int, nargs="+", default=ROWS)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", nargs="+", default=INDEXES, metavar="INDEX")
    parser.add_argument("--worker", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        name, folder = arguments.worker
        print(json.dumps(worker(name, pathlib.Path(folder))))
        return
    results = {**machine_facts(threads=None), "dim": DIM, "k": K, "table": []}
    with tempfile.TemporaryDirectory() as root:
        for num_rows in arguments.rows:
            folder = pathlib.Path(root) / str(num_rows)
            folder.mkdir()
            run("data", folder)
            rounds = {name: [] for name in arguments.only}
            for _ in range(arguments.rounds):
                for name, facts in rounds.items():
                    facts.append(run(name, folder))
            for name, facts in rounds.items():
                row = {"index": name, "rows": num_rows, **median(facts)}
                results["table"].append(row)
                print(json.dumps(row), flush=True)
            if num_rows == 100_000:
                results["text query"] = run("text query", folder)
                print(json.dumps(results["text query"]), flush=True)
            (folder / "rows.npy").unlink()
        results["recall"] = run("recall", pathlib.Path(root))
        for row in results["recall"]["table"]:
            print(json.dumps(row), flush=True)
    results["load"] = os.getloadavg()[0]
    if arguments.out:
        text = json.dumps(results, indent=1)
        arguments.out.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
