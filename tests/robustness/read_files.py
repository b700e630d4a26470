"""Give wrong files of a format to all that read files: `python -m ... FORMAT`.

Prints as JSON what was found: how many files each reader took, its worst time,
the memory, and each file on which readers do not agree or that raised an error
which does not say the rule.
"""

import io
import json
import resource
import sys
import tempfile
import time

import keras
import numpy as np
import tensorflow as tf
from PIL import Image

import keras_xmodal as kx
from keras_xmodal.media.image import is_whole_image
from keras_xmodal.media.wav import is_whole_wav
from tests.robustness.mutations import mutations

FORMATS = ("png", "jpeg", "gif", "webp", "bmp", "wav", "mp4")
AGREE = (
    "is_whole",
    "decode_wav",
    "preprocessor",
    "graph",
    "encode",
    "search",
)
ERRORS = (ValueError, tf.errors.InvalidArgumentError)


def frames():
    random = np.random.default_rng(0)
    colors = random.integers(0, 256, (3, 6, 8, 3)).astype("uint8")
    return [Image.fromarray(color).resize((24, 18)) for color in colors]


def pictures(kind):
    """Pictures of all modes, and clips."""
    contents = []
    modes = ("1", "L", "P", "RGB", "RGBA", "LA", "CMYK")
    for mode in modes:
        for options in ({}, {"save_all": True}, {"exif": b"Exif\0\0II*\0"}):
            file = io.BytesIO()
            first, *others = [frame.convert(mode) for frame in frames()]
            if "save_all" in options:
                options = {**options, "append_images": others}
            try:
                first.save(file, kind, **options)
            except (OSError, KeyError, ValueError):
                continue
            contents.append(file.getvalue())
    return list(dict.fromkeys(contents))


def recordings():
    tone = np.sin(np.arange(4000) / 5)
    contents = []
    with tempfile.TemporaryDirectory() as folder:
        for rate in (8000, 11025):
            kx.datasets.write_wav(f"{folder}/tone.wav", tone, rate)
            with open(f"{folder}/tone.wav", "rb") as file:
                contents.append(file.read())
    return contents


def clips():
    import av

    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        stream = container.add_stream("mpeg4", rate=8)
        stream.width, stream.height, stream.pix_fmt = 24, 18, "yuv420p"
        for frame in frames():
            container.mux(stream.encode(av.VideoFrame.from_image(frame)))
        container.mux(stream.encode())
    return [file.getvalue()]


class Reader:
    """Reads a file, and keeps whether it did, and how long it took."""

    def __init__(self, read):
        self.read, self.taken, self.seconds = read, 0, 0.0

    def __call__(self, content):
        """Whether it reads the file, or what was unclear about the error."""
        start = time.monotonic()
        try:
            result = self.read(content)
        except ERRORS as error:
            lines = getattr(error, "message", str(error))
            # In a graph, TensorFlow's decoders speak for themselves.
            decoder = isinstance(error, tf.errors.InvalidArgumentError)
            clear = " must " in lines and "Received" in lines
            clear |= decoder and "Detected at node" in lines
            result = False if clear else f"{type(error).__name__}: {lines}"
        except Exception as error:
            result = f"{type(error).__name__}: {error}"
        self.seconds = max(self.seconds, time.monotonic() - start)
        self.taken += result is True
        return result


def finite(values):
    """True, where all values are finite numbers."""
    if not np.isfinite(values).all():
        raise ArithmeticError("NaN or infinity")
    return True


def readers(kind):
    """By name, all that read a format, those that must agree first."""
    found = {}
    if kind == "mp4":
        found["read_video"] = lambda c: finite(kx.datasets.read_video(c, 2))
        return {name: Reader(read) for name, read in found.items()}
    if kind == "wav":
        layer = kx.networks.SpeechPreprocessor(duration=0.5)
        found["is_whole"] = is_whole_wav
        found["decode_wav"] = lambda c: finite(kx.datasets.decode_wav(c)[0])
    else:
        layer = kx.networks.ImagePreprocessor((8, 8))
        found["is_whole"] = is_whole_image
    graph = tf.function(layer, input_signature=[tf.TensorSpec((1,), tf.string)])
    found["preprocessor"] = lambda c: finite(layer([c]))
    found["graph"] = lambda c: finite(graph(tf.constant([c])))
    shape = layer.compute_output_shape((None,))[1:]
    model = kx.EmbeddingModel(
        encoders={
            "file": keras.Sequential(
                [keras.Input(shape), keras.layers.Flatten()]
            ),
            "text": keras.layers.Dense(4),
        },
        embedding_dim=4,
        preprocessors={"file": layer},
    )
    index = kx.retrieval.ExactIndex(model)
    index.add(np.eye(4, dtype="float32"), np.arange(4), modality="file")
    found["encode"] = lambda c: finite(model.encode([c], "file"))
    found["search"] = lambda c: finite(index.search({"file": [c]}, k=1)[1])
    if kind in ("gif", "png", "webp", "jpeg", "bmp"):
        video = kx.networks.VideoPreprocessor(2, (8, 8))
        found["video preprocessor"] = lambda c: finite(video([c]))
        found["read_video"] = lambda c: finite(kx.datasets.read_video(c, 2))
    return {name: Reader(read) for name, read in found.items()}


def main(kind, count):
    if kind == "mp4":
        contents = clips()
    else:
        contents = recordings() if kind == "wav" else pictures(kind)
    tools = readers(kind)
    for tool in tools.values():  # What is traced once is no file's fault.
        tool(contents[0])
        tool.taken, tool.seconds = 0, 0.0
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    wrong = []
    for number, content in enumerate(mutations(contents, count)):
        results = {name: tool(content) for name, tool in tools.items()}
        unclear = {n: r for n, r in results.items() if not isinstance(r, bool)}
        agree = {results[name] for name in AGREE if name in results}
        # Of a GIF, those that take one frame need not look at the others.
        one = kind == "gif" and results["is_whole"] is False
        if unclear or (len(agree) > 1 and not one):
            wrong.append([number, str(results)[:600], content[:40].hex()])
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    report = {
        "files": number + 1,
        "taken": {name: tool.taken for name, tool in tools.items()},
        "seconds": max(tool.seconds for tool in tools.values()),
        "megabytes": (memory - before) / 1024,
        "wrong": wrong,
    }
    sys.stdout.write(json.dumps(report))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
