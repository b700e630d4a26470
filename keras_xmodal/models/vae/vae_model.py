"""The joint distribution of any number of modalities."""

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from keras_xmodal import checks, objectives, saving
from keras_xmodal.layers.random_layer import add_step
from keras_xmodal.likelihoods import Likelihood
from keras_xmodal.models import data as data_lib
from keras_xmodal.models.base import MultimodalModel
from keras_xmodal.models.encoders import (
    check_one_input,
    feature_shape,
    one_tensor,
    symbolic,
)
from keras_xmodal.models.rows import apply_to_rows
from keras_xmodal.models.vae import checks as vae_checks
from keras_xmodal.models.vae import endpoints, inference, networks
from keras_xmodal.models.vae.latent_mixture import (
    draw_from_mixture,
    fit_mixture,
)
from keras_xmodal.ops.noise import Noise, resolve_seed
from keras_xmodal.ops.replicas import sum_over_replicas
from keras_xmodal.ops.weighted_mean import total_weight, weighted_mean


@saving.register
class VAEModel(MultimodalModel):
    """Variational autoencoder of several modalities with a shared latent.

    Each modality has an encoder, from which the model takes a Gaussian expert
    `q(z|x_m)`, and a decoder, which gives the parameters of a likelihood
    `p(x_m|z)`. The objective says how experts join to `q(z|X)` and what is
    maximised; at `beta = 1`, and with weights of 1, it is for most objectives a
    lower bound of the log-likelihood,

        log p(X) >= E_{q(z|X)} [log p(X|z)] - KL(q(z|X) || p(z)),

    with `p(z) = N(0, I)`; the others say so. From any subset of modalities, the
    model encodes, and generates the others.

    With three integers it is the textbook's network, one layer each way, from
    one vector to another: `fit(x, y)` trains `x -> z -> y`, `fit(x)` a plain
    autoencoder where the sizes agree.

    A process that loads the saved model imports `keras_xmodal` before: so Keras
    knows the class.

    Args:
        input_dim: Integer, the size of the input vector; or a dict
            `{modality: size}` of vectors, which get one layer each way. Leave
            it out when `encoders` and `decoders` are given.
        latent_dim: Positive integer, size of the latent `z`.
        output_dim: Integer, the size of the output vector, with an integer
            `input_dim` only. Defaults to `input_dim`.
        encoders: Dict `{modality: keras.Layer}`, to features of shape
            `(batch, dim)`. The model adds the layer to mean and log-variance.
        decoders: Dict `{modality: keras.Layer}`, of the modalities that the
            objective generates, mostly all, from `(batch, latent_dim)` to
            the likelihood's parameters. A `TextDecoder` is trained on the
            tokens before each token.
        likelihoods: Dict `{modality: Likelihood or its name}`. Defaults to
            `"normal"`, of unit variance.
        objective: Objective or its name. Defaults to `MoPoE()`.
        modality_weights: Dict `{modality: float}`, what the modality's
            log-likelihood counts in training. Defaults to 1.
        joint_encoder: Keras layer, for objectives with an encoder of all
            modalities together: from their features, joined, and a 0 or 1 for
            each that says whether it is there, to features `(batch, dim)`.
            Defaults to a dense layer of 256 units.
        preprocessors: Dict `{modality: keras.Layer}` from raw input to the
            encoder's input, saved with the model and used by `preprocess`.
        seed: Integer that, with the number of the step, decides the noise of
            training. Defaults to a random one.
        **kwargs: Arguments of `keras.Model`.

    Attributes:
        kl_weight: Scalar variable that multiplies the objective's `beta`, 1
            unless a callback such as `KLWarmUp` changes it.
        free_bits: Scalar variable, nats of each latent dimension that cost
            nothing, 0 unless a callback or `assign` changes it.
        modality_weights: Dict of scalar variables.
        step: Scalar variable, the number of batches trained on.

    Call arguments:
        x: Dict `{modality: batch}` of any subset of the modalities, or one
            tensor of shape `(batch, input_dim)` where it is an integer.
        training: Boolean.

    Returns:
        Dict `{modality: mean of p(x_m|z)}` of all modalities, at the mean of
        `q(z|X)`; or one tensor of shape `(batch, output_dim)`.

    Raises:
        ValueError: If a size is not positive, arguments exclude each other or
            a decoder's output does not fit its likelihood.
        TypeError: If an encoder or decoder is not a Keras layer.

    Example:
        ```python
        import numpy as np
        import keras_xmodal as kx

        x = {"image": np.random.rand(64, 8), "text": np.random.rand(64, 5)}
        model = kx.VAEModel({"image": 8, "text": 5}, latent_dim=4)
        model.compile("adam")
        model.fit(x, epochs=1, verbose=0)
        text = model.translate({"image": x["image"]}, to="text")  # (64, 5)
        ```

    Reference:
        - Kingma and Welling, 2014, https://arxiv.org/abs/1312.6114, eq. 3
        - Wu and Goodman, 2018, https://arxiv.org/abs/1802.05335
        - Sutter et al., 2021, https://arxiv.org/abs/2105.02470
    """

    layer_arguments = ("encoders", "decoders", "preprocessors")

    def __init__(
        self,
        input_dim=None,
        latent_dim=None,
        output_dim=None,
        *,
        encoders=None,
        decoders=None,
        likelihoods=None,
        objective=None,
        modality_weights=None,
        joint_encoder=None,
        preprocessors=None,
        seed=None,
        **kwargs,
    ):
        super().__init__(preprocessors, **kwargs)
        vae_checks.check_dims(
            input_dim, latent_dim, output_dim, encoders, decoders
        )
        single = not isinstance(input_dim, dict) and input_dim is not None
        self.input_dim = input_dim
        self.latent_dim = latent_dim
        self.output_dim = (output_dim or input_dim) if single else None
        self.encoders = checks.keras_layers("encoders", encoders, optional=True)
        self.decoders = checks.keras_layers("decoders", decoders, optional=True)
        check_one_input("encoders", self.encoders)
        self.modalities = ()
        if not single:
            self.modalities = checks.modality_names(
                "encoders" if encoders else "input_dim", encoders or input_dim
            )
            vae_checks.check_endpoints(self.modalities)
        self.names = self.modalities or ("x",)
        vae_checks.check_likelihoods(likelihoods, self.names)
        self.objective = saving.resolve(
            "objective",
            "mopoe" if objective is None else objective,
            objectives.Objective,
        )
        self.objective.check_modalities(self.names)
        self.generated = self.objective.generated_modalities(self.names)
        if decoders is not None:
            vae_checks.check_decoders(decoders, self.generated)
        self.likelihoods = {
            name: saving.resolve(
                "likelihood",
                (likelihoods or {}).get(name, "normal"),
                Likelihood,
            )
            for name in self.generated
        }
        self.seed = resolve_seed(seed)
        # No part of `call` that Keras has to track.
        object.__setattr__(self, "sampler", {})

        dim = 2 * (latent_dim + self.objective.private_dim)
        self.posterior_layers = {
            name: _posterior_layer(dim, f"{name}_posterior")
            for name in self.objective.expert_modalities(self.names)
        }
        self.joint_encoder = self.joint_posterior_layer = None
        if self.objective.needs_joint_encoder:
            self.joint_encoder = joint_encoder or keras.layers.Dense(
                256, activation="relu", name="joint_encoder"
            )
            self.joint_posterior_layer = _posterior_layer(
                2 * latent_dim, "joint_posterior"
            )
        self._output_layers = {}
        if encoders is None:
            sizes = {"x": self.output_dim} if single else input_dim
            self._output_layers = {
                name: keras.layers.Dense(
                    self.likelihoods[name].parameter_shape((sizes[name],))[-1],
                    dtype="float32",
                    name=f"{name}_decoder",
                )
                for name in self.generated
            }

        def scalar(name, value):
            return self.add_weight(
                shape=(),
                initializer=keras.initializers.Constant(value),
                trainable=False,
                dtype="float32",
                autocast=False,
                name=name,
            )

        # Of batches: an optimizer that accumulates gradients counts fewer.
        self.step = add_step(self)
        self.kl_weight = scalar("kl_weight", 1.0)
        self.free_bits = scalar("free_bits", 0.0)
        weights = vae_checks.check_modality_weights(
            modality_weights, self.names
        )
        self.modality_weights = {
            name: scalar(f"{name}_weight", weights[name])
            for name in self.generated
        }
        if self.objective.private_dim:
            self.private_log_variance = self.add_weight(
                shape=(len(self.names), 1, self.objective.private_dim),
                initializer="zeros",
                dtype="float32",
                autocast=False,
                name="private_log_variance",
            )
        trackers = ["loss", *(f"{name}_loss" for name in self.generated)]
        self._trackers = {
            name: keras.metrics.Mean(name)
            for name in (*trackers, "kl", "gradient_norm")
        }
        object.__setattr__(
            self, "_rows_seen", keras.metrics.Sum("rows_seen", "int64")
        )

    # Networks.

    def _build_networks(self, input_shape):
        shapes = input_shape if self.modalities else {"x": input_shape}
        checks.modalities("input_shape", shapes, self.names)
        x = symbolic(shapes, self._input_dtype if self.modalities else None)
        sizes = {}
        for name in self.names:
            if name in self.encoders:
                features = feature_shape(
                    f"encoders[{name!r}]", self.encoders[name], x.get(name)
                )
            else:
                size = self.input_dim[name] if self.modalities else None
                features = (None, size or self.input_dim)
            sizes[name] = features and features[-1]
            posterior = self.posterior_layers.get(name)
            if features is not None and posterior and not posterior.built:
                posterior.build(features)
        context = 0
        if self.objective.needs_joint_encoder:
            vae_checks.check_complete(sizes)
            # Presence counts as a feature.
            joint = (None, sum(sizes.values()) + len(sizes))
            features = feature_shape(
                "joint_encoder", self.joint_encoder, keras.KerasTensor(joint)
            )
            self.joint_posterior_layer.build(features)
            context = sum(
                size
                for name, size in sizes.items()
                if name not in self.generated
            )
        self._feature_sizes = sizes
        latent = (
            None,
            self.latent_dim + self.objective.private_dim + context,
        )
        for name in self.generated:
            parameters = one_tensor(
                f"decoders[{name!r}]",
                self._decoder(name)(keras.KerasTensor(latent)),
            )
            if shapes.get(name) and name in self.decoders:
                vae_checks.check_parameter_shape(
                    name,
                    parameters.shape,
                    self.likelihoods[name].parameter_shape(shapes[name][1:]),
                )

    def call(self, x, training=False):
        if not self.modalities:
            checks.shape("x", x.shape, (None, self.input_dim))
            x = {"x": x}
        checks.modalities("x", x, self.names)
        outputs = self._reconstruct(x, {}, training)
        return outputs if self.modalities else outputs["x"]

    def predict_step(self, data):
        x, _, there = keras.utils.unpack_x_y_sample_weight(data)
        if there is None:
            return self(x, training=False)
        return self._reconstruct(x, there, training=False)

    def _reconstruct(self, x, present, training):
        experts, context = networks.encode(self, x, present, training)
        z = networks.summarize(self.objective.posterior(experts))
        private = None
        if self.objective.private_dim:
            mask = ops.expand_dims(experts.mask, -1)
            private = ops.where(mask, experts.private[0], 0.0)
        return networks.decode_means(self, z, private, context, training)

    def _decoder(self, name):
        return self.decoders.get(name) or self._output_layers[name]

    # Training.

    def compile(self, optimizer="adam", **kwargs):
        """Configure the training.

        Args:
            optimizer: Keras optimizer or its name.
            **kwargs: Further arguments of `keras.Model.compile`, but no
                `loss`, which is the model's `objective`, no `loss_weights`
                and no metrics.

        Raises:
            ValueError: If one of these is given.
        """
        checks.left_out(
            "The loss is the model's `objective` with its `modality_weights`, "
            "and its terms are the metrics",
            **{
                name: kwargs.get(name)
                for name in (
                    "loss",
                    "loss_weights",
                    "metrics",
                    "weighted_metrics",
                )
            },
        )
        super().compile(optimizer=optimizer, **kwargs)

    def fit(self, x=None, y=None, batch_size=None, epochs=1, *args, **kwargs):
        """Maximise the objective.

        Args:
            x: Dict `{modality: array}` of raw examples, an array for a model
                of tensors, or a `tf.data.Dataset`, `keras.utils.PyDataset` or
                generator of batches of them, alone or followed by targets and
                weights. All batches may lack the same modalities; where one
                comes and goes, give it `sample_weight` 0. The preprocessors
                are applied, with augmentation; `Preprocessed` is taken as it
                is.
            y: Targets of shape `(examples, output_dim)`, for a model of
                tensors; where `output_dim` is 1, also `(examples,)`. Ids of a
                data set of dicts are left aside.
            batch_size: Positive integer, for arrays. Defaults to 32.
            epochs: Positive integer.
            *args: Further arguments of `keras.Model.fit`, in its order.
            **kwargs: The same, by name.
                `sample_weight` is an array of shape `(examples,)` or a dict
                `{modality: array}`; 0 says that the modality is missing in
                that example, and its cells may hold NaN. An array weighs the
                bounds of examples, a dict the log-likelihoods of modalities.
                `validation_data` is raw, too, and not augmented.

        Returns:
            Keras `History`.

        Raises:
            ValueError: If the data is empty, not finite, of unequal sizes, of
                unknown modalities, or outside the support of a likelihood, or
                an example has no modality.
        """
        return super().fit(x, y, batch_size, epochs, *args, **kwargs)

    def _check_structure(self, x, y=None, sample_weight=None, inputs=False):
        super()._check_structure(x, y, sample_weight, inputs)
        if not (self.modalities or inputs):
            vae_checks.check_target(y, self.input_dim, self.output_dim)

    def _arrange(self, x, y, sample_weight, inputs):
        x, y, sample_weight = super()._arrange(x, y, sample_weight, inputs)
        return (
            x,
            y if self.modalities else data_lib.as_vectors(y),
            sample_weight,
        )

    def _check_values(self, x, y=None, sample_weight=None):
        self._check_specs(x, y)
        self._check_support(x, y, sample_weight)

    def _check_support(self, x, y=None, sample_weight=None):
        if self.modalities:
            vae_checks.check_support(x, self.likelihoods, sample_weight)
            if isinstance(sample_weight, dict):
                vae_checks.check_any(x, sample_weight)
        else:
            target = x if y is None else y
            self.likelihoods["x"].check_support(np.asarray(target))

    def _check_specs(self, x, y=None, sample_weight=None):
        super()._check_specs(x)
        if self.modalities and y is not None:
            checks.integer_ids("y", y)

    def _default_targets(self, x):
        return super()._default_targets(x) if self.modalities else x

    @property
    def metrics(self):
        return [*self._trackers.values()]

    def reset_metrics(self):
        super().reset_metrics()
        self._rows_seen.reset_state()

    def train_step(self, data):
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        with tf.GradientTape() as tape:
            loss = self.compute_loss(x, y, sample_weight=sample_weight)
            # Strategies sum the gradients of replicas.
            replicas = self.distribute_strategy.num_replicas_in_sync
            scaled_loss = self.optimizer.scale_loss(loss / replicas)
        variables = self.trainable_variables
        gradients = tape.gradient(scaled_loss, variables)
        norm = _global_norm(gradients) / self.optimizer.scale_loss(1.0)
        counts = data_lib.has_rows(x)
        if isinstance(self.optimizer, keras.optimizers.LossScaleOptimizer):
            # A step whose gradients overflow is skipped.
            counts = counts * ops.cast(ops.isfinite(norm), "float32")
            norm = ops.where(ops.isfinite(norm), norm, 0.0)
        self._trackers["gradient_norm"].update_state(norm, counts)
        self.optimizer.apply(gradients, variables)
        self.step.assign_add(1)
        return self.get_metrics_result()

    def test_step(self, data):
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        self.compute_loss(x, y, sample_weight=sample_weight, training=False)
        results = self.get_metrics_result()
        del results["gradient_norm"]  # Of training alone.
        return results

    def compute_loss(
        self, x=None, y=None, y_pred=None, sample_weight=None, training=True
    ):
        """Negative bound of a batch, and its terms to the metrics.

        Args:
            x: Dict `{modality: batch}` or a tensor, as for the call.
            y: Target of shape `(batch, output_dim)` for a model of tensors.
            y_pred: Not used: the bound needs the latents.
            sample_weight: None, weights of the examples, or a dict
                `{modality: weights}` in which 0 says that the modality is
                missing; its cells may hold NaN.
            training: Boolean.

        Returns:
            Scalar, in nats for each example; a mean over the examples that
            have a modality.
        """
        first_row = 0
        if not training:  # Other noise in each batch of an evaluation.
            first_row = ops.cast(self._rows_seen.result(), "int32")
            rows = ops.shape(keras.tree.flatten(x)[0])[0]
            self._rows_seen.update_state(sum_over_replicas(rows))
        terms = self.compute_terms(x, y, sample_weight, training, first_row)
        some = ops.any(terms["mask"], axis=0)
        weights = ops.cast(some, "float32")
        if sample_weight is not None and not isinstance(sample_weight, dict):
            weights = weights * ops.cast(sample_weight, "float32")
        bounds = ops.where(some, terms["bound"], 0.0)
        loss = -weighted_mean(bounds, weights)
        for penalty in self.losses:
            loss = loss + ops.sum(ops.cast(penalty, "float32"))
        self._trackers["loss"].update_state(loss, total_weight(some, weights))
        self._trackers["kl"].update_state(terms["kl"], weights)
        for name in self.generated:
            i = self.names.index(name)
            self._trackers[f"{name}_loss"].update_state(
                -terms["log_likelihood"][i],
                ops.where(terms["mask"][i], weights, 0.0),
            )
        return loss

    def compute_terms(
        self, x, y=None, sample_weight=None, training=False, first_row=0
    ):
        """The bound and its terms, one value an example.

        The noise is a function of the model's seed and the row; of training,
        of the model's step as well.

        Args:
            x: Dict `{modality: batch}` or a tensor, as for the call.
            y: Target of shape `(batch, output_dim)` for a model of tensors.
            sample_weight: As for `compute_loss`.
            training: Boolean.
            first_row: Integer, the number of the first row of the batch.

        Returns:
            Dict of what the objective returns, in nats: `"bound"` and `"kl"`
            of shape `(batch,)`, `"log_likelihood"` of shape `(modalities,
            batch)`; and `"mask"`, boolean of shape `(modalities, batch)`,
            which modality is there.
        """
        if not self.built:
            self._build_on(x)
        weights = sample_weight if isinstance(sample_weight, dict) else {}
        if not self.modalities:
            vae_checks.check_target(y, self.input_dim, self.output_dim)
            y = x if y is None else data_lib.as_vectors(y)
            x, targets = {"x": x}, {"x": y}
        else:
            if weights:
                checks.modalities("sample_weight", weights, self.names)
            targets = x
        present = data_lib.presence(x, sample_weight)
        experts, context = networks.encode(self, x, present, training)
        rows = ops.shape(experts.mask)[1]
        step = self.step.value if training else -1
        terms = self.objective(
            experts,
            networks.log_likelihood(self, targets, weights, context, training),
            Noise(self.seed, step).latents(rows, first_row),
            self.kl_weight.value,
            self.free_bits.value,
        )
        return {**terms, "mask": experts.mask}

    # Use.

    def encode(
        self,
        x,
        modality=None,
        output="mean",
        missing=None,
        *,
        seed=None,
        batch_size=256,
    ):
        """Encode examples of any subset of the modalities.

        Args:
            x: Dict `{modality: raw examples}`, raw being what the
                preprocessor of the modality takes, or else its encoder; or an
                array, of the one `modality` or for a model of tensors; or a
                data set of batches of them, read into memory, with weights if
                you like, of which 0 says what is missing, as in `fit`. An
                example of weight 0 has nothing: what is known of it is the
                prior.
            modality: Name of the one modality to encode; None for all in `x`.
            output: `"mean"` or `"log_variance"` of `q(z|X)`, or `"sample"`.
                Of a mixture, mean and variance are those of the mixture.
            missing: Dict `{modality: boolean (examples,)}`, True where the
                modality is missing in an example, which may then hold
                anything; or None.
            seed: Integer, seed of the samples, or None for a random one.
            batch_size: Integer, examples encoded at once.

        Returns:
            NumPy array of shape `(examples, latent_dim)`.

        Raises:
            ValueError: If a modality or `output` is unknown, or the data is
                empty, not finite or of unequal sizes.
        """
        checks.one_of("output", output, ("mean", "log_variance", "sample"))
        if modality is not None:
            checks.one_of("modality", modality, self.modalities)
        x, present = inference.examples(self, x, missing, modality)
        return self._encode(x, present, output, seed, batch_size)

    def _encode(self, x, present, output, seed, batch_size):
        """Encode examples that are checked."""

        def encode(x, present, noise):
            experts, _ = networks.encode(self, x, present, training=False)
            return networks.summarize(
                self.objective.posterior(experts), output, noise
            )

        return apply_to_rows(
            self,
            ("encode", output),
            encode,
            x,
            present,
            present,
            batch_size=batch_size,
            seed=seed,
        )

    def decode(
        self, z, output="mean", given=None, *, seed=None, batch_size=256
    ):
        """Decode latents to every modality that the model generates.

        Args:
            z: Array of shape `(examples, latent_dim)`.
            output: What to return of `p(x_m|z)`: `"mean"`, `"mode"` (the most
                probable token or class where there are such) or `"sample"`.
            seed: Integer, seed of the samples and, with private latents, of
                those; None takes private latents of 0 and random samples.
            given: Dict `{modality: raw examples}` of the conditions, for the
                objective `CVAE` only.
            batch_size: Integer, examples decoded at once.

        Returns:
            Dict `{modality: array}`; or an array, for a model of tensors.

        Raises:
            ValueError: If the shape or an option does not fit.
        """
        z = checks.finite("z", checks.real_numbers("z", z)).astype("float32")
        checks.shape("z", z.shape, (None, self.latent_dim))
        checks.same_length("z", {"z": len(z)}, least=1)
        present = None
        if given is not None:
            given, present = inference.examples(self, given)
        outputs = {
            name: inference.generate(
                self,
                name,
                z,
                output,
                seed,
                given,
                batch_size,
                present,
                private=seed is not None,
            )
            for name in self.generated
        }
        return outputs if self.modalities else outputs["x"]

    def translate(
        self,
        x,
        to,
        latent="mean",
        output="mean",
        missing=None,
        *,
        seed=None,
        batch_size=256,
    ):
        """Generate one modality from others.

        Args:
            x: Dict `{modality: raw examples}` of any subset of the modalities,
                or a data set of batches of them, as for `encode`.
            to: Name of the modality to generate.
            latent: `"mean"` or `"sample"` of `q(z|X)`; several samples show
                what the others leave open.
            output: `"mean"`, `"mode"` or `"sample"` of `p(x_to|z)`.
            missing: As for `encode`.
            seed: Integer, seed of the samples, or None for a random one.
            batch_size: Integer.

        Returns:
            NumPy array of the shape of the modality's data, with one more axis
            for the probabilities of classes or tokens where `output="mean"`.

        Raises:
            ValueError: If a modality or option is unknown, or the data is
                empty, not finite or of unequal sizes.
        """
        checks.one_of("to", to, self.generated)
        checks.one_of("latent", latent, ("mean", "sample"))
        seed = resolve_seed(seed)
        x, present = inference.examples(self, x, missing)
        z = self._encode(x, present, latent, seed, batch_size)
        return inference.generate(
            self,
            to,
            z,
            output,
            seed,
            x,
            batch_size,
            present,
            private=latent == "sample",
        )

    def generate(
        self, num_examples, output="mean", *, seed=None, batch_size=256
    ):
        """Generate all modalities together.

        The latents come from the sampler, once `fit_sampler` has been called,
        else from the prior.

        Args:
            num_examples: Positive integer.
            output: As for `decode`.
            seed: Integer, or None for a random one.
            batch_size: Integer, examples decoded at once.

        Returns:
            Dict `{modality: array}`; or an array, for a model of tensors.

        Raises:
            ValueError: If `num_examples` is not positive, or the model needs
                conditions to generate from.
        """
        checks.positive_integer("num_examples", num_examples)
        if len(self.generated) < len(self.names):
            raise ValueError(
                f"The objective {type(self.objective).__name__} generates from "
                "conditions only: use `translate(..., latent='sample')`. "
                f"Received: generate({num_examples})"
            )
        seed = resolve_seed(seed)
        z = self.sample_latents(num_examples, seed=seed)
        return self.decode(z, output, seed=seed, batch_size=batch_size)

    def fit_sampler(self, x, num_components=10, *, seed=0):
        """Fit a Gaussian mixture to the latents of data, for `generate`.

        What a model generates from the prior is poor where the latents of the
        data do not fill it. The mixture is saved with the model.

        Args:
            x: Raw examples, as for `encode`, as many as components at least.
            num_components: Positive integer.
            seed: Integer.

        Raises:
            ImportError: If scikit-learn is missing.
            ValueError: If the data does not fit.

        Reference:
            - Ghosh et al., 2020, https://arxiv.org/abs/1903.12436, section 4
        """
        num_components = checks.positive_integer(
            "num_components", num_components
        )
        seed = checks.seed(seed)
        z = self.encode(x, output="sample", seed=seed)
        mixture = fit_mixture(z, num_components, seed)
        object.__setattr__(self, "sampler", mixture)

    def sample_latents(self, num_examples, *, seed=None):
        """Draw latents from the sampler, or from the prior without one.

        Args:
            num_examples: Positive integer.
            seed: Integer, or None for a random one.

        Returns:
            NumPy array of shape `(num_examples, latent_dim)`.
        """
        num_examples = checks.positive_integer("num_examples", num_examples)
        random = np.random.default_rng(resolve_seed(seed))
        noise = random.standard_normal((num_examples, self.latent_dim))
        if self.sampler:
            noise = draw_from_mixture(self.sampler, noise, random)
        return noise.astype("float32")

    def interpolate(self, a, b, num_steps=8):
        """Decode the way from one example to another, in equal steps.

        Args:
            a: Dict `{modality: raw examples}`; or an array.
            b: As `a`, as many examples.
            num_steps: Integer of at least 2, with both ends.

        Returns:
            As `decode`, of shapes `(examples, num_steps, ...)`.

        Raises:
            ValueError: If sizes differ or `num_steps` is below 2.
        """
        num_steps = checks.integer("num_steps", num_steps, least=2)
        a, b = self.encode(a), self.encode(b)
        if a.shape != b.shape:
            raise ValueError(
                "`a` and `b` must hold equally many examples. "
                f"Received: {len(a)} and {len(b)}"
            )
        share = np.linspace(0.0, 1.0, num_steps, dtype="float32")[:, None]
        z = a[:, None] * (1 - share) + b[:, None] * share
        outputs = self.decode(z.reshape(-1, self.latent_dim))
        split = (len(a), num_steps)
        return keras.tree.map_structure(
            lambda value: value.reshape(*split, *value.shape[1:]), outputs
        )

    def log_likelihood(
        self,
        x,
        num_samples=100,
        given=None,
        missing=None,
        *,
        seed=None,
        batch_size=32,
    ):
        """Estimate `log p(X)` by importance sampling.

        `log 1/(C K) sum_c sum_k p(X, z_ck) / q(z_ck|X)`, `z_ck ~ q_c`, with as
        many samples from each component of the posterior: a lower bound in
        expectation, which rises to `log p(X)` with the samples. The modality
        weights of training do not count. With the objective `CVAE` it is
        `log p(target|conditions)`.

        Args:
            x: Dict `{modality: raw examples}` of any subset of the modalities,
                or a data set of batches of them, as for `encode`.
            num_samples: Positive integer K.
            given: Dict of other modalities, as many examples. The result is
                then `log p(X, given) - log p(given)`, an estimate of `log
                p(X|given)`, and no bound.
            missing: As for `encode`.
            seed: Integer, or None for a random one.
            batch_size: Integer; `K` times as many are decoded at once.

        Returns:
            NumPy array of shape `(examples,)`, in nats.

        Raises:
            ValueError: If the data does not fit or is outside the support of
                a likelihood, nothing that the objective generates is given,
                sizes of input and output differ, or `num_samples` is below 1.

        Reference:
            - Burda et al., 2016, https://arxiv.org/abs/1509.00519, eq. 8
        """
        num_samples = checks.positive_integer("num_samples", num_samples)
        if given is not None:
            vae_checks.check_disjoint(x, given, self.names)
            options = {
                "num_samples": num_samples,
                "missing": missing,
                "seed": seed,
                "batch_size": batch_size,
            }
            joint = self.log_likelihood({**x, **given}, **options)
            if not set(given) & set(self.generated):
                return joint  # Given conditions alone.
            return joint - self.log_likelihood(given, **options)

        def estimate(x, present, noise):
            experts, context = networks.encode(self, x, present, training=False)
            weights = {
                name: ops.cast(there, "float32")
                for name, there in present.items()
            }
            return self.objective.log_marginal(
                experts,
                networks.log_likelihood(
                    self, x, weights, context, False, False
                ),
                noise,
                num_samples,
            )

        x, present = inference.examples(self, x, missing)
        vae_checks.check_likelihood(self, x, present)
        return apply_to_rows(
            self,
            ("log_likelihood", num_samples),
            estimate,
            x,
            present,
            present,
            batch_size=batch_size,
            seed=seed,
            check=lambda x, present: vae_checks.check_support(
                x, self.likelihoods, present
            ),
        )

    def endpoints(self, sampling="seed"):
        """What an exported model serves.

        Args:
            sampling: `"seed"` or `"noise"`, what a translation takes to draw
                its latent.

        Returns:
            List of `Endpoint`: `encode_<modality>`, `encode_all`,
            `decode_<modality>` and `translate_<source>_to_<target>`; `encode`,
            `decode` and `translate` for a model of one tensor.
        """
        return endpoints.endpoints(self, sampling)

    # Saving.

    def save_own_variables(self, store):
        super().save_own_variables(store)
        for name, value in self.sampler.items():
            store[f"sampler_{name}"] = value

    def load_own_variables(self, store):
        prefix = "sampler_"
        sampler = {
            name.removeprefix(prefix): np.asarray(store[name])
            for name in list(store.keys())
            if name.startswith(prefix)
        }
        object.__setattr__(self, "sampler", sampler)
        super().load_own_variables(
            {
                name: store[name]
                for name in list(store.keys())
                if not name.startswith(prefix)
            }
        )


def _global_norm(gradients):
    """Norm of the gradient of the whole batch, on each of its replicas."""
    gradients = [g for g in gradients if g is not None]
    return tf.linalg.global_norm(sum_over_replicas(gradients))


def _posterior_layer(dim, name):
    # Experts start near the prior.
    initializer = keras.initializers.VarianceScaling(0.1)
    return keras.layers.Dense(
        dim, kernel_initializer=initializer, dtype="float32", name=name
    )
