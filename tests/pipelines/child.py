"""`python -m tests.pipelines.child ENGINE MODEL TABLE OUT [REPORT]`."""

import json
import pathlib
import sys

import keras_xmodal as kx

OPTIONS = {"ids": "name", "shard_size": 50, "batch_size": 25}


def embed(engine, model, table, out):
    if engine == "own":
        return kx.retrieval.embed_corpus(model, table, out, **OPTIONS)
    if engine == "beam":
        return kx.pipelines.embed_with_beam(model, table, out, **OPTIONS)
    import ray

    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    return kx.pipelines.embed_with_ray(model, table, out, **OPTIONS)


if __name__ == "__main__":
    report = embed(*sys.argv[1:5])
    for path in sys.argv[5:]:
        pathlib.Path(path).write_text(json.dumps(report))
