"""Requests that TensorFlow Serving runs before it serves a model."""

import numpy as np
import tensorflow as tf

FILE = "tf_serving_warmup_requests"
_MOST = 1000  # TensorFlow Serving refuses more.


def write_warm_up(folder, name, version, signatures, examples, batch_sizes):
    """Write the records beside a SavedModel, having run all of them.

    Returns their number.
    """
    messages = import_messages()
    count = len(signatures) * len(batch_sizes)
    if count > _MOST:
        raise ValueError(
            f"`batch_sizes` must give at most {_MOST} records, one for each "
            f"signature and size. Received: {len(batch_sizes)} sizes, "
            f"{len(signatures)} signatures"
        )
    with tf.io.TFRecordWriter(str(folder / "assets.extra" / FILE)) as writer:
        for key, signature in signatures.items():
            for size in batch_sizes:
                _run(key, signature, examples[key], size)
                log = messages.PredictionLog()
                request = log.predict_log.request
                request.model_spec.name = name
                request.model_spec.version.value = version
                request.model_spec.signature_name = key
                for input_name, example in examples[key].items():
                    request.inputs[input_name].CopyFrom(example.proto(size))
                writer.write(log.SerializeToString())
    return count


def import_messages():
    """Import the messages of TensorFlow Serving, or say how to install them."""
    try:
        from tensorflow_serving.apis import prediction_log_pb2
    except ImportError as error:
        raise ImportError(
            "`kx.export.serving` needs the messages of TensorFlow Serving: "
            "pip install 'keras-xmodal[serving]'"
        ) from error
    return prediction_log_pb2


def _run(key, signature, examples, size):
    for name, value in signature(
        **{name: example.tensor(size) for name, example in examples.items()}
    ).items():
        if value.dtype.is_floating and not np.isfinite(value).all():
            raise ValueError(
                "The outputs of a served model must be finite. Received: NaN "
                f"or infinity in {name!r} of {key!r}"
            )
