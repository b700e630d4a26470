"""The page on many devices: its script, by its launchers."""

import json
import os
import pathlib
import re
import shutil
import socket
import subprocess
import sys

import keras
import numpy as np
import pytest
import yaml

import keras_xmodal  # noqa: F401 (loading needs its classes)

PAGE = pathlib.Path(__file__).parent.parent / "docs" / "many_devices.md"
# In the place of Slurm's: two tasks, one of which is killed the first time.
SRUN = """
import os, pathlib, shutil, subprocess, sys, time

assert sys.argv[1] == "--kill-on-bad-exit=1"
attempt = len(list(pathlib.Path().glob("output-*")))
output = open(f"output-{attempt}", "w")
tasks = [
    subprocess.Popen(
        sys.argv[2:],
        env={**os.environ, "SLURM_PROCID": str(index)},
        stdout=None if index else output,
    )
    for index in range(2)
]
backup, end = pathlib.Path("backup"), time.monotonic() + 300
try:
    if attempt == 0:
        while not backup.exists() and time.monotonic() < end:
            time.sleep(0.01)
        tasks[1].kill()
    codes = [task.wait(end - time.monotonic()) for task in tasks]
    if attempt == 0:
        shutil.copytree(backup, "one/backup")
finally:
    for task in tasks:
        task.kill()
sys.exit(codes != [0, 0])
"""


def block(name):
    """What a user saves under this name."""
    pattern = rf"<!-- {name} -->\n\n```\w+\n(.*?)```\n\n<!-- /{name} -->"
    (found,) = re.findall(pattern, PAGE.read_text(), re.DOTALL)
    return found


def programs(folder, **sources):
    """An environment whose first programs are these."""
    folder.mkdir()
    for name, source in sources.items():
        (folder / name).write_text(source)
        (folder / name).chmod(0o755)
    return {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"}


def configuration(addresses, index):
    return {
        "cluster": {"worker": addresses},
        "task": {"type": "worker", "index": index},
    }


def test_slurm_tells_workers_of_each_other(tmp_path):
    environment = programs(
        tmp_path / "bin",
        scontrol='#!/bin/sh\n[ "$3" = "n[1-4]" ] && printf "n1\\nn2\\nn3\\nn4"',
        srun='#!/bin/sh\nshift\nSLURM_PROCID=2 exec "$@"',
        python='#!/bin/sh\n[ "$1" = train.py ] && echo "$TF_CONFIG"',
    )
    environment |= {"SLURM_JOB_ID": "70007", "SLURM_JOB_NODELIST": "n[1-4]"}
    found = subprocess.check_output(
        ["bash", "-c", block("train.sh")], env=environment
    )
    addresses = [f"n{i + 1}:{30007 + i}" for i in range(4)]
    assert json.loads(found) == configuration(addresses, 2)


def test_kubernetes_tells_workers_of_each_other(tmp_path):
    service, job = yaml.safe_load_all(block("train.yaml"))
    spec = job["spec"]["template"]["spec"]
    (worker,) = spec["containers"]
    (size,) = worker["env"]
    name = job["metadata"]["name"]
    assert service["spec"]["selector"] == {"job-name": name}
    assert service["metadata"]["name"] == spec["subdomain"] == name
    assert size["name"] == "WORKERS"
    assert {job["spec"][k] for k in ("completions", "parallelism")} == {
        int(size["value"])
    }
    environment = programs(
        tmp_path / "bin",
        python='#!/bin/sh\n[ "$1" = train.py ] && echo "$TF_CONFIG"',
    )
    environment |= {"JOB_COMPLETION_INDEX": "3", "WORKERS": size["value"]}
    found = subprocess.check_output(worker["command"], env=environment)
    port = worker["ports"][0]["containerPort"]
    addresses = [f"{name}-{i}.{name}:{port}" for i in range(4)]
    assert json.loads(found) == configuration(addresses, 3)


def smaller(script):
    """Less data, nothing drawn or shuffled anew, and an exact optimizer."""
    for old, new in (
        ('load("emoji")', 'load("emoji").take(60)'),
        ("train.shuffle(681, seed=0).batch(227)", "train.batch(20)"),
        ("epochs=20", "epochs=6"),
        ("filters=()", "filters=(), dropout=0.0"),
        ('"adam"', "keras.optimizers.SGD(0.1, momentum=0.9)"),
    ):
        assert script.count(old) == 1
        script = script.replace(old, new)
    return script


def train_on_one_device(folder, monkeypatch, capfd):
    """Run the script in this process; return weights and what it said."""
    script = smaller(block("train.py"))
    workers = "tf.distribute.MultiWorkerMirroredStrategy()"
    assert workers in script
    script = script.replace(
        workers, 'tf.distribute.MirroredStrategy(["CPU:0"])'
    )
    monkeypatch.chdir(folder)
    capfd.readouterr()
    exec(compile(script, "train.py", "exec"), {})
    return weights(folder), capfd.readouterr().out


def weights(folder):
    return keras.saving.load_model(folder / "model.keras").get_weights()


def epochs(output):
    return [int(n) for n in re.findall(r"Epoch (\d+)/6", output)]


def free_job():
    """A number of a job whose first two ports are free."""
    for number in range(os.getpid() % 9000, 19_000, 7):
        with socket.socket() as a, socket.socket() as b:
            try:
                a.bind(("localhost", 20_000 + number))
                b.bind(("localhost", 20_001 + number))
            except OSError:
                continue
        return str(number)
    raise AssertionError("no free ports")


@pytest.mark.large
def test_a_killed_worker_loses_nothing(tmp_path, monkeypatch, capfd):
    """All are started again, as many as they were, or as one."""
    (tmp_path / "train.py").write_text(smaller(block("train.py")))
    (tmp_path / "one").mkdir()
    environment = programs(
        tmp_path / "bin",
        scontrol="#!/bin/sh\nprintf 'localhost\\nlocalhost'",
        srun=f"#!{sys.executable}{SRUN}",
        python=f'#!/bin/sh\nexec {sys.executable} "$@"',
    )
    environment |= {"SLURM_JOB_ID": free_job(), "SLURM_JOB_NODELIST": "n[1-2]"}
    process = subprocess.run(
        ["bash", "-c", block("train.sh")],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=500,
    )
    assert process.returncode == 0, process.stderr[-3000:]
    first, second = (
        epochs((tmp_path / f"output-{i}").read_text()) for i in range(2)
    )
    assert first[0] == 1
    assert 1 < second[0] <= first[-1] + 1
    assert second[-1] == 6
    assert not (tmp_path / "backup").exists()
    found = weights(tmp_path)

    alone, said = train_on_one_device(tmp_path / "one", monkeypatch, capfd)
    assert epochs(said) == second
    shutil.rmtree(tmp_path / "one")
    (tmp_path / "one").mkdir()
    expected, said = train_on_one_device(tmp_path / "one", monkeypatch, capfd)
    assert epochs(said) == [1, 2, 3, 4, 5, 6]
    for a, b, c in zip(found, alone, expected, strict=True):
        np.testing.assert_allclose(a, c, atol=1e-5)
        np.testing.assert_allclose(b, c, atol=1e-5)
