"""What a trained `VAEModel` is used for."""

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from keras_xmodal.models import checks, vae_checks
from keras_xmodal.models.latent_mixture import draw_from_mixture, fit_mixture
from keras_xmodal.models.vae_networks import VAENetworks, summarize
from keras_xmodal.networks.text.text_decoder import TextDecoder
from keras_xmodal.ops.noise import Noise


class VAEInference(VAENetworks):
    """Base of `VAEModel`: encode, decode, translate, generate, measure.

    Everything here takes raw examples, works in batches and returns NumPy
    arrays.

    Args:
        preprocessors: Dict `{modality: keras.Layer}` or None.
        **kwargs: Arguments of `keras.Model`.
    """

    def __init__(self, preprocessors=None, **kwargs):
        super().__init__(preprocessors, **kwargs)
        # Neither is a part of `call` that Keras has to track.
        object.__setattr__(self, "sampler", {})
        object.__setattr__(self, "_functions", {})

    def encode(
        self,
        x,
        output="mean",
        sample_weight=None,
        seed=None,
        batch_size=256,
    ):
        """Encode examples of any subset of the modalities.

        Args:
            x: Dict `{modality: raw examples}`, raw being what the
                preprocessor of the modality takes, or else its encoder; or an
                array, for a model of tensors.
            output: `"mean"` or `"log_variance"` of `q(z|X)`, or `"sample"`.
                Of a mixture, mean and variance are those of the mixture.
            sample_weight: Dict `{modality: (examples,)}`, 0 where the
                modality is missing in an example; or None.
            seed: Integer, seed of the samples, or None for a random one.
            batch_size: Integer, examples encoded at once.

        Returns:
            NumPy array of shape `(examples, encoding_dim)`.

        Raises:
            ValueError: If a modality or `output` is unknown, or the data is
                empty, not finite or of unequal sizes.
        """
        vae_checks.check_option(
            "output", output, ("mean", "log_variance", "sample")
        )

        def encode(x, present, z, noise):
            experts, _ = self._encode(x, present, training=False)
            return summarize(self.objective.posterior(experts), output, noise)

        return self._map(
            ("encode", output),
            encode,
            (*self._examples(x, sample_weight), ()),
            batch_size,
            seed,
        )

    def decode(self, z, output="mean", seed=None, given=None, batch_size=256):
        """Decode latents to every modality that the model generates.

        Args:
            z: Array of shape `(examples, encoding_dim)`.
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
        z = np.asarray(z, "float32")
        checks.check_shape("z", z, (None, self.encoding_dim))
        outputs = {
            name: self._generate(name, z, output, seed, given, batch_size)
            for name in self.generated
        }
        return outputs if self.modalities else outputs["x"]

    def translate(
        self,
        x,
        to,
        latent="mean",
        output="mean",
        sample_weight=None,
        seed=None,
        batch_size=256,
    ):
        """Generate one modality from others.

        Args:
            x: Dict `{modality: raw examples}` of any subset of the modalities.
            to: Name of the modality to generate.
            latent: `"mean"` or `"sample"` of `q(z|X)`; several samples show
                what the others leave open.
            output: `"mean"`, `"mode"` or `"sample"` of `p(x_to|z)`.
            sample_weight: As for `encode`.
            seed: Integer, seed of the samples, or None for a random one.
            batch_size: Integer.

        Returns:
            NumPy array of the shape of the modality's data, with one more axis
            for the probabilities of classes or tokens where `output="mean"`.

        Raises:
            ValueError: If a modality or option is unknown, or the data is
                empty, not finite or of unequal sizes.
        """
        vae_checks.check_option("to", to, self.generated)
        vae_checks.check_option("latent", latent, ("mean", "sample"))
        if latent == "sample" and seed is None:
            seed = _random_seed()
        z = self.encode(x, latent, sample_weight, seed, batch_size)
        private_seed = seed if latent == "sample" else None
        return self._generate(to, z, output, private_seed, x, batch_size)

    def generate(self, num_examples, output="mean", seed=None):
        """Generate all modalities together.

        The latents come from the sampler, once `fit_sampler` has been called,
        else from the prior.

        Args:
            num_examples: Positive integer.
            output: As for `decode`.
            seed: Integer, or None for a random one.

        Returns:
            Dict `{modality: array}`; or an array, for a model of tensors.

        Raises:
            ValueError: If `num_examples` is not positive, or the model needs
                conditions to generate from.
        """
        vae_checks.check_positive_integer("num_examples", num_examples)
        if len(self.generated) < len(self.names):
            raise ValueError(
                f"The objective {type(self.objective).__name__} generates from "
                "conditions only: use `translate(..., latent='sample')`. "
                f"Received: generate({num_examples})"
            )
        seed = _random_seed() if seed is None else seed
        z = self.sample_latents(num_examples, seed)
        return self.decode(z, output, seed)

    def fit_sampler(self, x, num_components=10, seed=0):
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
        vae_checks.check_positive_integer("num_components", num_components)
        z = self.encode(x, "sample", seed=seed)
        mixture = fit_mixture(z, num_components, seed)
        object.__setattr__(self, "sampler", mixture)

    def sample_latents(self, num_examples, seed=None):
        """Draw latents from the sampler, or from the prior without one.

        Args:
            num_examples: Positive integer.
            seed: Integer, or None for a random one.

        Returns:
            NumPy array of shape `(num_examples, encoding_dim)`.
        """
        random = np.random.default_rng(_random_seed() if seed is None else seed)
        noise = random.standard_normal((num_examples, self.encoding_dim))
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
        if not isinstance(num_steps, int) or num_steps < 2:
            raise ValueError(
                "`num_steps` must be an integer of at least 2. "
                f"Received: num_steps={num_steps}"
            )
        a, b = self.encode(a), self.encode(b)
        if a.shape != b.shape:
            raise ValueError(
                "`a` and `b` must hold equally many examples. "
                f"Received: {len(a)} and {len(b)}"
            )
        share = np.linspace(0.0, 1.0, num_steps, dtype="float32")[:, None]
        z = a[:, None] * (1 - share) + b[:, None] * share
        outputs = self.decode(z.reshape(-1, self.encoding_dim))
        split = (len(a), num_steps)
        return keras.tree.map_structure(
            lambda value: value.reshape(*split, *value.shape[1:]), outputs
        )

    def log_likelihood(
        self,
        x,
        num_samples=100,
        given=None,
        sample_weight=None,
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
            x: Dict `{modality: raw examples}` of any subset of the modalities.
            num_samples: Positive integer K.
            given: Dict of other modalities, as many examples. The result is
                then `log p(X, given) - log p(given)`, an estimate of `log
                p(X|given)`, and no bound.
            sample_weight: As for `encode`.
            seed: Integer, or None for a random one.
            batch_size: Integer; `K` times as many are decoded at once.

        Returns:
            NumPy array of shape `(examples,)`, in nats.

        Raises:
            ValueError: If the data does not fit, or `num_samples` is below 1.

        Reference:
            - Burda et al., 2016, https://arxiv.org/abs/1509.00519, eq. 8
        """
        vae_checks.check_positive_integer("num_samples", num_samples)
        if given is not None:
            vae_checks.check_disjoint(x, given)
            options = (num_samples, None, sample_weight, seed, batch_size)
            joint = self.log_likelihood({**x, **given}, *options)
            return joint - self.log_likelihood(given, *options)

        def estimate(x, present, z, noise):
            experts, context = self._encode(x, present, training=False)
            weights = {
                name: ops.cast(there, "float32")
                for name, there in present.items()
            }
            return self.objective.log_marginal(
                experts,
                self._log_likelihood(x, weights, context, False, False),
                noise,
                num_samples,
            )

        return self._map(
            ("log_likelihood", num_samples),
            estimate,
            (*self._examples(x, sample_weight), ()),
            batch_size,
            seed,
        )

    def _generate(self, name, z, output, seed, given, batch_size):
        """One modality from latents, private ones from the seed or 0."""
        vae_checks.check_option("output", output, ("mean", "mode", "sample"))
        private_dim = self.objective.private_dim
        if private_dim:
            private = np.zeros((len(z), private_dim), "float32")
            if seed is not None:
                random = np.random.default_rng((seed, self.names.index(name)))
                private = random.standard_normal(private.shape, "float32")
            z = np.concatenate([z, private], axis=-1)
        conditions = {}
        if len(self.generated) < len(self.names):
            vae_checks.check_conditions(given, self.names, self.generated)
            conditions = {
                key: given[key] for key in given if key not in self.generated
            }
        decoder, likelihood = self._decoder(name), self.likelihoods[name]

        def generate(x, present, z, noise):
            context = self._encode(x, present, False)[1] if x else None
            latents = [z]
            if context is not None:
                latents.append(context)
            if isinstance(decoder, TextDecoder) and output != "mean":
                return decoder.generate(
                    ops.concatenate(latents, axis=-1),
                    temperature=None if output == "mode" else 1.0,
                    seed=noise.stream(1).seed,
                )
            parameters = self._decode(name, z, context)
            if output == "sample":
                return likelihood.sample(parameters, seed=noise.stream(1).seed)
            return getattr(likelihood, output)(parameters)

        x, present = self._examples(conditions) if conditions else ({}, {})
        return self._map(
            ("generate", name, output),
            generate,
            (x, present, z),
            batch_size,
            seed,
        )

    def _examples(self, x, sample_weight=None):
        """Checked raw examples, and which of their modalities are there."""
        if not self.modalities:
            x = np.asarray(x)
            checks.check_shape("x", x, (None, self.input_dim))
            checks.check_finite(x, "x")
            return {"x": x}, {}
        checks.check_arrays(
            x, None, sample_weight, self.modalities, finite=False
        )
        present = {
            name: np.asarray(weight) > 0
            for name, weight in (sample_weight or {}).items()
            if name in x
        }
        for name, value in x.items():
            there = present.get(name, slice(None))
            checks.check_finite(np.asarray(value)[there], f"x[{name!r}]")
        return dict(x), present

    def _map(self, key, function, data, batch_size, seed):
        """Apply a function of batches and noise, compiled once for a key."""
        seed = _random_seed() if seed is None else seed
        key = (*key, *data[0])
        if key not in self._functions:

            @tf.function(reduce_retracing=True)
            def compiled(x, present, z, seed, step):
                return function(x, present, z, Noise(seed, step))

            self._functions[key] = compiled
        data = keras.tree.map_structure(np.asarray, data)
        batches = tf.data.Dataset.from_tensor_slices(data).batch(batch_size)
        outputs = []
        for step, (x, present, z) in enumerate(batches):
            if self.preprocessors and x:
                x = self.preprocess(x)
            output = self._functions[key](
                x, present, z, *(tf.constant(n, "int64") for n in (seed, step))
            )
            outputs.append(output.numpy())
        return np.concatenate(outputs)


def _random_seed():
    # Of the generator that `keras.utils.set_random_seed` sets.
    return int(np.random.randint(2**31))
