"""What models over dicts of modalities share."""

import keras
import numpy as np
import tensorflow as tf

from keras_xmodal.models import checks
from keras_xmodal.models.array_dataset import as_dataset


class MultimodalModel(keras.Model):
    """Base of models over dicts `{modality: batch}`.

    It holds the modalities and their preprocessors, checks data before the
    first step, and saves and loads dicts of layers. A subclass sets
    `modalities`, empty for a model of plain tensors, and names in
    `layer_arguments` those of its arguments that are dicts of layers.

    Args:
        preprocessors: Dict `{modality: keras.Layer}` or None.
        **kwargs: Arguments of `keras.Model`.
    """

    layer_arguments: tuple[str, ...] = ("encoders", "preprocessors")
    modalities = ()

    def __init__(self, preprocessors=None, **kwargs):
        super().__init__(**kwargs)
        preprocessors = checks.check_layers("preprocessors", preprocessors)
        # Saved with the model, but no part of `call`: were they tracked as
        # sublayers, one lookup table would switch XLA off for the training.
        object.__setattr__(self, "preprocessors", preprocessors)

    def compile_from_config(self, config):
        self.compile(**keras.saving.deserialize_keras_object(config))
        if self.built and self.optimizer is not None:
            self.optimizer.build(self.trainable_variables)

    def fit(self, x=None, y=None, **kwargs):
        """Train on dicts of modalities.

        Args:
            x: Dict `{modality: array}` of preprocessed examples, or a
                `tf.data.Dataset` (or any other source that Keras takes) of
                `x`, `(x, ids)` or `(x, ids, sample_weight)` batches. A batch
                may lack modalities.
            y: Integer ids of shape `(examples,)`, with arrays only. Examples
                with equal ids are positives of each other. None: each example
                is its own item.
            **kwargs: Further arguments of `keras.Model.fit`.
                `sample_weight` is an array of shape `(examples,)` or a dict
                `{modality: array}`; 0 says that the modality is missing in
                that example.

        Returns:
            Keras `History`.

        Raises:
            TypeError: If ids are not integers.
            ValueError: If the data is empty, not finite, of unequal sizes or
                of unknown modalities.
        """
        if self.modalities:
            if isinstance(x, tf.data.Dataset):
                checks.check_dataset(x, self.modalities)
                kwargs.setdefault("shuffle", False)  # It brings its order.
            elif isinstance(x, dict):
                self._check_arrays(x, y, kwargs.get("sample_weight"))
                if y is None:
                    # Without `y`, Keras drops `sample_weight` in silence.
                    y = np.arange(len(next(iter(x.values()))))
                x, y = as_dataset(x, y, kwargs)
        return super().fit(x, y, **kwargs)

    def _check_arrays(self, x, y, sample_weight):
        checks.check_arrays(x, y, sample_weight, self.modalities)

    def preprocess(self, data, training=False):
        """Apply the preprocessors to raw data.

        Batches of a `Dataset` are preprocessed in parallel, so which of them
        gets which random numbers may differ between two runs. A run with
        augmentation repeats exactly after `keras.utils.set_random_seed` and
        `tf.config.experimental.enable_op_determinism`.

        Args:
            data: Dict `{modality: raw batch}`, or a `tf.data.Dataset` of
                batches of such dicts, alone or followed by ids and weights.
            training: Boolean, whether augmentation applies.

        Returns:
            The same structure with preprocessed modalities. A modality
            without a preprocessor, and ids and weights, stay as they are.

        Raises:
            ValueError: If a modality is unknown.
            TypeError: If the data is neither dict nor `Dataset`.
        """
        if isinstance(data, tf.data.Dataset):
            checks.check_dataset(data, self.modalities)

            def preprocess_element(x, *rest):
                x = self.preprocess(x, training)
                return (x, *rest) if rest else x

            # With autotuning, TensorFlow 2.21 may end an iteration only at the
            # next period of its tuner: up to twice the time it took.
            options = tf.data.Options()
            options.autotune.enabled = False
            return (
                data.map(
                    preprocess_element, num_parallel_calls=tf.data.AUTOTUNE
                )
                .prefetch(tf.data.AUTOTUNE)
                .with_options(options)
            )
        checks.check_modalities(data, self.modalities, "data")
        return {
            name: self.preprocessors[name](value, training=training)
            if name in self.preprocessors
            else value
            for name, value in data.items()
        }

    def get_config(self):
        config = super().get_config()
        for argument in self.layer_arguments:
            layers = getattr(self, argument)
            config[argument] = {
                name: keras.saving.serialize_keras_object(layer)
                for name, layer in layers.items()
            } or None
        config["frozen_layers"] = {
            argument: {
                name: checks.frozen_layers(layer)
                for name, layer in getattr(self, argument).items()
            }
            for argument in self.layer_arguments
            if argument != "preprocessors"
        }
        return config

    @classmethod
    def from_config(cls, config, custom_objects=None):
        config = dict(config)
        frozen = config.pop("frozen_layers", {})
        for argument in cls.layer_arguments:
            if config.get(argument):
                config[argument] = {
                    name: keras.saving.deserialize_keras_object(
                        value, custom_objects=custom_objects
                    )
                    for name, value in config[argument].items()
                }
        model = cls(**config)
        # Layers whose config is their own arguments forget what was frozen.
        for argument, names in frozen.items():
            for name, layers in names.items():
                for layer in layers:
                    found = getattr(model, argument)[name].get_layer(layer)
                    found.trainable = False
        return model
