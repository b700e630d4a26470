"""Requests of several clients, computed together."""

import os
import uuid

import tensorflow as tf

_WAIT = 1000  # microseconds, for others
_ENQUEUED = 100  # batches


def is_batchable(signature):
    """Whether dimension 0 of all inputs and outputs is the batch."""
    specs = [
        *signature.structured_input_signature[1].values(),
        *signature.structured_outputs.values(),
    ]
    return all(spec.shape.rank and spec.shape[0] is None for spec in specs)


def batch_requests(signature, batch_sizes):
    """A function as a loaded signature, of a dict of tensors.

    Calls from several threads are computed together, by the scheduler that
    TensorFlow Serving uses too. An error is that of all of them, and one call
    of more rows than the largest batch is one.
    """
    specs = signature.structured_input_signature[1]
    outputs = list(signature.structured_outputs)

    specs_of_values = [
        tf.TensorSpec(spec.shape, spec.dtype) for spec in specs.values()
    ]

    @tf.function(input_signature=specs_of_values, autograph=False)
    def compute(*values):
        found = signature(**dict(zip(specs, values, strict=True)))
        return [found[name] for name in outputs]

    batch = compute.get_concrete_function()

    @tf.function(input_signature=specs_of_values, autograph=False)
    def call(*values):
        return tf.raw_ops.BatchFunction(
            in_tensors=values,
            captured_tensors=batch.captured_inputs,
            f=batch,
            num_batch_threads=os.cpu_count() or 1,
            max_batch_size=batch_sizes[-1],
            batch_timeout_micros=_WAIT,
            Tout=[value.dtype for value in batch.outputs],
            max_enqueued_batches=_ENQUEUED,
            allowed_batch_sizes=list(batch_sizes),
            enable_large_batch_splitting=False,
            # `tf.nondifferentiable_batch_function` has one name for all
            # functions, whose requests it mixes.
            shared_name=uuid.uuid4().hex,
        )

    def run(inputs):
        found = call(*(inputs[name] for name in specs))
        return dict(zip(outputs, found, strict=True))

    return run
