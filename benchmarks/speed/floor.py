"""What a training step costs at least on this machine.

    python -m benchmarks.speed.floor

The floor of a step is the longer of two times: that of the FLOPs of its matrix
products and convolutions at the rate of one large matrix product, and that of
the bytes that these read and write, and the update of the weights, at the rate
of a copy. All that lies between them counts as free. The command prints both
rates of the machine.
"""

import json
import math
import time

_PRODUCTS = ("MatMul", "BatchMatMul", "BatchMatMulV2", "BatchMatMulV3")
# Of inputs and outputs: the kernel, and what has a row for each place of it.
_CONVOLUTIONS = {
    "Conv2D": (1, 2),
    "Conv2DBackpropInput": (1, 2),
    "Conv2DBackpropFilter": (3, 2),
}
# Adam reads gradient, weight and both moments, and writes the last three; the
# gradient was written before.
_UPDATE = 8
RATES = ("flops_per_s", "bytes_per_s")
SIZE, ROWS, ROUNDS = 3072, 2**26, 12


def rates(dtype="float32"):
    """FLOPs and bytes a second: the best of some rounds, on all cores."""
    import tensorflow as tf

    a, b = (
        tf.cast(tf.random.stateless_normal((SIZE, SIZE), (0, n)), dtype)
        for n in (0, 1)
    )
    x = tf.zeros(ROWS)
    measured = (
        2 * SIZE**3 / _best(lambda: tf.matmul(a, b)),
        8 * ROWS / _best(lambda: tf.negative(x)),
    )
    return dict(zip(RATES, measured, strict=True))


def _best(function):
    """Seconds of the fastest call after the first."""
    seconds = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        function()[-1].numpy()
        seconds.append(time.perf_counter() - start)
    return min(seconds[1:])


def work_of(model, batch):
    """FLOPs and bytes of a training step with Adam.

    Args:
        model: Compiled and built Keras model.
        batch: Arrays, as `train_step` takes them.

    Returns:
        Dict of integers, `"flops"` and `"bytes"`.
    """
    import tensorflow as tf

    specs = tf.nest.map_structure(
        lambda value: tf.TensorSpec(value.shape, value.dtype), batch
    )
    step = tf.function(model.train_step).get_concrete_function(specs)
    counts = [_cost(op) for op in _operations(step.graph)]
    updated = sum(math.prod(w.shape) for w in model.trainable_variables)
    return {
        "flops": sum(flops for flops, _ in counts),
        "bytes": sum(size for _, size in counts) + 4 * _UPDATE * updated,
    }


def _operations(graph):
    """Products and convolutions that the results of a graph depend on."""
    needed = {tensor.op for tensor in graph.outputs} | {*graph.control_outputs}
    waiting = [*needed]
    while waiting:
        op = waiting.pop()
        before = {tensor.op for tensor in op.inputs} | {*op.control_inputs}
        waiting += before - needed
        needed |= before
        if op.type in (*_PRODUCTS, *_CONVOLUTIONS):
            yield op
        for value in op.node_def.attr.values():
            if value.HasField("func"):
                function = graph._get_function(value.func.name)
                yield from _operations(function.graph)


def _cost(op):
    """FLOPs, and bytes of all that it reads and writes."""
    shapes = [tensor.shape.as_list() for tensor in (*op.inputs, *op.outputs)]
    size = sum(
        math.prod(tensor.shape) * tensor.dtype.size
        for tensor in (*op.inputs, *op.outputs)
    )
    if op.type in _PRODUCTS:
        transposed = op.get_attr(
            "transpose_a" if op.type == "MatMul" else "adj_x"
        )
        inner = shapes[0][-2 if transposed else -1]
        return 2 * math.prod(shapes[-1]) * inner, size
    kernel, places = _CONVOLUTIONS[op.type]
    return 2 * math.prod(shapes[places][:-1]) * math.prod(shapes[kernel]), size


def seconds(work, machine):
    """The floor of a step, from its work and the rates of a machine."""
    return max(
        work["flops"] / machine["flops_per_s"],
        work["bytes"] / machine["bytes_per_s"],
    )


if __name__ == "__main__":
    print(json.dumps(rates()))
