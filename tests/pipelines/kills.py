"""Processes that embed a corpus, killed with all that they have started."""

import contextlib
import os
import pathlib
import signal
import subprocess
import time

import numpy as np


def start(command):
    """Start a process in a session of its own."""
    return subprocess.Popen(
        command,
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )


def of_session(session):
    """Processes of a session that are alive."""
    found = []
    for path in pathlib.Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # It has ended.
            fields = path.read_text().rpartition(")")[2].split()
            if int(fields[3]) == session and fields[0] != "Z":
                found.append(int(path.parent.name))
    return found


def kill(process):
    """Kill a process and those of its session."""
    for pid in of_session(process.pid):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    process.communicate(timeout=60)


def kill_at(shards, command, out, seed, watch=lambda process: None):
    """Start a process, and kill it when so many shards are there.

    Returns the number of those that are there then; `watch` is called with the
    process meanwhile.
    """
    process = start(command)
    try:
        deadline = time.monotonic() + 600
        while len(list(out.glob("shard-*"))) < shards:
            if process.poll() is not None or time.monotonic() > deadline:
                said = process.stderr.read()[-2000:].decode()
                raise RuntimeError(f"it has ended, or hangs: {said}")
            watch(process)
            time.sleep(0.002)
        # At the end of a shard, or inside of the next one.
        time.sleep(np.random.default_rng(seed).uniform(0, 0.004))
    finally:
        kill(process)
    if process.returncode != -signal.SIGKILL:
        raise RuntimeError(f"it was faster: {process.returncode}")
    return len(list(out.glob("shard-*")))
