"""What a client needs to preprocess where there is no TensorFlow."""

import keras

from keras_xmodal.networks import TextPreprocessor

_TOKENIZER = (
    "split",
    "ngrams",
    "sequence_length",
    "drop_unknown",
    "end_token",
    "keep_symbols",
)
_KERAS = (
    keras.layers.TextVectorization,
    keras.layers.StringLookup,
    keras.layers.IntegerLookup,
)


def write_all_vocabularies(model, towers, folder):
    """Names of the files by modality and layer."""
    return {
        tower.modality: write_vocabularies(
            model.preprocessors.get(tower.modality), tower.name, folder
        )
        for tower in towers
    }


def describe_preprocessing(model, signature, vocabularies):
    """What a client needs to preprocess the input and to read the output."""
    facts = {}
    if found := vocabularies.get(signature.endpoint.target):
        facts["output_vocabularies"] = list(found.values())
    if len(signature.towers) != 1:
        return facts
    name = signature.towers[0].modality
    if vocabularies[name]:
        facts["vocabularies"] = list(vocabularies[name].values())
    if name in model.preprocessors:
        facts["preprocessor"] = describe_preprocessor(
            model.preprocessors[name], vocabularies[name]
        )
        tokenizers = describe_tokenizers(
            model.preprocessors[name], vocabularies[name]
        )
        if tokenizers is not None:
            facts["tokenizers"] = tokenizers
    return facts


def write_vocabularies(preprocessor, name, folder):
    """Write each vocabulary of a preprocessor, one token a line.

    A preprocessor that is itself a lookup has `<name>_vocabulary.txt`, each
    lookup inside one `<name>_<its own name>_vocabulary.txt`.

    Returns:
        Dict, by layer name, of file names.
    """
    files = {}
    for layer in _lookups(preprocessor):
        lines = _lines(layer)
        if lines is None:
            continue
        stem = name if layer is preprocessor else f"{name}_{layer.name}"
        if layer.name in files:
            raise ValueError(
                "Lookups in a preprocessor must have names of their own. "
                f"Received: two called {layer.name!r} for {name!r}"
            )
        file = folder / f"{stem}_vocabulary.txt"
        file.write_text(lines, "utf-8", newline="\n")
        files[layer.name] = file.name
    return files


def describe_preprocessor(preprocessor, files):
    """Class and configuration, with names of files in place of words."""
    config = keras.saving.serialize_keras_object(preprocessor)["config"]
    return {
        "class_name": type(preprocessor).__name__,
        "config": _without_words(config, files),
    }


def describe_tokenizers(preprocessor, files):
    """Tokenizers of texts whose ids stand side by side; None for others.

    Each with what `TextPreprocessor` calls its arguments, and the file of its
    vocabulary.
    """
    layers = side_by_side(preprocessor)
    if layers is None:
        return None
    return [
        {"vocabulary": files[layer.name]}
        | {key: getattr(layer, key) for key in _TOKENIZER}
        for layer in layers
    ]


def side_by_side(preprocessor):
    """The `TextPreprocessor`s that a preprocessor is made of, in order."""
    if isinstance(preprocessor, TextPreprocessor):
        return [preprocessor]
    inputs = getattr(preprocessor, "inputs", None)
    outputs = getattr(preprocessor, "outputs", None)
    if not inputs or not outputs or len(inputs) + len(outputs) > 2:
        return None
    parts = outputs
    operation, node, _ = outputs[0]._keras_history
    if type(operation).__name__ == "Concatenate":
        if operation.axis not in (1, -1):
            return None
        parts = operation._inbound_nodes[node].input_tensors
    layers = []
    for part in parts:
        layer, node, _ = part._keras_history
        if not isinstance(layer, TextPreprocessor):
            return None
        if layer._inbound_nodes[node].input_tensors != inputs:
            return None
        layers.append(layer)
    return layers


def _lookups(preprocessor):
    if not isinstance(preprocessor, keras.layers.Layer):
        return [preprocessor] if hasattr(preprocessor, "get_vocabulary") else []
    if hasattr(preprocessor, "get_vocabulary"):
        return [preprocessor]  # It may hold a lookup layer of its own.
    return [
        found
        for layer in preprocessor._flatten_layers(False, recursive=False)
        for found in _lookups(layer)
    ]


def _lines(layer):
    """Tokens as lines; None if they are bytes, which need no vocabulary."""
    tokens = [str(token) for token in layer.get_vocabulary()]
    broken = [token for token in tokens if "\n" in token]
    if broken and not isinstance(layer, _KERAS):
        return None
    if broken:
        raise ValueError(
            "The vocabulary is written one token per line, so no token may "
            f"hold a line break. Received: tokens {broken[:3]}"
        )
    return "\n".join(tokens) + "\n"


def _without_words(config, files):
    if isinstance(config, (list, tuple)):
        return [_without_words(value, files) for value in config]
    if not isinstance(config, dict):
        return config
    config = {k: _without_words(v, files) for k, v in config.items()}
    if config.get("name") in files and "vocabulary" in config:
        config["vocabulary"] = files[config["name"]]
    return config
