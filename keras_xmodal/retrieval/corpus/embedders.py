"""What embeds the rows of a corpus: a model, or one that was exported."""

import hashlib
import json
import os

import keras
import numpy as np
import tensorflow as tf

from keras_xmodal import checks
from keras_xmodal.models import EmbeddingModel

# What of a model changes no embedding.
_OF_NO_WEIGHT = ("name", "trainable", "build_config", "compile_config")
REFUSALS = (ValueError, TypeError, OSError, tf.errors.InvalidArgumentError)


def open_embedder(model):
    """An embedder of a model, or of the path of one.

    It has `modalities`, `fingerprint`, which is another where embeddings are,
    `read(modality, path)`, what a file becomes before it is embedded, and
    `embed(modality, examples)`, an array `(rows, dim)`; both raise one of
    `REFUSALS` where they cannot.
    """
    if isinstance(model, EmbeddingModel):
        return ModelEmbedder(model)
    if not isinstance(model, (str, os.PathLike)):
        raise TypeError(
            "`model` must be a `kx.EmbeddingModel`, or the path of a `.keras` "
            "file or a SavedModel. "
            f"Received: model of type {type(model).__name__}"
        )
    path = checks.path("model", model)
    if path.suffix == ".keras" and path.is_file():
        return open_embedder(_loaded(path))
    numbered = [
        child
        for child in (path.iterdir() if path.is_dir() else ())
        if child.name.isdigit() and (child / "saved_model.pb").is_file()
    ]
    path = max(numbered, key=lambda child: int(child.name), default=path)
    if not (path / "saved_model.pb").is_file():
        raise FileNotFoundError(
            "`model` must be a `.keras` file, or the folder of a SavedModel. "
            f"Received: model={str(model)!r}"
        )
    return SavedModelEmbedder(path)


def _loaded(path):
    model = keras.saving.load_model(path, compile=False)
    if not isinstance(model, EmbeddingModel):
        raise TypeError(
            "`model` must be the file of a `kx.EmbeddingModel`. "
            f"Received: {path}, of a {type(model).__name__}"
        )
    return model


def read_file(modality, path):
    """Content of a file that holds something."""
    with open(path, "rb") as file:
        content = file.read()
    if not content:
        raise ValueError(
            f"A file must not be empty. Received: {str(path)!r}, which is"
        )
    return content


def fingerprint_of(model):
    """A string of the weights and the config of a model, but for names."""
    config = model.get_config()
    kept = "encoders", "preprocessors", "embedding_dim", "input_dim"
    config = _without_names({name: config[name] for name in kept})
    digest = hashlib.sha256(
        json.dumps(config, sort_keys=True, default=str).encode()
    )
    for name in sorted(model.modalities):
        for part in (model.encoders, model.projections):
            for weight in part[name].weights if name in part else ():
                digest.update(np.asarray(weight, order="C"))
    return f"keras {digest.hexdigest()}"


class ModelEmbedder:
    """An `EmbeddingModel`, which encodes raw examples.

    Args:
        model: `kx.EmbeddingModel` of modalities by name.
    """

    def __init__(self, model):
        if not model.modalities:
            raise ValueError(
                "`model` must have modalities by name. Received: a model of "
                "one tensor"
            )
        self.model = model
        self.modalities = model.modalities

    @property
    def fingerprint(self):
        """Of what decides an embedding."""
        return fingerprint_of(self.model)

    read = staticmethod(read_file)

    def embed(self, modality, examples):
        """Embeddings of raw examples."""
        return self.model.encode(examples, modality, batch_size=len(examples))


class SavedModelEmbedder:
    """A SavedModel that `kx.export.saved_model` wrote, without Keras.

    Args:
        path: `pathlib.Path` of its folder.
    """

    def __init__(self, path):
        self._path = path
        self._loaded = tf.saved_model.load(str(path))
        signatures = self._loaded.signatures
        self._signatures = {}
        for name in signatures:
            if not name.startswith("embed_"):
                continue
            _, inputs = signatures[name].structured_input_signature
            (modality,) = inputs or {None: None}
            # That of raw input, if there is one, has a longer name.
            if len(name) >= len(self._signatures.get(modality, "")):
                self._signatures[modality] = name
        if not self._signatures:
            raise ValueError(
                "`model` must have signatures `embed_<modality>`, as "
                "`kx.export.saved_model` writes them of an `EmbeddingModel`. "
                f"Received: {path} with {list(signatures)}"
            )
        self.modalities = tuple(self._signatures)

    @property
    def fingerprint(self):
        """Of the files that decide what it computes."""
        digest = hashlib.sha256()
        for folder in ("variables", "assets", "."):
            for file in sorted((self._path / folder).glob("*")):
                if not file.is_file() or file.name == "fingerprint.pb":
                    continue
                digest.update(file.name.encode())
                with open(file, "rb") as opened:
                    while block := opened.read(2**20):
                        digest.update(block)
        return f"saved_model {digest.hexdigest()}"

    read = staticmethod(read_file)

    def embed(self, modality, examples):
        """Embeddings of raw examples."""
        # By way of what was loaded: signatures keep no variables alive.
        signature = self._loaded.signatures[self._signatures[modality]]
        ((_, inputs),) = [signature.structured_input_signature]
        (spec,) = inputs.values()
        x = tf.constant(examples, spec.dtype)
        return signature(**{spec.name: x})["embedding"].numpy()


def _without_names(config):
    if isinstance(config, dict):
        return {
            name: _without_names(value)
            for name, value in config.items()
            if name not in _OF_NO_WEIGHT
        }
    if isinstance(config, (list, tuple)):
        return [_without_names(value) for value in config]
    return config
