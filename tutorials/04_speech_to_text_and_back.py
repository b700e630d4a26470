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
# # From speech to text and back
#
# Sixty words, each spoken by four voices. From three of the voices we learn to
# find a text by its sound and a sound by its text, to write what is heard and
# to say what is written; the fourth voice asks the questions. Every figure has
# chance and a trivial answer beside it.
#
# You should know Keras; everything else is explained. The recordings come with
# the package (synthetic voices, 8 kHz). In Jupyter the players below have
# sound; some viewers of notebooks leave them out.

# %%
import os
import pathlib
import tempfile

import keras
import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf
from IPython.display import Audio, display

import keras_xmodal as kx
from keras_xmodal.recipes.training import make_optimizer

# With KERAS_XMODAL_FAST=1 everything runs as it is, for fewer epochs.
FAST = os.environ.get("KERAS_XMODAL_FAST") == "1"
keras.utils.set_random_seed(0)
tf.get_logger().setLevel("ERROR")
layers = keras.layers
RATE = 8000  # samples a second

# %% [markdown]
# ## 1. Listen
#
# A recording is a row of numbers in $[-1, 1]$, padded with zeros to one length.

# %%
data = kx.datasets.load(
    "emoji",
    "train+test_concept",
    modalities=("text", "speech"),
    columns=["voice"],
)
rows, ids = data.batch(len(data)).as_numpy_iterator().next()
words = np.array([text.decode() for text in rows["text"]])
voices = np.array([voice.decode() for voice in rows["voice"]])
is_test = voices == "slt"
print(len(words), "recordings of", len(np.unique(words)), "words")
print("voices", *np.unique(voices), "of which slt is for the test")


def play(waveform, title):
    """A player, without the silence at the end."""
    print(title)
    sounds = np.flatnonzero(np.abs(waveform) > 1e-3)
    display(Audio(np.asarray(waveform)[: sounds[-1] + 1], rate=RATE))


for row in np.flatnonzero(words == "tomato"):
    play(rows["speech"][row], f"{words[row]}, voice {voices[row]}")

# %% [markdown]
# ## 2. What the networks see
#
# Thousands of samples a second are a bad input: the same word never has the
# same ones twice. What the ear goes by is how loud each pitch is, and when.
# `SpeechPreprocessor` takes WAV files or waveforms, of any sampling rate, and
# cuts them into frames of 25 ms, one every 10 ms. For each frame it measures
# the loudness in 40 bands of pitch, which are as wide as the ear tells them
# apart (the *mel scale*), in decibels, from 0, silence, to 1, the loudest.

# %%
DURATION = 1.05  # seconds, as long as the longest recording
preprocess = kx.networks.SpeechPreprocessor(duration=DURATION)
with tempfile.TemporaryDirectory() as folder:
    path = pathlib.Path(folder, "tomato.wav")
    row = np.flatnonzero(words == "tomato")[0]
    kx.datasets.write_wav(path, rows["speech"][row], RATE)
    file = path.read_bytes()
print(f"a WAV file of {len(file):,} bytes, it begins with {file[:4]}")
print("spectrogram of shape", preprocess(np.array([file], object)).shape[1:])


def show(spectrograms, titles, labels):
    """Draw rows of spectrograms: time to the right, pitch upwards."""
    _, grid = plt.subplots(
        len(spectrograms),
        len(titles),
        figsize=(8, 1.2 * len(spectrograms)),
        layout="constrained",
        squeeze=False,
    )
    for line, row, label in zip(grid, spectrograms, labels, strict=True):
        for axes, spectrogram in zip(line, row, strict=True):
            image = np.reshape(spectrogram, (-1, 40)).T
            axes.imshow(image, origin="lower", aspect="auto", vmin=0, vmax=1)
            axes.set(xticks=[], yticks=[])
        line[0].set_ylabel(label, fontsize=9)
    for axes, title in zip(grid[0], titles, strict=True):
        axes.set_title(title, fontsize=9)
    plt.show()


spectrograms = np.asarray(preprocess(rows["speech"]))
some = ["tomato", "tornado", "sushi", "pineapple", "lemon"]
show(
    [
        [spectrograms[(words == word) & (voices == voice)] for word in some]
        for voice in ("rms", "slt")
    ],
    some,
    ["voice rms", "voice slt"],
)

# %% [markdown]
# Vowels are bars, the hiss at the start of `sushi` is a patch at the top. One
# can see that the columns are the same words, and that the voices differ.
#
# A voice is what should *not* matter. Played a little faster, a recording is
# higher and shorter and sounds like somebody else. So we make ten of each
# recording of the training, at other speeds, shifted, with some noise:

# %%
COPIES = 2 if FAST else 10
augment = kx.networks.SpeechPreprocessor(
    duration=DURATION,
    augmentation=kx.layers.SpeechAugmentation(
        time_shift=0.05, speed=0.2, noise=0.05, seed=0
    ),
)
heard = rows["speech"][~is_test]
copies = [np.asarray(augment(heard, training=True)) for _ in range(COPIES - 1)]
train_x = np.concatenate([spectrograms[~is_test], *copies])
train_words = np.tile(words[~is_test], COPIES)
train_ids = np.tile(ids[~is_test], COPIES)
test_x, test_words = spectrograms[is_test], words[is_test]
test_ids = ids[is_test]
show(
    [[train_x[row + i * len(heard)] for i in range(COPIES)] for row in (0, 9)],
    ["as it is", *[f"copy {i}" for i in range(1, COPIES)]],
    train_words[[0, 9]],
)

# %% [markdown]
# ## 3. One space for sounds and texts
#
# `EmbeddingModel` maps both to vectors of length 1 and learns to put a
# recording next to its text and away from the others (tutorial 01 derives the
# loss). `SpeechEncoder` looks at neighbouring frames with convolutions and at
# the whole word with attention. `SpecAugment` hides parts of the spectrogram in
# training, so that the network does not rely on a single trait of it. The text
# is read as pieces of one to three letters.

# %%
BATCH_SIZE = 60


def optimizer(epochs):
    """AdamW whose learning rate rises shortly and falls to 0."""
    return make_optimizer(2e-3, epochs * -(-len(train_x) // BATCH_SIZE))


def speech_encoder(**options):
    return kx.networks.SpeechEncoder(
        preprocess.num_frames,
        augmentation=kx.layers.SpecAugment(
            max_frequency_mask=8, max_time_mask=10, seed=0
        ),
        **options,
    )


letters = kx.networks.TextPreprocessor(
    split="character", ngrams=(1, 2, 3), sequence_length=40
)
letters.adapt(train_words)
keras.utils.set_random_seed(0)
model = kx.EmbeddingModel(
    encoders={
        "speech": speech_encoder(),
        "text": kx.networks.TextEncoder(letters.vocabulary_size(), 128),
    },
    embedding_dim=128,
    preprocessors={"speech": preprocess, "text": letters},
)
epochs = 1 if FAST else 30
model.compile(optimizer(epochs), loss=kx.losses.InfoNCE(), jit_compile=False)
history = model.fit(
    kx.models.Preprocessed(speech=train_x, text=letters(train_words)),
    train_ids,
    batch_size=BATCH_SIZE,
    epochs=epochs,
    verbose=0,
)
print("loss", *np.round(history.history["loss"][:: max(1, epochs // 6)], 2))

# %% [markdown]
# Now the fourth voice. *R@k* is how often the right answer is among the first
# $k$ of 60. Chance has k / 60. The trivial answer needs no network: take the
# word of the training recording whose spectrogram is most alike.


# %%
def unit(spectrograms):
    """Spectrograms as vectors of length 1, less the mean of the training."""
    mean = train_x[: len(heard)].mean(axis=0)
    flat = (spectrograms - mean).reshape(len(spectrograms), -1)
    return flat / np.linalg.norm(flat, axis=1, keepdims=True)


alike = unit(test_x) @ unit(train_x[: len(heard)]).T
# The most similar recording of each word: (recordings, words).
of_word = train_words[: len(heard)][None] == test_words[:, None]
alike_words = np.stack(
    [np.where(row, alike, -1).max(axis=1) for row in of_word], axis=1
)


def report(speech, text):
    """Print R@k in both directions, and return them."""
    for name, queries, candidates in (
        ("speech to text", speech, text),
        ("text to speech", text, speech),
    ):
        found = kx.metrics.retrieval_report(queries, candidates)
        figures = [f"{found[f'R@{k}']:.2f}" for k in (1, 5, 10)]
        print(f"  {name}: R@1 / R@5 / R@10", " / ".join(figures))


embedded = model.encode({"speech": rows["speech"][is_test], "text": test_words})
print("chance:", " / ".join(f"{k / len(test_ids):.2f}" for k in (1, 5, 10)))
print("the recording that sounds alike")
report(alike_words, np.eye(len(test_ids)))
print("EmbeddingModel")
report(embedded["speech"], embedded["text"])

# %% [markdown]
# ## 4. Search
#
# By a text, the recordings of the unseen voice; by a recording, the words. The
# index would be saved and served as in tutorial 01.

# %%
index = kx.retrieval.ExactIndex(model)
index.add(embedded["speech"], ids=test_words, modality="speech")
index.add(embedded["text"], ids=test_words, modality="text")
for word in ("tomato", "fireworks"):
    found, scores = index.search({"text": [word]}, k=3, modality="speech")
    print(f"asked for {word!r}, found", *found[0])
    play(rows["speech"][is_test][test_words == found[0, 0]][0], "the first:")

# %%
asked = np.arange(0, 60, 6)
found, _ = index.search(embedded["speech"][asked], k=4, modality="text")
for row, answers in zip(asked, found, strict=True):
    print(f"said {test_words[row]:12s} heard", ", ".join(answers))

# %% [markdown]
# Some of the errors sound like the word, others do not. With 60 questions,
# .06 is one standard error of the figures above.
#
# ## 5. Write what is heard
#
# Search chooses among words that are given. To *write*, a network says at each
# step, every 40 ms, how likely each letter is, or none ("blank"). Nobody said
# which letter belongs to which step, and CTC need not know: it sums over all
# ways to spread the letters over the steps. Reading is the reverse: take the
# likeliest path, drop repeats and blanks.


# %%
def ctc(tokens, logits):
    """What `keras.losses.CTC` computes, faster on a CPU."""
    tokens = tf.sparse.from_dense(tf.cast(tokens, tf.int32))
    num_steps = tf.fill(tf.shape(logits)[:1], tf.shape(logits)[1])
    logits = tf.transpose(logits, (1, 0, 2))
    return tf.nn.ctc_loss(tokens, logits, None, num_steps, blank_index=0)


spelling = kx.networks.TextPreprocessor(
    split="character", sequence_length=14, end_token=True
)
spelling.adapt(train_words)
num_letters = spelling.vocabulary_size()
keras.utils.set_random_seed(0)
reader = keras.Sequential(
    [
        speech_encoder(return_sequences=True),
        layers.Dense(num_letters, dtype="float32"),
    ]
)
epochs = 1 if FAST else 40
reader.compile(optimizer(epochs), loss=ctc, jit_compile=False)
reader.fit(
    train_x,
    np.asarray(spelling(train_words)),
    batch_size=BATCH_SIZE,
    epochs=epochs,
    verbose=0,
)


def write(spectrograms):
    logits = reader.predict(spectrograms, verbose=0)
    num_steps = np.full(len(logits), logits.shape[1])
    tokens = keras.ops.ctc_decode(logits, num_steps)[0][0]
    return spelling.detokenize(keras.ops.maximum(tokens, 0))


written = write(test_x)
for row in asked:
    print(f"said {test_words[row]:12s} wrote {written[row]}")

# %% [markdown]
# The *character error rate* is the number of letters to change, add and drop,
# for each letter of the truth; the word error rate here is the share of words
# with an error. An empty page has 1 of both. As chance we take the words in a
# random order, as the trivial answer the word of the recording that sounds
# alike. That one has an advantage: it can only say words that exist.

# %%
copied = train_words[: len(heard)][alike.argmax(axis=1)]
shuffled = np.random.default_rng(0).permutation(test_words)
for name, texts in (
    ("random order", shuffled),
    ("the recording that sounds alike", copied),
    ("CTC, unseen voice", written),
):
    cer = kx.metrics.character_error_rate(test_words, texts)
    wer = kx.metrics.word_error_rate(test_words, texts)
    print(f"{name:32s} characters {cer['character_error_rate']:.2f}", end="")
    print(f", words {wer['word_error_rate']:.2f}")
cer = kx.metrics.character_error_rate(
    train_words[: len(heard)], write(train_x[: len(heard)])
)
print(f"{'CTC, voices of the training':32s} characters ", end="")
print(f"{cer['character_error_rate']:.2f}")

# %% [markdown]
# Of voices that it knows it writes nearly everything right, of a new one about
# one word in six, and of the others many of the sounds: three voices are too
# few to learn what all voices have in common. What it writes need not be right
# to be useful. `CTCBigramCounts` turns what the network expects to write into
# counts of pairs of letters, and `BigramCounts` does the same with texts.
# Without any further training, that is an `EmbeddingModel`:

# %%
speller = kx.EmbeddingModel(
    encoders={
        "speech": keras.Sequential([reader, kx.layers.CTCBigramCounts()]),
        "text": kx.layers.BigramCounts(num_letters),
    },
    embedding_dim=None,
    preprocessors={"speech": preprocess, "text": spelling},
)
spelled = speller.encode(
    {"speech": rows["speech"][is_test], "text": test_words}
)
report(spelled["speech"], spelled["text"])

# %% [markdown]
# A text is compared letter by letter here, so this way also works with texts
# that training never had: section 7 has figures of real speech.
#
# ## 6. Say what is written
#
# One text has many recordings: other voices, other speeds. A *conditional* VAE
# (`objectives.CVAE`) learns what the text leaves open as a latent $z$, and the
# decoder draws the spectrogram from $z$ and the text's features. It learns from
# the recordings of three voices, hardly changed.

# %%
num_frames = preprocess.num_frames
num_steps = -(-num_frames // 4)  # a quarter of the frames, rounded up
hardly = kx.networks.SpeechPreprocessor(
    duration=DURATION,
    augmentation=kx.layers.SpeechAugmentation(
        time_shift=0.01, speed=0.03, noise=0.0, seed=0
    ),
)
said = [np.asarray(hardly(heard, training=True)) for _ in range(3)]
said = np.concatenate([spectrograms[~is_test], *said])
said_words = np.tile(words[~is_test], 4)

keras.utils.set_random_seed(0)
speaker = kx.VAEModel(
    latent_dim=16,
    encoders={
        "speech": keras.Sequential(
            [
                keras.Input((num_frames, 40)),
                layers.Conv1D(64, 5, 2, "same", activation="silu"),
                layers.Conv1D(64, 5, 2, "same", activation="silu"),
                layers.Flatten(),
                layers.Dense(128, activation="silu"),
            ]
        ),
        "text": keras.Sequential(
            [
                # Letters that start apart are learned sooner.
                layers.Embedding(
                    num_letters, 32, keras.initializers.RandomNormal(stddev=1.0)
                ),
                layers.Flatten(),
                layers.Dense(256, activation="silu"),
                layers.Dense(128, activation="silu"),
            ]
        ),
    },
    decoders={
        "speech": keras.Sequential(
            [
                layers.Dense(num_steps * 128, activation="silu"),
                layers.Reshape((num_steps, 128)),
                layers.UpSampling1D(2),
                layers.Conv1D(128, 5, padding="same", activation="silu"),
                layers.UpSampling1D(2),
                layers.Conv1D(128, 5, padding="same", activation="silu"),
                layers.Conv1D(40, 5, padding="same"),
                layers.Cropping1D((0, 4 * num_steps - num_frames)),
            ]
        )
    },
    likelihoods={"speech": kx.likelihoods.Normal(0.2)},
    objective=kx.objectives.CVAE("speech"),
    preprocessors={"speech": preprocess, "text": spelling},
    seed=0,
)
epochs = 1 if FAST else 60
steps = epochs * len(said) // 45
schedule = keras.optimizers.schedules.CosineDecay(2e-3, steps)
speaker.compile(keras.optimizers.Adam(schedule), jit_compile=False)
history = speaker.fit(
    kx.models.Preprocessed(speech=said, text=spelling(said_words)),
    batch_size=45,
    epochs=epochs,
    verbose=0,
)
print(f"divergence {history.history['kl'][-1]:.1f} nats")

# %%
texts = {"text": test_words}
mean = speaker.translate(texts, to="speech")
samples = [
    speaker.translate(texts, to="speech", latent="sample", seed=seed)
    for seed in (1, 2)
]
picks = [np.flatnonzero(test_words == word)[0] for word in some]
show(
    [drawn[picks] for drawn in (test_x, mean, *samples)],
    some,
    ["voice slt", "mean of z", "sample of z", "another"],
)

# %% [markdown]
# A spectrogram is no sound yet: it says how loud each pitch is, but not how the
# waves lie to each other (their phases), and 40 bands are coarse. `GriffinLim`
# finds a waveform whose spectrogram fits, without any training. What it costs
# is heard in the second player, which is a real recording, made into a
# spectrogram and back.

# %%
to_sound = kx.networks.GriffinLim(preprocess, num_iterations=4 if FAST else 32)
chosen = [picks[0], picks[3]]
waveforms = {
    "real": rows["speech"][is_test][chosen],
    "real, to a spectrogram and back": to_sound(test_x[chosen]),
    "said by the model": to_sound(samples[0][chosen]),
    "said by the model, another sample": to_sound(samples[1][chosen]),
}
for position, row in enumerate(chosen):
    for title, sounds in waveforms.items():
        play(np.asarray(sounds[position]), f"{test_words[row]}, {title}")

# %% [markdown]
# Does the sound say the word? The judge is the model of section 3, which hears
# the sounds, made into spectrograms again, and must find the word among 60. The
# trivial answer is the mean of the three real spectrograms of the word.

# %%
means = np.stack([train_x[: len(heard)][row].mean(axis=0) for row in of_word])
other = spectrograms[~is_test & (voices == "rms")]
for name, drawn in (
    ("real, unseen voice", test_x),
    ("real, voice rms", other),
    ("mean of real ones", means),
    ("the model, mean of z", mean),
    ("the model, sample of z", samples[0]),
):
    sound = to_sound(np.clip(drawn, 0, 1))
    speech = model.encode(np.asarray(sound), "speech")
    found = kx.metrics.retrieval_report(speech, embedded["text"])
    print(f"{name:24s} R@1 {found['R@1']:.2f}, R@5 {found['R@5']:.2f}", end="")
    print(f" (chance {1 / 60:.2f}, {5 / 60:.2f})")
spread = np.abs(samples[0] - samples[1]).mean()
between = np.abs(other - spectrograms[~is_test & (voices == "awb")]).mean()
print(f"two samples differ by {spread:.3f}, two real voices by {between:.3f}")

# %% [markdown]
# The judge understands what the model says about as well as real recordings of
# voices that it knows, if $z$ is the mean, and most of the samples. The mean of
# three real spectrograms is understood as well: to say a known word, averaging
# is enough. What the VAE adds is variety. Two samples differ by two thirds of
# what two voices do. All of it sounds blurred and hollow; a likelihood that is
# independent for each pixel of the spectrogram draws what is likely on average.
#
# And a word that was never said? It has letters that the model knows:

# %%
new = ["potato", "lemonade", "moon", "window"]
sound = to_sound(np.clip(speaker.translate({"text": new}, to="speech"), 0, 1))
found, _ = index.search({"speech": np.asarray(sound)}, k=3, modality="text")
for word, answers in zip(new, found, strict=True):
    print(f"asked for {word:10s} the judge hears", ", ".join(answers))
play(np.asarray(sound[0]), "potato, said by the model")

# %% [markdown]
# At best, what comes out is the known word that is spelled most alike. Sixty
# words are learned by heart, letters and all; to learn how letters sound, so
# that a new word can be said, takes thousands.
#
# ## 7. Real speech, and where to go from here
#
# Sixty words of synthetic voices are a toy. `spoken_prompts` has 1,537 real
# recordings of sentences with their texts, in English, Spanish and French.
# `fetch` gets them once:
#
# ```python
# kx.datasets.fetch("spoken_prompts")
# data = kx.datasets.load("spoken_prompts", "train", languages=("en",))
# ```
#
# `kx.recipes.embedding` does what section 5 does, in one call, from WAV files,
# and tries it beside other features on sentences that are held out:
#
# ```python
# recipe = kx.recipes.embedding(data, duration=8.0)
# print(recipe.plan)
# recipe.fit()
# ```
#
# From the English ones, 14 minutes of speech, it learns in 6 minutes of one
# core, and is asked about 100 sentences that training never had
# (`benchmarks/directions/speech.py`). It finds the text of a recording first in
# .83 of the cases and the recording of a text in .84, where chance has .01 and
# a linear model .14 and .25. It writes badly there too, .43 of the characters
# wrong: hours of speech are what that takes.
#
# - `kx.networks.from_keras_hub` takes a pretrained speech model as the tower.
# - `kx.export.saved_model(model, path)` makes what a server runs, from the
#   bytes of WAV files on, `kx.export.litert` what a telephone runs.
# - Tutorial 06 puts pictures, texts and speech into one space.
