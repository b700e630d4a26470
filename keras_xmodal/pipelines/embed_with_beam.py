"""A corpus, embedded by Apache Beam."""

import os
from typing import Any

from keras_xmodal.pipelines.beam_model_handler import load_handlers
from keras_xmodal.pipelines.engines import embed_with
from keras_xmodal.reports import Report


def embed_with_beam(
    model: str | os.PathLike,
    source: Any,
    out: str | os.PathLike,
    *,
    pipeline_options: Any = None,
    **arguments: Any,
) -> Report:
    """Embed a corpus with Apache Beam: on this machine, Dataflow, Flink, Spark.

    It writes the folder that `kx.retrieval.embed_corpus` writes, and goes on
    with one that this, that or Ray has begun: Beam's own sinks begin anew
    after a stop. A task is one shard, written beside its place, so that a
    task that is done twice, as runners may, writes the same file.

    It needs `pip install 'keras-xmodal[beam]'`.

    Args:
        model: Path of a `.keras` file or a SavedModel that all workers can
            read.
        source: As for `embed_corpus`, but for batches. Arrays are sent to all
            workers: a table is better.
        out: Path of a folder that all workers can write to.
        pipeline_options: `apache_beam.options.pipeline_options.PipelineOptions`,
            which say where it runs. Defaults to this process.
        **arguments: Further arguments of `embed_corpus`, by name, without
            `num_workers`, `worker` and `verbose`.

    Returns:
        As `embed_corpus`.

    Raises:
        TypeError: As `embed_corpus`, or if the source is of batches.
        ValueError: As `embed_corpus`.
        ImportError: If Apache Beam is not installed.

    Example:
        ```python
        import importlib.util

        import numpy as np
        import keras_xmodal as kx

        model = kx.EmbeddingModel({"image": 12, "text": 7}, 4)
        model({"image": np.ones((1, 12)), "text": np.ones((1, 7))})
        model.save("model.keras")
        rows = {"image": np.random.rand(10, 12)}
        if importlib.util.find_spec("apache_beam"):
            report = kx.pipelines.embed_with_beam("model.keras", rows, "vectors")
            print(report["complete"], report["embedded"])  # True 10
        ```
    """  # noqa: E501
    handlers = load_handlers("embed_with_beam")
    import apache_beam
    from apache_beam.ml.inference.base import RunInference

    def engine(work, numbers):
        with apache_beam.Pipeline(options=pipeline_options) as pipeline:
            (
                pipeline
                | apache_beam.Create(numbers)
                | apache_beam.Reshuffle()  # Else one worker has all.
                | RunInference(handlers.ShardHandler(work))
            )

    return embed_with(engine, model, source, out, arguments)
