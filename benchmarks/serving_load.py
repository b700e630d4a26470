"""A server under load and faults: right answers, latency, memory.

    python -m venv peers/kserve && peers/kserve/bin/pip install ".[kserve]"
    python -m benchmarks.serving_load --batching on \\
        --kserve-python peers/kserve/bin/python

The demo's model, from `kx.export.serving`, in a real server on this machine:
`tensorflow_model_server` if it is on PATH, else a `kserve.ModelServer` with
`kx.serving.kserve_model` in the environment of `--kserve-python`. Clients ask
for texts and pictures, and send malformed requests in between. After a third
of the time the server is killed (kill -9) and starts anew, after two thirds a
second version takes the first one's place. Each answer is compared with what
one of the two versions gives, whole.
"""

import argparse
import collections
import json
import pathlib
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request

import numpy as np

from benchmarks.settings import RESULTS, this_command

NAME = "emoji"
MALFORMED = 0.1  # of the requests
HUGE = 0.0005  # of the requests: a text of 100 MB
TOLERANCE = 1e-4  # of an embedding of length 1
BATCH_SIZES = (1, 2, 4, 8, 16, 32)
PROCESSES = 2  # that hold the clients
SERVER = """
import sys
import kserve
import keras_xmodal as kx

path, name, rest, grpc, *sizes = sys.argv[1:]
model = kx.serving.kserve_model(path, name, tuple(map(int, sizes)) or None)
server = kserve.ModelServer(
    http_port=int(rest), grpc_port=int(grpc), enable_latency_logging=False
)
server.start([model])
"""


def main():
    """Run the server and the clients, and write what was measured."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--kserve-python", type=pathlib.Path)
    parser.add_argument("--batching", choices=["on", "off"], default="on")
    parser.add_argument("--out", type=pathlib.Path)
    parser.add_argument("--worker", type=json.loads, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        print(json.dumps(work(**arguments.worker)))
        return
    with tempfile.TemporaryDirectory() as folder:
        result = measure(arguments, pathlib.Path(folder))
    default = RESULTS / f"serving_load_{arguments.batching}.json"
    text = json.dumps(result, indent=2) + "\n"
    (arguments.out or default).write_text(text)
    print(json.dumps(result, indent=2))


def measure(arguments, folder):
    """Everything, in a folder."""
    repository = folder / "server"
    versions = prepare(repository, folder)
    server = Server(arguments, repository, folder / "server.log")
    server.start()
    seconds = 60 * arguments.minutes
    worker = {
        "urls": server.urls,
        "requests": str(folder / "requests.npz"),
        "clients": arguments.clients // PROCESSES,
        "seconds": seconds,
    }
    start = time.monotonic()
    workers = [
        subprocess.Popen(
            [*this_command(), "--worker", json.dumps({**worker, "seed": seed})],
            stdout=subprocess.PIPE,
            text=True,
        )
        for seed in range(PROCESSES)
    ]
    memory = watch(server, start, seconds, lambda: replace(server, versions))
    found = [json.loads(p.communicate()[0].splitlines()[-1]) for p in workers]
    crashes = server.crashes
    server.stop()
    return summarize(arguments, server, found, memory, crashes)


def prepare(repository, folder):
    """The first version, the second beside it, and what both give."""
    import tensorflow as tf

    import keras_xmodal as kx
    from keras_xmodal.demo import recipe

    train = recipe.read_train()
    model = recipe.make(train, quiet=True).model
    kx.export.serving(model, repository, name=NAME, batch_sizes=BATCH_SIZES)
    generator = np.random.default_rng(0)  # as after some training
    for weight in model.trainable_variables:
        noise = 0.01 * generator.standard_normal(weight.shape)
        weight.assign_add(noise.astype("float32"))
    later = folder / "later"
    kx.export.saved_model(model, later)
    texts = train["texts"].ravel()[:200]
    pictures = [tf.io.encode_png(p).numpy() for p in train["image"][:200]]
    inputs = {"text": list(texts), "image": pictures}
    arrays = {
        name: np.array(
            [np.frombuffer(_bytes(row), "uint8") for row in rows], object
        )
        for name, rows in inputs.items()
    }
    for version, path in enumerate((repository / NAME / "1", later)):
        loaded = tf.saved_model.load(str(path))
        for name, rows in inputs.items():
            kind = {"text": "string", "image": "bytes"}[name]
            signature = loaded.signatures[f"embed_{name}_{kind}"]
            answer = signature(**{name: tf.constant(rows)})["embedding"]
            arrays[f"{name}_{version}"] = answer.numpy()
    difference = np.abs(arrays["text_0"] - arrays["text_1"]).max(axis=1)
    if not difference.min() > 10 * TOLERANCE:
        raise RuntimeError("The versions must differ in every answer.")
    np.savez(folder / "requests.npz", **arrays)

    def add_version():
        kx.export.serving(later, repository, name=NAME, version=2)

    return add_version


def _bytes(row):
    return row if isinstance(row, bytes) else str(row).encode()


def replace(server, add_version):
    """Put the second version in the place of the first one."""
    add_version()
    if server.is_kserve:  # It loads a model once, when it starts.
        server.restart(server.process.terminate)


class Server:
    """The process of a server.

    Args:
        arguments: Of the command line.
        repository: Folder from `kx.export.serving`.
        log: File.
    """

    def __init__(self, arguments, repository, log):
        program = shutil.which("tensorflow_model_server")
        self.is_kserve = program is None
        self.batching = arguments.batching
        rest, grpc = free_port(), free_port()
        url, channel = f"http://127.0.0.1:{rest}", f"grpc://127.0.0.1:{grpc}"
        self.log = log
        self.crashes = 0
        self.outages = []  # From and to, when it was down or starting.
        if self.is_kserve:
            if arguments.kserve_python is None:
                raise SystemExit(
                    "No tensorflow_model_server on PATH: --kserve-python must "
                    "be a Python with keras-xmodal[kserve]."
                )
            path = str(repository / NAME)
            self.command = [arguments.kserve_python, "-c", SERVER, path, NAME]
            self.command += [rest, grpc]
            if arguments.batching == "on":
                self.command += BATCH_SIZES
            self.ready = f"{url}/v2/health/ready"
            self.urls = [
                (url, "kserve_v1"),
                (url, "kserve_v2"),
                (channel, "kserve_v2"),
            ]
            return
        models = log.with_name("models.config")
        text = (repository / "models.config").read_text()
        models.write_text(text.replace("/models/", f"{repository}/"))
        self.command = [
            program,
            f"--port={grpc}",
            f"--rest_api_port={rest}",
            f"--model_config_file={models}",
            f"--monitoring_config_file={repository / 'monitoring.config'}",
        ]
        if arguments.batching == "on":
            file = repository / "batching.config"
            self.command += [
                "--enable_batching=true",
                f"--batching_parameters_file={file}",
            ]
        self.ready = f"{url}/v1/models/{NAME}"
        self.urls = [
            (url, "tensorflow_serving"),
            (channel, "tensorflow_serving"),
        ]

    def start(self):
        """Start it, and wait until it answers."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                list(map(str, self.command)),
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        end = time.monotonic() + 300
        while time.monotonic() < end:
            if self.process.poll() is not None:
                raise RuntimeError(self.log.read_text()[-4000:])
            try:
                urllib.request.urlopen(self.ready, timeout=5).close()
                return
            except OSError:
                time.sleep(0.2)
        raise TimeoutError("The server does not start.")

    def restart(self, stop):
        """Stop it in this way, and start it anew."""
        start = time.monotonic()
        stop()
        self.process.wait()
        self.start()
        self.outages.append((start, time.monotonic()))

    def kill(self):
        """Kill it at once (kill -9), and start it anew."""
        self.restart(self.process.kill)

    def memory(self):
        """MiB that are resident; a server that has ended starts anew."""
        if self.process.poll() is not None:
            self.crashes += 1
            self.restart(lambda: None)
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        (line,) = [x for x in status.splitlines() if x.startswith("VmRSS")]
        return int(line.split()[1]) / 1024

    def stop(self):
        """End it."""
        self.process.terminate()
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def free_port():
    """A port that nobody listens on."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def watch(server, start, seconds, replace_version):
    """Memory by part of the time, each the life of a process."""
    faults = [(seconds / 3, server.kill), (2 * seconds / 3, replace_version)]
    parts = [[]]
    while (passed := time.monotonic() - start) < seconds:
        if faults and passed > faults[0][0]:
            faults.pop(0)[1]()
            parts.append([])
        parts[-1].append(round(server.memory(), 1))
        time.sleep(1)
    return parts


# The clients, in processes of their own.


def work(urls, requests, clients, seconds, seed):
    """Ask until the time is over, with threads; gives counts and latencies."""
    import keras_xmodal as kx

    with np.load(requests, allow_pickle=True) as file:
        data = dict(file)
    rows = {
        name: [row.tobytes() for row in data[name]]
        for name in ("text", "image")
    }
    end = time.monotonic() + seconds
    counts, latencies = collections.Counter(), collections.defaultdict(list)
    lock = threading.Lock()

    def client(number):
        url, protocol = urls[number % len(urls)]
        kind = f"{protocol}, {url.partition(':')[0]}"
        draw = random.Random(1000 * seed + number)
        with kx.serving.Client(
            url, NAME, protocol=protocol, timeout=120, retries=10_000
        ) as asked:
            while time.monotonic() < end:
                if draw.random() < MALFORMED:
                    with lock:
                        counts[malformed(asked, draw, urls)] += 1
                    continue
                name = draw.choice(["text", "image"])
                size = draw.choice([1, 1, 1, 8])
                chosen = draw.sample(range(200), size)
                before = time.monotonic()
                outcome = ask(asked, name, chosen, rows, data)
                took = time.monotonic() - before
                with lock:
                    counts[outcome] += 1
                    counts["examples"] += size
                    latencies[f"{kind}, {name}, {size}"].append(
                        (round(before, 3), round(1000 * took, 2))
                    )

    threads = [
        threading.Thread(target=client, args=(number,))
        for number in range(seed * clients, (seed + 1) * clients)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return {"counts": counts, "latencies": latencies}


def ask(client, name, chosen, rows, data):
    """Whether the answer is that of a version."""
    kind = {"text": "string", "image": "bytes"}[name]
    try:
        found = client.predict(
            {name: [rows[name][i] for i in chosen]}, f"embed_{name}_{kind}"
        )["embedding"]
    except Exception as error:
        return f"failed: {type(error).__name__}: {str(error)[:200]}"
    for version in (0, 1):
        expected = data[f"{name}_{version}"][chosen]
        if found.shape != expected.shape:
            return "wrong"
        if np.abs(found - expected).max() < TOLERANCE:
            return f"right, version {version + 1}"
    return "wrong"


def malformed(client, draw, urls):
    """Whether the server refuses what it must, and nothing else happens."""
    if draw.random() < HUGE / MALFORMED:
        return huge(client)
    picture = [b"\x89PNG\r\n\x1a\n broken"]
    inputs, signature = draw.choice(
        [
            ({"text": [1.5]}, "embed_text_string"),
            ({"text": np.ones((1, 3), "int32")}, "embed_text"),
            ({"text": np.ones((1, 112))}, "embed_text"),
            ({"pear": ["a"]}, "embed_text_string"),
            ({}, "embed_text_string"),
            ({"image": picture}, "embed_image_bytes"),
            ({"text": ["a"]}, "embed_pear"),
            ({"text": np.empty((0,), object)}, "embed_text_string"),
            ({"image": np.full((1, 32, 32, 3), np.nan)}, "embed_image"),
        ]
    )
    try:
        # Past the rules of the client, which would refuse most of them.
        arrays = {name: np.asarray(value) for name, value in inputs.items()}
        arrays = {
            name: value.astype(object) if value.dtype.kind in "SU" else value
            for name, value in arrays.items()
        }
        for value in arrays.values():
            if value.dtype == object:
                value[:] = [_bytes(row) for row in value]
        client._ask(
            "malformed",
            lambda deadline: client._server.predict(
                arrays, signature, {"outputs": {}}, deadline
            ),
        )
    except (ValueError, LookupError) as error:
        known = "Received" in str(error) or "not JSON compliant" in str(error)
        return "refused" if known else f"refused badly: {error}"
    except Exception as error:
        return f"malformed: {type(error).__name__}: {str(error)[:200]}"
    return f"malformed was answered: {signature}, {sorted(inputs)}"


def huge(client):
    """A text of 100 MB."""
    try:
        client.predict({"text": ["x" * 10**8]}, "embed_text_string")
    except ValueError:
        return "refused, 100 MB"
    except Exception as error:
        return f"100 MB: {type(error).__name__}: {str(error)[:200]}"
    return "100 MB was answered"


# What was found.


def summarize(arguments, server, found, memory, crashes):
    """Counts, latencies and memory of all clients."""
    counts, latencies = collections.Counter(), collections.defaultdict(list)
    for part in found:
        counts.update(part["counts"])
        for kind, values in part["latencies"].items():
            latencies[kind] += values
    right = {k: v for k, v in counts.items() if k.startswith("right")}
    refused = sum(v for k, v in counts.items() if k.startswith("refused"))
    every = [value for values in latencies.values() for value in values]
    outages = server.outages
    down = sum(end - start for start, end in outages)
    other = {
        kind: count
        for kind, count in counts.items()
        if not kind.startswith(("right", "refused", "examples", "wrong"))
    }
    seconds = 60 * arguments.minutes
    return {
        "server": "kserve" if server.is_kserve else "tensorflow_model_server",
        "batching": server.batching,
        "minutes": arguments.minutes,
        "clients": arguments.clients,
        "right": sum(right.values()),
        "right_by_version": right,
        "wrong": counts["wrong"],
        "refused": refused,
        "refused_100_mb": counts["refused, 100 MB"],
        "other": other,
        "crashes": crashes,
        "seconds_of_outages": [round(end - start, 1) for start, end in outages],
        "requests_per_second": round(
            (sum(right.values()) + refused) / (seconds - down), 1
        ),
        "examples_per_second": round(counts["examples"] / (seconds - down), 1),
        "ms": percentiles(every, outages),
        "ms_with_outages": percentiles(every, []),
        "ms_by_kind": {
            kind: percentiles(values, outages)
            for kind, values in sorted(latencies.items())
        },
        "memory_mib": [
            {
                "after_10_s": part[min(10, len(part) - 1)],
                "largest": max(part),
                "median_of_last_fifth": float(
                    np.median(part[-max(1, len(part) // 5) :])
                ),
            }
            for part in memory
            if part
        ],
    }


def percentiles(latencies, outages):
    """p50, p99 and p99.9 of requests that met no outage, and how many."""
    values = [
        took
        for start, took in latencies
        if not any(
            start < outage[1] and start + took / 1000 > outage[0]
            for outage in outages
        )
    ]
    p50, p99, p999 = np.percentile(values, [50, 99, 99.9])
    return {
        "p50": round(float(p50), 2),
        "p99": round(float(p99), 2),
        "p99.9": round(float(p999), 2),
        "count": len(values),
    }


if __name__ == "__main__":
    sys.exit(main())
