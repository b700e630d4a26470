"""The joint distribution of any number of modalities."""

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from keras_xmodal import objectives, saving
from keras_xmodal.likelihoods import Likelihood
from keras_xmodal.models import checks, vae_checks
from keras_xmodal.models.vae_inference import VAEInference
from keras_xmodal.ops.noise import Noise


@saving.register
class VAEModel(VAEInference):
    """Variational autoencoder of several modalities with a shared latent.

    Each modality has an encoder, from which the model takes a Gaussian expert
    `q(z|x_m)`, and a decoder, which gives the parameters of a likelihood
    `p(x_m|z)`. The objective says how experts join to `q(z|X)` and what is
    maximised; at `beta = 1` it is a lower bound of the log-likelihood,

        log p(X) >= E_{q(z|X)} [log p(X|z)] - KL(q(z|X) || p(z)),

    with `p(z) = N(0, I)`. From any subset of modalities, the model encodes,
    and generates the others.

    With three integers it is the textbook's network, one layer each way, from
    one vector to another: `fit(x, y)` trains `x -> z -> y`, `fit(x)` a plain
    autoencoder where the sizes agree.

    Args:
        input_dim: Integer, the size of the input vector; or a dict
            `{modality: size}` of vectors, which get one layer each way. Leave
            it out when `encoders` and `decoders` are given.
        encoding_dim: Positive integer, size of the latent `z`.
        output_dim: Integer, the size of the output vector, with an integer
            `input_dim` only. Defaults to `input_dim`.
        encoders: Dict `{modality: keras.Layer}`, to features of shape
            `(batch, dim)`. The model adds the layer to mean and log-variance.
        decoders: Dict `{modality: keras.Layer}`, of the modalities that the
            objective generates, mostly all, from `(batch, encoding_dim)` to
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
        model = kx.VAEModel({"image": 8, "text": 5}, encoding_dim=4)
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
        encoding_dim=None,
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
            input_dim, encoding_dim, output_dim, encoders, decoders
        )
        single = not isinstance(input_dim, dict) and input_dim is not None
        self.input_dim = input_dim
        self.encoding_dim = encoding_dim
        self.output_dim = (output_dim or input_dim) if single else None
        self.encoders = checks.check_layers("encoders", encoders)
        self.decoders = checks.check_layers("decoders", decoders)
        self.modalities = () if single else tuple(encoders or input_dim)
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
        self.seed = int(np.random.randint(2**31)) if seed is None else seed

        dim = 2 * (encoding_dim + self.objective.private_dim)
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
                2 * encoding_dim, "joint_posterior"
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

    # Training.

    def compile(self, optimizer="adam", **kwargs):
        """Configure the training.

        Args:
            optimizer: Keras optimizer or its name.
            **kwargs: Further arguments of `keras.Model.compile`, but no
                `loss`, which is the model's `objective`, and no `metrics`.

        Raises:
            ValueError: If `loss` or metrics are given.
        """
        for argument in ("loss", "metrics", "weighted_metrics"):
            if kwargs.get(argument):
                raise ValueError(
                    "The loss is the model's `objective`, and its terms are "
                    f"the metrics; leave `{argument}` out. "
                    f"Received: {argument}={kwargs[argument]!r}"
                )
        super().compile(optimizer=optimizer, **kwargs)

    def _check_arrays(self, x, y, sample_weight):
        checks.check_arrays(x, y, sample_weight, self.modalities, finite=False)
        vae_checks.check_support(x, self.likelihoods, sample_weight)

    @property
    def metrics(self):
        return [*self._trackers.values()]

    def train_step(self, data):
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        with tf.GradientTape() as tape:
            loss = self.compute_loss(x, y, sample_weight=sample_weight)
            scaled_loss = self.optimizer.scale_loss(loss)
        variables = self.trainable_variables
        gradients = tape.gradient(scaled_loss, variables)
        self.optimizer.apply(gradients, variables)
        self._trackers["gradient_norm"].update_state(
            tf.linalg.global_norm(gradients) / self.optimizer.scale_loss(1.0)
        )
        return self.get_metrics_result()

    def test_step(self, data):
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        self.compute_loss(x, y, sample_weight=sample_weight, training=False)
        return self.get_metrics_result()

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
        terms = self.compute_terms(x, y, sample_weight, training)
        some = ops.any(terms["mask"], axis=0)
        weights = ops.cast(some, "float32")
        if sample_weight is not None and not isinstance(sample_weight, dict):
            weights = weights * ops.cast(sample_weight, "float32")
        bounds = ops.where(some, terms["bound"], 0.0)
        loss = -ops.sum(weights * bounds) / ops.maximum(
            ops.sum(weights), keras.config.epsilon()
        )
        for penalty in self.losses:
            loss = loss + ops.sum(ops.cast(penalty, "float32"))
        self._trackers["loss"].update_state(loss)
        self._trackers["kl"].update_state(terms["kl"], some)
        for name in self.generated:
            i = self.names.index(name)
            self._trackers[f"{name}_loss"].update_state(
                -terms["log_likelihood"][i], terms["mask"][i]
            )
        return loss

    def compute_terms(self, x, y=None, sample_weight=None, training=False):
        """The bound and its terms, one value an example.

        The noise of training is a function of the model's seed and the
        optimizer's step; without training it is always the same.

        Args:
            x: Dict `{modality: batch}` or a tensor, as for the call.
            y: Target of shape `(batch, output_dim)` for a model of tensors.
            sample_weight: As for `compute_loss`.
            training: Boolean.

        Returns:
            Dict of what the objective returns, in nats: `"bound"` and `"kl"`
            of shape `(batch,)`, `"log_likelihood"` of shape `(modalities,
            batch)`; and `"mask"`, boolean of shape `(modalities, batch)`,
            which modality is there.
        """
        if not self.built:
            self.build(keras.tree.map_structure(lambda value: value.shape, x))
        weights = sample_weight if isinstance(sample_weight, dict) else {}
        if not self.modalities:
            x, targets = {"x": x}, {"x": x if y is None else y}
        else:
            if weights:
                checks.check_modalities(weights, self.names, "sample_weight")
            targets = x
        present = {name: w > 0 for name, w in weights.items() if name in x}
        experts, context = self._encode(x, present, training)
        step = self.optimizer.iterations if training and self.optimizer else -1
        terms = self.objective(
            experts,
            self._log_likelihood(targets, weights, context, training),
            Noise(self.seed, step),
            self.kl_weight.value,
            self.free_bits.value,
        )
        return {**terms, "mask": experts.mask}

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

    def get_config(self):
        serialize = keras.saving.serialize_keras_object
        return {
            **super().get_config(),
            "input_dim": dict(self.input_dim)
            if isinstance(self.input_dim, dict)
            else self.input_dim,
            "encoding_dim": self.encoding_dim,
            "output_dim": self.output_dim,
            "likelihoods": {
                name: serialize(value)
                for name, value in self.likelihoods.items()
            },
            "objective": serialize(self.objective),
            "joint_encoder": self.joint_encoder
            and serialize(self.joint_encoder),
            "seed": self.seed,
        }

    @classmethod
    def from_config(cls, config, custom_objects=None):
        deserialize = keras.saving.deserialize_keras_object
        config = dict(config)
        config["likelihoods"] = {
            name: deserialize(value, custom_objects=custom_objects)
            for name, value in config["likelihoods"].items()
        }
        for key in ("objective", "joint_encoder"):
            if config.get(key):
                config[key] = deserialize(
                    config[key], custom_objects=custom_objects
                )
        return super().from_config(config, custom_objects)


def _posterior_layer(dim, name):
    # Experts start near the prior.
    initializer = keras.initializers.VarianceScaling(0.1)
    return keras.layers.Dense(
        dim, kernel_initializer=initializer, dtype="float32", name=name
    )
