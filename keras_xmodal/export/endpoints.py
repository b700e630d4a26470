"""What each kind of model offers."""

from keras_xmodal.export.embedding_endpoints import embedding_endpoints
from keras_xmodal.export.gan_endpoints import gan_endpoints
from keras_xmodal.export.vae_endpoints import vae_endpoints
from keras_xmodal.models import GANModel, VAEModel


def find_endpoints(model, towers, sampling="seed"):
    """List the endpoints of a model.

    Args:
        model: `EmbeddingModel`, `GANModel` or `VAEModel`.
        towers: List of `Tower`.
        sampling: `"seed"` or `"noise"`, what a translation takes.

    Returns:
        List of `Endpoint`.

    Raises:
        ValueError: If two endpoints, or two inputs of one, have one name.
    """
    if isinstance(model, VAEModel):
        endpoints = vae_endpoints(model, towers, sampling)
    elif isinstance(model, GANModel):
        endpoints = gan_endpoints(model, towers)
    else:
        endpoints = embedding_endpoints(towers)
    names = [endpoint.name for endpoint in endpoints]
    if len(set(names)) < len(names):
        raise ValueError(
            "The modalities must have endpoints of different names. "
            f"Received: endpoints {names}"
        )
    for endpoint in endpoints:
        inputs = [spec.name for spec in endpoint.inputs]
        if len(set(inputs)) < len(inputs):
            raise ValueError(
                "A modality must not be called as another input is. "
                f"Received: inputs {inputs} of {endpoint.name!r}"
            )
    return endpoints
