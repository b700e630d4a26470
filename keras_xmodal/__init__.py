"""keras_xmodal: cross-modal learning in Keras."""

from keras_xmodal import (
    adversarial,
    callbacks,
    datasets,
    export,
    layers,
    likelihoods,
    losses,
    metrics,
    models,
    networks,
    objectives,
    ops,
    plots,
    recipes,
    retrieval,
    runs,
    serving,
)
from keras_xmodal._version import __version__
from keras_xmodal.models import (
    CycleGANModel,
    EmbeddingModel,
    GANModel,
    VAEModel,
)

__all__ = [
    "CycleGANModel",
    "EmbeddingModel",
    "GANModel",
    "VAEModel",
    "__version__",
    "adversarial",
    "callbacks",
    "datasets",
    "export",
    "layers",
    "likelihoods",
    "losses",
    "metrics",
    "models",
    "networks",
    "objectives",
    "ops",
    "plots",
    "recipes",
    "retrieval",
    "runs",
    "serving",
]
