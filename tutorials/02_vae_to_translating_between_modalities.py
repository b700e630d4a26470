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
# # From the chapter's VAE to translating between modalities
#
# A textbook chapter on cross-modal learning ends with a variational
# autoencoder: learn the joint distribution of two modalities, and generate one
# from the other. We start from such code, find its faults one by one, derive
# the right bound, and end with a model that writes what is in a picture and
# draws what a text says, also when half of the texts are missing.
#
# You should know Keras; everything else is explained. The pictures come with
# the package, so nothing is downloaded.

# %%
import os

import keras
import matplotlib.pyplot as plt
import numpy as np
import scipy.stats
import tensorflow as tf

import keras_xmodal as kx

# With KERAS_XMODAL_FAST=1 everything runs as it is, for fewer epochs.
FAST = os.environ.get("KERAS_XMODAL_FAST") == "1"
keras.utils.set_random_seed(0)
tf.get_logger().setLevel("ERROR")

# %% [markdown]
# ## 1. The chapter's model, and what is wrong with it
#
# The chapter encodes an input $x$ of 32 numbers to a mean and a variance of 16,
# draws a latent $z$, and decodes it to 8 numbers. Its code goes like this:


# %%
class ChapterModel:
    def __init__(self, input_dim, latent_dim, output_dim):
        random = np.random.default_rng(0)
        self.encoder = random.normal(size=(latent_dim, input_dim))
        self.decoder = random.normal(size=(output_dim, latent_dim))

    def encode(self, x):
        mean = tf.nn.relu(self.encoder @ x)
        return mean, tf.math.reduce_variance(mean)

    def __call__(self, x):
        mean, variance = self.encode(x)
        z = sample_gaussian(mean, variance, tf.random.normal(x.shape))  # noqa: F821
        return self.decoder @ z


chapter = ChapterModel(32, 16, 8)
x = np.random.default_rng(0).normal(size=(64, 32))


def attempt(function):
    try:
        print(function().shape)
    except Exception as error:
        print(f"{type(error).__name__}: {str(error).splitlines()[0][:90]}")


attempt(lambda: chapter(x))
attempt(lambda: chapter(x.T))

# %% [markdown]
# **Faults 1 and 2.** The product has the wrong order: a batch holds one example
# in each *row*, so it is $XW$. And the function that draws the latent does not
# exist. With the batch turned round, we can look at the rest:

# %%
mean, variance = chapter.encode(x.T)
print("smallest mean:", float(tf.reduce_min(mean)))
zeros = np.mean(mean.numpy() == 0)
print(f"share of means that are 0: {zeros:.2f}")
print("shape of the variance:", variance.shape)
attempt(lambda: mean + tf.random.normal(x.T.shape, dtype="float64"))

# %% [markdown]
# **Fault 3**: a ReLU on the mean. The prior $N(0, I)$ lies on both sides of 0,
# the means only on one. **Fault 4**: one variance for the whole batch, where
# each example needs its own, in each dimension; and it is computed from the
# means. **Fault 5**: noise of the input's shape, which cannot be added to the
# latent. **Fault 6** is what is not there: no loss has a Kullback-Leibler
# divergence, so nothing keeps the latents near the prior that one generates
# from. And the matrices are NumPy arrays, which no optimizer ever sees.
#
# ## 2. The bound, derived
#
# The chapter prints $E_{p_{data}}[\log p(x)] - \beta\, KL(q(z|x)\,\|\,p(z))$.
# That cannot be trained: $\log p(x)$ is just what we do not know. Take any
# density $q(z|x)$ and write
#
# $$\log p(x) = \log \int p(x|z)\,p(z)\,dz
#   = \log E_{q(z|x)}\left[\frac{p(x|z)\,p(z)}{q(z|x)}\right]
#   \ge E_{q(z|x)}[\log p(x|z)] - KL(q(z|x)\,\|\,p(z)).$$
#
# The inequality is Jensen's, and the right side is the bound (ELBO). It needs
# the *reconstruction* $\log p(x|z)$ under samples of $q$. The gap is
# $KL(q(z|x)\,\|\,p(z|x))$: the bound touches $\log p(x)$ where $q$ is the true
# posterior. On a model whose $\log p(x)$ is known, $x = 2z + \epsilon$, we can
# see it, and see that the printed formula says the opposite:

# %%
x1 = np.random.default_rng(0).normal(size=1000) * np.sqrt(5)
log_p = scipy.stats.norm.logpdf(x1, scale=np.sqrt(5)).mean()


def bounds(slope, variance):
    """Of `q = N(slope x, variance)`: the chapter's formula, and the ELBO."""
    mean = slope * x1
    kl = 0.5 * (variance + mean**2 - 1 - np.log(variance)).mean()
    residual = (x1 - 2 * mean) ** 2 + 4 * variance
    reconstruction = -0.5 * (np.log(2 * np.pi) + residual).mean()
    return log_p - kl, reconstruction - kl


print(f"log p(x) {log_p:.3f}")
for label, q in (("true posterior", (0.4, 0.2)), ("prior", (0.0, 1.0))):
    print(f"q = {label:15s} printed %.3f, ELBO %.3f" % bounds(*q))

# %% [markdown]
# The printed formula is largest where $q$ ignores $x$ altogether; the ELBO is
# equal to $\log p(x)$ at the true posterior and far below it at the prior.
#
# ## 3. The corrected model
#
# The same call, corrected, is plain Keras: `fit(x, y)` trains $x \to z \to y$.

# %%
model = kx.VAEModel(32, 16, 8, seed=0)
model.compile(keras.optimizers.Adam(0.01))
target = x @ np.random.default_rng(1).normal(size=(32, 8)) / 6
history = model.fit(x, target, epochs=20, verbose=0).history
print("output", model(x.astype("float32")).shape)
first, last = history["loss"][0], history["loss"][-1]
print(f"loss {first:.2f} -> {last:.2f} nats")
print(f"divergence {history['kl'][-1]:.2f} nats")
means, log_variances = model.encode(x), model.encode(x, output="log_variance")
print(f"means from {means.min():.2f} to {means.max():.2f}")
print("variances of shape", log_variances.shape)

# %% [markdown]
# ## 4. Two modalities: pictures of two things, and their names
#
# Now to what VAEs of several modalities are for. We take twenty emoji, each in
# two drawing styles, and put two side by side; the text names both. A quarter
# of the pairs is held out: the model knows every thing, but has never seen
# these two together.

# %%
NAMES = (
    *("dog", "horse", "fish", "butterfly", "banana", "grapes", "strawberry"),
    *("pizza", "bicycle", "rocket", "umbrella", "key", "guitar", "candle"),
    *("cactus", "rose", "mushroom", "anchor", "crown", "balloon"),
)
rows = kx.datasets.load(
    "emoji",
    "train+test_style+test_concept+test_style_concept",
    columns=["style"],
)
pictures = {
    (row["text"].decode(), row["style"].decode()): row["image"]
    for row, _ in rows.as_numpy_iterator()
}
tiles = np.stack(
    [[pictures[name, s] for s in ("noto", "fluent")] for name in NAMES]
)
# 16 x 16 pixels are enough here, and quick.
tiles = tiles.reshape(20, 2, 16, 2, 16, 2, 3).mean((3, 5)) / 255
random = np.random.default_rng(0)
pairs = random.permutation(
    [(i, j) for i in range(20) for j in range(20) if i != j]
)
augment = kx.layers.ImageAugmentation(
    rotation=0.02, translation=0.06, zoom=0.1, horizontal_flip=False, seed=0
)


def make_examples(pairs, copies):
    pairs = np.repeat(pairs, copies, axis=0)
    styles = random.integers(2, size=pairs.shape)
    halves = tiles[pairs, styles].astype("float32")
    flat = augment(halves.reshape(-1, 16, 16, 3), training=True)
    halves = np.reshape(flat, halves.shape)
    images = np.concatenate([halves[:, 0], halves[:, 1]], axis=2)
    texts = np.array([f"{NAMES[i]} and {NAMES[j]}" for i, j in pairs])
    return {"image": images, "text": texts}, pairs


train, train_pairs = make_examples(pairs[95:], 8)
test, test_pairs = make_examples(pairs[:95], 2)
print(
    len(train["text"]), "training examples,", len(test["text"]), "of new pairs"
)
figure, axes = plt.subplots(1, 6, figsize=(12, 1.4))
for axis, i in zip(axes, range(0, 190, 35), strict=True):
    axis.imshow(test["image"][i].clip(0, 1))
    axis.set_title(test["text"][i], fontsize=9)
    axis.axis("off")

# %% [markdown]
# Each modality brings an encoder, a decoder and a *likelihood*, which says what
# the decoder's numbers mean: a normal distribution around each pixel, and a
# distribution over the words of each position. `TextDecoder` is a small
# transformer that writes one word after the other.

# %%
words = kx.networks.TextPreprocessor(sequence_length=4, end_token=True)
words.adapt(train["text"])
num_words = words.vocabulary_size()
layers = keras.layers


def make_model(objective):
    keras.utils.set_random_seed(0)
    both = ["image", "text"]
    decoders = {
        "image": keras.Sequential(
            [
                layers.Dense(256, activation="silu"),
                layers.Dense(256, activation="silu"),
                layers.Dense(16 * 32 * 3),
                layers.Reshape((16, 32, 3)),
            ]
        ),
        "text": kx.networks.TextDecoder(
            num_words,
            sequence_length=4,
            hidden_dim=64,
            num_layers=1,
            dropout=0.0,
            token_dropout=0.5,
            end_id=words.end_id,
        ),
    }
    generated = objective.generated_modalities(both)
    likelihoods = {
        "image": kx.likelihoods.Normal(0.3),
        "text": kx.likelihoods.TokenSequence(num_words),
    }
    return kx.VAEModel(
        latent_dim=32,
        encoders={
            "image": keras.Sequential(
                [
                    layers.Flatten(),
                    layers.Dense(256, activation="silu"),
                    layers.Dense(256, activation="silu"),
                ]
            ),
            "text": keras.Sequential(
                [
                    # Words that start apart are learned sooner.
                    layers.Embedding(
                        num_words,
                        64,
                        keras.initializers.RandomNormal(stddev=1.0),
                    ),
                    layers.Flatten(),
                    layers.Dense(128, activation="silu"),
                ]
            ),
        },
        decoders={name: decoders[name] for name in generated},
        likelihoods={name: likelihoods[name] for name in generated},
        objective=objective,
        # A text has three words, a picture 1,536 numbers.
        modality_weights=dict.fromkeys(generated, 1.0)
        | ({"text": 10.0} if "text" in generated else {}),
        preprocessors={"text": words},
        seed=0,
    )


def train_model(objective, examples=train, epochs=60, sample_weight=None):
    epochs = 1 if FAST else epochs
    model = make_model(objective)
    steps = epochs * -(-len(examples["text"]) // 128)
    schedule = keras.optimizers.schedules.CosineDecay(2e-3, steps)
    model.compile(keras.optimizers.Adam(schedule))
    history = model.fit(
        examples,
        sample_weight=sample_weight,
        batch_size=128,
        epochs=epochs,
        verbose=0,
        callbacks=[kx.callbacks.KLWarmUp(max(1, steps // 3))],
    )
    return model, history.history


model, terms = train_model(kx.objectives.MoPoE())
figure, axes = plt.subplots(1, 4, figsize=(12, 2.2))
shown = ("image_loss", "text_loss", "kl", "kl_weight")
for axis, name in zip(axes, shown, strict=True):
    axis.plot(terms[name])
    axis.set_title(name)
    axis.set_xlabel("epoch")
figure.tight_layout()

# %% [markdown]
# `MoPoE` is the *objective*: it says how what the picture tells about $z$ and
# what the text tells join to one posterior. Every term is a metric, in nats for
# each example. `KLWarmUp` lets the divergence count little by little, so that
# the decoders learn to use the latent first.
#
# ## 5. Translating, both ways
#
# `translate` takes any subset of the modalities. From text to image, one latent
# gives the mean picture, and several samples show what the text leaves open,
# such as the style.

# %%
some = slice(None, None, 25)
texts = {"text": test["text"][some]}
lines = [test["image"][some], model.translate(texts, to="image")]
lines += [
    model.translate(texts, to="image", latent="sample", seed=seed)
    for seed in (1, 2)
]
figure, axes = plt.subplots(4, 8, figsize=(12, 3.6))
for row, line in zip(axes, lines, strict=True):
    for axis, picture in zip(row, line, strict=True):
        axis.imshow(np.clip(picture, 0, 1))
        axis.axis("off")
for axis, text in zip(axes[0], texts["text"], strict=True):
    axis.set_title(text, fontsize=8)
figure.suptitle("real picture; drawn from the text: mean, two samples", y=1.04)
plt.show()

# %% [markdown]
# From image to text, the decoder writes its most probable words:

# %%
written = words.detokenize(
    model.translate({"image": test["image"][some]}, to="text", output="mode")
)
for truth, text in zip(test["text"][some], written, strict=True):
    print(f"{truth:24s} -> {text}")

# %% [markdown]
# How good is that? A picture is read half by half: whose training picture is
# the nearest? Chance is 1 in 20 for a half. The trivial baseline knows the
# training pairs: it takes the picture nearest to the query, or the text with
# most words in common, and copies what belongs to it. Of held-out pairs it can
# never get both halves right.

# %%
halves = train["image"].reshape(-1, 16, 2, 16, 3).swapaxes(1, 2)
halves = halves.reshape(-1, 768)


def read(images):
    """Numbers of the two things in each picture."""
    queries = np.asarray(images).reshape(-1, 16, 2, 16, 3).swapaxes(1, 2)
    queries = queries.reshape(-1, 768)
    distance = (halves**2).sum(1) - 2 * queries @ halves.T
    return train_pairs.ravel()[distance.argmin(axis=1)].reshape(-1, 2)


def name_pairs(texts):
    """Numbers of the two things that each text names; -1 for another word."""
    known = {name: i for i, name in enumerate(NAMES)}
    parts = [(text.split(" and ") + ["", ""])[:2] for text in texts]
    return np.array([[known.get(part, -1) for part in two] for two in parts])


def score(model, sources=test):
    drawn = read(model.translate({"text": sources["text"]}, to="image"))
    result = {"text to image": (drawn == test_pairs).mean()}
    if "text" in model.generated:
        ids = model.translate(
            {"image": sources["image"]}, "text", output="mode"
        )
        named = name_pairs(words.detokenize(ids))
        result["image to text"] = (named == test_pairs).mean()
    return result


flat = train["image"].reshape(len(train["image"]), -1)
queries = test["image"].reshape(len(test["image"]), -1)
nearest = ((flat**2).sum(1) - 2 * queries @ flat.T).argmin(axis=1)
common = (test_pairs[:, None] == train_pairs).sum(axis=2).argmax(axis=1)
print("halves that are right, of pairs never seen together")
right = (read(test["image"]) == test_pairs).mean()
print(f"{'reader on real pictures':30s} {right:.2f}")
copied = (train_pairs[common] == test_pairs).mean()
print(f"{'baseline, text to image':30s} {copied:.2f}")
copied = (train_pairs[nearest] == test_pairs).mean()
print(f"{'baseline, image to text':30s} {copied:.2f}")
print(f"{'chance':30s} {1 / 20:.2f}")
for direction, value in score(model).items():
    print(f"{'MoPoE, ' + direction:30s} {value:.2f}")

# %% [markdown]
# ## 6. What each objective buys
#
# The objectives differ in how the posterior is made, and in what they maximise
# (`kx.objectives`). The same networks, the same number of steps for each:
# `joint` is how often a picture and a text that were generated together agree,
# `log p` the log-likelihood of picture and text, by importance sampling.


# %%
def joint_coherence(model, count=300):
    z = model.sample_latents(count, seed=0)
    drawn = read(model.decode(z)["image"])
    named = name_pairs(words.detokenize(model.decode(z, "mode")["text"]))
    return (drawn == named).mean()


objectives = [
    kx.objectives.MVAE(),
    kx.objectives.MMVAE(),
    kx.objectives.MVTCAE(alpha=0.9, beta=1.0),
    kx.objectives.JMVAE(),
]
if FAST:
    objectives = objectives[:1]
few = {name: value[:100] for name, value in test.items()}
print(f"{'':10s} text->image  image->text  joint   log p")
others = [train_model(objective)[0] for objective in objectives]
for trained in [model, *others]:
    name = type(trained.objective).__name__
    values = score(trained)
    likelihood = trained.log_likelihood(few, num_samples=20, seed=0).mean()
    print(
        f"{name:10s} {values['text to image']:11.2f} "
        f"{values['image to text']:12.2f} {joint_coherence(trained):6.2f} "
        f"{likelihood:8.1f}"
    )

# %% [markdown]
# MVAE is the one to look at: it has the best but one likelihood, and from a
# text it draws hardly anything. In a product of experts the surer one, the
# picture, decides, and the text's own expert learns little; the mixtures, and
# the imitation of JMVAE and MVTCAE, make every expert speak for itself. One run
# each at a small budget says little about the methods in general;
# `benchmarks/vae/quality.py` compares them over seeds.
#
# What is generated from the prior is often poor, because the latents of the
# data do not fill it. A Gaussian mixture, fitted to them after training, is
# kept in the model's file and used by `generate` from then on:

# %%
before = joint_coherence(model)
model.fit_sampler({name: value[:1000] for name, value in train.items()}, 20)
after = joint_coherence(model)
print(f"joint coherence: prior {before:.2f}, sampler {after:.2f}")

# %% [markdown]
# ## 7. When texts are missing
#
# Pictures are many, captions few. Let 90 % of the training texts be missing:
# `sample_weight={"text": 0 or 1}` says where, and the missing cells may hold
# anything. Does it help to keep the pictures without a text?

# %%
there = np.random.default_rng(1).random(len(train["text"])) < 0.1
print(int(there.sum()), "of", len(there), "examples keep their text")
captioned = {name: value[there] for name, value in train.items()}
runs = {
    "captioned examples only": train_model(
        kx.objectives.MoPoE(), captioned, epochs=540
    ),
    "all pictures, few texts": train_model(
        kx.objectives.MoPoE(),
        sample_weight={"text": there.astype("float32")},
    ),
}
for label, (trained, _) in runs.items():
    values = score(trained)
    print(f"{label}: " + ", ".join(f"{k} {v:.2f}" for k, v in values.items()))

# %% [markdown]
# Here it did not. Both took the same number of steps, in which the first saw
# each of its few texts ten times as often, and the pictures without a text,
# which are of the same twenty things, had little to add. Where captions are
# few, let the batches hold more of them, or compare at equal passes over the
# captions; where pictures show what no caption mentions, measure again.
#
# ## Where to go from here
#
# - `kx.metrics.coherence_report` measures coherence with any classifiers,
#   `kx.callbacks.LatentEvaluation` warns when the latent is not used.
# - `kx.export.saved_model(model, path)` writes `encode_image`, `decode_text`,
#   `translate_text_to_image` and the others for TF Serving.
# - `objective=kx.objectives.MoPoE(estimator="dreg", num_samples=8)` trains with
#   the importance-weighted bound.
