"""One embedding space for any number of modalities."""

import itertools

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from keras_xmodal import checks, losses, saving
from keras_xmodal.layers.logit_scale import LogitScale
from keras_xmodal.models.base import MultimodalModel
from keras_xmodal.models.data import (
    as_vectors,
    check_target,
    is_array_data,
    most_rows,
    of_modality,
    unpack,
)
from keras_xmodal.models.embedding.from_preset import from_preset
from keras_xmodal.models.embedding.learning_rates import (
    check_multipliers,
    multipliers_of_weights,
    scale_learning_rates,
)
from keras_xmodal.models.embedding.memory import Memory
from keras_xmodal.models.embedding.micro_batches import (
    train_in_micro_batches,
)
from keras_xmodal.models.embedding.weight_decay import exclude_from_weight_decay
from keras_xmodal.models.encoders import (
    check_input,
    check_one_input,
    feature_shape,
    symbolic,
)
from keras_xmodal.models.endpoint import Endpoint, named
from keras_xmodal.models.rows import apply_to_rows
from keras_xmodal.ops.chunks import is_small
from keras_xmodal.ops.replicas import gather_rows, num_replicas
from keras_xmodal.ops.similarity import dot_similarity, l2_normalize

# The losses of Keras whose targets have another shape than the outputs.
_OF_CLASSES = (
    keras.losses.SparseCategoricalCrossentropy,
    keras.losses.sparse_categorical_crossentropy,
    keras.losses.CategoricalGeneralizedCrossEntropy,
    keras.losses.categorical_generalized_cross_entropy,
    keras.losses.Circle,
    keras.losses.circle,
    keras.losses.CTC,
    keras.losses.ctc,
)


@saving.register
class EmbeddingModel(MultimodalModel):
    """Map modalities into one space where cosine similarity compares them.

    Each modality has an encoder (any Keras model or layer with features of
    shape `(batch, dim)`), an affine projection to `embedding_dim` and a
    normalisation to unit length. Training pulls together what describes the
    same item, for every pair of modalities in `pairs`.

    A loss of Keras, such as `"cosine_similarity"`, or
    `kx.losses.SimilarityDistillation` makes it learn where embeddings should
    lie instead: what `encode` of a larger model returns. Then
    `kx.models.replace_towers` puts the small tower in the large one's place.

    With two integers it is the affine map `x W + b` of one vector, a plain
    Keras model from a tensor to a tensor.

    A process that loads the saved model imports `keras_xmodal` before: so Keras
    knows the class.

    Args:
        input_dim: Integer, the size of the input vector; or a dict
            `{modality: size}` for modalities that are vectors already and
            get a projection only. Leave it out when `encoders` are given.
        embedding_dim: Integer, size of the embedding space. None: no
            projection, all encoders return the same size.
        encoders: Dict `{modality: keras.Layer}`. Set `trainable = False` on an
            encoder, or on some of its layers, to freeze it (LiT); a frozen
            encoder runs in inference mode.
        preprocessors: Dict `{modality: keras.Layer}` from raw input to the
            encoder's input, for any of the modalities. They are saved with
            the model and used by `preprocess`, `encode` and the exports, not
            by `call`.
        pairs: List of pairs of modalities to compare in training, such as
            `[("image", "text")]`. Defaults to all pairs.
        temperature: Float in `[0.001, 1]`, the start of the learned
            temperature of every pair. Defaults to what the loss suggests.
        bias: Float, the start of the learned bias of every pair. Defaults to
            what the loss suggests.
        **kwargs: Arguments of `keras.Model`.

    Call arguments:
        x: Dict `{modality: batch}` of any subset of the modalities, or one
            tensor of shape `(batch, input_dim)` where `input_dim` is an
            integer.
        training: Boolean.

    Returns:
        Dict `{modality: embedding}` of float32 tensors of shape
        `(batch, embedding_dim)` and length 1, less where it was below 1e-6
        before it was normalised; or one tensor, not normalised, where
        `input_dim` is an integer.

    Raises:
        ValueError: If a size is not positive, both or neither of `input_dim`
            and `encoders` are given, or a name is unknown.
        TypeError: If an encoder or preprocessor is not a Keras layer.

    Example:
        ```python
        import keras
        import numpy as np
        import keras_xmodal as kx

        image = keras.Sequential([keras.Input((8, 8, 3)),
                                  keras.layers.Flatten()])
        text = keras.Sequential([keras.Input((5,), dtype="int32"),
                                 keras.layers.Embedding(100, 16),
                                 keras.layers.GlobalAveragePooling1D()])
        model = kx.EmbeddingModel(
            encoders={"image": image, "text": text}, embedding_dim=32
        )
        model.compile(optimizer="adam", loss=kx.losses.InfoNCE())
        x = {"image": np.random.rand(64, 8, 8, 3),
             "text": np.random.randint(100, size=(64, 5))}
        model.fit(x, y=np.arange(64), epochs=1, verbose=0)
        print(model.predict(x, verbose=0)["text"].shape)  # (64, 32)
        ```

    Reference:
        - Radford et al., 2021, https://arxiv.org/abs/2103.00020, figure 3
        - Zhai et al., 2022 (LiT), https://arxiv.org/abs/2111.07991
        - Girdhar et al., 2023 (pairs), https://arxiv.org/abs/2305.05665
    """

    def __init__(
        self,
        input_dim=None,
        embedding_dim=128,
        *,
        encoders=None,
        preprocessors=None,
        pairs=None,
        temperature=None,
        bias=None,
        **kwargs,
    ):
        super().__init__(preprocessors, **kwargs)
        _check_dims(input_dim, embedding_dim, encoders)
        self.input_dim = input_dim
        self.embedding_dim = embedding_dim
        self.temperature = temperature
        self.bias = checks.number("bias", bias, optional=True)
        self.encoders = checks.keras_layers("encoders", encoders, optional=True)
        check_one_input("encoders", self.encoders)
        self.modalities = ()
        if encoders or isinstance(input_dim, dict):
            self.modalities = checks.modality_names(
                "encoders" if encoders else "input_dim", encoders or input_dim
            )
        if self.preprocessors:
            checks.modalities(
                "preprocessors", self.preprocessors, self.modalities
            )
        self.micro_batch_size = None
        self.memory_size = None
        self.memory_warm_up = None
        self.memory = None
        self.pairs = _check_pairs(pairs, self.modalities)
        self.learning_rate_multipliers = {}
        self._most_rows = None
        self._rows_when_traced = {}

        self._pair_names = _pair_names(self.pairs)
        self.projections = {}
        if embedding_dim is not None:
            for name in self.modalities or (None,):
                self.projections[name or "x"] = keras.layers.Dense(
                    embedding_dim,
                    name=f"{name}_projection" if name else "projection",
                    dtype=self.dtype_policy,
                )
        start = {} if temperature is None else {"temperature": temperature}
        self.logit_scales = {
            name: LogitScale(
                bias=bias or 0.0, name=f"{name}_logit_scale", **start
            )
            for name in self._pair_names.values()
        }
        self._pair_trackers = {
            name: keras.metrics.Mean(f"{name}_loss")
            for name in self._pair_names.values()
            if len(self.pairs) > 1
        }
        if self.modalities:
            # That of Keras counts batches without any pair as 0.
            self._mean_loss = keras.metrics.Mean("loss")

    @classmethod
    def from_preset(
        cls,
        preset,
        *,
        preprocessor=None,
        trainable_blocks=None,
        lora_rank=None,
        **kwargs,
    ):
        """Make a model of KerasHub's CLIP, SigLIP, SigLIP2 or MetaCLIP 2.

        Its modalities are `"image"` and `"text"`. It has both towers with
        their own projections, the preset's tokenizer and image preprocessing
        as `preprocessors`, so that it takes pictures and strings, and starts
        from the learned temperature (and SigLIP's bias): it is ready for
        `kx.retrieval.ZeroShotClassifier`. `model.logits` are those of KerasHub.

        Both towers are frozen, unless told: then only the temperature and the
        bias train. Fine-tune SigLIP with `kx.losses.SigmoidContrastive`, the
        others with `kx.losses.InfoNCE`, and see `learning_rate_multipliers` of
        `compile` and `kx.models.interpolate_weights`.

        Args:
            preset: Name of a preset of KerasHub, such as
                `"clip_vit_base_patch32"` or `"siglip2_base_patch16_224"`, or
                its handle (`"kaggle://..."`, `"hf://..."`), which are
                downloaded; or a folder that `save_to_preset` of both backbone
                and preprocessor wrote, which needs no internet; or a
                `keras_hub.models.Backbone`.
            preprocessor: KerasHub preprocessor of pictures and texts.
                Defaults to that of the preset; of a backbone, to none: then
                the model takes pictures as numbers and token ids.
            trainable_blocks: How many of the last blocks of a tower train, as
                for `kx.networks.from_keras_hub`; or dict by modality.
            lora_rank: Rank of adapters in the towers, as for
                `kx.networks.from_keras_hub`; or dict by modality.
            **kwargs: `load_weights` and `dtype` of
                `keras_hub.models.Backbone.from_preset`.

        Returns:
            `EmbeddingModel`, built and not compiled.

        Raises:
            ImportError: If KerasHub is not installed.
            TypeError: If `preset` is none of these.
            ValueError: If it is not there or of another model, or another
                argument is out of range.

        Example:
            ```python
            import keras_hub
            import keras_xmodal as kx
            import numpy as np

            sizes = {"num_layers": 1, "num_heads": 2, "hidden_dim": 16}
            backbone = keras_hub.models.CLIPBackbone(
                keras_hub.models.CLIPVisionEncoder(
                    8, **sizes, intermediate_dim=32, image_shape=(32, 32, 3)
                ),
                keras_hub.models.CLIPTextEncoder(
                    50, 16, **sizes, intermediate_dim=32, max_sequence_length=12
                ),
                projection_dim=8,
            )  # or its name, such as "clip_vit_base_patch32"
            model = kx.EmbeddingModel.from_preset(backbone, lora_rank=2)
            images = np.random.default_rng(0).random((2, 32, 32, 3), "float32")
            ids = np.arange(24).reshape(2, 12)
            model.logits({"image": images}, {"text": ids}).shape  # (2, 2)
            ```

        Reference:
            - Radford et al., 2021 (CLIP), https://arxiv.org/abs/2103.00020
            - Zhai et al., 2023 (SigLIP), https://arxiv.org/abs/2303.15343
        """
        return from_preset(
            cls,
            preset,
            preprocessor=preprocessor,
            trainable_blocks=trainable_blocks,
            lora_rank=lora_rank,
            **kwargs,
        )

    # Forward pass.

    def _build_networks(self, input_shape):
        if not self.modalities:
            self.projections["x"].build((None, self.input_dim))
            return
        checks.modalities("input_shape", input_shape, self.modalities)
        x = symbolic(input_shape, self._input_dtype)
        features = {}
        for name in self.modalities:
            if name in self.encoders:
                features[name] = feature_shape(
                    f"encoders[{name!r}]", self.encoders[name], x.get(name)
                )
            else:
                features[name] = (None, self.input_dim[name])
            if features[name] is not None and self.projections:
                self.projections[name].build(features[name])
        sizes = {name: f[-1] for name, f in features.items() if f is not None}
        if not self.projections and len(set(sizes.values())) > 1:
            raise ValueError(
                "Without `embedding_dim`, all encoders must return features "
                f"of equal size. Received: sizes {sizes}"
            )

    def call(self, x, training=False):
        if not self.modalities:
            check_input("x", x, (None, self.input_dim))
            return self.projections["x"](x)
        checks.modalities("x", x, self.modalities)
        checks.same_length(
            "x", {name: value.shape[0] for name, value in x.items()}
        )
        return {
            name: self._embed(name, x[name], training)
            for name in self.modalities
            if name in x
        }

    def _embed(self, name, x, training):
        encoder = self.encoders.get(name)
        if encoder is None:
            check_input(f"x[{name!r}]", x, (None, self.input_dim[name]))
        else:
            if isinstance(encoder, keras.Model) and hasattr(encoder, "inputs"):
                check_input(f"x[{name!r}]", x, encoder.input_shape)
            rests = self.learning_rate_multipliers.get(name) == 0
            training = bool(training) and encoder.trainable and not rests
            x = encoder(x, training=training)
        if self.projections:
            if not self.projections[name].built:
                raise ValueError(
                    f"The encoder of {name!r} has no input shape, and the "
                    f"batch that built the model held no {name!r}: first call "
                    "the model on a batch with every modality."
                )
            x = self.projections[name](x)
        return l2_normalize(x)

    # Training.

    def compile(
        self,
        optimizer="rmsprop",
        loss=None,
        *,
        learning_rate_multipliers=None,
        micro_batch_size=None,
        memory_size=None,
        memory_warm_up=None,
        **kwargs,
    ):
        """Configure the training.

        Args:
            optimizer: Keras optimizer or its name.
            loss: A `kx.losses.ContrastiveLoss` or its snake-case name.
                Defaults to `InfoNCE()`. Or any loss of Keras between vectors,
                such as `"cosine_similarity"`: then `y` is no ids, but where
                the embeddings of each modality should lie, such as those of
                another model (distillation). With an integer `input_dim`, any
                Keras loss.
            learning_rate_multipliers: Dict `{modality: number}`, what the
                learning rate, and with it the weight decay, is multiplied by
                for a tower, the encoder of a modality with its projection:
                `{"image": 0.1, "text": 0}`. 0 leaves it bit for bit, in
                inference mode. Keys may also be names of single layers, which
                come before the tower's: `{"image": 0.01, "image_projection":
                1}`, and `"image_text_logit_scale"` for temperature and bias.
                A schedule or callback of the learning rate goes on working.
            micro_batch_size: Positive integer, how many examples a tower
                takes at once in training; None, the default, for all of a
                batch. The step is that of the whole batch, with all its
                negatives, and needs the activations of so few examples only:
                towers that learn embed each batch twice (GradCache). Dropout
                and noise inside towers are the same both times, and each
                micro-batch has its own; what a preprocessor augments is done
                before. Layers must treat each example on its own: train with
                frozen `BatchNormalization`, and without losses that layers
                add in their call.
            memory_size: Integer from 0, how many examples of earlier batches
                a batch is compared with as well, by the embeddings that they
                had in training (cross-batch memory): more negatives, and
                positives by equal ids, for nearly nothing. They have no
                gradient, and are older than the weights. None or 0, the
                default, for none. Training data must then hold ids. The memory
                starts empty, is saved with the model, and `evaluate` leaves it
                alone.
            memory_warm_up: Integer from 0, how many examples are trained on
                before the memory is used; it fills from the first on. Defaults
                to `memory_size`: until it is full. Longer is better where
                embeddings still change fast, as in towers from nothing.
            **kwargs: Further arguments of `keras.Model.compile`.

        Raises:
            TypeError: If the loss is neither contrastive nor one of Keras.
            ValueError: If its name is unknown, `metrics` are given, which
                within a batch would depend on the batch size, or
                `loss_weights`; if a multiplier is of no tower or layer, or
                negative, or the `optimizer` a
                `keras.optimizers.MultiOptimizer`; if `micro_batch_size` is
                not positive, or given for an integer `input_dim`; if a
                `memory_size` is negative, or given for a loss that is not
                contrastive or encoders whose output has no known size; or if
                a `memory_warm_up` is negative, or alone.

        Example:
            ```python
            import numpy as np
            import keras_xmodal as kx

            model = kx.EmbeddingModel({"image": 12, "text": 7}, 4)
            model.compile("adam", micro_batch_size=64)
            x = {"image": np.random.rand(512, 12),
                 "text": np.random.rand(512, 7)}
            model.fit(x, batch_size=512, verbose=0)  # 512 negatives
            ```

        Reference:
            - Gao et al., 2021 (GradCache), https://arxiv.org/abs/2101.06983
            - Wang et al., 2020 (XBM), https://arxiv.org/abs/1912.06798
        """
        self.learning_rate_multipliers = check_multipliers(
            self, learning_rate_multipliers or {}
        )
        self.micro_batch_size = checks.positive_integer(
            "micro_batch_size", micro_batch_size, optional=True
        )
        self.memory_size = checks.integer(
            "memory_size", memory_size, 0, optional=True
        )
        self.memory_warm_up = checks.integer(
            "memory_warm_up", memory_warm_up, 0, optional=True
        )
        self._set_memory(None)
        if not memory_size:
            checks.left_out(
                "Without a `memory_size` there is nothing to warm up",
                memory_warm_up=memory_warm_up,
            )
        if not self.modalities:
            checks.left_out(
                "Only the loss of modalities compares examples of a batch",
                micro_batch_size=micro_batch_size,
                memory_size=memory_size,
            )
            super().compile(optimizer=optimizer, loss=loss, **kwargs)
            scale_learning_rates(self)
            return
        checks.left_out(
            "Retrieval within a batch depends on the batch size; evaluate the "
            "whole data set with `kx.callbacks.RetrievalEvaluation(data)`",
            metrics=kwargs.get("metrics"),
            weighted_metrics=kwargs.get("weighted_metrics"),
        )
        checks.left_out(
            "The loss is the mean over `pairs`",
            loss_weights=kwargs.get("loss_weights"),
        )
        loss = "info_nce" if loss is None else loss
        if not _is_of_vectors(loss):
            also = ", or a loss of Keras between vectors"
            loss = saving.resolve("loss", loss, losses.ContrastiveLoss, also)
        memory = self._make_memory(loss)
        before = 1.0 if self.loss is None else _initial_temperature(self.loss)
        for scale in self.logit_scales.values():
            if _initial_temperature(loss) is None:
                scale.trainable = False
                continue
            if before is None:  # Not used before; else as the user left it.
                scale.trainable = True
            scale.restart(
                self.temperature or loss.initial_temperature,
                loss.initial_bias if self.bias is None else self.bias,
            )
        super().compile(optimizer=optimizer, loss=loss, **kwargs)
        exclude_from_weight_decay(
            self.optimizer,
            [w for scale in self.logit_scales.values() for w in scale.weights],
        )
        scale_learning_rates(self)
        self._set_memory(memory)

    def _make_memory(self, loss):
        if not self.memory_size:
            return None
        if not isinstance(loss, losses.ContrastiveLoss):
            raise ValueError(
                "`memory_size` needs a contrastive loss, which compares "
                f"examples. Received: memory_size={self.memory_size} and "
                f"loss={loss}"
            )
        names = list(dict.fromkeys(itertools.chain(*self.pairs)))
        dim = next(filter(None, map(self._size, names)), None)
        if dim is None:
            raise ValueError(
                "`memory_size` needs embeddings of known size: give "
                "`embedding_dim`, or encoders with a `keras.Input`. "
                f"Received: memory_size={self.memory_size}"
            )
        warm_up = self.memory_warm_up
        if warm_up is None:
            warm_up = self.memory_size
        with self.distribute_strategy.scope():
            return Memory(self.memory_size, warm_up, dim, names)

    def _set_memory(self, memory):
        # Keras saves it as it does an optimizer; it is no part of the network.
        object.__setattr__(self, "memory", memory)

    def get_compile_config(self):
        config = super().get_compile_config()
        if config and self.learning_rate_multipliers:
            config["learning_rate_multipliers"] = {
                **self.learning_rate_multipliers
            }
        if config and self.micro_batch_size is not None:
            config["micro_batch_size"] = self.micro_batch_size
        if config and self.memory_size:
            config["memory_size"] = self.memory_size
            config["memory_warm_up"] = self.memory_warm_up
        return config

    @property
    def trainable_variables(self):
        return self._without_resting(super().trainable_variables)

    @property
    def trainable_weights(self):
        return self._without_resting(super().trainable_weights)

    def _without_resting(self, variables):
        """Leave out what has a learning rate of 0."""
        if 0 not in self.learning_rate_multipliers.values():
            return variables
        multipliers = multipliers_of_weights(self)
        return [v for v in variables if multipliers.get(id(v), 1) != 0]

    def fit(self, x=None, y=None, batch_size=None, epochs=1, *args, **kwargs):
        """Train on dicts of modalities.

        Args:
            x: Dict `{modality: array}` of raw examples, or a
                `tf.data.Dataset`, `keras.utils.PyDataset` or generator of
                batches `x`, `(x, ids)` or `(x, ids, sample_weight)`. All
                batches may lack the same modalities; where one comes and goes,
                give it `sample_weight` 0. The preprocessors are applied, with
                augmentation; `Preprocessed` is taken as it is.
            y: Integer ids of shape `(examples,)`. Examples with equal ids are
                positives of each other. None: each example is its own item.
                With a loss of Keras, a dict `{modality: array}` of shape
                `(examples, embedding_dim)`, of the same modalities as `x`:
                what `encode` of another model returns.
            batch_size: Positive integer, for arrays. Defaults to 32.
            epochs: Positive integer.
            *args: Further arguments of `keras.Model.fit`, in its order.
            **kwargs: The same, by name.
                `sample_weight` is an array of shape `(examples,)` or a dict
                `{modality: array}`; 0 says that the modality is missing in
                that example, and its cells may hold NaN. A pair counts by the
                product of both. `validation_data` is raw, too, and not
                augmented.

        Returns:
            Keras `History`.

        Raises:
            TypeError: If ids are not integers, or targets no dict.
            ValueError: If the data is empty, not finite, of unequal sizes or
                of unknown modalities, or targets do not fit.
        """
        return super().fit(x, y, batch_size, epochs, *args, **kwargs)

    # How many rows a batch has, which graphs do not know: small ones have
    # logits as a matrix.

    def _gate(
        self,
        x,
        y=None,
        sample_weight=None,
        *,
        training=False,
        inputs=False,
        **options,
    ):
        if training and is_array_data(x):
            self._check_has_ids(y)
        elif training and isinstance(x, tf.data.Dataset):
            self._check_has_ids(unpack(x.element_spec)[1])
        options.update(training=training, inputs=inputs)
        source = super()._gate(x, y, sample_weight, **options)
        if isinstance(source, tf.data.Dataset) and not inputs:
            self._expect_rows(most_rows(source))
        return source

    def _check_has_ids(self, y):
        if self.memory is not None and y is None:
            raise ValueError(
                "With `memory_size`, training data must hold ids, such as "
                "`y=np.arange(len(x))`, for an example may come again while it "
                "is in the memory. Received: no ids"
            )

    def _prepare_checked(self, batch, training=False, inputs=False):
        if training:
            self._check_has_ids(unpack(batch)[1])
        batch = super()._prepare_checked(batch, training, inputs)
        if not inputs and self.modalities:
            self._expect_rows(keras.tree.flatten(batch)[0].shape[0])
        return batch

    def _expect_rows(self, rows):
        if rows is None:  # As many as an integer says.
            rows = np.iinfo("int32").max
        self._most_rows = max(rows, self._most_rows or 1)

    def make_train_function(self, force=False):
        super().make_train_function(force or self._has_outgrown("train"))

    def make_test_function(self, force=False):
        super().make_test_function(force or self._has_outgrown("test"))

    def _has_outgrown(self, name):
        """Whether a traced function is for smaller batches."""
        before = self._rows_when_traced.get(name)
        now = self._rows_when_traced[name] = self._most_rows
        more = self.memory_size or 0 if name == "train" else 0
        return is_small(before, before and before + more) and not is_small(
            now, now and now + more
        )

    def _check_structure(self, x, y=None, sample_weight=None, inputs=False):
        super()._check_structure(x, y, sample_weight, inputs)
        if not self._compares_vectors or y is None:
            return
        if self.modalities:
            checks.modalities("y", y, x, complete=True)
            for name, value in y.items():
                check_target(value, self._size(name), f"y[{name!r}]")
        else:
            check_target(y, self.embedding_dim)

    def _size(self, name):
        """Size of the embeddings of a modality, or None."""
        if self.embedding_dim is not None:
            return self.embedding_dim
        shape = getattr(self.encoders[name], "output_shape", (None, None))
        return shape[-1]

    def _arrange(self, x, y, sample_weight, inputs):
        x, y, sample_weight = super()._arrange(x, y, sample_weight, inputs)
        if self._compares_vectors:
            y = keras.tree.map_structure(as_vectors, y)
        return x, y, sample_weight

    @property
    def _compares_vectors(self):
        """Whether targets are vectors, and neither ids nor classes."""
        if not self.compiled:
            return False
        if self.modalities:
            return not isinstance(self.loss, losses.ContrastiveLoss)
        (loss,) = keras.tree.flatten(self.loss)[:1] or (None,)
        loss = keras.losses.get(loss) if isinstance(loss, str) else loss
        kind = loss if loss in vars(keras.losses).values() else type(loss)
        return kind in vars(keras.losses).values() and kind not in _OF_CLASSES

    def _check_values(self, x, y=None, sample_weight=None):
        self._check_specs(x, y)

    def _check_specs(self, x, y=None, sample_weight=None):
        super()._check_specs(x)
        if self.modalities and self._compares_vectors:
            checks.modalities("y", y, x, complete=True)
        elif self.modalities and y is not None:
            checks.integer_ids("y", y)

    def train_step(self, data):
        if self.micro_batch_size is None or not self.trainable_weights:
            return super().train_step(data)
        batch = keras.utils.unpack_x_y_sample_weight(data)
        return train_in_micro_batches(self, *batch)

    def predict_step(self, data):
        x, _, there = keras.utils.unpack_x_y_sample_weight(data)
        embeddings = self(x, training=False)
        for name in there or ():  # No direction, where there is nothing.
            embeddings[name] = ops.where(
                ops.expand_dims(there[name], 1), embeddings[name], 0.0
            )
        return embeddings

    def _default_targets(self, x):
        if self.modalities and not self._compares_vectors:
            return super()._default_targets(x)
        raise ValueError(
            "`y` must hold the targets that `sample_weight` weighs. "
            "Received: y=None"
        )

    def compute_loss(
        self, x=None, y=None, y_pred=None, sample_weight=None, training=True
    ):
        """Mean of the loss over the pairs of modalities that are there.

        A loss of Keras is between embeddings and targets, and is summed over
        modalities.

        Args:
            x: Not used: the embeddings are in `y_pred`.
            y: None or integer ids of shape `(batch,)`, or a dict of targets.
            y_pred: Dict `{modality: embedding}` as `call` returns it.
            sample_weight: None, a tensor of shape `(batch,)` or a dict of
                them by modality.
            training: Boolean, whether a memory takes part and learns the batch.

        Returns:
            Scalar.

        Raises:
            ValueError: If the batch holds no pair of `pairs`.
        """
        # Of the whole batch, on each of several replicas, are negatives, and
        # the rows that a mean is over.
        y_pred, y, sample_weight = gather_rows((y_pred, y, sample_weight))
        if not self.modalities:
            return super().compute_loss(x, y, y_pred, sample_weight, training)
        if self._compares_vectors:
            return self._target_loss(y, y_pred, sample_weight)
        pairs = [p for p in self.pairs if p[0] in y_pred and p[1] in y_pred]
        if not pairs:
            raise ValueError(
                "A batch must hold both modalities of a pair of "
                f"{[tuple(p) for p in self.pairs]}. "
                f"Received: modalities {list(y_pred)}"
            )
        if y is None:
            y = ops.arange(ops.shape(y_pred[pairs[0][0]])[0])
        # Keras divides losses by the number of replicas, whose gradients add.
        replicas = num_replicas()
        values, weights = [], []
        memory = self.memory if training else None
        for pair in pairs:
            value, weight = self._pair_loss(
                pair, y, y_pred, sample_weight, memory
            )
            weight = weight / replicas
            if self._pair_trackers:
                tracker = self._pair_trackers[self._pair_names[pair]]
                tracker.update_state(value * replicas, weight)
            values.append(value)
            weights.append(weight)
        # A pair that no example has does not count.
        there = [ops.cast(weight > 0, "float32") for weight in weights]
        count = ops.maximum(sum(there), 1.0)
        loss = sum(map(ops.sum, self.losses)) / replicas + sum(
            value * some / count
            for value, some in zip(values, there, strict=True)
        )
        self._mean_loss.update_state(loss * replicas, sum(weights) / count)
        if memory is not None:
            memory.write(y, y_pred, sample_weight)
        return loss

    @property
    def metrics(self):
        if not self.modalities:
            return super().metrics
        return [self._mean_loss, *self._pair_trackers.values()]

    def _target_loss(self, y, y_pred, sample_weight):
        rows = ops.shape(next(iter(y.values())))[0]
        if isinstance(sample_weight, dict):
            one = ops.ones(rows)
            sample_weight = {n: sample_weight.get(n, one) for n in y}
        loss = super().compute_loss(None, y, y_pred, sample_weight)
        self._mean_loss.update_state(
            loss * num_replicas(), ops.cast(rows, "float32") / num_replicas()
        )
        return loss

    def _pair_loss(self, pair, ids, embeddings, sample_weight, memory):
        """Loss of a pair, and how much it weighs among batches."""
        anchors, candidates = (embeddings[name] for name in pair)
        scale, bias = 1.0, 0.0
        if self.loss.initial_temperature is not None:
            layer = self.logit_scales[self._pair_names[pair]]
            scale, bias = layer.scale, layer.logit_bias
        weights = sample_weight
        if isinstance(sample_weight, dict):
            checks.modalities("sample_weight", sample_weight, self.modalities)
            one = ops.ones(ops.shape(ids)[0])
            weights = tuple(sample_weight.get(name, one) for name in pair)
        if memory is not None:
            memory = memory.read(pair)
        options = {
            "sample_weight": weights,
            "max_batch_size": self._most_rows,
            "memory": memory,
        }
        return (
            self.loss.from_embeddings(
                ids, anchors, candidates, scale, bias, **options
            ),
            self.loss.total_weight(ids, **options),
        )

    # Use.

    def encode(self, x, modality=None, *, batch_size=256):
        """Embed raw input, in inference mode and in batches.

        Args:
            x: Dict `{modality: raw examples}`, or the raw examples of the one
                `modality`; or any data that `predict` takes. Raw is what the
                preprocessor of the modality takes; without one, what its
                encoder takes. Where a data set has weights of 0, which say
                that a modality is missing, the embedding is of zeros.
            modality: Name of the one modality to encode; None for all in `x`.
            batch_size: Integer, examples encoded at once.

        Returns:
            NumPy array of shape `(examples, embedding_dim)`, or a dict
            `{modality: array}` if `modality` is None.

        Raises:
            ValueError: If a modality is unknown, there are no examples, sizes
                differ or a value is not finite.
            TypeError: If `x` is not a dict and `modality` is not given.

        Example:
            ```python
            import numpy as np
            import keras_xmodal as kx

            model = kx.EmbeddingModel({"image": 12, "text": 7}, 4)
            print(model.encode(np.ones((2, 12)), "image").shape)  # (2, 4)
            ```
        """
        if modality is not None:
            checks.one_of("modality", modality, self.modalities)
        if not is_array_data(x):
            embeddings = self.predict(x, batch_size, verbose=0)
            if modality is None:
                return embeddings
            return of_modality(embeddings, modality)[modality]
        if modality is not None:
            x = of_modality(x, modality)
        x, _, _ = self._check_given(x, inputs=True)
        embeddings = apply_to_rows(
            self,
            ("encode",),
            lambda x, rows, noise: self(x, training=False),
            x,
            batch_size=batch_size,
        )
        return embeddings if modality is None else embeddings[modality]

    def endpoints(self, sampling="seed"):
        """What an exported model serves.

        Args:
            sampling: Not used: nothing is drawn.

        Returns:
            List of `Endpoint`: `embed_<modality>` for each modality, or
            `embed` for a model of one tensor, to the output `embedding`.
        """
        return [
            Endpoint(
                named("embed", name),
                _embed,
                (name,),
                file=name or "model",
                embedding="embedding",
            )
            for name in self.modalities or (None,)
        ]

    def similarity(self, a, b):
        """Cosine similarity of every example of `a` with every one of `b`.

        Args:
            a: Dict `{modality: raw examples}` with one entry, or embeddings
                of shape `(examples, embedding_dim)`.
            b: As `a`.

        Returns:
            NumPy array of shape `(len(a), len(b))`, values in `[-1, 1]`.

        Raises:
            ValueError: If a dict has several entries or shapes do not fit.
        """
        a, b = self._embeddings("a", a), self._embeddings("b", b)
        if a.shape[1] != b.shape[1]:
            raise ValueError(
                "`a` and `b` must have embeddings of equal size. "
                f"Received: a.shape={a.shape}, b.shape={b.shape}"
            )
        cosines = dot_similarity(l2_normalize(a), l2_normalize(b))
        # Rounding leaves the range, where arccos is NaN.
        return ops.convert_to_numpy(ops.clip(cosines, -1.0, 1.0))

    def logits(self, a, b):
        """Similarities over the learned temperature, with the learned bias.

        They are what the loss sees: a softmax over a row tells which of `b` an
        example of `a` goes with, a sigmoid of SigLIP's whether it does.

        Args:
            a: Dict `{modality: raw examples}` with one entry.
            b: The same, of the other modality of one of `pairs`.

        Returns:
            NumPy array of shape `(len(a), len(b))`.

        Raises:
            ValueError: If the two modalities are no pair of `pairs`.

        Example:
            ```python
            import numpy as np
            import keras_xmodal as kx

            model = kx.EmbeddingModel({"image": 12, "text": 7}, 4)
            x = {"image": np.ones((2, 12)), "text": np.ones((3, 7))}
            print(model.logits({"image": x["image"]}, {"text": x["text"]}).shape)
            # (2, 3)
            ```
        """  # noqa: E501
        for argument, value in (("a", a), ("b", b)):
            checks.modalities(argument, value, self.modalities)
        similarities = self.similarity(a, b)
        pair = (*a, *b)
        name = self._pair_names.get(pair) or self._pair_names.get(pair[::-1])
        if name is None:
            raise ValueError(
                f"`a` and `b` must be of a pair of {list(self._pair_names)}. "
                f"Received: {pair}"
            )
        return ops.convert_to_numpy(self.logit_scales[name](similarities))

    def _embeddings(self, argument, value):
        if not isinstance(value, dict):
            return checks.embeddings(argument, value)
        if len(value) != 1:
            raise ValueError(
                f"`{argument}` must hold one modality. Received: {list(value)}"
            )
        return next(iter(self.encode(value).values()))


def _is_of_vectors(loss):
    """Whether a loss is one of Keras between vectors, or a user's function."""
    if isinstance(loss, str):
        try:
            loss = keras.losses.get(loss)
        except ValueError:
            return False
    if isinstance(loss, (losses.ContrastiveLoss, type)):
        return False
    kind = type(loss) if isinstance(loss, keras.losses.Loss) else loss
    return kind not in _OF_CLASSES and (kind is not loss or callable(loss))


def _initial_temperature(loss):
    """Where the temperature starts, None where the loss takes none."""
    return getattr(loss, "initial_temperature", None)


def _embed(model, x):
    if not model.modalities:
        return {"embedding": model(x[None], training=False)}
    (embedding,) = model(x, training=False).values()
    return {"embedding": embedding}


def _pair_names(pairs):
    """A name for each pair, also where joined ones are equal."""
    joined = ["_".join(pair) for pair in pairs]
    names = {}
    for pair, name in zip(pairs, joined, strict=True):
        if joined.count(name) > 1:  # No name of a modality has a dot.
            name = ".".join(pair)
        names[pair] = name
    return names


def _check_dims(input_dim, embedding_dim, encoders):
    if (input_dim is None) == (encoders is None):
        raise ValueError(
            "Give either `input_dim` or `encoders`. "
            f"Received: input_dim={input_dim}, encoders={encoders}"
        )
    if embedding_dim is None and encoders is None:
        raise ValueError(
            "`embedding_dim` may be None only with `encoders`. "
            f"Received: input_dim={input_dim}, embedding_dim=None"
        )
    checks.positive_integer("embedding_dim", embedding_dim, optional=True)
    if isinstance(input_dim, dict):
        for name, size in input_dim.items():
            checks.positive_integer(f"input_dim[{name!r}]", size)
    else:
        checks.positive_integer("input_dim", input_dim, optional=True)
    if input_dim == {} or encoders == {}:
        raise ValueError(
            "A model needs at least one modality. "
            f"Received: input_dim={input_dim}, encoders={encoders}"
        )


def _check_pairs(pairs, modalities):
    """Check which modalities to compare; by default all with all."""
    if pairs is None:
        return list(itertools.combinations(modalities, 2))
    pairs = checks.modality_pairs("pairs", pairs, modalities)
    if not pairs and len(modalities) > 1:
        raise ValueError(
            "`pairs` must hold one pair at least; None takes all. "
            f"Received: pairs={pairs}"
        )
    return pairs
