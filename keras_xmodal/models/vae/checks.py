"""Checks of what a user passes to `VAEModel`, before training starts."""

import itertools
import numbers

import numpy as np

from keras_xmodal import checks
from keras_xmodal.models.data import check_target as check_vectors
from keras_xmodal.models.data import presence


def check_dims(input_dim, latent_dim, output_dim, encoders, decoders):
    """Check the sizes that a model is built with."""
    if (input_dim is None) == (encoders is None):
        raise ValueError(
            "Give either `input_dim` or `encoders` and `decoders`. "
            f"Received: input_dim={input_dim}, encoders={encoders}"
        )
    if (encoders is None) != (decoders is None):
        raise ValueError(
            "Give `encoders` and `decoders` together. "
            f"Received: encoders={encoders}, decoders={decoders}"
        )
    if output_dim is not None and not isinstance(input_dim, numbers.Integral):
        raise ValueError(
            "`output_dim` must be None unless `input_dim` is an integer. "
            f"Received: input_dim={input_dim}, output_dim={output_dim}"
        )
    if isinstance(input_dim, dict) and not input_dim:
        raise ValueError(
            "`input_dim` must name at least one modality. Received: {}"
        )
    checks.positive_integer("latent_dim", latent_dim)
    checks.positive_integer("output_dim", output_dim, optional=True)
    if isinstance(input_dim, dict):
        for name, size in input_dim.items():
            checks.positive_integer(f"input_dim[{name!r}]", size)
    else:
        checks.positive_integer("input_dim", input_dim, optional=True)


def check_endpoints(modalities):
    """Check that what a model serves gets different names."""
    names = [f"encode_{name}" for name in modalities]
    names += ["encode_all"] * (len(modalities) > 1)
    names += [
        f"translate_{source}_to_{target}"
        for source, target in itertools.permutations(modalities, 2)
    ]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(
            "Modalities must give the endpoints encode_<modality>, encode_all "
            "and translate_<modality>_to_<modality> different names. Received: "
            f"modalities {list(modalities)}, with {twice} twice"
        )


def check_decoders(decoders, generated):
    """Check that there is a decoder for each modality to generate, no more."""
    if set(decoders) != set(generated):
        raise ValueError(
            "`decoders` must have the modalities that the objective "
            f"generates, {list(generated)}. "
            f"Received: decoders of {list(decoders)}"
        )


def check_complete(sizes):
    """Check that the features of all modalities are known."""
    unknown = [name for name, size in sizes.items() if size is None]
    if unknown:
        raise ValueError(
            "The first batch must have all modalities, for an objective with "
            f"a joint encoder. Received: a batch without {unknown}"
        )


def check_modality_weights(weights, modalities):
    """Check the weights of the modalities and fill in ones."""
    weights = {} if weights is None else weights
    if not isinstance(weights, dict) or weights:
        checks.modalities("modality_weights", weights, modalities)
    for name, weight in weights.items():
        checks.not_negative(f"modality_weights[{name!r}]", weight)
    return {name: float(weights.get(name, 1.0)) for name in modalities}


def check_likelihoods(likelihoods, modalities):
    """Check that likelihoods are of modalities that the model knows."""
    if likelihoods is not None:
        checks.modalities("likelihoods", likelihoods, modalities)


def check_parameter_shape(name, received, expected):
    """Check that a decoder returns what the likelihood takes."""
    if tuple(received[1:]) != tuple(expected):
        raise ValueError(
            f"`decoders[{name!r}]` must return the parameters of its "
            f"likelihood, of shape {(None, *expected)}. "
            f"Received: output shape {tuple(received)}"
        )


def check_target(y, input_dim, output_dim):
    """Check the targets of a model of tensors; without, it is the input."""
    if y is not None:
        check_vectors(y, output_dim)
    elif input_dim != output_dim:
        raise ValueError(
            f"`y` must hold targets of shape (None, {output_dim}), as the "
            "sizes of input and output differ. Received: y=None, "
            f"input_dim={input_dim}, output_dim={output_dim}"
        )


def check_likelihood(model, x, present):
    """Check that `log_likelihood` is asked of what the model generates."""
    if model.input_dim is not None and not model.modalities:
        if model.input_dim != model.output_dim:
            raise ValueError(
                "`log_likelihood` is of a model whose output is its input. "
                f"Received: input_dim={model.input_dim}, "
                f"output_dim={model.output_dim}"
            )
        return
    if len(model.generated) == len(model.names):
        return
    targets = list(model.generated)
    if not set(targets) <= set(x):
        raise ValueError(
            f"`x` must hold what the objective generates, {targets}. "
            f"Received: x with keys {list(x)}"
        )
    some = True  # An example of weight 0 has nothing.
    if set(present) >= set(x):
        some = np.any(list(present.values()), axis=0)
    for name in targets:
        lacking = np.flatnonzero(some & ~np.asarray(present.get(name, True)))
        if len(lacking):
            raise ValueError(
                f"`x` must hold what the objective generates, {targets}, in "
                f"each example. Received: {name!r} missing in {len(lacking)} "
                f"examples, first in example {lacking[0]}"
            )


def check_support(x, likelihoods, sample_weight):
    """Check that arrays lie in the support of their likelihoods."""
    missing = {name: np.zeros(len(value), "bool") for name, value in x.items()}
    for name, there in presence(x, sample_weight).items():
        missing[name] = ~np.asarray(there)
    for name, value in x.items():
        if name in likelihoods:
            _check_values(likelihoods[name], name, value, missing[name])


def _check_values(likelihood, name, value, missing):
    try:
        likelihood.check_support(value, missing)
    except (TypeError, ValueError) as error:
        said = str(error).replace("`x`", f"`x[{name!r}]`")
        raise type(error)(said) from error


def check_any(x, sample_weight):
    """Check that each example has a modality, by weights of each."""
    there = presence(x, sample_weight)
    if len(there) < len(x):
        return
    all_missing = ~np.any(list(map(np.asarray, there.values())), axis=0)
    if all_missing.any():
        raise ValueError(
            "Every example must have a modality. Received: all of them missing "
            f"in {int(all_missing.sum())} of {len(all_missing)} examples, "
            f"first in example {int(all_missing.argmax())}"
        )


def check_disjoint(x, given, modalities):
    """Check that what is asked for is not given."""
    checks.modalities("x", x, modalities)
    checks.modalities("given", given, modalities)
    both = sorted(set(x) & set(given))
    if both:
        raise ValueError(
            "`given` must hold other modalities than `x`. "
            f"Received: {both} in both"
        )


def check_conditions(given, modalities, generated):
    """Check that there are conditions to generate from."""
    conditions = [name for name in modalities if name not in generated]
    if not set(given or {}) & set(conditions):
        raise ValueError(
            f"`given` must hold one of the conditions {conditions}. "
            f"Received: {list(given or {})}"
        )
