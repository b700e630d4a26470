"""What a model serves."""

import dataclasses
from collections.abc import Callable
from typing import Any

import tensorflow as tf


@dataclasses.dataclass(frozen=True)
class Endpoint:
    """What a client can ask of a model: named inputs, named outputs.

    Dimension 0 of every input and output is the batch, and no row of an output
    depends on other rows.

    Args:
        name: Name of the signature. `{raw}` in it becomes `""`, or the kind of
            raw input, such as `"_bytes"`, where a preprocessor goes before.
        compute: Function of a model, a dict of preprocessed batches by
            modality and the further inputs, to a dict of tensors.
        modalities: Tuple of the modalities that it takes; `(None,)` for the
            one tensor of a model without names, which is called `x`.
        further: Tuple of `tf.TensorSpec`, inputs beside the modalities.
        target: Name of the modality that it generates, or None.
        file: Stem of its file where each endpoint has one. Defaults to
            `name`.
        score: Function, for outputs that differ from Keras where there is a
            tie: from what `compute` takes and the outputs to a pair of dicts
            of float tensors, which are equal where the outputs are right.
        embedding: Name of the output that `encode` of the model gives too,
            or None.
        labels: Tuple of names of outputs that are served as they are, of any
            dtype, such as ids; `score` tells whether they are right.
        resources: Tuple of trackable objects that hold the variables and
            tables of `compute`, beside those of the model.
    """

    name: str
    compute: Callable
    modalities: tuple[str | None, ...] = ()
    further: tuple[tf.TensorSpec, ...] = ()
    target: str | None = None
    file: str | None = None
    score: Callable | None = None
    embedding: str | None = None
    labels: tuple[str, ...] = ()
    resources: tuple[Any, ...] = ()


def named(name, modality):
    """A name with its modality, if there is one, and a place for its kind."""
    return f"{name}_{modality}{{raw}}" if modality else f"{name}{{raw}}"
