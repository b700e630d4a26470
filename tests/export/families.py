"""A small model of each family over each modality, and what Keras gives.

All models take files: pictures, clips, recordings and texts. Two rows of a
batch are never equal.
"""

import dataclasses

import keras
import numpy as np
import tensorflow as tf

import keras_xmodal as kx
from keras_xmodal.media.gif import encode_gif
from keras_xmodal.media.wav import encode_wav
from keras_xmodal.ops import noise

layers, networks = keras.layers, kx.networks

DIM = 5
SIDE = 8
NUM_FRAMES = 4
LENGTH = 4
NUM_ROWS = 7
SMALL = {"hidden_dim": 8, "num_layers": 1, "num_heads": 2}
TEXTS = np.array(
    ["red", "a green pear", "pear", "red apple", "green", "круг", "a a a"]
)
KINDS = {
    "image": "_bytes",
    "photo": "_bytes",
    "painting": "_bytes",
    "speech": "_bytes",
    "voice": "_bytes",
    "whisper": "_bytes",
    "text": "_string",
    "video": "_bytes",
    "day": "_bytes",
    "night": "_bytes",
}


def preprocessor(name):
    if name in ("image", "photo", "painting"):
        return networks.ImagePreprocessor((SIDE, SIDE))
    if name in ("speech", "voice", "whisper"):
        return networks.SpeechPreprocessor(duration=0.1, num_mel_bins=8)
    if name in ("video", "day", "night"):
        return networks.VideoPreprocessor(NUM_FRAMES, (SIDE, SIDE))
    texts = networks.TextPreprocessor(sequence_length=LENGTH, end_token=True)
    texts.adapt(TEXTS[:5])
    return texts


SPEECH = (preprocessor("speech").num_frames, 8)
SHAPES = {
    "image": (SIDE, SIDE, 3),
    "speech": SPEECH,
    "video": (NUM_FRAMES, SIDE, SIDE, 3),
}
SIZE = preprocessor("text").vocabulary_size()
END = preprocessor("text").end_id


def preprocessors(names):
    return {name: preprocessor(name) for name in names}


def encoder(name, dtype):
    small = {**SMALL, "dtype": dtype}
    if name == "image":
        return networks.ImageEncoder((SIDE, SIDE), (4,), dtype=dtype)
    if name == "text":
        return networks.TransformerTextEncoder(SIZE, LENGTH, **small)
    if name == "speech":
        return networks.SpeechEncoder(*SPEECH, (4,), **small)
    return networks.VideoEncoder(NUM_FRAMES, (SIDE, SIDE), (4,), **small)


def decoder(name, dtype):
    if name == "image":
        return networks.ImageDecoder((SIDE, SIDE), filters=(4,), dtype=dtype)
    if name == "text":
        small = {**SMALL, "dtype": dtype}
        return networks.TextDecoder(SIZE, LENGTH, end_id=END, **small)
    if name == "speech":
        return networks.ConvGenerator(SPEECH, (4,), dtype=dtype)
    return networks.VideoDecoder(
        NUM_FRAMES, (SIDE, SIDE), filters=(4,), dtype=dtype
    )


def embedding(dtype=None):
    names = ("image", "text", "speech", "video")
    return kx.EmbeddingModel(
        encoders={name: encoder(name, dtype) for name in names},
        embedding_dim=DIM,
        preprocessors=preprocessors(names),
        dtype=dtype,
    )


def spelling(dtype=None):
    """What is heard and what is written, as pairs of letters."""
    texts = networks.TextPreprocessor(split="character", sequence_length=LENGTH)
    texts.adapt(TEXTS)
    size = texts.vocabulary_size()
    small = {**SMALL, "dtype": dtype}
    heard = keras.Sequential(
        [
            networks.SpeechEncoder(
                *SPEECH, (4,), return_sequences=True, **small
            ),
            layers.Dense(size, dtype="float32"),
            kx.layers.CTCBigramCounts(),
        ]
    )
    return kx.EmbeddingModel(
        encoders={"speech": heard, "text": kx.layers.BigramCounts(size)},
        embedding_dim=None,
        preprocessors={"speech": preprocessor("speech"), "text": texts},
        dtype=dtype,
    )


def vae(*names):
    def make(dtype=None):
        likelihoods = {
            "image": "continuous_bernoulli",
            "text": kx.likelihoods.TokenSequence(SIZE),
            "speech": "normal",
            "video": "bernoulli",
        }
        return kx.VAEModel(
            latent_dim=DIM,
            encoders={name: encoder(name, dtype) for name in names},
            decoders={name: decoder(name, dtype) for name in names},
            likelihoods={name: likelihoods[name] for name in names},
            objective=kx.objectives.MoPoE(),
            preprocessors=preprocessors(names),
            dtype=dtype,
        )

    return make


def gan(condition, target):
    def make(dtype=None):
        generator = networks.ConvGenerator(
            SHAPES.get(target, (LENGTH, SIZE)), (4,), dtype=dtype
        )
        if target == "text":
            noise, features = keras.Input((DIM,)), keras.Input((8,))
            words = kx.layers.GumbelSoftmax()(generator([noise, features]))
            generator = keras.Model([noise, features], words)
        network = encoder(condition, dtype)
        if condition == "image":
            head = layers.Dense(8, dtype=dtype)
            network = keras.Sequential([network, head])
        model = kx.GANModel(
            generator=generator,
            discriminator=networks.ConvDiscriminator((4,), dtype=dtype),
            latent_dim=DIM,
            condition=condition,
            target=target,
            condition_encoder=network,
            preprocessors=preprocessors((condition, target)),
            dtype=dtype,
        )
        example = model.preprocess({condition: rows(condition)[0]})
        model.build(example[condition].shape)
        move(model.ema_generator)
        return model

    return make


def cycle_gan(*names):
    def make(dtype=None):
        kind = {"p": "image", "v": "speech", "w": "speech"}.get(names[0][0])
        shape = SHAPES[kind or "video"]
        channels = shape[-1]
        model = kx.CycleGANModel(
            generators={
                name: keras.Sequential(
                    [
                        keras.Input(shape),
                        networks.ConvTranslator((4,), 1, channels, dtype=dtype),
                    ]
                )
                for name in names
            },
            discriminators={
                name: networks.ConvDiscriminator((4,), dtype=dtype)
                for name in names
            },
            preprocessors=preprocessors(names),
            dtype=dtype,
        )
        for generator in model.ema_generators.values():
            move(generator)
        return model

    return make


def move(average):
    """Part the average of a generator, which is served, from the generator."""
    generator = np.random.default_rng(1)
    for weight in average.weights:
        drawn = generator.normal(size=weight.shape, scale=0.1)
        weight.assign_add(keras.ops.cast(drawn, weight.dtype))


# And the names of the endpoints, as a SavedModel has them.
FAMILIES = {
    "embedding": (
        embedding,
        [f"embed_{n}{{raw}}" for n in ("image", "text", "speech", "video")],
    ),
    "spelling": (spelling, ["embed_speech{raw}", "embed_text{raw}"]),
    "vae_image_text": (
        vae("image", "text"),
        [
            "encode_image{raw}",
            "encode_text{raw}",
            "encode_all",
            "decode_image",
            "decode_text",
            "translate_image{raw}_to_text",
            "translate_text{raw}_to_image",
        ],
    ),
    "vae_speech_video": (
        vae("speech", "video"),
        [
            "encode_speech{raw}",
            "encode_video{raw}",
            "encode_all",
            "decode_speech",
            "decode_video",
            "translate_speech{raw}_to_video",
            "translate_video{raw}_to_speech",
        ],
    ),
    **{
        f"gan_{source}_{target}": (
            gan(source, target),
            ["generate{raw}", "generate_from_z{raw}"],
        )
        for source, target in [
            ("text", "image"),
            ("image", "speech"),
            ("speech", "video"),
            ("video", "text"),
        ]
    },
    **{
        f"cycle_gan_{a}s": (
            cycle_gan(a, b),
            [f"translate_{a}{{raw}}_to_{b}", f"translate_{b}{{raw}}_to_{a}"],
        )
        for a, b in [
            ("photo", "painting"),
            ("voice", "whisper"),
            ("day", "night"),
        ]
    },
}


def rows(name):
    """What the preprocessor of a modality takes, and files of the same."""
    generator = np.random.default_rng(0)
    if name == "text":
        return TEXTS, TEXTS
    if name in ("image", "photo", "painting"):
        pictures = generator.integers(0, 256, (NUM_ROWS, 9, 12, 3), "uint8")
        files = [tf.io.encode_png(picture).numpy() for picture in pictures]
        return pictures, np.array(files, object)
    if name in ("speech", "voice", "whisper"):
        waves = generator.uniform(-1, 1, (NUM_ROWS, 700))
        files = np.array([encode_wav(wave, 7_000) for wave in waves], object)
        return files, files
    clips = generator.integers(0, 256, (NUM_ROWS, 3, 9, 12, 3), "uint8")
    files = [encode_gif(clip) for clip in clips]
    # Of fewer colours than the clips.
    clips = [kx.datasets.read_video(file) for file in files]
    return np.stack(clips), np.array(files, object)


@dataclasses.dataclass(frozen=True)
class Call:
    """A request and what the methods of the model answer.

    Args:
        name: String, the signature.
        inputs: Dict of arrays.
        outputs: Dict of arrays.
    """

    name: str
    inputs: dict
    outputs: dict


def calls(model, templates, *, raw, sampling):
    """Calls of all endpoints: with `raw` on files too, noise by `sampling`."""
    x = {name: rows(name) for name in model.modalities}
    tensors = model.preprocess({name: pair[0] for name, pair in x.items()})
    for template in templates:
        use, _, rest = template.partition("_")
        source = rest.partition("{raw}")[0] if "{raw}" in rest else None
        if use.startswith("generate"):
            source = model.condition
        given, further, outputs = _expected(
            model, template, use, source, x, sampling
        )
        kinds = [""]
        if raw and "{raw}" in template:
            kinds.append(KINDS[source])
        for kind in kinds:
            inputs = {
                n: x[n][1] if kind else np.asarray(tensors[n]) for n in given
            }
            yield Call(template.format(raw=kind), inputs | further, outputs)


def _expected(model, template, use, source, x, sampling):
    """Modalities taken, further inputs, and outputs."""
    generator = np.random.default_rng(1)
    z = generator.standard_normal((NUM_ROWS, DIM)).astype("float32")
    seed = generator.integers(-(2**31), 2**31, NUM_ROWS).astype("int32")
    target = template.rpartition("_")[2]
    if use == "embed":
        outputs = {"embedding": model.encode(x[source][0], source)}
        return [source], {}, outputs
    if use == "encode":
        given = [source] if source else list(model.modalities)
        raw = {name: x[name][0] for name in given}
        names = ("mean", "log_variance")
        return (
            given,
            {},
            {name: model.encode(raw, output=name) for name in names},
        )
    if use == "decode":
        return [], {"z": z}, _decoded(model, target, z)
    if use.startswith("generate"):
        further = {"z": z} if target.startswith("z") else {"seed": seed}
        y = model.generate(x[source][0], **further)
        return [source], further, _written(model, model.target, y)
    raw = {source: x[source][0]}
    if isinstance(model, kx.CycleGANModel):
        return [source], {}, {target: model.translate(raw, to=target)}
    mean, log_variance = (
        model.encode(raw, output=output) for output in ("mean", "log_variance")
    )
    further = {"seed": seed}
    drawn = noise.stateless_normal((NUM_ROWS, DIM), seed).numpy()
    if sampling == "noise":
        further, drawn = {"noise": z}, z
    latents = mean + np.exp(log_variance / 2) * drawn
    return [source], further, _decoded(model, target, latents)


def _decoded(model, target, z):
    output = "mode" if target == "text" else "mean"
    return _written(model, target, model.decode(z, output)[target])


def _written(model, target, y):
    """Of tokens or their odds, texts too."""
    if target != "text":
        return {target: y}
    ids = y if y.ndim == 2 else y.argmax(axis=-1)
    texts = model.preprocessors["text"].detokenize(ids)
    return {target: y, "text_string": np.array([t.encode() for t in texts])}
