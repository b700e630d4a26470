"""Export to a TensorFlow SavedModel."""

import os
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_xmodal import files
from keras_xmodal.export import archive, report
from keras_xmodal.export.export_report import ExportReport, write_report
from keras_xmodal.export.preparation import (
    check_arguments,
    choose_tolerance,
    find_inputs,
)
from keras_xmodal.export.search_folder import describe_index
from keras_xmodal.export.signatures import find_signatures


def saved_model(
    model: keras.Model,
    path: str | os.PathLike,
    evaluation: tuple[dict[str, np.ndarray], np.ndarray] | None = None,
    *,
    search: Any = None,
    k: int = 10,
    input_signature: dict[str, tf.TensorSpec] | None = None,
    batch_size: int = 256,
    tolerance: float | None = None,
) -> ExportReport:
    """Write a SavedModel that serves a model without Keras.

    It runs in TensorFlow Serving, in C and from `tf.saved_model.load`, none
    of which needs Keras or this package. Its signatures are, for each
    modality of an `EmbeddingModel`, such as `"image"` or `"text"`:

    - `embed_<modality>` takes a preprocessed batch;
    - `embed_<modality>_bytes`, where the preprocessor takes pictures, takes
      the bytes of picture files (PNG, JPEG, GIF, BMP, of different sizes
      where the preprocessor resizes), a string tensor of shape `(batch,)`; of
      a `VideoPreprocessor` those of GIF files, of a `SpeechPreprocessor` those
      of WAV files of any length and sampling rate;
    - `embed_<modality>_string`, where the preprocessor takes texts, takes
      UTF-8 strings of shape `(batch,)`, each of at most 64 KiB;
    - `embed_<modality>_raw`, where the preprocessor takes anything else
      that it declares (by `keras.Input`) or that `evaluation` shows.

    The input is named as the modality is, the output `embedding`, float32 of
    shape `(batch, embedding_dim)`.

    Of a `VAEModel`, they are:

    - `encode_<modality>`, with `_bytes`, `_string` and `_raw` as above, gives
      `mean` and `log_variance` of `q(z|x_m)`, of shape `(batch,
      latent_dim)`; `encode_all` those of `q(z|X)`, from all modalities
      (preprocessed), where there are several;
    - `decode_<modality>` takes `z`, `(batch, latent_dim)`, and gives the
      mean of `p(x_m|z)`, named as the modality is: of classes and tokens the
      probabilities, of a `TextDecoder` the most probable token ids, each
      given those before. Where the modality has a `TextPreprocessor` without
      n-grams, there are the texts too, UTF-8 of shape `(batch,)`, in
      `<modality>_string`;
    - `translate_<source>_to_<target>`, and `translate_<source>_bytes_to_...`
      where the source has such an endpoint, takes the source and `seed`,
      int32 of shape `(batch,)`, and gives the mean of the target at a sample
      of `q(z|x_source)`. A row's seed decides its sample, whatever else is
      in the batch.

    Private latents are 0, their prior's mean. With the objective `CVAE`, the
    prior `p(z|condition)` takes the place of `q`, and nothing decodes without
    a condition. A model of one tensor has the signatures `encode`, `decode`
    and `translate` instead, with the input `x` and the output `y`.

    Of a `CycleGANModel`, they are `translate_<source>_to_<target>`, both ways.

    Of a `GANModel`, they are `generate`, which takes the condition and `seed`,
    int32 of shape `(batch,)`, and gives what `model.generate` makes of these
    seeds (`seed=[3, 8]`, one for each row), and `generate_from_z`, with noise
    `z` of shape `(batch, latent_dim)` in its place; both with `_bytes`,
    `_string` and `_raw` as above. Condition and output are named as their
    modalities are, or else `x` and `y`.

    With `search=index`, there are also `search_<queries>_to_<modality>`, with
    `_bytes`, `_string` and `_raw` as above (`search_text_string_to_image`),
    from each modality that an `EmbeddingModel` or a `VAEModel` encodes to each
    one of the index. The index lies inside the file, and the outputs are those
    of `index.search`: `ids`, of shape `(batch, k)`, best first, each once, and
    `scores`, their float32 cosine similarities, from -1 to 1. Every row is
    compared, and ties come in the order of the rows. Strings are served as
    UTF-8, dates as ISO 8601 strings (`2024-05-01`), numbers as they are. A
    query whose embedding is not finite has the scores NaN. Rows that are added
    later need another export: where they often change, or where there are
    more than a million, serve `embed_<modality>` and search beside it.

    The batch size is open, so that a server may batch requests: no row
    depends on another, if the encoders ignore padding where the length of
    texts is open. `serving_default` is the first signature, on raw input if
    there is one. An `EmbeddingModel` of one tensor has the signature `embed`
    with the input `x`.

    A preprocessor takes pictures if it has a method `decode`, as
    `kx.networks.ImagePreprocessor`, or if the encoder's input has the shape
    `(batch, height, width, channels)`; it takes texts if it is a
    `keras.layers.TextVectorization`, as `kx.networks.TextPreprocessor`, or
    declares strings, or if `evaluation` holds strings.

    What was written is loaded again, run and compared with Keras, on single
    examples and on batches, before it appears at `path`. On any failure
    nothing stays there. The report is also kept beside the model's own files,
    in `assets.extra/report.json`, which TensorFlow Serving ignores.

    Args:
        model: Any model of this package.
        path: Folder to create. TensorFlow Serving expects the last part to
            be a version number, as in `"emoji/1"`.
        evaluation: Pair `(x, ids)` to compare on, instead of made-up inputs:
            a dict of raw examples by modality, and one id per example, equal
            where two examples describe the same item, or None.
        search: `kx.retrieval.ExactIndex` of the model, to be served with it,
            or None.
        k: Positive integer, ids that a search returns; all of them if a
            modality of the index has fewer. It is the same for all requests,
            so that a server may batch them.
        input_signature: Dict by modality of `tf.TensorSpec`, the preprocessed
            input, for encoders that do not declare theirs by `keras.Input`.
        batch_size: Integer, examples run at once in the comparison.
        tolerance: Float, the largest absolute error allowed. It grows with
            the largest value of an output if that is above 1. Defaults to
            1e-5, and 2e-2 for models in mixed or half precision. Of token
            ids, the error is how far the logits of the tokens are below the
            largest ones.

    Returns:
        Dict with the keys `format`, `bytes` (of all files), `max_abs_error`
        (the worst endpoint's) and `endpoints`: by name, `max_abs_error`,
        `num_examples`, the `inputs` and, the first of them, the `input`. Of
        embeddings, also `mean_cosine` and `min_cosine` in both places. `sha256`
        has the digest of each file. With `search`, also `search`: the number
        of `rows` by modality, the `sha256` of the index and `k`. With an
        evaluation set of modalities that the model compares, `R@1_before`
        and `R@1` after the export, means over the directions, and `retrieval`:
        `{"image_to_text": {"before": {...}, "after": {...}}, ...}` as from
        `kx.metrics.retrieval_report`, equal examples of one id counted once.

    Raises:
        TypeError: If an argument has the wrong type.
        ValueError: If the input of a modality is not known, `evaluation` or
            `search` does not fit or the model's outputs are not finite.
        FileExistsError: If there is something at `path`.
        RuntimeError: If the exported model differs from Keras or the index.

    Example:
        ```python
        import tempfile
        import tensorflow as tf
        import keras_xmodal as kx

        model = kx.EmbeddingModel({"image": 12, "text": 7}, 4)
        path = tempfile.mkdtemp() + "/vectors/1"
        report = kx.export.saved_model(model, path)
        print(report["max_abs_error"] < 1e-5)  # True

        signatures = tf.saved_model.load(path).signatures
        x = tf.ones((2, 12))
        print(signatures["embed_image"](image=x)["embedding"].shape)  # (2, 4)

        index = kx.retrieval.ExactIndex(model)
        index.add({"image": tf.random.normal((5, 12))}, ids=list("abcde"))
        path = tempfile.mkdtemp() + "/search/1"
        kx.export.saved_model(model, path, search=index, k=2)
        signatures = tf.saved_model.load(path).signatures
        found = signatures["search_image_to_image"](image=x)
        print(found["ids"], found["scores"])  # two of each, for each row of x

        model = kx.VAEModel({"image": 12, "text": 7}, 4)
        path = tempfile.mkdtemp() + "/translation/1"
        kx.export.saved_model(model, path)
        signatures = tf.saved_model.load(path).signatures
        translate = signatures["translate_image_to_text"]
        print(translate(image=x, seed=tf.constant([3, 8]))["text"].shape)
        ```
    """
    examples, ids = check_arguments(
        model, path, evaluation, batch_size, tolerance
    )
    further, served = (), {}
    if search is not None:
        further = _check_index(search).endpoints(model, k)
        served = {"search": {**describe_index(search), "k": int(k)}}
    towers = find_inputs(model, examples, input_signature)
    signatures = find_signatures(model, towers, further=further, texts=True)
    default = next((s for s in signatures[:2] if s.raw), signatures[0])
    tolerance = choose_tolerance(model, tolerance)
    with files.new_folder(path) as folder:
        archive.write_archive(model, signatures, folder, default.name)
        comparison = report.compare(
            model,
            signatures,
            archive.read_archive(folder, [s.name for s in signatures]),
            (examples, ids),
            batch_size,
            tolerance,
        )
        for signature in signatures:
            comparison["endpoints"][signature.name].update(
                report.describe(signature)
            )
        result = {
            "format": "saved_model",
            **report.written_by(),
            "bytes": report.total_bytes(folder),
            **served,
            **comparison,
        }
        return write_report(result, folder, extra=True)


def _check_index(search):
    if not callable(getattr(search, "endpoints", None)) or isinstance(
        search, keras.Model
    ):
        raise TypeError(
            "`search` must be an index, such as `kx.retrieval.ExactIndex`. "
            f"Received: search of type {type(search).__name__}"
        )
    return search
