"""What an exported `GANModel` offers: to generate."""

import tensorflow as tf
from keras import ops

from keras_xmodal.export.endpoint import Endpoint


def gan_endpoints(model, towers):
    """Endpoints that generate from a seed, and from given noise.

    Args:
        model: `GANModel`.
        towers: List of the condition's `Tower`, empty where there is none.

    Returns:
        List of `Endpoint`.
    """
    output = model.target or "y"

    def from_z(model, x, z):
        condition = next(iter(x.values()), None)
        y = model(z) if condition is None else model(condition, z)
        return {output: y}

    def from_seed(model, x, seed):
        z = model.sample_latents(ops.shape(seed)[0], seed)
        return from_z(model, x, z)

    seed = tf.TensorSpec((None,), tf.int32, "seed")
    z = tf.TensorSpec((None, model.latent_dim), tf.float32, "z")
    endpoints = []
    for name, compute, further in (
        ("generate", from_seed, seed),
        ("generate_from_z", from_z, z),
    ):
        fields = {
            "compute": compute,
            "towers": tuple(towers),
            "further": (further,),
        }
        endpoints.append(Endpoint(name, **fields))
        for tower in towers:
            if tower.raw_kind is not None:
                raw = f"{name}_{tower.raw_kind}"
                endpoints.append(Endpoint(raw, raw=True, **fields))
    # A raw one second, where there is one, as the default signature.
    return sorted(endpoints, key=lambda e: "from_z" in e.name)
