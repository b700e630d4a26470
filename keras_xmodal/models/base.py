"""What models over dicts of modalities share: one gate for all data."""

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_xmodal import checks, saving
from keras_xmodal.models import data as data_lib
from keras_xmodal.models import encoders, strategies
from keras_xmodal.models.data import pack, unpack
from keras_xmodal.models.preprocessed import Preprocessed
from keras_xmodal.ops.replicas import num_workers

_LOG_READERS = (
    keras.callbacks.CSVLogger,
    keras.callbacks.EarlyStopping,
    keras.callbacks.ModelCheckpoint,
    keras.callbacks.ReduceLROnPlateau,
    keras.callbacks.RemoteMonitor,
    keras.callbacks.TensorBoard,
)


class MultimodalModel(keras.Model):
    """Base of models over dicts `{modality: batch}`.

    Whatever a user trains, evaluates or predicts on goes through `_gate`:
    checked, preprocessed and brought into the batches of the steps. A subclass
    sets `modalities`, empty for a model of plain tensors, names in
    `layer_arguments` those of its arguments that are dicts of layers, and says
    by `_check_structure`, `_arrange` and `_check_values` what its batches are.

    Args:
        preprocessors: Dict `{modality: keras.Layer}` or None.
        **kwargs: Arguments of `keras.Model`.
    """

    layer_arguments: tuple[str, ...] = ("encoders", "preprocessors")
    modalities = ()
    _write_saved_model: Any = None  # set by `keras_xmodal.export`, above

    def __init__(self, preprocessors=None, **kwargs):
        super().__init__(**kwargs)
        preprocessors = checks.keras_layers(
            "preprocessors", preprocessors, optional=True
        )
        # Saved with the model, but no part of `call`: were they tracked as
        # sublayers, one lookup table would switch XLA off for the training.
        object.__setattr__(self, "preprocessors", preprocessors)
        object.__setattr__(self, "_layer_states", {})
        object.__setattr__(self, "_input_dtype", None)
        object.__setattr__(self, "_functions", {})

    # Building.

    def __call__(self, x, *args, **kwargs):
        leaves = keras.tree.flatten(x)
        if not self.built and all(hasattr(leaf, "shape") for leaf in leaves):
            self._build_on(x)
        return super().__call__(x, *args, **kwargs)

    def _build_on(self, x):
        """Build for batches like this one, of arrays, tensors or specs."""
        dtypes = keras.tree.map_structure(data_lib.integer_dtype, x)
        object.__setattr__(self, "_input_dtype", dtypes)
        with self.distribute_strategy.scope():
            self.build(keras.tree.map_structure(data_lib.batch_shape, x))

    def build(self, input_shape):
        """Build all networks, those of a frozen or adapted model as they were.

        Args:
            input_shape: Shape of a batch, or dict `{modality: shape}`.

        Raises:
            ValueError: If a network does not fit.
        """
        self._build_networks(input_shape)
        self._restore_layers()

    def _build_networks(self, input_shape):
        raise NotImplementedError

    def compile_from_config(self, config):
        self.compile(**keras.saving.deserialize_keras_object(config))
        if self.built and self.optimizer is not None:
            self.optimizer.build(self.trainable_variables)

    # What Keras' trainer is given.

    def fit(
        self,
        x=None,
        y=None,
        batch_size=None,
        epochs=1,
        verbose="auto",
        callbacks=None,
        validation_split=0.0,
        validation_data=None,
        shuffle=True,
        class_weight=None,
        sample_weight=None,
        **kwargs,
    ):
        self._assert_compile_called("fit")
        epochs = checks.integer("epochs", epochs, least=0)
        checks.in_range("validation_split", validation_split, 0, 1, "[)")
        self._check_class_weight(class_weight)
        if validation_split and validation_data is None:
            (x, y, sample_weight), validation_data = self._split(
                validation_split, x, y, sample_weight
            )
        if shuffle not in (True, False):
            raise ValueError(
                "`shuffle` must be True or False. "
                f"Received: shuffle={shuffle!r}"
            )
        source = self._gate(
            x,
            y,
            sample_weight,
            training=True,
            batch_size=batch_size,
            shuffle=shuffle,
            steps=kwargs.get("steps_per_epoch"),
        )
        # Only the order of a `PyDataset` is still to be chosen.
        shuffle = shuffle and isinstance(source, keras.utils.PyDataset)
        strategies.check_order(self.distribute_strategy, shuffle)
        if validation_data is not None:
            data_lib.check_validation_data(validation_data)
            validation_data = self._gate(
                *unpack(validation_data),
                batch_size=kwargs.pop("validation_batch_size", None)
                or batch_size,
                steps=kwargs.get("validation_steps"),
            )
        return super().fit(
            source,
            epochs=epochs,
            verbose=verbose,
            callbacks=_readers_last(callbacks),
            shuffle=shuffle,
            validation_data=validation_data,
            **kwargs,
        )

    def evaluate(
        self,
        x=None,
        y=None,
        batch_size=None,
        verbose="auto",
        sample_weight=None,
        **kwargs,
    ):
        """Losses and metrics of data, in inference mode.

        Args:
            x: As for `fit`.
            y: As for `fit`.
            batch_size: Positive integer, for arrays. Defaults to 32.
            verbose: As for `keras.Model.evaluate`.
            sample_weight: As for `fit`.
            **kwargs: Further arguments of `keras.Model.evaluate`.

        Returns:
            As `keras.Model.evaluate`.

        Raises:
            TypeError: As `fit`.
            ValueError: As `fit`.
        """
        if not kwargs.get("_use_cached_eval_dataset"):  # Else by `fit`.
            x = self._gate(
                x,
                y,
                sample_weight,
                batch_size=batch_size,
                steps=kwargs.get("steps"),
            )
        return super().evaluate(x, verbose=verbose, **kwargs)

    def predict(self, x, batch_size=None, verbose="auto", **kwargs):
        """What the model makes of raw data, in inference mode.

        Args:
            x: Raw input of a call, or `Preprocessed`, in any form that `fit`
                takes; ids and targets in a data set are left aside. Weights
                in it that are 0 say what is missing, as in `fit`.
            batch_size: Positive integer, for arrays. Defaults to 32.
            verbose: As for `keras.Model.predict`.
            **kwargs: Further arguments of `keras.Model.predict`.

        Returns:
            NumPy arrays, in the structure of what a call returns.

        Raises:
            TypeError: If `x` is of an unknown kind.
            ValueError: If the data is empty, not finite, of unequal sizes or
                of unknown modalities.
        """
        source = self._gate(
            x, batch_size=batch_size, inputs=True, steps=kwargs.get("steps")
        )
        return super().predict(source, verbose=verbose, **kwargs)

    def train_on_batch(
        self, x, y=None, sample_weight=None, class_weight=None, **kwargs
    ):
        """Train on one batch.

        Args:
            x: As for `fit`, arrays.
            y: As for `fit`.
            sample_weight: As for `fit`.
            class_weight: None; give `sample_weight`.
            **kwargs: Further arguments of `keras.Model.train_on_batch`.

        Returns:
            As `keras.Model.train_on_batch`.

        Raises:
            TypeError: As `fit`.
            ValueError: As `fit`.
        """
        strategies.check_one_replica(self, "train_on_batch")
        self._check_class_weight(class_weight)
        data_lib.check_some_weight(sample_weight)
        batch = self._prepare_checked((x, y, sample_weight), training=True)
        return self._logs_of(super().train_on_batch, batch, **kwargs)

    def test_on_batch(self, x, y=None, sample_weight=None, **kwargs):
        """Evaluate one batch.

        Args:
            x: As for `fit`, arrays.
            y: As for `fit`.
            sample_weight: As for `fit`.
            **kwargs: Further arguments of `keras.Model.test_on_batch`.

        Returns:
            As `keras.Model.test_on_batch`.

        Raises:
            TypeError: As `fit`.
            ValueError: As `fit`.
        """
        strategies.check_one_replica(self, "test_on_batch")
        data_lib.check_some_weight(sample_weight)
        batch = self._prepare_checked((x, y, sample_weight))
        return self._logs_of(super().test_on_batch, batch, **kwargs)

    def _logs_of(self, on_batch, batch, return_dict=False):
        logs = self._of_what_was_there(
            on_batch(*unpack(batch), return_dict=True)
        )
        return logs if return_dict else self._flatten_metrics_in_order(logs)

    def predict_on_batch(self, x):
        """What the model makes of one raw batch, in inference mode.

        Args:
            x: As for `predict`, arrays.

        Returns:
            As `predict`.

        Raises:
            TypeError: As `predict`.
            ValueError: As `predict`.
        """
        strategies.check_one_replica(self, "predict_on_batch")
        (x,) = self._prepare_checked((x,), inputs=True)
        return super().predict_on_batch(x)

    def preprocess(self, data, training=False):
        """Apply the preprocessors to raw data.

        `fit`, `evaluate`, `predict` and `encode` do it themselves. It pays to
        do it before where data without augmentation is read in many epochs:
        `model.fit(model.preprocess(dataset).cache())`.

        Batches of a `Dataset` are preprocessed in parallel, so which of them
        gets which random numbers may differ between two runs. A run with
        augmentation repeats exactly after `keras.utils.set_random_seed` and
        `tf.config.experimental.enable_op_determinism`.

        Args:
            data: Dict `{modality: raw batch}`, or a `tf.data.Dataset` of
                batches of such dicts, alone or followed by ids and weights.
            training: Boolean, whether augmentation applies.

        Returns:
            The same structure, its dicts of class `Preprocessed`, which stay
            as they are if given. A modality without a preprocessor, and ids
            and weights, stay as they are.

        Raises:
            ValueError: If a modality is unknown.
            TypeError: If the data is neither dict nor `Dataset`.
        """
        if isinstance(data, tf.data.Dataset):
            data_lib.check_not_empty(data)
            x, _, _ = unpack(data.element_spec)
            checks.modalities("data", x, self.modalities)

            def preprocess(batch):
                if not isinstance(batch, tuple):
                    return self.preprocess(batch, training)
                return (self.preprocess(batch[0], training), *batch[1:])

            return data_lib.map_batches(data, preprocess)
        checks.modalities("data", data, self.modalities)
        if isinstance(data, Preprocessed):
            return data
        for name, value in data.items():
            encoders.check_texts(name, self.preprocessors.get(name), value)
        return Preprocessed(
            (
                name,
                self.preprocessors[name](value, training=training)
                if name in self.preprocessors
                else value,
            )
            for name, value in data.items()
        )

    def compile(self, *args, **kwargs):
        self._functions.clear()
        super().compile(*args, **kwargs)

    def quantize(self, *args, **kwargs):
        self._functions.clear()
        return super().quantize(*args, **kwargs)

    def make_train_function(self, force=False):
        saving.start_adapters(self)
        return super().make_train_function(force)

    def save(self, filepath, *args, **kwargs):
        if str(filepath).endswith((".h5", ".hdf5")):
            raise ValueError(
                "`filepath` must end in '.keras': from HDF5, Keras does not "
                f"load a model of its own class. Received: {filepath}"
            )
        with strategies.written_once(self, filepath) as path:
            super().save(path, *args, **kwargs)

    def save_weights(self, filepath, *args, **kwargs):
        with strategies.written_once(self, filepath) as path:
            super().save_weights(path, *args, **kwargs)

    def export(
        self,
        filepath,
        format="tf_saved_model",
        verbose=None,
        input_signature=None,
        **kwargs,
    ):
        """Write the model for servers and other programs, as Keras does.

        A SavedModel has the endpoint `serve`, which gives what a call of the
        model gives, and all signatures of `kx.export.saved_model`, which also
        compares them with Keras. `keras.layers.TFSMLayer` loads each of them.

        Args:
            filepath: Path to write.
            format: As for `keras.Model.export`.
            verbose: As for `keras.Model.export`.
            input_signature: Shapes and dtypes of the inputs of `serve`, such
                as a dict `{modality: keras.InputSpec}`. Defaults to those
                that the model was built with, any number of examples.
            **kwargs: As for `keras.Model.export`.

        Raises:
            ValueError: If the model is not built.
        """
        if format == "tf_saved_model" and self.built:
            self._write_saved_model(
                filepath, verbose, input_signature, **kwargs
            )
            return
        if input_signature is None and self.built:
            # Keras asks for a call, which no training needs, and for dtypes.
            shape = self.get_build_config()["input_shape"]
            input_signature = [encoders.symbolic(shape, self._input_dtype)]
            self(*input_signature)
        super().export(filepath, format, verbose, input_signature, **kwargs)

    # What exports ask.

    def input_specs(self):
        """Shapes and dtypes of preprocessed inputs, as far as layers say.

        Returns:
            Dict `{modality: (shape, dtype)}`, either of them None where it is
            not known; the one input of a model of a tensor is called None.
        """
        if not self.modalities:
            return {None: ((None, self.input_dim), "float32")}
        return {
            name: encoders.declared_input(self.encoders[name])
            if name in self.encoders
            else ((None, self.input_dim[name]), "float32")
            for name in self.modalities
        }

    def built_input(self, name):
        """Shape and dtype of a modality that the model was built for.

        Args:
            name: Name of the modality, or None for the one input.

        Returns:
            Pair of them, of None twice if it is not built for it.
        """
        shape = (self.get_build_config() or {}).get("input_shape")
        dtype = self._input_dtype
        if isinstance(shape, dict):
            shape, dtype = shape.get(name), (dtype or {}).get(name)
        if shape is None:
            return None, None
        return (None, *shape[1:]), dtype or "float32"

    def endpoints(self, sampling="seed"):
        raise NotImplementedError

    def _call_on(self, x):
        """Call on a dict of all inputs, as `input_specs` names them."""
        return self(x.get(None, x), training=False)

    # The gate.

    def _gate(
        self,
        x,
        y=None,
        sample_weight=None,
        *,
        training=False,
        inputs=False,
        batch_size=None,
        shuffle=False,
        steps=None,
    ):
        """Check data of any kind, and make it batches for the steps."""
        checks.positive_integer("batch_size", batch_size, optional=True)
        options = {"training": training, "inputs": inputs}
        if data_lib.is_array_data(x):
            data_lib.check_some_weight(sample_weight)
            arrays = self._check_arrays(x, y, sample_weight, inputs)
            batch_size = batch_size or 32
            if training:
                size = max(len(leaf) for leaf in keras.tree.flatten(arrays))
                self._check_last_batch(size % batch_size or batch_size)
            seed = None
            if shuffle:
                seed = strategies.shared_seed(self.distribute_strategy)
            dataset = self._array_dataset(arrays, batch_size, shuffle, seed)
            if steps:  # As many as are asked for.
                dataset = dataset.repeat()
            return self._map(dataset, options)
        data_lib.check_source(x, y, sample_weight)
        same = data_lib.SameParts()

        def prepare(batch):
            return self._prepare_checked(same(batch), **options)

        if isinstance(x, keras.utils.PyDataset):
            return data_lib.PreparedBatches(x, prepare)
        if not isinstance(x, tf.data.Dataset):
            return (prepare(batch) for batch in x)
        data_lib.check_not_empty(x)
        named = self._name(*unpack(x.element_spec), inputs)
        self._check_structure(*named, inputs)
        data_lib.check_batched(named[0])
        data_lib.check_weights(named[2])
        dataset = self._map(x, {**options, "checked": False})
        specs = unpack(dataset.element_spec)
        if inputs:
            self._check_input(specs[0])
        else:
            self._check_specs(*specs)
            if training:
                self._check_last_batch(keras.tree.flatten(specs)[0].shape[0])
        return dataset

    def _map(self, dataset, options):
        return data_lib.map_batches(
            dataset,
            lambda batch: self._prepare(batch, **options),
            parallel=bool(self.preprocessors),
        )

    def _prepare(self, batch, training=False, inputs=False, checked=True):
        """Make a batch what the steps take, in graphs too."""
        x, y, sample_weight = self._name(*unpack(batch), inputs)
        sample_weight = data_lib.flat_weights(sample_weight)
        x = data_lib.fill_missing(x, sample_weight)
        if not checked:
            data_lib.assert_usable(x, y, sample_weight)
        if self.modalities and isinstance(x, dict):
            x = dict(self.preprocess(x, training))
            x = self._check_ranges(x)
        batch = self._arrange(x, y, sample_weight, inputs)
        if not inputs and (self.preprocessors or not checked):
            data_lib.check_in_graph(self._check_support, *batch)
        return pack(*batch)

    def _check_ranges(self, x):
        """Values within what encoders of this package say they take."""
        checked = dict(x)
        for name, encoder in getattr(self, "encoders", {}).items():
            ends = getattr(encoder, "input_range", None)
            if ends is not None and name in x:
                kind = type(encoder).__name__
                rule = f"from {ends[0]} to {ends[1]} for {kind}"
                checked[name] = checks.values(
                    f"x[{name!r}]", x[name], *ends, rule, 0.01
                )
        return checked

    def _prepare_checked(self, batch, training=False, inputs=False):
        """Check an eager batch by its values, and prepare it."""
        arrays = self._check_arrays(*unpack(batch), inputs)
        arrays = keras.tree.map_structure(data_lib.to_tensor, arrays)
        return self._prepare(arrays, training, inputs)

    def _check_arrays(self, x, y=None, sample_weight=None, inputs=False):
        """Check arrays before the first step; return them, lists as arrays."""
        batch = self._check_given(x, y, sample_weight, inputs)
        x, y, sample_weight = batch
        raw = isinstance(x, dict) and not isinstance(x, Preprocessed)
        if raw and self.preprocessors:
            # A look at what the first of them become.
            head = data_lib.take_rows(batch, slice(0, 32))
            arranged = unpack(self._prepare(pack(*head), inputs=inputs))
        else:
            if isinstance(x, dict):
                self._check_ranges(data_lib.fill_missing(x, sample_weight))
            arranged = self._arrange(*batch, inputs)
        if inputs:
            self._check_input(arranged[0])
        else:
            self._check_values(*arranged)
        if y is None and sample_weight is not None:
            y = _row_numbers(x) if inputs else self._default_targets(x)
        return pack(x, y, sample_weight)

    def _check_given(self, x, y=None, sample_weight=None, inputs=False):
        """Check names and sizes of arrays; return them, lists as arrays."""
        named = self._name(x, y, sample_weight, inputs)
        self._check_structure(*named, inputs)
        x, y, sample_weight = (
            None if part is None else data_lib.to_arrays(part, argument)
            for argument, part in zip(
                ("x", "y", "sample_weight"), named, strict=True
            )
        )
        if isinstance(x, dict):  # None is left out.
            self._check_structure(x, None, None, inputs)
        batch = x, y, data_lib.flat_weights(sample_weight)
        self._check_sizes(*batch)
        return batch

    def _maybe_symbolic_build(self, iterator=None, data_batch=None):
        # Keras takes the first batch, and the mean of it over replicas: they
        # may differ in their numbers of rows, and a generator has it once.
        if iterator is not None and self._distribute_strategy is not None:
            data_batch = keras.tree.map_structure(
                data_lib.symbolic,
                iterator.data_adapter.get_tf_dataset().element_spec,
            )
        super()._maybe_symbolic_build(data_batch=data_batch)

    def _make_function(self, step_function):
        strategies.check_steps(self)
        if num_workers(self.distribute_strategy) > 1:
            step_function = strategies.logs_to_reduce(step_function)
        return super()._make_function(step_function)

    def _get_metrics_result_or_logs(self, logs):
        # What steps of evaluation report is without the metrics of training
        # alone, which Keras takes for logs of one replica.
        if isinstance(logs, dict):
            results = self.get_metrics_result()
            if set(logs) <= set(results):
                logs = {name: results[name] for name in logs}
                return self._of_what_was_there(logs)
        return super()._get_metrics_result_or_logs(logs)

    def _of_what_was_there(self, logs):
        """Logs without the means of what no example had."""
        unseen = {
            metric.name
            for metric in self.metrics
            if isinstance(metric, keras.metrics.Mean)
            and metric.name != "loss"
            and not np.any(metric.count)
        }
        return {k: v for k, v in logs.items() if k not in unseen}

    # What a subclass says of its batches.

    def _check_structure(self, x, y=None, sample_weight=None, inputs=False):
        """Check names, of arrays or their specs."""
        if not self.modalities:
            return
        checks.modalities("x", x, self.modalities)
        if isinstance(sample_weight, dict):
            checks.modalities("sample_weight", sample_weight, self.modalities)

    def _check_sizes(self, x, y, sample_weight):
        """Check lengths, weights and finite values of arrays."""
        data_lib.check_arrays(x, y, sample_weight)

    def _name(self, x, y=None, sample_weight=None, inputs=False):
        """Give modalities their names, where a user need not.

        With `inputs`, there are no targets.
        """
        return x, None if inputs else y, sample_weight

    def _arrange(self, x, y, sample_weight, inputs):
        """Arrange a batch as the steps take it, or the input of a call.

        After the input comes what is there of it, if weights say so.
        """
        if inputs:
            if sample_weight is None or not self.modalities:
                return x, None, None
            there = data_lib.presence(x, sample_weight)
            return x, _row_numbers(x), there
        if y is None and sample_weight is not None:
            # Without targets, Keras drops the weights in silence.
            y = self._default_targets(x)
        return x, y, sample_weight

    def _default_targets(self, x):
        return _row_numbers(x)

    def _check_values(self, x, y=None, sample_weight=None):
        """Check arranged arrays by their values."""

    def _check_support(self, x, y=None, sample_weight=None):
        """Check arranged arrays of one batch by what they may be."""

    def _check_specs(self, x, y=None, sample_weight=None):
        """Check arranged batches of a data set by what it says of them."""
        self._check_input(x)

    def _check_input(self, x):
        """Compare arrays or specs with what the layers declare."""
        specs = self.input_specs()
        for name, value in (x if self.modalities else {None: x}).items():
            shape, dtype = specs[name]
            if shape is not None and hasattr(value, "shape"):
                argument = f"x[{name!r}]" if name else "x"
                encoders.check_input(argument, value, shape, dtype)
        if self._distribute_strategy is not None and not self.built:
            self._build_on(x)  # Replicas cannot.

    def _check_last_batch(self, size):
        """Check that the smallest batch is large enough to train on."""

    def _check_class_weight(self, class_weight):
        if class_weight is not None:
            raise ValueError(
                "`class_weight` weighs classes, and neither ids nor targets "
                f"of a `{type(self).__name__}` are such: give the weight of "
                "each example as `sample_weight`. "
                f"Received: class_weight={class_weight}"
            )

    def _split(self, share, x, y, sample_weight):
        """Arrays without their last rows, and these."""
        if not data_lib.is_array_data(x):
            raise ValueError(
                "`validation_split` splits arrays: give batches to validate on "
                f"as `validation_data`. Received: x of type {type(x).__name__}"
            )
        arrays = [
            None if part is None else data_lib.to_arrays(part, argument)
            for argument, part in (
                ("x", x),
                ("y", y),
                ("sample_weight", sample_weight),
            )
        ]
        data_lib.check_arrays(*arrays)
        return data_lib.split(tuple(arrays), share)

    def _array_dataset(self, arrays, batch_size, shuffle, seed):
        return data_lib.array_dataset(arrays, batch_size, shuffle, seed)

    # Saving.

    def get_config(self):
        config = super().get_config()
        for argument in self.layer_arguments:
            layers = getattr(self, argument)
            config[argument] = saving.serialize_layers(layers) or None
        # Layers whose config is their own arguments forget what was frozen.
        states = {
            path: saving.layer_states(layer)
            for path, layer in self._parts().items()
        }
        return {**config, "layer_states": states}

    @classmethod
    def from_config(cls, config, custom_objects=None):
        config = dict(config)
        states = config.pop("layer_states", {})
        arguments = saving.deserialize_config(config, custom_objects)
        for argument in cls.layer_arguments:
            if arguments.get(argument):
                saving.share_layers(arguments[argument])
        model = cls(**arguments)
        object.__setattr__(model, "_layer_states", states)
        model._restore_layers()
        return model

    def _restore_layers(self):
        for path, layer in self._parts().items():
            if path in self._layer_states:
                saving.restore_layers(layer, self._layer_states[path])

    def _parts(self):
        """The layers right below the model, by their attributes and keys."""
        parts, untracked = {}, ("preprocessors", "memory")
        for name, value in vars(self).items():
            values = value if isinstance(value, dict) else {None: value}
            for key, layer in values.items():
                if isinstance(layer, keras.Layer) and name not in untracked:
                    parts[name if key is None else f"{name}/{key}"] = layer
        return parts

    def get_build_config(self):
        config = super().get_build_config()
        return config and {**config, "input_dtype": self._input_dtype}

    def build_from_config(self, config):
        if config:
            self._input_dtype = config.get("input_dtype")
            self.build(config["input_shape"])


def _row_numbers(x):
    return tf.range(tf.shape(keras.tree.flatten(x)[0])[0])


def _readers_last(callbacks):
    """Callbacks of Keras that read logs, after the last one that adds to them.

    Before it, `EarlyStopping` would never see what it waits for.
    """
    if callbacks is None or isinstance(callbacks, keras.callbacks.CallbackList):
        return callbacks
    callbacks = keras.tree.flatten(callbacks)
    adding = [getattr(callback, "adds_logs", False) for callback in callbacks]
    end = max(np.flatnonzero(adding), default=-1) + 1
    early = [c for c in callbacks[:end] if isinstance(c, _LOG_READERS)]
    return [
        *(c for c in callbacks[:end] if c not in early),
        *early,
        *callbacks[end:],
    ]
