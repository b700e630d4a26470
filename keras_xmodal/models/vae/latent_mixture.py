"""A Gaussian mixture over latents, as arrays that a model file can hold."""

import numpy as np


def fit_mixture(z, num_components, seed):
    """Fit a mixture of Gaussians of full covariance."""
    try:
        from sklearn.mixture import GaussianMixture
    except ImportError as error:
        raise ImportError(
            "`fit_sampler` needs scikit-learn. Install it with `pip "
            "install keras-xmodal[vae]`."
        ) from error
    mixture = GaussianMixture(
        num_components, random_state=seed, reg_covar=1e-4
    ).fit(z.astype("float64"))
    return {
        "weights": mixture.weights_,
        "means": mixture.means_,
        "scales": np.linalg.cholesky(mixture.covariances_),
    }


def draw_from_mixture(mixture, noise, random):
    """Make samples of a mixture from standard normal noise."""
    weights = mixture["weights"]
    which = random.choice(len(weights), len(noise), p=weights)
    samples = np.einsum("nij,nj->ni", mixture["scales"][which], noise)
    return samples + mixture["means"][which]
