"""An index beside exported files, and the script that searches it."""

import copy
import hashlib
import pathlib
import tempfile

import numpy as np

from keras_xmodal.export import samples, search_script
from keras_xmodal.export.towers import preprocess
from keras_xmodal.export.vocabularies import side_by_side
from keras_xmodal.networks import ImagePreprocessor

SCRIPT = "search.py"
INDEX = "index"


def check_index(search):
    """Check that an index is one, with rows."""
    if not hasattr(search, "modalities") or not hasattr(search, "save"):
        raise TypeError(
            "The index must be a `kx.retrieval.ExactIndex`. "
            f"Received: an object of type {type(search).__name__}"
        )
    if not search.modalities:
        raise ValueError("The index must hold rows. Received: an empty index")


def describe_index(search):
    """Its rows by modality, and the digest of all that it holds."""
    bare = copy.copy(search)
    bare.model = None
    digest = hashlib.sha256()
    with tempfile.TemporaryDirectory() as folder:
        bare.save(pathlib.Path(folder) / INDEX)
        file = pathlib.Path(folder) / INDEX / f"{INDEX}.npz"
        with np.load(file, allow_pickle=False) as arrays:
            for name in sorted(arrays):
                array = arrays[name]
                digest.update(f"{name} {array.dtype} {array.shape}".encode())
                digest.update(array.tobytes())
    return {"rows": dict(search.sizes), "sha256": digest.hexdigest()}


def check_search(model, signature, inputs, search):
    """Check that an index fits a model, before anything is written."""
    check_index(search)
    if not model.modalities or not signature.name.startswith("embed_"):
        raise ValueError(
            "An index is for models that embed modalities. "
            f"Received: model of type {type(model).__name__}"
        )
    if not any(map(_is_known, model.preprocessors.values())):
        kinds = {k: type(p).__name__ for k, p in model.preprocessors.items()}
        raise ValueError(
            "An index needs a modality that is preprocessed by a "
            "`TextPreprocessor`, several of them side by side, or an "
            f"`ImagePreprocessor`. Received: preprocessors {kinds}"
        )
    (tower,) = signature.towers
    inputs = {tower.name: inputs[tower.modality][:1]}
    embedding = signature.reference(model, inputs)["embedding"]
    try:
        search.search(embedding, k=1, modality=search.modalities[0])
    except ValueError as error:
        raise ValueError(
            "The index must hold embeddings of the model, of dim "
            f"{embedding.shape[1]}. Received: {error}"
        ) from error


def write_search(model, search, folder):
    """Write the index and the script, which must tokenize as the model does."""
    bare = copy.copy(search)
    bare.model = None
    bare.save(folder / INDEX)
    source = pathlib.Path(search_script.__file__)
    (folder / SCRIPT).write_bytes(source.read_bytes())
    written = search_script.Search(folder)
    for name, endpoint in written.endpoints.items():
        if "tokenizers" not in endpoint:
            continue
        texts = samples.texts(model.preprocessors[name])
        expected = np.asarray(preprocess(model, name, texts))
        received = written.tokenize(texts.tolist(), name)
        if not np.array_equal(expected, received):
            raise RuntimeError(
                f"`{SCRIPT}` must tokenize as the preprocessor of {name!r} "
                f"does. Received: {received.tolist()} for {texts.tolist()}, "
                f"which are {expected.tolist()}"
            )


def _is_known(preprocessor):
    if isinstance(preprocessor, ImagePreprocessor):
        return True
    return side_by_side(preprocessor) is not None
