"""Models as files that run without Keras and without this package."""

from keras_xmodal.export.litert import litert
from keras_xmodal.export.onnx import onnx
from keras_xmodal.export.saved_model import saved_model
from keras_xmodal.export.serving import serving

__all__ = ["litert", "onnx", "saved_model", "serving"]
