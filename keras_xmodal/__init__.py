"""keras_xmodal: cross-modal learning in Keras."""

from keras_xmodal import (
    callbacks,
    datasets,
    export,
    layers,
    losses,
    metrics,
    models,
    networks,
    ops,
    retrieval,
)
from keras_xmodal._version import __version__
from keras_xmodal.models import EmbeddingModel

__all__ = [
    "EmbeddingModel",
    "__version__",
    "callbacks",
    "datasets",
    "export",
    "layers",
    "losses",
    "metrics",
    "models",
    "networks",
    "ops",
    "retrieval",
]
