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
    "plots",
