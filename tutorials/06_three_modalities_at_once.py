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
# # Three modalities at once
#
# Pictures, names and spoken names of the same things, in one model. First in
# one space, where we search pictures by speech although no recording was ever
# compared with a picture in training. Then in one variational autoencoder,
# which makes each of the three from each other one, or from two.
#
# You should know Keras; tutorials 01, 02 and 04 explain the two models and
# what speech is to a network. The data comes with the package.

# %%
import itertools
import os

import keras
import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf
from IPython.display import Audio, display

import keras_xmodal as kx
from keras_xmodal.demo import recipe

# With KERAS_XMODAL_FAST=1 everything runs as it is, for fewer epochs.
FAST = os.environ.get("KERAS_XMODAL_FAST") == "1"
keras.utils.set_random_seed(0)
tf.get_logger().setLevel("ERROR")
layers = keras.layers

# %% [markdown]
# ## 1. Things that are seen, written and spoken
#
# 46 things have all three. Training has one picture of each and three voices;
# the test has the same things, drawn in another style and spoken by a fourth
# voice. So a model that has learned its pictures and recordings by heart fails.


# %%
def read(split, is_voice_slt):
    """Pictures, names and recordings, and the number of each name."""
    data = kx.datasets.load(
        "emoji", split, ("image", "text", "speech"), columns=["voice"]
    )
    rows = [
        row
        for row, _ in data.as_numpy_iterator()
        if (row["voice"] == b"slt") == is_voice_slt
    ]
    x = {key: np.array([row[key] for row in rows]) for key in rows[0]}
    x["text"] = np.array([text.decode() for text in x["text"]])
    return x, np.unique(x["text"], return_inverse=True)[1]


train, train_labels = read("train", is_voice_slt=False)
test, labels = read("test_style", is_voice_slt=True)
names = np.unique(train["text"])
print(len(train_labels), "recordings to learn from,", len(labels), "to ask")


def draw(rows, titles):
    """Rows of pictures or spectrograms under titles."""
    _, grid = plt.subplots(
        len(rows),
        len(titles),
        figsize=(8, 1.1 * len(rows) + 0.2),
        layout="constrained",
        squeeze=False,
    )
    for line, (label, row) in zip(grid, rows.items(), strict=True):
        for axes, x in zip(line, row, strict=True):
            if x.ndim == 2:
                axes.imshow(x.T, origin="lower", aspect="auto", vmin=0, vmax=1)
            else:
                axes.imshow(x if x.dtype == np.uint8 else np.clip(x, 0, 1))
            axes.set(xticks=[], yticks=[])
        line[0].set_ylabel(label, fontsize=8)
    for axes, title in zip(grid[0], titles, strict=True):
        axes.set_title(title, fontsize=8)
    plt.show()


def play(waveform, title):
    """A player, without the silence at the end."""
    print(title)
    sounds = np.flatnonzero(np.abs(waveform) > 1e-3)
    display(Audio(np.asarray(waveform)[: sounds[-1] + 1], rate=8000))


spectrograms = kx.networks.SpeechPreprocessor(duration=1.0)
some = np.arange(0, 46, 6)
first = [np.flatnonzero(train_labels == i)[0] for i in labels[some]]
draw(
    {
        "training": train["image"][first],
        "one voice": np.asarray(spectrograms(train["speech"][first])),
        "test": test["image"][some],
        "the fourth": np.asarray(spectrograms(test["speech"][some])),
    },
    test["text"][some],
)
play(test["speech"][some[1]], f"{test['text'][some[1]]}, the fourth voice")

# %% [markdown]
# ## 2. One space, two pairs
#
# For pictures and names there is a start: the recipe of the package's demo
# (`kx.recipes.embedding`), two towers in closed form from 681 pictures with
# their names in six languages. A third tower joins them. With three recordings
# of each word there is too little to learn from scratch what sounds are; but a
# spectrogram is a picture, and how its edges run (`OrientedGradients`) says
# much about the word and little about the voice. A linear map takes that to the
# name's place in the space. Ridge regression finds it (`ridge_warm_start`),
# from eight copies of each recording at other speeds, which sound like other
# voices.

# %%
COPIES = 2 if FAST else 8
start = recipe.make(recipe.read_train(), quiet=True).model
speech = kx.networks.SpeechPreprocessor(
    duration=1.0, augmentation=kx.layers.SpeechAugmentation(speed=0.3, seed=0)
)
inputs = keras.Input((speech.num_frames, speech.num_mel_bins))
x = keras.ops.repeat(inputs[..., None], 3, axis=-1)  # as a grey picture
x = layers.Flatten()(kx.layers.OrientedGradients(cell_size=5)(x))

model = kx.EmbeddingModel(
    encoders={**start.encoders, "speech": keras.Model(inputs, x)},
    embedding_dim=start.embedding_dim,
    preprocessors={**start.preprocessors, "speech": speech},
    pairs=[("image", "text"), ("speech", "text")],
    temperature=start.temperature,
)
model.build({name: e.input_shape for name, e in model.encoders.items()})
for name, projection in start.projections.items():
    model.projections[name].set_weights(projection.get_weights())
heard = [speech(train["speech"])]
heard += [speech(train["speech"], training=True) for _ in range(COPIES)]
kx.models.ridge_warm_start(
    model,
    kx.models.Preprocessed(speech=np.concatenate(heard)),
    np.tile(model.encode(train["text"], "text"), (1 + COPIES, 1)),
)

# %% [markdown]
# `pairs` says what the loss compares: pictures with names, recordings with
# names. Pictures and recordings are never compared.


# %%
def optimizer(rate, steps):
    """AdamW whose learning rate rises shortly and falls to 0."""
    rate = keras.optimizers.schedules.CosineDecay(
        0.0, steps - steps // 20, warmup_target=rate, warmup_steps=steps // 20
    )
    return keras.optimizers.AdamW(rate, weight_decay=0.02, global_clipnorm=1.0)


modalities = ("image", "text", "speech")
data = tf.data.Dataset.from_tensor_slices(
    ({key: train[key] for key in modalities}, train_labels)
)
data = data.shuffle(len(train_labels), seed=0).batch(46)
epochs = 2 if FAST else 40
model.compile(optimizer(1e-3, epochs * len(data)), loss=kx.losses.InfoNCE())
history = model.fit(
    model.preprocess(data, training=True), epochs=epochs, verbose=0
)
print("loss", *np.round(history.history["loss"][:: max(1, epochs // 5)], 2))

# %% [markdown]
# What a model can be beaten by: the recording of the training that sounds most
# alike, and the picture and the name that belong to it.

# %%
embedded = model.encode({key: test[key] for key in modalities})


def unit(x):
    x = np.asarray(x).reshape(len(x), -1)
    return x / np.linalg.norm(x, axis=1, keepdims=True)


alike = unit(spectrograms(test["speech"])) @ unit(heard[0]).T
alike = np.stack(
    [alike[:, train_labels == i].max(axis=1) for i in labels], axis=1
)


def report(title, queries, candidates):
    """Print how often the right one is among the first 1, 5, 10 of 46."""
    found = kx.metrics.retrieval_report(queries, candidates)
    print(f"{title:38s}", *(f"{found[f'R@{k}']:.2f}" for k in (1, 5, 10)))


print(f"{'chance':38s}", *(f"{k / 46:.2f}" for k in (1, 5, 10)))
report("the recording that sounds alike", alike, np.eye(46))
report("speech to text", embedded["speech"], embedded["text"])
report("text to speech", embedded["text"], embedded["speech"])
report("image to text", embedded["image"], embedded["text"])
report("speech to image, never compared", embedded["speech"], embedded["image"])

# %% [markdown]
# ## 3. Speech to pictures, by way of the names
#
# The last line is far above chance, and far below the two steps that it
# consists of. The reason: the loss has put each recording nearer to its name
# than to other names, and each picture too; nothing says that a recording and a
# picture on two sides of a name are near each other. But both know which names
# they may stand for. `relative_representation` describes them by that: a
# softmax over the similarities to all names, the *anchors*. Two things are
# alike if they may stand for the same name.

# %%
anchors = model.encode(names, "text")
relative = {
    key: np.asarray(kx.ops.relative_representation(embedded[key], anchors))
    for key in ("image", "speech")
}
report(
    "speech to image, through the names", relative["speech"], relative["image"]
)
report(
    "image to speech, through the names", relative["image"], relative["speech"]
)

# %% [markdown]
# Nothing was trained for it. Here is what it finds: left what was said, then
# the first five pictures; those in a new style, too, were in no training.

# %%
order = np.argsort(-relative["speech"] @ relative["image"].T, axis=1)[:, :5]
draw(
    {test["text"][i]: test["image"][order[i]] for i in some},
    ["first", "second", "third", "fourth", "fifth"],
)
right = (order[:, 0] == np.arange(46)).mean()
print(f"the first is right for {right:.2f} of all 46")

# %% [markdown]
# ## 4. One distribution
#
# A search needs candidates. To *make* a picture of a sound we need the joint
# distribution of all three: a latent $z$ that each modality can be decoded
# from, and for each an encoder $q(z|x_m)$. `MMVAE` mixes the three encoders in
# equal parts, so that each learns to tell what the other modalities look like.
#
# The towers above stay as they are, and give the encoders the names that a
# picture or a recording may stand for. What is drawn is learned from copies
# that are changed only a little: a VAE draws the mean of what it saw.

# %%
VAE_COPIES = 2 if FAST else 12
preprocessors = {
    "image": kx.networks.ImagePreprocessor(
        (32, 32),
        augmentation=kx.layers.ImageAugmentation(
            rotation=0.02,
            translation=0.03,
            zoom=0.05,
            stretch=0.0,
            shear=0.0,
            horizontal_flip=False,
            hue=0.02,
            saturation=0.1,
            contrast=0.1,
            gamma=0.0,
            grayscale=0.0,
            seed=0,
        ),
    ),
    "speech": kx.networks.SpeechPreprocessor(
        duration=1.0,
        augmentation=kx.layers.SpeechAugmentation(
            time_shift=0.0, speed=0.1, noise=0.0, seed=0
        ),
    ),
}
seen = {
    key: np.concatenate(
        [
            preprocess(train[key], training=copy > 0)
            for copy in range(VAE_COPIES)
        ]
    )
    for key, preprocess in preprocessors.items()
}
seen["text"] = np.tile(train_labels, VAE_COPIES)  # a name is one of 46
print({key: value.shape for key, value in seen.items()})


# %%
def tower(name):
    """A frozen tower, to the names that its embedding may stand for."""
    encoder = model.encoders[name]
    inputs = keras.Input(encoder.input_shape[1:])
    x = model.projections[name](encoder(inputs))
    frozen = keras.Model(inputs, kx.ops.relative_representation(x, anchors))
    frozen.trainable = False
    return frozen


def decoder(shape):
    return keras.Sequential(
        [
            layers.Dense(256, "silu"),
            layers.Dense(256, "silu"),
            layers.Dense(int(np.prod(shape))),
            layers.Reshape(shape),
        ]
    )


keras.utils.set_random_seed(0)
vae = kx.VAEModel(
    latent_dim=32,
    encoders={
        "image": tower("image"),
        "text": keras.Sequential(
            [
                keras.Input((), dtype="int32"),
                layers.Embedding(46, 46),
                layers.Flatten(),
            ]
        ),
        "speech": tower("speech"),
    },
    decoders={
        "image": decoder(seen["image"].shape[1:]),
        "text": decoder((46,)),
        "speech": decoder(seen["speech"].shape[1:]),
    },
    likelihoods={
        "image": kx.likelihoods.Normal(0.3),
        "text": kx.likelihoods.Categorical(46),
        "speech": kx.likelihoods.Normal(0.3),
    },
    objective=kx.objectives.MMVAE(),
    # A picture is 3,072 numbers, a name is one: it must not be drowned.
    modality_weights={"image": 0.1, "text": 20.0, "speech": 0.05},
    seed=0,
)
epochs = 2 if FAST else 60
steps = epochs * -(-len(seen["text"]) // 64)
vae.compile(optimizer(2e-3, steps))
history = vae.fit(seen, batch_size=64, epochs=epochs, verbose=0)
print("loss", *np.round(history.history["loss"][:: max(1, epochs // 5)], 1))

# %% [markdown]
# Everything from everything, of the new style and the new voice:

# %%
asked = {key: np.asarray(p(test[key])) for key, p in preprocessors.items()}
asked["text"] = labels
made = {
    (source, target): np.asarray(vae.translate({source: asked[source]}, target))
    for source, target in itertools.permutations(modalities, 2)
}
draw(
    {
        "real": asked["image"][some],
        "of the name": made["text", "image"][some],
        "of the sound": made["speech", "image"][some],
        "real sound": asked["speech"][some],
        "of the name ": made["text", "speech"][some],
        "of the picture": made["image", "speech"][some],
    },
    test["text"][some],
)

# %% [markdown]
# What a name looks and sounds like is learned well. Where the tower is not
# sure, $z$ lies between several names, and the decoder draws a mixture: the
# thermometer above that was only heard. Names can be counted, also with two
# modalities given:

# %%
for given in (("image",), ("speech",), ("image", "speech")):
    chosen = vae.translate({key: asked[key] for key in given}, "text")
    right = np.mean(np.argmax(chosen, axis=-1) == labels)
    print(f"name from {' and '.join(given):18s} right: {right:.2f}")
print(f"chance {1 / 46:.2f}")

# %% [markdown]
# And to hear what was drawn, `GriffinLim` makes a sound of a spectrogram:

# %%
to_sound = kx.networks.GriffinLim(
    spectrograms, num_iterations=4 if FAST else 32
)
sounds = to_sound(np.clip(made["text", "speech"][some], 0, 1))
for i in (1, 3):
    play(np.asarray(sounds[i]), f"{test['text'][some[i]]}, of its name")

# %% [markdown]
# ## 5. Where to go from here
#
# - Not every example needs all modalities. Both models take dicts with any of
#   them, and `VAEModel` takes NaN where an example lacks one: what a modality
#   alone has to teach is not lost.
# - `kx.export.saved_model(model, path)` serves the space: its endpoints take
#   the bytes of pictures, the bytes of WAV files and strings.
# - `benchmarks/directions/three.py` runs both models over three seeds, with a
#   judge for what is drawn and spoken.
# - Your own three: a CSV with three columns (`kx.datasets.from_csv`), three
#   encoders, and `pairs` of those that occur together.
