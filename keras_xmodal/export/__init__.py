"""Models as files that run without Keras and without this package."""

from keras_xmodal.export.export_report import ExportReport
from keras_xmodal.export.keras_export import keras_export
from keras_xmodal.export.litert import litert
from keras_xmodal.export.onnx import onnx
from keras_xmodal.export.saved_model import saved_model
from keras_xmodal.export.serving import serving
from keras_xmodal.export.verify import verify
from keras_xmodal.export.web import web
from keras_xmodal.models.base import MultimodalModel

__all__ = [
    "ExportReport",
    "litert",
    "onnx",
    "saved_model",
    "serving",
    "verify",
    "web",
]

# Imports point down, and `model.export(path)` is asked for floors below.
MultimodalModel._write_saved_model = keras_export
