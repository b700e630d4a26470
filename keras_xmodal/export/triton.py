"""Configuration of a model of the Triton Inference Server."""

MAX_BATCH_SIZE = 64
_TYPES = {
    "tensor(bool)": "TYPE_BOOL",
    "tensor(float)": "TYPE_FP32",
    "tensor(int32)": "TYPE_INT32",
    "tensor(int64)": "TYPE_INT64",
    "tensor(uint8)": "TYPE_UINT8",
}


def triton_config(name, session):
    """Text of `config.pbtxt`: batches up to 64, gathered from requests."""
    inputs = ",\n".join(map(_tensor, session.get_inputs()))
    outputs = ",\n".join(map(_tensor, session.get_outputs()))
    return (
        f'name: "{name}"\n'
        'platform: "onnxruntime_onnx"\n'
        f"max_batch_size: {MAX_BATCH_SIZE}\n"
        f"input [\n{inputs}\n]\n"
        f"output [\n{outputs}\n]\n"
        "dynamic_batching {}\n"
    )


def _tensor(value):
    """A tensor without its batch; no dims at all are none that Triton takes."""
    dims = [size if isinstance(size, int) else -1 for size in value.shape[1:]]
    reshape = "" if dims else "\n    reshape { shape: [] }"
    return (
        "  {\n"
        f'    name: "{value.name}"\n'
        f"    data_type: {_TYPES[value.type]}\n"
        f"    dims: {dims or [1]}{reshape}\n"
        "  }"
    )
