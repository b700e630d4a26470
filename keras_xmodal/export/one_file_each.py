"""Formats in which each signature is a file."""

from keras_xmodal.export import report
from keras_xmodal.export.batches import BATCH_SIZES, call_inputs
from keras_xmodal.export.float32_twin import float32_twin
from keras_xmodal.export.vocabularies import (
    describe_preprocessing,
    write_all_vocabularies,
)


def write_files(
    model, towers, signatures, folder, write, evaluation, batch_size, tolerance
):
    """Write a file of each signature, and all vocabularies, and compare.

    Args:
        model: The model.
        towers: List of `Tower`.
        signatures: List of `Signature`, on preprocessed input.
        folder: Path.
        write: Function of the model in float32 and a signature, which writes
            the file and returns its path and a function that runs it.
        evaluation: Pair of examples and ids.
        batch_size: Integer.
        tolerance: Float.

    Returns:
        Comparison of `report.compare` with what is known of each file, and the
        functions that run them, by name of the signature.
    """
    twin = float32_twin(model, call_inputs(model, towers))
    vocabularies = write_all_vocabularies(model, towers, folder)
    facts, runners = {}, {}
    for signature in signatures:
        file, runners[signature.name] = write(twin, signature)
        facts[signature.name] = {
            "file": file.relative_to(folder).as_posix(),
            "bytes": file.stat().st_size,
            **report.describe(signature),
            **describe_preprocessing(model, signature, vocabularies),
        }
    comparison = report.compare(
        model,
        signatures,
        runners,
        evaluation,
        batch_size,
        tolerance,
        BATCH_SIZES,
    )
    for name, fact in facts.items():
        comparison["endpoints"][name].update(fact)
    return comparison, runners
