# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#     text_representation:
#       extension: .py
#       format_name: percent
#       format_version: '1.3'
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Serve it and ship it
#
# A model in a notebook helps nobody else. Here one goes out three ways: to a
# server that other programs ask, to a phone that has no TensorFlow, and into a
# web page that has no server. Each time the same three questions: what does
# the file take, is it still right, and how good and fast is it now?
#
# You should know Keras; tutorial 01 explains the model. It needs
# `pip install 'keras-xmodal[all]'`, and a few minutes.

# %%
import base64
import http.server
import json
import os
import pathlib
import shutil
import subprocess
import sys
import threading
import time

import keras
import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter
from google.protobuf import json_format
from IPython.display import Markdown, display
from tensorflow.core.protobuf import saved_model_pb2

import keras_xmodal as kx
from keras_xmodal.demo import recipe, run
from keras_xmodal.demo.questions import read_split

# With KERAS_XMODAL_FAST=1 everything runs as it is, for fewer epochs.
FAST = os.environ.get("KERAS_XMODAL_FAST") == "1"
tf.get_logger().setLevel("ERROR")

# %% [markdown]
# ## 1. A trained model
#
# The demo of the package trains an `EmbeddingModel` on 681 emoji and their
# names in six languages, and leaves a folder with the model and an index of all
# its pictures and names. This is what `keras-xmodal demo` does.

# %%
run.run("run", epochs=3 if FAST else 40, quiet=True)
index = kx.retrieval.ExactIndex.load("run")
model = index.model
ids, scores = index.search({"text": ["red apple"]}, k=3, modality="image")
print(ids[0], scores[0].round(2))

# %% [markdown]
# What follows measures on pictures of a drawing style that training never
# showed. `evaluation` is what all exports take for that: raw examples, and an
# id for each, equal where two examples show the same thing.

# %%
style = read_split("test_style")
evaluation = (
    {"image": style["image"], "text": np.array(style["text"])},
    style["id"],
)

# %% [markdown]
# ## 2. One file that holds all of it
#
# `kx.export.saved_model` writes the networks, the preprocessing, and with
# `search=` the index too. Who loads the folder needs TensorFlow, but neither
# Keras nor this package.
#
# Preprocessing belongs inside. Where each client resizes pictures in its own
# way, and splits words in its own way, each client gets its own, slightly wrong
# answers, and no error says so.

# %%
report = kx.export.saved_model(
    model, "saved_model/1", evaluation, search=index, k=5
)
for name, fact in report["endpoints"].items():
    takes = fact["input"]
    kind = takes.get("holds", f"{takes['dtype']} {takes['shape'][1:]}")
    print(
        f"{name:29}{kind:23}error {fact['max_abs_error']:.0e}, "
        f"{fact['latency_ms']['1']:.1f} ms"
    )

# %% [markdown]
# Before the folder appeared, each of these was loaded, run on single examples
# and on batches, and compared with Keras. If one had differed by more than
# 1e-5, there would be an error, and no folder.
#
# The names say what goes in and what comes out. `_bytes` takes the content of
# picture files, `_string` texts; the others take what the preprocessor makes of
# them. Now as a program that knows none of our code:

# %%
loaded = tf.saved_model.load("saved_model/1")
picture = pathlib.Path("run/picture.png").read_bytes()
by_picture = loaded.signatures["search_image_bytes_to_text"]
by_words = loaded.signatures["search_text_string_to_image"]

print(by_picture(image=tf.constant([picture]))["ids"].numpy()[0][0].decode())
queries = ["red apple", "manzana roja", "umbrella", "ein trauriges Gesicht"]
found = by_words(text=tf.constant(queries))
print(found["ids"].shape, found["scores"].shape)

# %%
pictures = {}
for brackets, splits in (
    ("Noto", "train+test_concept"),
    ("Fluent", "test_style+test_style_concept"),
):
    rows = read_split(splits)
    for name, image in zip(rows["text"], rows["image"], strict=True):
        pictures[f"{name} ({brackets})"] = image

figure, grid = plt.subplots(4, 5, figsize=(7, 6.4), layout="constrained")
for axes, query, names, values in zip(
    grid,
    queries,
    found["ids"].numpy(),
    found["scores"].numpy(),
    strict=True,
):
    axes[0].set_ylabel(query, fontsize=9)
    for place, name, value in zip(axes, names, values, strict=True):
        place.imshow(pictures[name.decode()])
        place.set_title(f"{value:.2f}", fontsize=8)
        place.set(xticks=[], yticks=[])
        for spine in place.spines.values():
            spine.set_visible(False)
plt.show()

# %% [markdown]
# Every output has a row for each of the input, and no row depends on another.
# That is what lets a server put the requests of several clients into one batch.
# It is also why `k` is fixed at the export: a number that belongs to a whole
# batch could not be different for two requests in it.
#
# The report is a dict. It also makes a model card, which lies beside the file
# and is what a model hub shows:

# %%
card = report.model_card()
display(Markdown(card[card.index("\n# ") : card.index("## Signatures")]))

# %% [markdown]
# ## 3. A server
#
# TensorFlow Serving loads such folders. Around them it needs some files that
# are easy to get wrong without an error: which batch sizes to compute at, what
# to run before the first request, which port to watch. `kx.export.serving`
# writes them.

# %%
report = kx.export.serving(model, "server", name="emoji", search=index)
for path in sorted(pathlib.Path("server").rglob("*")):
    if path.is_file() and "variables" not in path.parts:
        print(f"{path.stat().st_size:>10,}  {path.relative_to('server')}")

# %% [markdown]
# With Docker, the server starts by `docker compose up` in that folder, and its
# `README.md` has a request by curl and by Python for each signature. The first
# request of a process would wait until TensorFlow has optimised the graph; the
# warm-up records make the server do that before it answers.

# %%
readme = pathlib.Path("server/README.md").read_text()
start = readme.index("### `search_text_string_to_image`")
display(Markdown(readme[start : readme.index("###", start + 3)]))

# %% [markdown]
# A notebook has no Docker, so the following twenty lines stand in for
# TensorFlow Serving: they answer over REST what its documentation says, from
# the same folder. With a real server you leave this cell out.


# %%
class StandIn(http.server.BaseHTTPRequestHandler):
    """What a model takes and gives (GET), and what it answers (POST)."""

    served = tf.saved_model.load("server/emoji/1")
    proto = saved_model_pb2.SavedModel.FromString(
        pathlib.Path("server/emoji/1/saved_model.pb").read_bytes()
    )

    def do_GET(self):
        described = {
            name: json_format.MessageToDict(
                signature, preserving_proto_field_name=True
            )
            for name, signature in self.proto.meta_graphs[
                0
            ].signature_def.items()
        }
        described = {"signature_def": {"signature_def": described}}
        self.answer(200, {"metadata": described})

    def do_POST(self):
        length = int(self.headers["Content-Length"])
        body = json.loads(self.rfile.read(length))
        inputs = {
            name: tf.constant(
                [
                    base64.b64decode(v["b64"]) if isinstance(v, dict) else v
                    for v in values
                ]
            )
            for name, values in body["inputs"].items()
        }
        signature = self.served.signatures[body["signature_name"]]
        try:
            outputs = signature(**inputs)
        except tf.errors.InvalidArgumentError as error:
            self.answer(400, {"error": error.message})
            return
        outputs = {name: value.numpy() for name, value in outputs.items()}
        for name, value in outputs.items():
            if value.dtype == object:
                value = np.char.decode(value.astype("S"))
            outputs[name] = value.tolist()
        if len(outputs) == 1:
            (outputs,) = outputs.values()
        self.answer(200, {"outputs": outputs})

    def answer(self, status, content):
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        """Say nothing."""


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), StandIn)
threading.Thread(target=server.serve_forever, daemon=True).start()
url = f"http://127.0.0.1:{server.server_port}"

# %% [markdown]
# `kx.serving.Client` asks it, over REST or gRPC. It learns from the server what
# each signature takes, sends pictures as they must be sent, splits what is too
# large for one request, and sends again what a server could not take.

# %%
client = kx.serving.Client(url, "emoji")
print(sorted(client.signatures()))
outputs = client.predict(
    {"text": ["red apple", "ein Baum"]}, "search_text_string_to_image"
)
for row in outputs["ids"]:
    print(row[:3])
outputs = client.predict({"image": [picture]}, "search_image_bytes_to_text")
print(outputs["ids"][0][:3], outputs["scores"][0][:3].round(2))

# %% [markdown]
# What cannot be right is refused before it is sent, or by the server, and
# either way the error says why:

# %%
for inputs, signature in (
    ({"image": np.ones((1, 8, 8, 3))}, "embed_image"),
    ({"text": [3.5]}, "search_text_string_to_image"),
    ({"image": [b"no picture"]}, "search_image_bytes_to_text"),
):
    try:
        client.predict(inputs, signature)
    except (TypeError, ValueError) as error:
        print(f"{type(error).__name__}: {error}\n")

# %%
seconds = []
for _ in range(50):
    start = time.perf_counter()
    client.predict({"text": ["red apple"]}, "search_text_string_to_image")
    seconds.append(time.perf_counter() - start)
low, high = 1e3 * np.percentile(seconds, [50, 99])
print(f"one question: {low:.1f} ms, the slowest of a hundred {high:.1f} ms")
client.close()
server.shutdown()

# %% [markdown]
# ## 4. A phone
#
# LiteRT, once TensorFlow Lite, runs a model in a few megabytes of code. It has
# no strings and no picture formats, so the preprocessing stays outside: the
# folder holds the vocabularies, and the report how they are used. Nor has it
# room: most of this model is a table of 40,000 English words.
#
# Weights in 16 bits are half as large, those in 8 bits a quarter. For
# `"int8"`, the ranges of all products are measured on some hundred examples;
# what lies beyond them is cut off, so they should hold the extremes too, such
# as the shortest and the longest names.

# %%
train = recipe.read_train()
representative = {"image": train["image"], "text": train["texts"][:, 0]}
rows = []
for quantization in (None, "float16", "dynamic", "int8"):
    report = kx.export.litert(
        model,
        f"phone/{quantization or 'float32'}",
        evaluation,
        quantization,
        representative=representative if quantization == "int8" else None,
        search=index,
    )
    endpoints = report["endpoints"]
    rows.append(
        f"{quantization or 'float32':10}{report['bytes'] / 1e6:6.1f} MB   "
        f"R@1 {report['R@1']:.3f}   smallest cosine "
        f"{report['min_cosine']:.4f}   picture "
        f"{endpoints['embed_image']['latency_ms']['1']:.2f} ms, text "
        f"{endpoints['embed_text']['latency_ms']['1']:.2f} ms"
    )
print("\n".join(rows))

# %% [markdown]
# R@1 is the share of names and pictures whose partner comes first; one standard
# error is about 0.019 here. So the quarter costs nothing that this test can
# see.
#
# A file may be right for one example and wrong for the next: each was run at
# batches of 1, 64, 1 and 7 in one interpreter, before it counted. On the device
# it takes five lines:

# %%
interpreter = Interpreter("phone/int8/image.tflite")
embed = interpreter.get_signature_runner("embed_image")
pixels = style["image"][:2] / np.float32(255)
print(embed(image=pixels)["embedding"].shape)

# %% [markdown]
# And `search.py` in the folder is all of it, in NumPy and LiteRT: tokens,
# pictures, and the search. Here in a process that cannot import TensorFlow:

# %%
command = (
    "import sys, runpy; sys.modules['tensorflow'] = None; "
    "runpy.run_path('phone/int8/search.py', run_name='__main__')"
)
asked = subprocess.run(
    [sys.executable, "-c", command, "una manzana roja", "run/picture.png"],
    capture_output=True,
    text=True,
    check=True,
)
print(asked.stdout)

# %% [markdown]
# ## 5. Smaller than eight bits
#
# Smaller still is another network. A student learns from the embeddings of the
# model: it needs no pairs, only texts, and so it may read 40,000 words that no
# picture shows. Its n-grams are fewer and its vectors shorter, so it cannot
# give the same embeddings. `SimilarityDistillation` asks for what counts: to
# find among the pictures what the large tower finds.

# %%
words, _ = kx.networks.word_vectors()
captions = np.unique(train["texts"])
texts = kx.networks.TextPreprocessor(
    max_tokens=8000, split="character", ngrams=(1, 2, 3, 4), sequence_length=112
)
texts.adapt(np.concatenate([captions, captions, words]))
student = kx.EmbeddingModel(
    encoders={"text": kx.networks.TextEncoder(texts.vocabulary_size(), 64)},
    embedding_dim=model.embedding_dim,
    preprocessors={"text": texts},
)
student.compile(
    keras.optimizers.Adam(5e-3),
    kx.losses.SimilarityDistillation(model.encode(train["image"], "image")),
)
x = {"text": np.concatenate([np.tile(captions, 4), words])}
targets = model.encode(x)
student.fit(x, targets, batch_size=256, epochs=1 if FAST else 8, verbose=0)
small = kx.models.replace_towers(model, student)
report = kx.export.litert(
    small, "phone/small", evaluation, "int8", representative=representative
)
print(f"R@1 {report['R@1']:.3f}, and the text tower:")
print(f"{report['endpoints']['embed_text']['bytes'] / 1e6:.2f} MB")

# %% [markdown]
# `benchmarks/README.md` has three seeds of it, beside the same small tower
# trained without a teacher. For texts it pays; for pictures and speech it does
# not, and eight bits are the better bargain there.
#
# ## 6. A web page without a server
#
# The same files run in a browser, by LiteRT.js, and the preprocessing in
# JavaScript. `kx.export.web` writes a folder that any server of files serves,
# or a page on a static host: what is typed, and the picture that is dropped,
# never leave the browser. LiteRT.js comes from npm, once.

# %%
if shutil.which("npm") is None:
    print("Without npm there is no page here.")
else:
    report = kx.export.web(
        model,
        index,
        "page",
        thumbnails=dict(np.load("run/thumbnails.npz")),
        title="Emoji",
        quantization="dynamic",
    )
    print(f"{report['download_bytes'] / 1e6:.1f} MB before the first query")

# %% [markdown]
# `python -m http.server --directory page` shows it, at
# http://localhost:8000:
#
# ![The page in a browser](../docs/browser.png)
#
# ## 7. Once more, elsewhere
#
# A file that was right here may meet another version of its runtime there.
# `kx.export.verify` loads and runs it again, wherever it is: each row must be
# the same in batches of 1, 64, 1 and 7, and with the model at hand equal to
# Keras.

# %%
for path in ("server/emoji/1", "phone/float32", "phone/int8"):
    alone = kx.export.verify(path)
    beside = kx.export.verify(path, model, search=index)
    print(
        f"{path:16}between batches {alone['max_abs_error']:.0e}, "
        f"against Keras {beside['max_abs_error']:.0e}"
    )

# %% [markdown]
# The command line does all of this too:
#
# ```
# keras-xmodal export run --format saved_model,serving,litert,onnx,web
# keras-xmodal verify keras-xmodal-export --model run
# ```
#
# ## What to take along
#
# - Put preprocessing and search into the file, so that there is one way to ask.
# - Compare every file with Keras on real examples, at several batch sizes, and
#   measure the task, not only the error.
# - Eight bits cost less than one thinks, above all of tables.
# - A model that answers wrong inputs with a rule is easier to live with than
#   one that answers them with numbers.
