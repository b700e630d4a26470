"""keras_xmodal: cross-modal learning in Keras."""

from keras_xmodal import datasets, layers, losses, models, ops
from keras_xmodal._version import __version__
from keras_xmodal.models import EmbeddingModel

__all__ = [
    "EmbeddingModel",
    "__version__",
    "datasets",
    "layers",
    "losses",
    "models",
    "ops",
]
