"""Processes of the benchmarks of speed: one line of JSON each, run quietly."""

import json
import os
import pathlib
import platform
import resource
import subprocess
import time


def cpu_times():
    """Return (busy, all) CPU seconds of the machine, or None off Linux."""
    try:
        line = pathlib.Path("/proc/stat").read_text().splitlines()[0]
    except OSError:
        return None
    values = [int(value) for value in line.split()[1:9]]
    tick = os.sysconf("SC_CLK_TCK")
    return (sum(values) - values[3] - values[4]) / tick, sum(values) / tick


def load_of(seconds):
    """Cores in use during some seconds, or None off Linux."""
    before = cpu_times()
    if before is None:
        return None
    time.sleep(seconds)
    busy, total = (b - a for a, b in zip(before, cpu_times(), strict=True))
    return round(os.cpu_count() * busy / total, 2)


def wait_until_idle(limit, max_other_load):
    """Wait for a quiet second, at most `limit` seconds."""
    end = time.monotonic() + limit
    while (before := cpu_times()) and time.monotonic() < end:
        time.sleep(1)
        after = cpu_times()
        if after[0] - before[0] <= max_other_load * (after[1] - before[1]):
            return


def run(command):
    """Run a process; return its JSON line and what it and others used."""
    usage, machine = resource.getrusage(resource.RUSAGE_CHILDREN), cpu_times()
    start = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True)
    wall = time.perf_counter() - start
    if done.returncode:
        raise RuntimeError(
            f"`{' '.join(map(str, command))}` exited with "
            f"{done.returncode}:\n{done.stderr[-2000:]}"
        )
    result = json.loads(done.stdout.strip().splitlines()[-1])
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    own = after.ru_utime + after.ru_stime - usage.ru_utime - usage.ru_stime
    result["wall_s"] = round(wall, 1)
    if machine:
        busy, total = (b - a for a, b in zip(machine, cpu_times(), strict=True))
        result["other_load"] = round(max(0.0, busy - own) / total, 3)
    return result


def run_quietly(command, arguments):
    """Run a process when the machine is idle, again if it was disturbed."""
    for _ in range(arguments.attempts):
        wait_until_idle(arguments.wait, arguments.max_other_load)
        result = run(command)
        if result.get("other_load", 0.0) <= arguments.max_other_load:
            break
    return result


def machine_facts(threads):
    model = platform.processor()
    try:
        for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                model = line.split(":", 1)[1].strip()
                break
    except OSError:
        pass
    return {
        "cpu": model,
        "cores": os.cpu_count(),
        "threads": threads,
        "system": platform.system(),
        "machine": platform.machine(),
    }
