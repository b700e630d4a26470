"""The C program beside this file, compiled, and what to tell it."""

import os
import pathlib
import shutil
import subprocess

import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

SOURCE = pathlib.Path(__file__).parent / "client.c"


def compile_client(folder):
    """Path of the compiled program, or a `FileNotFoundError`."""
    library = pathlib.Path(tf.__file__).parent
    needed = [
        library / "include" / "tensorflow" / "c" / "c_api.h",
        library / "libtensorflow_cc.so.2",
        library / "libtensorflow_framework.so.2",
    ]
    missing = [str(path) for path in needed if not path.exists()]
    if shutil.which("gcc") is None or missing:
        raise FileNotFoundError(
            f"It needs gcc and TensorFlow's C library. Missing: {missing}"
        )
    program = pathlib.Path(folder) / "client"
    subprocess.run(
        [
            *("gcc", "-O1", "-Wall", "-Werror", str(SOURCE)),
            *(f"-I{library / 'include'}", f"-L{library}"),
            *(f"-l:{path.name}" for path in needed[1:]),
            *(f"-Wl,-rpath,{library}", "-o", str(program)),
        ],
        check=True,
    )
    return program


class Client:
    """A running program with a loaded model.

    Args:
        program: Path that `compile_client` returned.
        model: Path of a SavedModel.
        folder: Path of a folder for what it reads and writes.
    """

    def __init__(self, program, model, folder):
        self.folder = pathlib.Path(folder)
        proto = saved_model_pb2.SavedModel()
        content = (pathlib.Path(model) / "saved_model.pb").read_bytes()
        proto.ParseFromString(content)
        self.signatures = {
            name: signature
            for name, signature in proto.meta_graphs[0].signature_def.items()
            if not name.startswith("__")
        }
        self.process = subprocess.Popen(
            [program, model],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
        )
        self.load_seconds = float(self._answer("loaded"))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.stdout.close()
        assert self.process.wait(60) == 0

    def run(self, name, inputs, count=1):
        """Outputs of a signature by name, and the milliseconds of each run.

        Raises:
            RuntimeError: If the model fails, with its message.
        """
        signature = self.signatures[name]
        assert set(inputs) == set(signature.inputs), name
        for key, value in inputs.items():
            info = signature.inputs[key]
            value = np.asarray(value, tf.as_dtype(info.dtype).as_numpy_dtype)
            file = self.folder / f"input_{key}"
            file.write_bytes(_to_bytes(value))
            shape = " ".join(map(str, (value.ndim, *value.shape)))
            self._say(f"feed {info.name} {info.dtype} {shape} {file}")
        files = {}
        for key, info in signature.outputs.items():
            files[key] = self.folder / f"output_{key}"
            self._say(f"fetch {info.name} {files[key]}")
        self._say(f"run {count}")
        times = self._answer("ran").split()
        outputs = {key: _from_file(file) for key, file in files.items()}
        return outputs, [float(time) for time in times]

    def memory(self):
        """Resident KiB now, and at most so far."""
        self._say("memory")
        now, most = self._answer("memory").split()
        return int(now), int(most)

    def _say(self, line):
        print(line, file=self.process.stdin, flush=True)

    def _answer(self, word):
        line = self.process.stdout.readline()
        found, _, rest = line.strip().partition(" ")
        if found == "failed":
            raise RuntimeError(rest)
        assert found == word, line
        return rest


def _to_bytes(array):
    if array.dtype != object:
        return np.ascontiguousarray(array).tobytes()
    items = [tf.compat.as_bytes(item) for item in array.ravel()]
    return b"".join(np.uint64(len(item)).tobytes() + item for item in items)


def _from_file(path):
    head, _, data = path.read_bytes().partition(b"\n")
    number, _, *shape = map(int, head.split())
    dtype = tf.as_dtype(number)
    if dtype != tf.string:
        return np.frombuffer(data, dtype.as_numpy_dtype).reshape(shape)
    items, start = [], 0
    while start < len(data):
        size = int.from_bytes(data[start : start + 8], "little")
        items.append(data[start + 8 : start + 8 + size])
        start += 8 + size
    array = np.empty(len(items), object)
    array[:] = items
    return array.reshape(shape)
