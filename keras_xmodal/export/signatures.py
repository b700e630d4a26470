"""The signatures of an exported model."""

from keras_xmodal.export.signature import Signature


def find_signatures(model, towers, sampling="seed"):
    """List the signatures of a model: each endpoint, and on raw input."""
    known = {tower.modality: tower for tower in towers}
    signatures = []
    for endpoint in model.endpoints(sampling):
        inputs = tuple(known[name] for name in endpoint.modalities)
        signatures.append(Signature(endpoint, inputs))
        if len(inputs) == 1 and inputs[0].raw_kind is not None:
            signatures.append(Signature(endpoint, inputs, raw=True))
    names = [signature.name for signature in signatures]
    if len(set(names)) < len(names):
        raise ValueError(
            "The modalities must have endpoints of different names. "
            f"Received: endpoints {names}"
        )
    for signature in signatures:
        inputs = [spec.name for spec in signature.inputs]
        if len(set(inputs)) < len(inputs):
            raise ValueError(
                "A modality must not be called as another input is. "
                f"Received: inputs {inputs} of {signature.name!r}"
            )
    return signatures
