"""Callbacks: evaluation of whole data sets, schedules, pictures."""

from keras_xmodal.callbacks.backup_and_restore import BackupAndRestore
from keras_xmodal.callbacks.conditional_sample_grid import (
    ConditionalSampleGrid,
)
from keras_xmodal.callbacks.for_optimizer import ForOptimizer
from keras_xmodal.callbacks.generation_evaluation import GenerationEvaluation
from keras_xmodal.callbacks.input_wait import InputWait
from keras_xmodal.callbacks.kl_warm_up import KLWarmUp
from keras_xmodal.callbacks.latent_evaluation import LatentEvaluation
from keras_xmodal.callbacks.latent_plot import LatentPlot
from keras_xmodal.callbacks.mode_collapse_monitor import ModeCollapseMonitor
from keras_xmodal.callbacks.projector import Projector
from keras_xmodal.callbacks.retrieval_evaluation import RetrievalEvaluation
from keras_xmodal.callbacks.retrieval_grid import RetrievalGrid
from keras_xmodal.callbacks.sample_grid import SampleGrid
from keras_xmodal.callbacks.translation_grid import TranslationGrid
from keras_xmodal.callbacks.weight_schedule import WeightSchedule

__all__ = [
    "BackupAndRestore",
    "ConditionalSampleGrid",
    "ForOptimizer",
    "GenerationEvaluation",
    "InputWait",
    "KLWarmUp",
    "LatentEvaluation",
    "LatentPlot",
    "ModeCollapseMonitor",
    "Projector",
    "RetrievalEvaluation",
    "RetrievalGrid",
    "SampleGrid",
    "TranslationGrid",
    "WeightSchedule",
]
