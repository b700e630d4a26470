"""What the encoders say of a batch."""

from typing import Any, NamedTuple


class Experts(NamedTuple):
    """Gaussians that the encoders of a `VAEModel` give for a batch.

    `mean` and `log_variance`, of shape `(modalities, batch, dim)`, are the
    unimodal experts `q(z|x_m)`; `mask`, boolean of shape `(modalities, batch)`,
    says which modality is there. `joint` is a tuple `(mean, log_variance)` of
    shape `(batch, dim)` from a network that sees all modalities, for objectives
    that ask for one. `private` is a tuple `(mean, log_variance,
    prior_log_variance)`: the private latents `q(w_m|x_m)` of shape
    `(modalities, batch, private_dim)`, and the auxiliary prior of each
    modality, `(modalities, 1, private_dim)`. `names` are the modalities.
    """

    mean: Any
    log_variance: Any
    mask: Any
    joint: Any = None
    private: Any = None
    names: tuple[str, ...] = ()
