"""The networks of a `VAEModel`: from modalities to latents and back."""

import contextlib

import keras
import numpy as np
from keras import ops

from keras_xmodal.models import checks, vae_checks
from keras_xmodal.models.multimodal_model import MultimodalModel
from keras_xmodal.networks.text.text_decoder import TextDecoder
from keras_xmodal.objectives.experts import Experts
from keras_xmodal.objectives.objective import mean_over_available
from keras_xmodal.ops.experts import select_component
from keras_xmodal.ops.gaussian import clip_log_variance, sample_gaussian


class VAENetworks(MultimodalModel):
    """Base of `VAEModel`: its forward pass, and what objectives ask of it.

    A subclass sets in its constructor what is used here.

    Args:
        preprocessors: Dict `{modality: keras.Layer}` or None.
        **kwargs: Arguments of `keras.Model`.
    """

    def build(self, input_shape):
        shapes = input_shape if self.modalities else {"x": input_shape}
        checks.check_modalities(shapes, self.names)
        sizes = {}
        for name in self.names:
            shape = shapes.get(name) and (None, *shapes[name][1:])
            if name in self.encoders:
                features = checks.feature_shape(
                    name, self.encoders[name], shape
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
            features = checks.feature_shape(
                "joint_encoder", self.joint_encoder, joint
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
            self.encoding_dim + self.objective.private_dim + context,
        )
        for name in self.generated:
            decoder = self._decoder(name)
            if not decoder.built:
                decoder.build(latent)
            if shapes.get(name) and name in self.decoders:
                vae_checks.check_parameter_shape(
                    name,
                    decoder.compute_output_shape(latent),
                    self.likelihoods[name].parameter_shape(shapes[name][1:]),
                )

    def call(self, x, training=False):
        if not self.modalities:
            checks.check_shape("x", x, (None, self.input_dim))
            x = {"x": x}
        checks.check_modalities(x, self.names)
        experts, context = self._encode(x, {}, training)
        z = summarize(self.objective.posterior(experts))
        private = None
        if self.objective.private_dim:
            mask = ops.expand_dims(experts.mask, -1)
            private = ops.where(mask, experts.private[0], 0.0)
        outputs = self._decode_mean(z, private, context, training)
        return outputs if self.modalities else outputs["x"]

    def _decoder(self, name):
        return self.decoders.get(name) or self._output_layers[name]

    def _encode(self, x, present, training):
        """Experts, and the features that decoders take besides the latent."""
        batch_size = ops.shape(next(iter(x.values())))[0]
        masks = {
            name: present.get(name, ops.full((batch_size,), name in x, "bool"))
            for name in self.names
        }
        features = {}
        for name in x:
            features[name] = _fill(x[name], present.get(name))
            if name in self.encoders:
                features[name] = self.encoders[name](
                    features[name], training=training
                )

        dim, private_dim = self.encoding_dim, self.objective.private_dim
        parts = []
        for name in self.names:
            if name in x and name in self.posterior_layers:
                output = self.posterior_layers[name](features[name])
                mean, log_variance = ops.split(output, 2, axis=-1)
            else:
                shape = (batch_size, dim + private_dim)
                mean = log_variance = ops.zeros(shape, "float32")
            parts.append((mean, clip_log_variance(log_variance)))
        mean, log_variance = (ops.stack(x) for x in zip(*parts, strict=True))
        experts = Experts(
            mean[..., :dim],
            log_variance[..., :dim],
            ops.stack([masks[name] for name in self.names]),
            names=self.names,
        )
        if private_dim:
            experts = experts._replace(
                private=(
                    mean[..., dim:],
                    log_variance[..., dim:],
                    clip_log_variance(self.private_log_variance),
                )
            )
        if not self.objective.needs_joint_encoder:
            return experts, None
        return self._encode_jointly(experts, features, training)

    def _encode_jointly(self, experts, features, training):
        """The joint expert, from the features that are there."""
        filled = {}
        for i, (name, size) in enumerate(self._feature_sizes.items()):
            there = ops.expand_dims(experts.mask[i], -1)
            value = ops.zeros((1, size), "float32")
            if name in features:
                value = ops.cast(features[name], "float32")
            filled[name] = ops.where(there, value, 0.0)
        there = ops.cast(ops.transpose(experts.mask), "float32")
        joint = self.joint_encoder(
            ops.concatenate([*filled.values(), there], axis=-1),
            training=training,
        )
        mean, log_variance = ops.split(
            self.joint_posterior_layer(joint), 2, axis=-1
        )
        context = [
            v for name, v in filled.items() if name not in self.generated
        ]
        return (
            experts._replace(joint=(mean, clip_log_variance(log_variance))),
            ops.concatenate(context, axis=-1) if context else None,
        )

    def _decode(
        self, name, z, context=None, training=False, tokens=None, frozen=False
    ):
        """Parameters of `p(x_m|z)`, for latents with any leading axes."""
        decoder = self._decoder(name)
        *lead, dim = ops.shape(z)
        if context is not None:
            shape = (*lead, context.shape[-1])
            context = ops.broadcast_to(context, shape)
            z = ops.concatenate([z, context], axis=-1)
            dim = dim + context.shape[-1]
        inputs = [ops.reshape(z, (-1, dim))]
        if tokens is not None and isinstance(decoder, TextDecoder):
            length = tokens.shape[-1]
            tokens = ops.broadcast_to(tokens, (*lead, length))
            inputs.append(ops.reshape(tokens, (-1, length)))
        scope = contextlib.nullcontext()
        if frozen:
            # In it, the weights of the decoder are constants.
            scope = keras.StatelessScope(
                [(v, ops.stop_gradient(v.value)) for v in decoder.variables]
            )
        with scope:
            outputs = decoder(*inputs, training=training)
        return ops.reshape(outputs, (*lead, *outputs.shape[1:]))

    def _decode_mean(self, z, private, context, training=False):
        return {
            name: self.likelihoods[name].mean(
                self._decode(
                    name, self._join(z, private, name), context, training
                )
            )
            for name in self.generated
        }

    def _join(self, z, private, name):
        """The latent of a decoder: shared, and the modality's own."""
        if not self.objective.private_dim:
            return z
        return ops.concatenate([z, private[self.names.index(name)]], axis=-1)

    def _log_likelihood(
        self, targets, weights, context, training, weighted=True
    ):
        """The function of latents that objectives take."""

        def log_likelihood(z, needed=None, frozen=False, private=None):
            values = []
            for i, name in enumerate(self.names):
                if name not in targets or name not in self.generated:
                    values.append(ops.zeros(ops.shape(z)[:-1], "float32"))
                    continue
                components = None
                latents = self._join(z, private, name)
                if needed is not None and not needed[i].all():
                    components = np.flatnonzero(needed[i])
                    latents = ops.take(latents, components, axis=-3)
                value = self.likelihoods[name].log_prob(
                    targets[name],
                    self._decode(
                        name, latents, context, training, targets[name], frozen
                    ),
                    missing=ops.equal(weights[name], 0)
                    if name in weights
                    else None,
                )
                if name in weights:
                    value = value * ops.cast(weights[name], "float32")
                if components is not None:
                    value = _spread(value, components, len(needed[i]))
                if weighted:
                    value = value * self.modality_weights[name]
                values.append(value)
            return ops.stack(values)

        return log_likelihood


def _fill(value, present):
    """Zeros where a modality is missing, so that no NaN gets in."""
    if present is None:
        return value
    present = ops.reshape(present, (-1, *[1] * (len(value.shape) - 1)))
    return ops.where(present, value, ops.zeros_like(value))


def _spread(values, components, count):
    """Put components `(..., components, batch)` where they belong, among 0."""
    parts = [ops.zeros_like(values[..., 0, :])] * count
    for place, component in enumerate(components):
        parts[component] = values[..., place, :]
    return ops.stack(parts, axis=-2)


def summarize(posterior, output="mean", noise=None):
    """Mean or log-variance of a mixture of Gaussians, or a sample.

    Args:
        posterior: As `Objective.posterior` returns it.
        output: `"mean"`, `"log_variance"` or `"sample"`.
        noise: Source of noise, for samples.

    Returns:
        Tensor of shape `(batch, dim)`.
    """
    means, log_variances, available = posterior
    if output == "sample":
        component, latents = noise.streams(2)
        shape = ops.shape(means)[1:]
        mean, log_variance = select_component(
            component.uniform(shape[:1]), means, log_variances, available
        )
        return sample_gaussian(mean, log_variance, latents.normal(shape))
    available = ops.expand_dims(available, -1)
    mean = mean_over_available(means, available)
    if output == "mean":
        return mean
    # Within the components, and between them.
    variances = ops.exp(log_variances) + ops.square(means - mean)
    return ops.log(mean_over_available(variances, available))
