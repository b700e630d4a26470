"""Runs of coloured shapes that are drawn, named and played, and generators."""

import itertools

import keras
import numpy as np
import pytest

import keras_xmodal as kx
from keras_xmodal.media.gif import encode_gif
from keras_xmodal.media.wav import encode_wav
from keras_xmodal.play.cards import to_png

COLORS = {
    "red": (220, 40, 40),
    "green": (40, 170, 60),
    "blue": (50, 70, 220),
    "yellow": (240, 210, 40),
}
SHAPES = ("circle", "square", "bar")
NAMES = [
    f"{color} {shape}" for color, shape in itertools.product(COLORS, SHAPES)
]
KINDS = {"image": "image", "text": "text", "speech": "speech"}
RATE = 8000
NUM_TOKENS = 2 + len(COLORS) + len(SHAPES)  # and padding and the unknown


def draw(name):
    """A picture of a shape, uint8 of shape (32, 32, 3)."""
    color, shape = name.split()
    y, x = np.mgrid[-1:1:32j, -1:1:32j]
    inside = {
        "circle": x**2 + y**2 < 0.5,
        "square": np.maximum(abs(x), abs(y)) < 0.6,
        "bar": (abs(x) < 0.9) & (abs(y) < 0.2),
    }[shape]
    return np.where(inside[..., None], COLORS[color], 255).astype("uint8")


def play(name):
    """A recording: a tone of a height of its own."""
    frequency = 300 * 1.2 ** NAMES.index(name)
    tone = np.sin(2 * np.pi * frequency * np.arange(RATE // 4) / RATE)
    return encode_wav(0.5 * tone, RATE)


def clip(name):
    """A clip in which a shape goes away."""
    frames = [draw(name), 128 + draw(name) // 2, np.full((32, 32, 3), 255)]
    return encode_gif(np.stack(frames).astype("uint8"))


def text_preprocessor(length=2, **arguments):
    texts = kx.networks.TextPreprocessor(sequence_length=length, **arguments)
    texts.adapt(NAMES)
    return texts


def bag_of_words(length=2, num_tokens=NUM_TOKENS):
    return keras.Sequential(
        [
            keras.Input((length,), dtype="int32"),
            keras.layers.CategoryEncoding(num_tokens, "multi_hot"),
        ]
    )


def make_model():
    """Colors and shapes as axes of the space, found in closed form."""
    flatten = keras.layers.Flatten
    model = kx.EmbeddingModel(
        encoders={
            "image": keras.Sequential([keras.Input((8, 8, 3)), flatten()]),
            "text": bag_of_words(),
            "speech": keras.Sequential([keras.Input((25, 20)), flatten()]),
        },
        embedding_dim=len(COLORS) + len(SHAPES),
        preprocessors={
            "image": kx.networks.ImagePreprocessor((8, 8)),
            "text": text_preprocessor(),
            "speech": kx.networks.SpeechPreprocessor(
                duration=0.25, num_mel_bins=20
            ),
        },
    )
    words = [*COLORS, *SHAPES]
    targets = np.array([[w in name.split() for w in words] for name in NAMES])
    x = {
        "image": np.stack([draw(name) for name in NAMES]),
        "text": np.array(NAMES),
        "speech": np.array([play(name) for name in NAMES], object),
    }
    model.encode(x)
    for modality, examples in x.items():
        kx.models.ridge_warm_start(
            model, {modality: examples}, targets.astype("float32"), 1e-4
        )
    return model


def make_gan():
    """Pictures of texts, untrained."""
    keras.utils.set_random_seed(0)
    gan = kx.GANModel(
        generator=kx.networks.ConvGenerator(
            (8, 8, 3), filters=(8,), activation="sigmoid"
        ),
        discriminator=kx.networks.ConvDiscriminator(filters=(8,)),
        latent_dim=4,
        condition_encoder=bag_of_words(),
        condition="text",
        target="image",
        preprocessors={
            "text": text_preprocessor(),
            "image": kx.networks.ImagePreprocessor((8, 8)),
        },
        seed=0,
    )
    gan.generate({"text": np.array(NAMES[:2])}, seed=0)
    return gan


def make_vae(objective=None):
    """Pictures and texts, untrained."""
    keras.utils.set_random_seed(0)
    layers = keras.layers
    texts = text_preprocessor(3, end_token=True)
    image = [keras.Input((8, 8, 3)), layers.Flatten(), layers.Dense(8, "relu")]
    vae = kx.VAEModel(
        latent_dim=4,
        encoders={
            "image": keras.Sequential(image),
            "text": bag_of_words(3, texts.vocabulary_size()),
        },
        decoders={
            "image": keras.Sequential(
                [layers.Dense(192), layers.Reshape((8, 8, 3))]
            ),
            "text": kx.networks.TextDecoder(
                texts.vocabulary_size(),
                3,
                hidden_dim=8,
                num_layers=1,
                num_heads=1,
                end_id=texts.end_id,
            ),
        },
        likelihoods={
            "image": "bernoulli",
            "text": kx.likelihoods.TokenSequence(texts.vocabulary_size()),
        },
        preprocessors={
            "image": kx.networks.ImagePreprocessor((8, 8)),
            "text": texts,
        },
        objective=objective,
        seed=0,
    )
    vae.translate({"text": np.array(NAMES[:2])}, to="image", seed=0)
    return vae


def make_loud_vae():
    """Recordings, clips and numbers of texts, untrained."""
    keras.utils.set_random_seed(0)
    layers = keras.layers
    shapes = {"speech": (25, 20), "video": (3, 8, 8, 3), "color": (3,)}
    encoders = {
        name: keras.Sequential([keras.Input(shape), layers.Flatten()])
        for name, shape in shapes.items()
    }
    decoders = {
        name: keras.Sequential(
            [layers.Dense(int(np.prod(shape))), layers.Reshape(shape)]
        )
        for name, shape in shapes.items()
    }
    vae = kx.VAEModel(
        latent_dim=4,
        encoders=encoders,
        decoders=decoders,
        likelihoods={
            "speech": "bernoulli",
            "video": "bernoulli",
            "color": "normal",
        },
        preprocessors={
            "speech": kx.networks.SpeechPreprocessor(
                duration=0.25, num_mel_bins=20
            ),
            "video": kx.networks.VideoPreprocessor(3, (8, 8)),
        },
        seed=0,
    )
    vae.translate({"color": np.ones((1, 3), "float32")}, "speech", seed=0)
    return vae


def write_run(folder, generator=None):
    """A run folder, with the files of its items beside it."""
    files = folder / "files"
    files.mkdir(parents=True)
    items = {"image": {}, "text": {}, "speech": {}}
    for number, name in enumerate(NAMES):
        (files / f"{number}.png").write_bytes(to_png(draw(name)))
        (files / f"{number}.wav").write_bytes(play(name))
        known = {"item": str(number), "captions": [name]}
        for modality, suffix in (("image", "png"), ("speech", "wav")):
            file = f"{number}.{suffix}"
            items[modality][file] = {"file": str(files / file), **known}
        items["text"][name] = {
            "text": name,
            "item": str(number),
            "captions": [],
        }
    report = {
        "modalities": {
            name: {"kind": kind, "columns": [name]}
            for name, kind in KINDS.items()
        },
        "plan": [["picture tower", "pixels", "twelve pictures"]],
        "data": {"path": "shapes.csv", "rows": len(NAMES)},
        "retrieval": {
            "validation": {"image_to_text": {"R@1": 1.0, "chance_R@1": 1 / 12}}
        },
    }
    kx.runs.write_run(
        folder / "shapes", make_model(), items, report, generator=generator
    )
    return kx.runs.Run.load(folder / "shapes")


@pytest.fixture(scope="session")
def run(tmp_path_factory):
    """A run that draws pictures of texts."""
    return write_run(tmp_path_factory.mktemp("run"), make_gan())


@pytest.fixture(scope="session")
def dropped(tmp_path_factory):
    """Files to drop, by their names."""
    folder = tmp_path_factory.mktemp("dropped")
    contents = {
        "red circle.png": to_png(draw("red circle")),
        "blue bar.wav": play("blue bar"),
        "clip.gif": clip("green square"),
        "notes.png": b"This is no picture.",
        "empty.png": b"",
        "cut.png": to_png(draw("red circle"))[:60],
        "song.mp3": b"ID3" + bytes(100),
    }
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    return {name: str(folder / name) for name in contents}
