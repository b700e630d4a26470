"""The signatures of an exported model."""

from keras_xmodal.export.signature import Signature
from keras_xmodal.networks import TextPreprocessor
from keras_xmodal.networks.text.detokenizer import Detokenizer


def find_signatures(model, towers, sampling="seed", further=(), texts=False):
    """List the signatures of a model: each endpoint, and on raw input.

    Further endpoints, such as those of an index, come after the model's. With
    `texts`, those that give tokens give texts too.
    """
    to_text = {
        name: Detokenizer(preprocessor)
        for name, preprocessor in model.preprocessors.items()
        if texts
        and isinstance(preprocessor, TextPreprocessor)
        and preprocessor.ngrams is None
    }
    known = {tower.modality: tower for tower in towers}
    signatures = []
    for endpoint in (*model.endpoints(sampling), *further):
        inputs = tuple(known[name] for name in endpoint.modalities)
        writer = to_text.get(endpoint.target)
        signatures.append(Signature(endpoint, inputs, to_text=writer))
        if len(inputs) == 1 and inputs[0].raw_kind is not None:
            signatures.append(Signature(endpoint, inputs, True, writer))
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
