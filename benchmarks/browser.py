"""The demo's model in a browser: what it loads, how fast, how right it is.

    python -m benchmarks.browser RUN --out results.json

`RUN` is the folder of `keras-xmodal demo`. `kx.export.web` writes its model and
index with each quantization, and once with an index of 100,000 random rows;
`python -m http.server` serves the folder to headless Chromium. A load is from
the address to the first query being possible, in a new profile, a query from
the key or the drop to the hits being on the page: the texts are names in seven
languages, the pictures PNG files of 32 x 32 pixels and a JPEG photo of 12
megapixels. `equal` counts the queries whose ten hits are those of the same
files in Python, in the same order.
"""

import argparse
import base64
import contextlib
import io
import json
import pathlib
import re
import shutil
import statistics
import subprocess
import sys
import tempfile

QUANTIZATIONS = (None, "float16", "dynamic", "int8")
LOADS, QUERIES, PHOTOS = 5, 200, 20
LARGE = 100_000
PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
# Seconds of queries, and the hits of each.
ASK = """async ([texts, pictures, type]) => {
    const hits = document.querySelector("#hits");
    const answered = () => new Promise((resolve) => {
        const observer = new MutationObserver(() => {
            if (hits.ariaBusy !== "false") return;
            observer.disconnect();
            resolve();
        });
        observer.observe(hits, { attributeFilter: ["aria-busy"] });
    });
    const results = [];
    const run = async (start) => {
        const begin = performance.now();
        const end = answered();
        start();
        await end;
        const milliseconds = performance.now() - begin;
        const ids = [...hits.children].map((entry) => entry.dataset.id);
        results.push([milliseconds, ids]);
    };
    document.querySelector("#clear").click();
    for (const text of texts) {
        document.querySelector("#text").value = text;
        await run(() => document.querySelector("#form").requestSubmit());
    }
    for (const content of pictures) {
        const bytes = Uint8Array.from(atob(content), (c) => c.charCodeAt(0));
        const data = new DataTransfer();
        data.items.add(new File([bytes], "picture", { type }));
        await run(() => document.dispatchEvent(
            new DragEvent("drop", { dataTransfer: data, cancelable: true })));
    }
    return results;
}"""


@contextlib.contextmanager
def served(folder):
    """Address of a server of a folder."""
    command = [sys.executable, "-u", "-m", "http.server", "0"]
    process = subprocess.Popen(
        [*command, "--bind", "127.0.0.1", "--directory", folder],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        port = re.search(r"port (\d+)", process.stdout.readline())[1]
        yield f"http://127.0.0.1:{port}/"
    finally:
        process.kill()
        process.communicate()


def load(browser, address):
    """A page in a new profile, and the seconds until it is ready."""
    page = browser.new_context().new_page()
    page.goto(address, wait_until="commit")
    page.wait_for_selector("html[data-ready]", timeout=120_000)
    seconds = page.evaluate("performance.now() / 1000")
    return page, seconds


def loaded_bytes(page):
    """Bytes of all that the page has loaded."""
    return page.evaluate(
        """() => [
            ...performance.getEntriesByType("navigation"),
            ...performance.getEntriesByType("resource"),
        ].reduce((sum, entry) => sum + entry.transferSize, 0)"""
    )


def encode(image, kind):
    """Content of a picture file, and the same in base64."""
    stream = io.BytesIO()
    image.save(stream, kind)
    return stream.getvalue(), base64.b64encode(stream.getvalue()).decode()


def milliseconds(results):
    """Quantiles of the time of queries."""
    times = sorted(time for time, _ in results)
    return {
        "p50": round(statistics.median(times), 2),
        "p99": round(times[int(0.99 * (len(times) - 1))], 2),
    }


def measure(browser, folder, texts, images, photo):
    """Figures of a folder, and the hits of texts and pictures."""
    pictures = [encode(image, "png")[1] for image in images]
    with served(folder) as address:
        loads = []
        for _ in range(LOADS):
            page, seconds = load(browser, address)
            loads.append(seconds)
            if len(loads) < LOADS:
                page.context.close()
        size = loaded_bytes(page)
        page.evaluate(ASK, [texts[:10], pictures[:10], "image/png"])
        found = page.evaluate(ASK, [texts, pictures, "image/png"])
        photos = page.evaluate(ASK, [[], [photo] * PHOTOS, "image/jpeg"])
        page.context.close()
    by_text, by_picture = found[: len(texts)], found[len(texts) :]
    figures = {
        "megabytes": round(size / 1e6, 2),
        "load_seconds": round(statistics.median(loads), 3),
        "slowest_load_seconds": round(max(loads), 3),
        "text": milliseconds(by_text),
        "picture": milliseconds(by_picture),
        "photo": milliseconds(photos),
    }
    return figures, [hits for _, hits in found]


def hits_of_python(folder, index, texts, images):
    """Hits of the same files and rows, in Python."""
    import keras_xmodal as kx
    from keras_xmodal.export import search_script

    rounded = kx.retrieval.ExactIndex()
    with tempfile.TemporaryDirectory() as copy:
        copy = pathlib.Path(copy)
        for file in (*folder.glob("*.t*"), folder / "report.json"):
            shutil.copy(file, copy)
        report = json.loads((folder / "report.json").read_text("utf-8"))
        for name, rows in index._rows.items():
            dtype = report["index"][name]["dtype"]
            rounded.add(rows.embeddings.astype(dtype), rows.ids, name)
        rounded.save(copy / "index")
        search = search_script.Search(copy)
        size = search_script.image_size(search.endpoints["image"])
        hits = []
        for text in texts:
            x = search.tokenize([text], "text")
            found = rounded.search(search.embed(x, "text"), 10, "image")
            hits.append(found[0][0].tolist())
        for image in images:
            stream = io.BytesIO(encode(image, "png")[0])
            x = search_script.read_picture(stream, size)[None]
            target = "text" if "text" in index.modalities else "image"
            found = rounded.search(search.embed(x, "image"), 10, target)
            hits.append(found[0][0].tolist())
    return hits


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", metavar="RUN", type=pathlib.Path)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    arguments = parser.parse_args()

    import keras
    import numpy as np
    from PIL import Image
    from playwright.sync_api import sync_playwright

    import keras_xmodal as kx
    from keras_xmodal.demo.questions import read_split
    from keras_xmodal.demo.recipe import read_train

    model = keras.saving.load_model(arguments.run / "model.keras")
    index = kx.retrieval.ExactIndex.load(arguments.run, model)
    generator = np.random.default_rng(0)
    train = read_train()
    chosen = generator.choice(train["texts"].reshape(-1), QUERIES, False)
    texts = [str(text) for text in chosen]
    fluent = read_split("test_style+test_style_concept")["image"]
    noto = read_split("train+test_concept")["image"]
    images = [
        Image.fromarray(image)
        for image in fluent[generator.permutation(len(fluent))[:QUERIES]]
    ]
    photo = encode(Image.fromarray(fluent[0]).resize((4000, 3000)), "jpeg")[1]
    examples = generator.permutation(len(train["id"]))[:256]
    representative = {
        "image": train["image"][examples],
        "text": train["texts"][examples, 0],
    }
    large = kx.retrieval.ExactIndex(model)
    dim = model.encode(["a"], "text").shape[1]
    large.add(
        generator.normal(size=(LARGE, dim)).astype("float32"), modality="image"
    )
    cases = [(name, index) for name in QUANTIZATIONS]
    cases.append(("float16", large))
    program = next(filter(None, map(shutil.which, PROGRAMS)))
    table = []
    with (
        tempfile.TemporaryDirectory() as temporary,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(
            executable_path=program, args=["--no-sandbox"]
        )
        for number, (quantization, rows) in enumerate(cases):
            folder = pathlib.Path(temporary) / str(number)
            thumbnails = {"image": np.concatenate([noto, fluent])}
            kx.export.web(
                model,
                rows,
                folder,
                thumbnails=None if rows is large else thumbnails,
                quantization=quantization,
                representative=(
                    representative if quantization == "int8" else None
                ),
            )
            figures, hits = measure(browser, folder, texts, images, photo)
            expected = hits_of_python(folder, rows, texts, images)
            equal = [
                a == list(map(str, b))
                for a, b in zip(hits, expected, strict=True)
            ]
            row = {
                "quantization": quantization or "float32",
                "rows": sum(rows.sizes.values()),
                **figures,
                "equal": sum(equal),
                "queries": len(equal),
            }
            print(row, flush=True)
            table.append(row)
        version = browser.version
        browser.close()
    result = {"chromium": version, "table": table}
    arguments.out.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
