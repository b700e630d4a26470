"""LiteRT files run in both of its runtimes."""

import functools
import tempfile

import numpy as np

# That `CompiledModel` has buffers for.
_DTYPES = {"bool", "float16", "float32", "int32", "int8", "uint8"}


def interpret(file, name):
    """A signature of a file in `Interpreter`, with XNNPACK, its default."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_content=file.read_bytes())
    runner = interpreter.get_signature_runner(name)
    return lambda inputs: runner(**inputs)


def row_by_row(run):
    """A runner of batches, of one that takes batches of 1 only."""

    def run_rows(inputs):
        rows = len(next(iter(inputs.values())))
        outputs = [
            run({key: value[i : i + 1] for key, value in inputs.items()})
            for i in range(rows)
        ]
        return {
            key: np.concatenate([output[key] for output in outputs])
            for key in outputs[0]
        }

    return run_rows


def compiled(file, name):
    """A signature of a file in `CompiledModel`.

    The function that is returned gives None where it cannot run: for dtypes
    that it has no buffers for, and for a batch size for which it does not know
    how large the outputs are, when it would write past their end.
    """
    from ai_edge_litert.compiled_model import CompiledModel

    model = CompiledModel.from_file(str(file), environment=_environment())
    outputs = model.get_signature_list()[name]["outputs"]

    def run(inputs, expected):
        values = (*inputs.values(), *expected.values())
        if not {value.dtype.name for value in values} <= _DTYPES:
            return None
        for key, value in inputs.items():
            model.resize_input_tensor_by_name(name, key, value.shape)
        given = {
            key: model.create_input_buffer_by_name(name, key) for key in inputs
        }
        taken = {
            key: model.create_output_buffer_by_name(name, key)
            for key in outputs
        }
        for key, buffer in taken.items():
            shape = buffer.get_tensor_details()["shape"]
            if tuple(shape) != expected[key].shape:
                return None
        for key, value in inputs.items():
            given[key].write(np.ascontiguousarray(value))
        try:
            model.run_by_name(name, given, taken)
        except RuntimeError:  # An output of a loop has no place of its own.
            return None
        return {
            key: buffer.read(expected[key].size, expected[key].dtype).reshape(
                expected[key].shape
            )
            for key, buffer in taken.items()
        }

    return run


@functools.cache
def _environment():
    """One for all files, without plugins, of which it would load all it has."""
    from ai_edge_litert.environment import Environment

    with tempfile.TemporaryDirectory() as empty:
        return Environment.create(
            compiler_plugin_path=empty, dispatch_library_path=empty
        )
