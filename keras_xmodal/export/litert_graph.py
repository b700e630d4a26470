"""The graph of a LiteRT file, and what it needs changed.

A shape that is computed while the graph runs hides from `CompiledModel` how
large an output is, which then writes past its end: such shapes become
constants. A `DEQUANTIZE` of values that were looked up in a table of int8 is
computed by XNNPACK for the first rows only, once a batch has grown: here they
are cast and multiplied.
"""

import copy

import numpy as np

# Smaller weights are not worth the error.
MIN_ELEMENTS = 1024
_PRODUCTS = (
    "CONV_2D",
    "DEPTHWISE_CONV_2D",
    "FULLY_CONNECTED",
    "TRANSPOSE_CONV",
)


class LiteRTGraph:
    """A LiteRT file as objects.

    Args:
        content: Bytes of the file.
    """

    def __init__(self, content):
        from ai_edge_litert.tools import flatbuffer_utils

        self._utils = flatbuffer_utils
        self._schema = flatbuffer_utils.schema_fb
        self.model = flatbuffer_utils.read_model_from_bytearray(
            bytearray(content)
        )
        self._dead = {
            id(operator)
            for graph in self.model.subgraphs
            for operator in _unused(graph)
        }

    def to_bytes(self):
        """Content of the file, without what has lost its use."""
        for graph in self.model.subgraphs:
            while gone := self._dead_since(graph):
                graph.operators = [
                    operator
                    for operator in graph.operators
                    if id(operator) not in gone
                ]
            self._drop_tensors(graph)
        kept = {t.buffer for g in self.model.subgraphs for t in g.tensors}
        kept |= {entry.buffer for entry in self.model.metadata or ()}
        for number, buffer in enumerate(self.model.buffers):
            if number not in kept:
                buffer.data = None
        return bytes(self._utils.convert_object_to_bytearray(self.model))

    def name_tensors(self):
        """Give each tensor a name of its own."""
        for number, graph in enumerate(self.model.subgraphs):
            for place, tensor in enumerate(graph.tensors):
                first = (tensor.name or b"").split(b";")[0]
                tensor.name = b"%d.%d %s" % (number, place, first)

    def products(self):
        """Large products outside of loops: kind, name of the output."""
        (signature,) = self.model.signatureDefs
        graph = self.model.subgraphs[signature.subgraphIndex]
        for operator in graph.operators:
            kind = self._kind(operator)
            if kind not in _PRODUCTS:
                continue
            if self._is_large_constant(graph.tensors[operator.inputs[1]]):
                name = graph.tensors[operator.outputs[0]].name
                yield kind, name.decode()

    def fix_shapes(self):
        """Make constants of shapes in which only one size is open."""
        for graph in self.model.subgraphs:
            for operator in graph.operators:
                if self._kind(operator) != "RESHAPE":
                    continue
                if len(operator.inputs) < 2 or self._is_constant(
                    graph.tensors[operator.inputs[1]]
                ):
                    continue
                shape = self._open_shape(graph, operator.outputs[0])
                if shape.count(-1) != 1:
                    continue
                value = np.array(shape, "int32")
                operator.inputs = [
                    operator.inputs[0],
                    self._add_constant(graph, value),
                ]
                operator.builtinOptions = None
                operator.builtinOptionsType = 0

    def fix_batch(self):
        """Leave no size open: the batch is 1."""
        for graph in self.model.subgraphs:
            for tensor in graph.tensors:
                tensor.shapeSignature = None

    def halve_weights(self):
        """Make large constants float16, which are float32 once loaded.

        The converter makes small ones float16 too, and an epsilon 0.
        """
        for graph in self.model.subgraphs:
            operators = []
            for number, tensor in enumerate(list(graph.tensors)):
                if tensor.type != self._schema.TensorType.FLOAT32:
                    continue
                if not self._is_large_constant(tensor):
                    continue
                value = self._value(tensor).astype("float16")
                tensor.buffer = 0
                operators.append(
                    self._operator(
                        "DEQUANTIZE",
                        [self._add_constant(graph, value)],
                        number,
                        self._schema.DequantizeOptionsT(),
                    )
                )
            graph.operators = [*operators, *graph.operators]

    def quantize_tables(self):
        """Make tables whose rows are looked up int8, with a scale a row."""
        for graph in self.model.subgraphs:
            tables = {}
            operators = []
            for operator in graph.operators:
                if not self._looks_up(graph, operator):
                    operators.append(operator)
                    continue
                table = operator.inputs[0]
                if table not in tables:
                    tables[table] = self._add_table(graph, table)
                operators += self._lookup(graph, operator, *tables[table])
            graph.operators = operators

    def _looks_up(self, graph, operator):
        """Whether it takes rows of a large float32 table."""
        if self._kind(operator) != "GATHER":
            return False
        options = operator.builtinOptions
        if options is not None and (options.axis or options.batchDims):
            return False
        table = graph.tensors[operator.inputs[0]]
        return (
            table.type == self._schema.TensorType.FLOAT32
            and len(table.shape) == 2
            and self._is_large_constant(table)
        )

    def _add_table(self, graph, number):
        """Numbers of an int8 table and of its scales."""
        rows = self._value(graph.tensors[number])
        scales = np.abs(rows).max(axis=1, keepdims=True) / np.float32(127)
        rows = np.rint(rows / np.where(scales > 0, scales, 1)).astype("int8")
        return (
            self._add_constant(graph, rows),
            self._add_constant(graph, scales),
        )

    def _lookup(self, graph, operator, table, scales):
        """Operators that look up int8 rows and scale them."""
        schema = self._schema
        _, ids = operator.inputs
        (output,) = operator.outputs
        rows = self._add_like(graph, output, schema.TensorType.INT8)
        floats = self._add_like(graph, output, schema.TensorType.FLOAT32)
        scale = self._add_like(graph, output, schema.TensorType.FLOAT32, 1)
        cast = schema.CastOptionsT()
        cast.inDataType = schema.TensorType.INT8
        cast.outDataType = schema.TensorType.FLOAT32
        gather = operator.builtinOptions or schema.GatherOptionsT()
        return [
            self._operator("GATHER", [table, ids], rows, gather),
            self._operator("CAST", [rows], floats, cast),
            self._operator(
                "GATHER", [scales, ids], scale, copy.deepcopy(gather)
            ),
            self._operator(
                "MUL", [floats, scale], output, schema.MulOptionsT()
            ),
        ]

    def _operator(self, kind, inputs, output, options):
        operator = self._schema.OperatorT()
        operator.opcodeIndex = self._code(kind)
        operator.inputs = inputs
        operator.outputs = [output]
        operator.builtinOptions = options
        operator.builtinOptionsType = getattr(
            self._schema.BuiltinOptions, type(options).__name__[:-1]
        )
        return operator

    def _code(self, kind):
        """Number of a kind of operators in the file."""
        kinds = [self._kind_of(code) for code in self.model.operatorCodes]
        if kind in kinds:
            return kinds.index(kind)
        code = self._schema.OperatorCodeT()
        code.builtinCode = getattr(self._schema.BuiltinOperator, kind)
        code.deprecatedBuiltinCode = min(code.builtinCode, 127)
        code.version = 1
        self.model.operatorCodes.append(code)
        return len(kinds)

    def _kind(self, operator):
        return self._kind_of(self.model.operatorCodes[operator.opcodeIndex])

    def _kind_of(self, code):
        value = max(code.builtinCode, code.deprecatedBuiltinCode)
        for name, number in vars(self._schema.BuiltinOperator).items():
            if number == value and not name.startswith("_"):
                return name
        return None

    def _is_constant(self, tensor):
        data = self.model.buffers[tensor.buffer].data
        return data is not None and len(data) > 0

    def _is_large_constant(self, tensor):
        return (
            self._is_constant(tensor) and np.prod(tensor.shape) >= MIN_ELEMENTS
        )

    def _value(self, tensor):
        """A float32 constant."""
        data = bytes(self.model.buffers[tensor.buffer].data)
        return np.frombuffer(data, "float32").reshape(tensor.shape)

    def _open_shape(self, graph, number):
        """Shape with -1 for what is open, as far as it can be told."""
        tensor = graph.tensors[number]
        if tensor.shapeSignature is None:
            return []
        shape = [int(size) for size in tensor.shapeSignature]
        for operator in graph.operators:
            if (
                self._kind(operator) == "FULLY_CONNECTED"
                and operator.inputs[0] == number
            ):
                weights = graph.tensors[operator.inputs[1]]
                shape[-1] = int(weights.shape[1])
        return shape

    def _add_constant(self, graph, value):
        buffer = self._schema.BufferT()
        buffer.data = np.frombuffer(value.tobytes(), "uint8")
        self.model.buffers.append(buffer)
        tensor = self._schema.TensorT()
        tensor.buffer = len(self.model.buffers) - 1
        tensor.shape = np.array(value.shape, "int32")
        name = value.dtype.name.upper()
        tensor.type = getattr(self._schema.TensorType, name)
        return self._add(graph, tensor)

    def _add_like(self, graph, number, type, last=None):
        """A tensor of the shape of another, or of another last size."""
        tensor = copy.deepcopy(graph.tensors[number])
        tensor.type = type
        if last is not None:
            tensor.shape = np.array([*tensor.shape[:-1], last], "int32")
            if tensor.shapeSignature is not None:
                signature = [*tensor.shapeSignature[:-1], last]
                tensor.shapeSignature = np.array(signature, "int32")
        return self._add(graph, tensor)

    def _add(self, graph, tensor):
        graph.tensors.append(tensor)
        tensor.name = b"added %d" % len(graph.tensors)
        return len(graph.tensors) - 1

    def _dead_since(self, graph):
        return {id(operator) for operator in _unused(graph)} - self._dead

    def _drop_tensors(self, graph):
        used = {*graph.inputs, *graph.outputs}
        for operator in graph.operators:
            used |= {*operator.inputs, *operator.outputs}
            used |= {*(operator.intermediates or ())}
        order = sorted(number for number in used if number >= 0)
        places = {old: new for new, old in enumerate(order)}
        places[-1] = -1  # of an optional input
        position = self.model.subgraphs.index(graph)
        graph.tensors = [graph.tensors[number] for number in order]
        graph.inputs = [places[number] for number in graph.inputs]
        graph.outputs = [places[number] for number in graph.outputs]
        for operator in graph.operators:
            operator.inputs = [places[number] for number in operator.inputs]
            operator.outputs = [places[number] for number in operator.outputs]
            if operator.intermediates is not None:
                operator.intermediates = [
                    places[number] for number in operator.intermediates
                ]
        for signature in self.model.signatureDefs or ():
            if signature.subgraphIndex == position:
                for entry in [*signature.inputs, *signature.outputs]:
                    entry.tensorIndex = places[entry.tensorIndex]


def _unused(graph):
    """Operators whose outputs nothing takes."""
    used = set(graph.outputs)
    for operator in graph.operators:
        used |= set(operator.inputs)
    return [
        operator
        for operator in graph.operators
        if len(operator.outputs) and not used & set(operator.outputs)
    ]
