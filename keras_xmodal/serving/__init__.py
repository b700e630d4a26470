"""Asking servers of exported models, and serving them with KServe."""

from keras_xmodal.serving.client import Client
from keras_xmodal.serving.kserve_model import kserve_model

__all__ = ["Client", "kserve_model"]
