"""What a trained `VAEModel` is used for, in batches."""

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from keras_xmodal import checks
from keras_xmodal.models import data as data_lib
from keras_xmodal.models.vae import checks as vae_checks
from keras_xmodal.models.vae import networks
from keras_xmodal.networks.text.text_decoder import TextDecoder
from keras_xmodal.ops.noise import Noise


def generate(model, name, z, output, seed, given, batch_size):
    """One modality from latents, private ones from the seed or 0."""
    checks.one_of("output", output, ("mean", "mode", "sample"))
    private_dim = model.objective.private_dim
    if private_dim:
        private = np.zeros((len(z), private_dim), "float32")
        if seed is not None:
            random = np.random.default_rng((seed, model.names.index(name)))
            private = random.standard_normal(private.shape, "float32")
        z = np.concatenate([z, private], axis=-1)
    conditions = {}
    if len(model.generated) < len(model.names):
        vae_checks.check_conditions(given, model.names, model.generated)
        conditions = {
            key: given[key] for key in given if key not in model.generated
        }
    decoder, likelihood = model._decoder(name), model.likelihoods[name]

    def generate_batch(x, present, z, noise):
        context = networks.encode(model, x, present, False)[1] if x else None
        latents = [z]
        if context is not None:
            latents.append(context)
        if isinstance(decoder, TextDecoder) and output != "mean":
            return decoder.generate(
                ops.concatenate(latents, axis=-1),
                temperature=None if output == "mode" else 1.0,
                seed=noise.stream(1).seed,
            )
        parameters = networks.decode(model, name, z, context)
        if output == "sample":
            return likelihood.sample(parameters, seed=noise.stream(1).seed)
        return getattr(likelihood, output)(parameters)

    x, present = examples(model, conditions) if conditions else ({}, {})
    return map_batches(
        model,
        ("generate", name, output),
        generate_batch,
        (x, present, z),
        batch_size,
        seed,
    )


def examples(model, x, missing=None):
    """Checked raw examples, and which of their modalities are there."""
    weights = None
    if missing is not None:
        checks.modalities("missing", missing, model.names)
        weights = {
            name: 1.0 - np.asarray(rows, "bool")
            for name, rows in missing.items()
        }
    if data_lib.is_batch_source(x):
        x = data_lib.read_inputs(x)
    x = data_lib.to_arrays(x)
    model._check_structure(x)
    data_lib.check_arrays(x, None, weights)
    if not model.modalities:
        checks.shape("x", x.shape, (None, model.input_dim))
        return {"x": x}, {}
    return x, data_lib.presence(x, weights)


def map_batches(model, key, function, data, batch_size, seed):
    """Apply a function of batches and noise, compiled once for a key."""
    seed = random_seed() if seed is None else seed
    key = (*key, *data[0])
    if key not in model._functions:

        @tf.function(reduce_retracing=True)
        def compiled(x, present, z, seed, step):
            return function(x, present, z, Noise(seed, step))

        model._functions[key] = compiled
    data = keras.tree.map_structure(np.asarray, data)
    batches = tf.data.Dataset.from_tensor_slices(data).batch(batch_size)
    outputs = []
    for step, (x, present, z) in enumerate(batches):
        if model.modalities and x:
            x = data_lib.fill_missing(x, present)
            x = dict(model.preprocess(x))
        output = model._functions[key](
            x, present, z, *(tf.constant(n, "int64") for n in (seed, step))
        )
        outputs.append(output.numpy())
    return np.concatenate(outputs)


def random_seed():
    """A seed of the generator that `keras.utils.set_random_seed` sets."""
    return int(np.random.randint(2**31))
