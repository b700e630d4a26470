"""What a trained `VAEModel` is used for, in batches."""

import numpy as np
import tensorflow as tf
from keras import ops

from keras_xmodal import checks
from keras_xmodal.models import data as data_lib
from keras_xmodal.models.rows import apply_to_rows
from keras_xmodal.models.vae import checks as vae_checks
from keras_xmodal.models.vae import networks
from keras_xmodal.networks.text.text_decoder import TextDecoder

# Encoding draws from streams 1 and 2, each modality from one after these.
_FIRST_STREAM = 3


def generate(
    model,
    name,
    z,
    output,
    seed,
    given,
    batch_size,
    present=None,
    private=False,
):
    """One modality from latents, private ones from the seed or 0."""
    checks.one_of("output", output, ("mean", "mode", "sample"))
    place = model.names.index(name)
    stream = _FIRST_STREAM + place
    private_dim = model.objective.private_dim
    if private_dim:
        draws, private = private, np.zeros((len(z), private_dim), "float32")
        if draws:
            random = np.random.default_rng((seed, place))
            private = random.standard_normal(private.shape, "float32")
        z = np.concatenate([z, private], axis=-1)
    conditions, present = {}, present or {}
    if len(model.generated) < len(model.names):
        vae_checks.check_conditions(given, model.names, model.generated)
        conditions = {
            key: given[key] for key in given if key not in model.generated
        }
        present = {n: there for n, there in present.items() if n in conditions}
    decoder, likelihood = model._decoder(name), model.likelihoods[name]

    def generate_batch(x, rows, noise):
        z, context = rows["z"], None
        if x:
            context = networks.encode(model, x, rows["present"], False)[1]
        latents = [z]
        if context is not None:
            latents.append(context)
        if isinstance(decoder, TextDecoder) and output != "mean":
            return decoder.generate(
                ops.concatenate(latents, axis=-1),
                temperature=None if output == "mode" else 1.0,
                seed=noise.stream(stream).seed,
            )
        parameters = networks.decode(model, name, z, context)
        if output == "sample":
            return tf.map_fn(  # Each row by its own seed.
                lambda row: likelihood.sample(row[0][None], seed=row[1])[0],
                (parameters, noise.stream(stream).seed),
                fn_output_signature=likelihood.data_dtype,
            )
        return getattr(likelihood, output)(parameters)

    return apply_to_rows(
        model,
        ("generate", name, output),
        generate_batch,
        conditions,
        {"z": z, "present": present},
        present,
        batch_size=batch_size,
        seed=seed,
    )


def examples(model, x, missing=None, modality=None):
    """Checked raw examples, and which of their modalities are there."""
    weights = None
    if data_lib.is_batch_source(x):
        x, weights = data_lib.read_inputs(x)
    if modality is not None:
        x = data_lib.of_modality(x, modality)
    x = data_lib.to_arrays(x)
    if missing is not None:
        checks.modalities("missing", missing, model.names)
        if weights is not None and not isinstance(weights, dict):
            weights = dict.fromkeys(x, weights)
        weights = {
            **(weights or {}),
            **{
                name: (weights or {}).get(name, 1.0)
                * (1.0 - checks.booleans(f"missing[{name!r}]", rows))
                for name, rows in missing.items()
            },
        }
    model._check_structure(x, None, weights, inputs=True)
    weights = data_lib.flat_weights(weights)
    data_lib.check_arrays(x, None, weights)
    if isinstance(weights, dict):
        vae_checks.check_any(x, weights)
    if not model.modalities:
        checks.shape("x", x.shape, (None, model.input_dim))
        x = {"x": x}
    return x, data_lib.presence(x, weights)
