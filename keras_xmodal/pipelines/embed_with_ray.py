"""A corpus, embedded by Ray."""

import os
from typing import Any

from keras_xmodal import checks
from keras_xmodal.pipelines.engines import ShardWriter, embed_with
from keras_xmodal.reports import Report


def embed_with_ray(
    model: str | os.PathLike,
    source: Any,
    out: str | os.PathLike,
    *,
    num_actors: int = 2,
    num_cpus: float = 1,
    num_gpus: float = 0,
    **arguments: Any,
) -> Report:
    """Embed a corpus with the actors of a Ray cluster, or of this machine.

    It writes the folder that `kx.retrieval.embed_corpus` writes, and goes on
    with one that this, that or Beam has begun. Each actor loads the model once
    and writes whole shards beside their places; one that is lost is started
    again by Ray, and its shard done again.

    It needs `pip install 'keras-xmodal[ray]'`. Where Ray is not connected yet
    (`ray.init(address)`), it starts on this machine.

    Args:
        model: Path of a `.keras` file or a SavedModel that all nodes can read.
        source: As for `embed_corpus`, but for batches. Arrays are sent to all
            workers: a table is better.
        out: Path of a folder that all nodes can write to.
        num_actors: Positive integer, how many embed at the same time.
        num_cpus: CPUs of an actor.
        num_gpus: GPUs of an actor.
        **arguments: Further arguments of `embed_corpus`, by name, without
            `num_workers`, `worker` and `verbose`.

    Returns:
        As `embed_corpus`.

    Raises:
        TypeError: As `embed_corpus`, or if the source is of batches.
        ValueError: As `embed_corpus`.
        ImportError: If Ray is not installed.

    Example:
        ```python
        import importlib.util

        import numpy as np
        import keras_xmodal as kx

        model = kx.EmbeddingModel({"image": 12, "text": 7}, 4)
        model({"image": np.ones((1, 12)), "text": np.ones((1, 7))})
        model.save("model.keras")
        rows = {"image": np.random.rand(10, 12)}
        kx.retrieval.embed_corpus(model, rows, "vectors", verbose=0)
        if importlib.util.find_spec("ray"):  # nothing is left to do
            report = kx.pipelines.embed_with_ray("model.keras", rows, "vectors")
            print(report["complete"], report["embedded"])  # True 0
        ```
    """
    num_actors = checks.positive_integer("num_actors", num_actors)
    resources = {
        "num_cpus": checks.not_negative("num_cpus", num_cpus),
        "num_gpus": checks.not_negative("num_gpus", num_gpus),
    }
    ray_data = _load_ray()

    def engine(work, numbers):
        shards = ray_data.from_items([{"shard": n} for n in numbers])
        done = shards.map_batches(
            RayShards,
            fn_constructor_args=[work],
            batch_size=1,
            compute=ray_data.ActorPoolStrategy(
                size=min(num_actors, len(numbers))
            ),
            **resources,
        )
        for _ in done.iter_batches():
            pass

    return embed_with(engine, model, source, out, arguments)


class RayShards:
    """The actor of Ray: batches of numbers of shards to write.

    Args:
        work: `Work`.
    """

    def __init__(self, work):
        self._writer = ShardWriter(work)

    def __call__(self, batch: dict) -> dict:
        """Write shards; give the numbers of their rows."""
        return {"rows": [self._writer.write(int(n)) for n in batch["shard"]]}


def _load_ray():
    try:
        import ray.data
    except ImportError as error:
        raise ImportError(
            "`kx.pipelines.embed_with_ray` needs Ray: "
            "pip install 'keras-xmodal[ray]'"
        ) from error
    return ray.data
