"""What TensorFlow Serving reads, as messages.

tensorflow-serving-api has none for the files of batching and monitoring: these
are built from the fields that TensorFlow Serving documents, and parsed by
protobuf's own parser of texts, as the server does.
"""

import functools

from google.protobuf import (
    descriptor_pb2,
    descriptor_pool,
    message_factory,
    text_format,
    wrappers_pb2,
)

_INT64 = ".google.protobuf.Int64Value"
# (name, number, type), repeated where the name ends in "*".
MESSAGES = {
    # tensorflow_serving/servables/tensorflow/session_bundle_config.proto
    "BatchingParameters": [
        ("max_batch_size", 1, _INT64),
        ("batch_timeout_micros", 2, _INT64),
        ("max_enqueued_batches", 3, _INT64),
        ("num_batch_threads", 4, _INT64),
        ("thread_pool_name", 5, ".google.protobuf.StringValue"),
        ("allowed_batch_sizes*", 6, "int64"),
        ("pad_variable_length_inputs", 7, "bool"),
    ],
    # tensorflow_serving/config/monitoring_config.proto
    "PrometheusConfig": [("enable", 1, "bool"), ("path", 2, "string")],
    "MonitoringConfig": [("prometheus_config", 1, ".tests.PrometheusConfig")],
}


def parse(message, file):
    """Read a file as a message of this name; unknown fields are an error."""
    return text_format.Parse(file.read_text(), _classes()[message]())


@functools.cache
def _classes():
    kinds = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(
        name="tests/server_configs.proto",
        package="tests",
        syntax="proto3",
        dependency=[wrappers_pb2.DESCRIPTOR.name],
    )
    for message, fields in MESSAGES.items():
        described = file.message_type.add(name=message)
        for name, number, kind in fields:
            repeated = name.endswith("*")
            field = described.field.add(
                name=name.rstrip("*"),
                number=number,
                label=kinds.LABEL_REPEATED
                if repeated
                else kinds.LABEL_OPTIONAL,
            )
            if kind.startswith("."):
                field.type, field.type_name = kinds.TYPE_MESSAGE, kind
            else:
                field.type = getattr(kinds, f"TYPE_{kind.upper()}")
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(wrappers_pb2.DESCRIPTOR.serialized_pb)
    pool.Add(file)
    return {
        name: message_factory.GetMessageClass(
            pool.FindMessageTypeByName(f"tests.{name}")
        )
        for name in MESSAGES
    }
