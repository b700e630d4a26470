"""From modalities to latents and back: what objectives ask of a `VAEModel`."""

import contextlib

import keras
import numpy as np
from keras import ops

from keras_xmodal.networks.text.text_decoder import TextDecoder
from keras_xmodal.objectives.experts import Experts
from keras_xmodal.objectives.objective import mean_over_available
from keras_xmodal.ops.experts import select_component
from keras_xmodal.ops.gaussian import clip_log_variance, sample_gaussian


def encode(model, x, present, training):
    """Experts, and the features that decoders take besides the latent."""
    batch_size = ops.shape(next(iter(x.values())))[0]
    masks = {
        name: present.get(name, ops.full((batch_size,), name in x, "bool"))
        for name in model.names
    }
    features = {}
    for name in x:
        features[name] = _fill(x[name], present.get(name))
        if name in model.encoders:
            features[name] = model.encoders[name](
                features[name], training=training
            )

    dim, private_dim = model.latent_dim, model.objective.private_dim
    parts = []
    for name in model.names:
        if name in x and name in model.posterior_layers:
            output = model.posterior_layers[name](features[name])
            mean, log_variance = ops.split(output, 2, axis=-1)
        else:
            shape = (batch_size, dim + private_dim)
            mean = log_variance = ops.zeros(shape, "float32")
        parts.append((mean, clip_log_variance(log_variance)))
    mean, log_variance = (ops.stack(x) for x in zip(*parts, strict=True))
    experts = Experts(
        mean[..., :dim],
        log_variance[..., :dim],
        ops.stack([masks[name] for name in model.names]),
        names=model.names,
    )
    if private_dim:
        experts = experts._replace(
            private=(
                mean[..., dim:],
                log_variance[..., dim:],
                clip_log_variance(model.private_log_variance),
            )
        )
    if not model.objective.needs_joint_encoder:
        return experts, None
    return _encode_jointly(model, experts, features, training)


def _encode_jointly(model, experts, features, training):
    """The joint expert, from the features that are there."""
    filled = {}
    for i, (name, size) in enumerate(model._feature_sizes.items()):
        there = ops.expand_dims(experts.mask[i], -1)
        value = ops.zeros((1, size), "float32")
        if name in features:
            value = ops.cast(features[name], "float32")
        filled[name] = ops.where(there, value, 0.0)
    there = ops.cast(ops.transpose(experts.mask), "float32")
    joint = model.joint_encoder(
        ops.concatenate([*filled.values(), there], axis=-1),
        training=training,
    )
    mean, log_variance = ops.split(
        model.joint_posterior_layer(joint), 2, axis=-1
    )
    context = [v for name, v in filled.items() if name not in model.generated]
    return (
        experts._replace(joint=(mean, clip_log_variance(log_variance))),
        ops.concatenate(context, axis=-1) if context else None,
    )


def decode(
    model, name, z, context=None, training=False, tokens=None, frozen=False
):
    """Parameters of `p(x_m|z)`, for latents with any leading axes."""
    decoder = model._decoder(name)
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


def decode_means(model, z, private, context, training=False):
    """Dict of the means of `p(x_m|z)`, of all modalities generated."""
    return {
        name: model.likelihoods[name].mean(
            decode(
                model, name, _join(model, z, private, name), context, training
            )
        )
        for name in model.generated
    }


def _join(model, z, private, name):
    """The latent of a decoder: shared, and the modality's own."""
    if not model.objective.private_dim:
        return z
    return ops.concatenate([z, private[model.names.index(name)]], axis=-1)


def log_likelihood(model, targets, weights, context, training, weighted=True):
    """The function of latents that objectives take."""

    def log_likelihood(z, needed=None, frozen=False, private=None):
        values = []
        for i, name in enumerate(model.names):
            if name not in targets or name not in model.generated:
                values.append(ops.zeros(ops.shape(z)[:-1], "float32"))
                continue
            components = None
            latents = _join(model, z, private, name)
            if needed is not None and not needed[i].all():
                components = np.flatnonzero(needed[i])
                latents = ops.take(latents, components, axis=-3)
            value = model.likelihoods[name].log_prob(
                targets[name],
                decode(
                    model,
                    name,
                    latents,
                    context,
                    training,
                    targets[name],
                    frozen,
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
                value = value * model.modality_weights[name]
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
    """Mean or log-variance of a mixture of Gaussians, or a sample."""
    means, log_variances, available = posterior
    if output == "sample":
        shape = ops.shape(means)[1:]
        component, latents = noise.streams(2)
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
    variance = mean_over_available(variances, available)
    # That of the prior where there is no component.
    return ops.log(ops.where(ops.any(available, axis=0), variance, 1.0))
