"""What a `VAEModel` serves: encode, decode, translate."""

import tensorflow as tf
from keras import ops

from keras_xmodal.models.endpoint import Endpoint, named
from keras_xmodal.models.vae import networks
from keras_xmodal.networks import TextDecoder
from keras_xmodal.ops.gaussian import sample_gaussian
from keras_xmodal.ops.noise import stateless_normal


def endpoints(model, sampling):
    """Endpoints of each encoder and decoder, and of each pair of the two."""
    names = model.modalities or (None,)
    # CVAE encodes its target in training only, and decodes with conditions.
    sources = [n for n in names if (n or "x") in model.posterior_layers]
    conditional = len(model.generated) < len(model.names)
    found = [
        Endpoint(named("encode", n), encode, (n,), embedding="mean")
        for n in sources
    ]
    if len(names) > 1 and not conditional:
        found.append(Endpoint("encode_all", encode, names))
    dim = model.latent_dim
    if not conditional:
        z = tf.TensorSpec((None, dim), tf.float32, "z")
        for target in model.generated:
            name = f"decode_{target}" if model.modalities else "decode"
            fields = _decoding(model, target, lambda model, x, z: (z, None))
            found.append(Endpoint(name, further=(z,), **fields))
    draw, shape, dtype = {
        "seed": (_sample_with_seed, (None,), tf.int32),
        "noise": (_sample_with_noise, (None, dim), tf.float32),
    }[sampling]
    for source in sources:
        for target in model.generated:
            if model.modalities and target == source:
                continue
            to = f"_to_{target}" if model.modalities else ""
            found.append(
                Endpoint(
                    named("translate", source) + to,
                    modalities=(source,),
                    further=(tf.TensorSpec(shape, dtype, sampling),),
                    **_decoding(model, target, draw),
                )
            )
    return found


def encode(model, x):
    """Mean and log-variance of `q(z|x)`; of a mixture, those of the mixture."""
    return _encode(model, x)[0]


def _encode(model, x):
    """Mean and log-variance, and the features that decoders take besides."""
    x = {name or "x": value for name, value in x.items()}
    experts, context = networks.encode(model, x, {}, training=False)
    posterior = model.objective.posterior(experts)
    outputs = {
        name: networks.summarize(posterior, name)
        for name in ("mean", "log_variance")
    }
    return outputs, context


def _sample_with_noise(model, x, noise):
    # One modality has one component, also where the posterior is a mixture.
    posterior, context = _encode(model, x)
    return sample_gaussian(**posterior, noise=noise), context


def _sample_with_seed(model, x, seed):
    shape = (ops.shape(seed)[0], model.latent_dim)
    return _sample_with_noise(model, x, stateless_normal(shape, seed))


def _decoding(model, target, latents):
    """Fields of an endpoint that decodes what `latents` gives."""
    output = target if model.modalities else "y"
    is_text = isinstance(model._decoder(target), TextDecoder)

    def inputs(model, arguments):
        z, context = latents(model, *arguments)
        if model.objective.private_dim:
            shape = (ops.shape(z)[0], model.objective.private_dim)
            z = ops.concatenate([z, ops.zeros(shape)], axis=-1)
        return z, context

    def decode(model, *arguments):
        z, context = inputs(model, arguments)
        if is_text:
            return {output: model._decoder(target).generate(_join(z, context))}
        parameters = networks.decode(model, target, z, context)
        return {output: model.likelihoods[target].mean(parameters)}

    def score(model, *arguments, outputs):
        """Logits of the most probable tokens, and of those received."""
        decoder, ids = model._decoder(target), outputs[output]
        logits = decoder(_join(*inputs(model, arguments)), ids)
        chosen = tf.gather(logits, ids, batch_dims=2)
        best = ops.max(logits, axis=-1)
        if decoder.end_id is not None:
            ends = ops.cast(ops.equal(ids, decoder.end_id), "int32")
            ended = ops.cumsum(ends, axis=1) - ends > 0
            best = ops.where(ended, 0.0, best)
            chosen = ops.where(ended, ops.cast(ids, "float32"), chosen)
        return {output: best}, {output: chosen}

    return {
        "compute": decode,
        "target": target,
        "score": score if is_text else None,
    }


def _join(z, context):
    return z if context is None else ops.concatenate([z, context], axis=-1)
