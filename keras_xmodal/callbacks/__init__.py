"""Callbacks: evaluation of whole data sets, schedules, pictures."""

from keras_xmodal.callbacks.kl_warm_up import KLWarmUp
from keras_xmodal.callbacks.latent_evaluation import LatentEvaluation
from keras_xmodal.callbacks.latent_plot import LatentPlot
from keras_xmodal.callbacks.retrieval_evaluation import RetrievalEvaluation
from keras_xmodal.callbacks.sample_grid import SampleGrid
from keras_xmodal.callbacks.translation_grid import TranslationGrid
from keras_xmodal.callbacks.weight_schedule import WeightSchedule

__all__ = [
    "KLWarmUp",
    "LatentEvaluation",
    "LatentPlot",
    "RetrievalEvaluation",
    "SampleGrid",
    "TranslationGrid",
    "WeightSchedule",
]
