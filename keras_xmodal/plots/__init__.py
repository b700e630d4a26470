"""Pictures of trainings and of searches, drawn without a display."""

from keras_xmodal.plots.plot_history import plot_history
from keras_xmodal.plots.plot_retrieval import plot_retrieval

__all__ = ["plot_history", "plot_retrieval"]
