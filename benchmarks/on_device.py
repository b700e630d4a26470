"""Size, quality and latency of the demo's LiteRT files, per quantization.

    python -m benchmarks.on_device RUN --out results.json

`RUN` is the folder of `keras-xmodal demo`. The R@1 of each split is the mean of
both directions; `int8` is calibrated on 256 of the training's examples. Latency
is that of one preprocessed example in one `Interpreter`, whose quantizations
take turns; the medians of 7 rounds count.
"""

import argparse
import json
import pathlib
import statistics
import tempfile
import time

QUANTIZATIONS = (None, "float16", "dynamic", "int8")
CALLS, ROUNDS = 200, 7


def export_all(model, folder):
    """Export with each quantization; gives `{name: {modality: runner}}`."""
    import numpy as np

    import keras_xmodal as kx
    from keras_xmodal.demo.questions import read_split

    train = read_split("train")
    chosen = np.random.default_rng(0).permutation(len(train["id"]))[:256]
    representative = {
        "image": train["image"][chosen],
        "text": np.array(train["text"])[chosen],
    }
    sizes, runners = {}, {}
    for quantization in QUANTIZATIONS:
        name = quantization or "float32"
        report = kx.export.litert(
            model,
            folder / name,
            quantization=quantization,
            representative=representative if name == "int8" else None,
        )
        endpoints = report["endpoints"]
        sizes[name] = sum(fact["bytes"] for fact in endpoints.values())
        runners[name] = {
            endpoint.removeprefix("embed_"): runner(
                folder / name / fact["file"], endpoint
            )
            for endpoint, fact in endpoints.items()
        }
    return sizes, runners


def runner(file, name):
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(str(file))
    run = interpreter.get_signature_runner(name)
    modality = name.removeprefix("embed_")
    return lambda x: run(**{modality: x})["embedding"]


def recall(embed, x, ids):
    """Mean R@1 of both directions."""
    from keras_xmodal.metrics import retrieval_report

    embeddings = {name: embed[name](value) for name, value in x.items()}
    return statistics.mean(
        retrieval_report(
            embeddings[query], embeddings[found], ids[query], ids[found]
        )["R@1"]
        for query, found in (("image", "text"), ("text", "image"))
    )


def read(model, data):
    """Preprocessed batches of a split, a picture of several captions once."""
    import numpy as np

    _, first = np.unique(data["id"], return_index=True)
    raw = {"image": data["image"][first], "text": np.array(data["text"])}
    ids = {"image": data["id"][first], "text": data["id"]}
    x = model.preprocess(raw)
    return {name: np.asarray(value) for name, value in x.items()}, ids


def milliseconds(embed, x):
    """Latency of one example, by modality."""
    result = {}
    for name, value in x.items():
        start = time.perf_counter()
        for _ in range(CALLS):
            embed[name](value[:1])
        result[name] = 1000 * (time.perf_counter() - start) / CALLS
    return result


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", metavar="RUN", type=pathlib.Path)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    arguments = parser.parse_args()

    import keras

    from keras_xmodal.demo.questions import read_tests

    model = keras.saving.load_model(arguments.run / "model.keras")
    with tempfile.TemporaryDirectory() as folder:
        sizes, runners = export_all(model, pathlib.Path(folder))
        recalls = {name: {} for name in runners}
        for split, data in read_tests().items():
            x, ids = read(model, data)
            for name, embed in runners.items():
                recalls[name][split] = round(recall(embed, x, ids), 4)
        rounds = [
            {name: milliseconds(embed, x) for name, embed in runners.items()}
            for _ in range(ROUNDS)
        ]
    table = [
        {
            "quantization": name,
            "megabytes": round(size / 1e6, 2),
            "share": round(size / sizes["float32"], 3),
            "R@1": recalls[name],
            "milliseconds": {
                modality: round(
                    statistics.median(r[name][modality] for r in rounds), 3
                )
                for modality in x
            },
        }
        for name, size in sizes.items()
    ]
    arguments.out.write_text(json.dumps({"table": table}, indent=1) + "\n")
    for row in table:
        print(row)


if __name__ == "__main__":
    main()
