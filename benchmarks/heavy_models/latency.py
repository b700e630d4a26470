"""Latency and memory of LiteRT files with XNNPACK."""

import json
import subprocess
import sys
import time

BATCH_SIZES = {1: 200, 32: 50}  # calls in a round
ROUNDS = 7
# Of a process that holds this file alone: Python, NumPy and the runtime are
# there before.
MEMORY = """
import sys
import numpy as np
from ai_edge_litert.interpreter import Interpreter
def resident():
    with open("/proc/self/status") as status:
        (line,) = (l for l in status if l.startswith("VmRSS"))
    return int(line.split()[1]) / 1024
x = np.load(sys.argv[2])
before = resident()
interpreter = Interpreter(sys.argv[1])
(name,) = interpreter.get_signature_list()
run = interpreter.get_signature_runner(name)
for size in (1, 32):
    for _ in range(20):
        run(**{name.removeprefix("embed_"): x[:size]})
print(resident() - before)
"""


def measure(files):
    """Milliseconds (p50, p99) by batch size, and MiB, of each file.

    The files take turns, so that what else the machine does meets all alike.
    """
    import numpy as np
    from ai_edge_litert.interpreter import Interpreter

    calls = {}
    for key, file in files.items():
        interpreter = Interpreter(str(file))
        (name,) = interpreter.get_signature_list()
        calls[key] = (
            interpreter.get_signature_runner(name),
            name.removeprefix("embed_"),
            np.load(file.with_suffix(".npy")),
        )
    times = {key: {size: [] for size in BATCH_SIZES} for key in files}
    for _ in range(ROUNDS):
        for size, count in BATCH_SIZES.items():
            for key, (run, modality, x) in calls.items():
                run(**{modality: x[:size]})  # another size than before
                for _ in range(count):
                    start = time.perf_counter()
                    run(**{modality: x[:size]})
                    times[key][size].append(
                        1000 * (time.perf_counter() - start)
                    )
    return {
        key: {
            "milliseconds": {
                str(size): {
                    f"p{q}": round(float(np.percentile(values, q)), 3)
                    for q in (50, 99)
                }
                for size, values in times[key].items()
            },
            "resident_mib": round(memory(file), 1),
        }
        for key, file in files.items()
    }


def memory(file):
    """MiB that a file takes in a process of its own."""
    command = [sys.executable, "-c", MEMORY]
    command += [str(file), str(file.with_suffix(".npy"))]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(done.stdout.strip().splitlines()[-1])
