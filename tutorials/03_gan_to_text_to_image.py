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
# # From the chapter's generator to text -> image
#
# A textbook chapter on cross-modal learning generates one modality from another
# with a generative adversarial network, and shows its generator. The other half
# is missing. We add it, look at the game that the two networks play and at its
# optimum, find out why such games fail and what keeps them from failing, and
# end with a model that draws what a text says.
#
# You should know Keras; everything else is explained. The data comes with the
# packages, but for Fashion-MNIST, which is fetched, and section 4 can do
# without.

# %%
import itertools
import os

import keras
import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf
from sklearn.datasets import load_digits

import keras_xmodal as kx

# With KERAS_XMODAL_FAST=1 everything runs as it is, for fewer steps.
FAST = os.environ.get("KERAS_XMODAL_FAST") == "1"
keras.utils.set_random_seed(0)
tf.get_logger().setLevel("ERROR")


def steps(full, fast=20):
    return fast if FAST else full


def adam(num_steps, rate=2e-3):
    """Adam without momentum, as usual for GANs, and with a falling rate."""
    schedule = keras.optimizers.schedules.CosineDecay(rate, num_steps, 0.05)
    return keras.optimizers.Adam(schedule, beta_1=0.0, beta_2=0.99)


# %% [markdown]
# ## 1. The chapter's model, and what is wrong with it


# %%
class ChapterModel:
    def __init__(self, input_dim, output_dim):
        random = np.random.default_rng(0)
        sizes = [input_dim, 128, 64, output_dim]
        self.weights = [
            random.normal(size=(b, a)) / np.sqrt(a)
            for a, b in itertools.pairwise(sizes)
        ]

    def __call__(self, x):
        for weight in self.weights[:-1]:
            x = tf.nn.relu(weight @ x)
        return tf.sigmoid(self.weights[-1] @ x)


chapter = ChapterModel(32, 8)
x = np.random.default_rng(0).normal(size=(64, 32))
try:
    chapter(x)
except Exception as error:
    print(f"{type(error).__name__}: {str(error).splitlines()[0][:90]}")
print(chapter(x.T).shape, "if the batch lies on its side")

# %% [markdown]
# **Fault 1**: $Wx$ has the wrong order for a batch with an example in each row.
# **Fault 2**: no optimizer ever sees these matrices. **Fault 3**, the large
# one: there is no discriminator, so there is no loss and no training. **Fault
# 4** hides behind it: one input gives one output. A caption fits many pictures,
# and what generates them needs noise beside the caption.
#
# The same call, cured:

# %%
gan = kx.GANModel(32, 8)
print(gan(x.astype("float32")).shape)
print([layer.units for layer in gan.generator.hidden_layers], "and 8")
print("weights of the generator:", gan.generator.count_params())
print("weights of the discriminator:", gan.discriminator.count_params())
same = np.repeat(x[:1], 1000, axis=0).astype("float32")
print("spread for one input:", gan.generate(same, seed=0).std(axis=0).round(3))

# %% [markdown]
# ## 2. The game and its value
#
# The discriminator $D$ says how likely it is that an example is real, the
# generator $G$ makes examples to be taken for real ones:
#
# $$\min_G \max_D\; V(D, G) = E_{x \sim p}[\log D(x)] +
#   E_{z}[\log(1 - D(G(z)))].$$
#
# For a fixed generator with density $q$, the best discriminator is
# $D^*(x) = p(x) / (p(x) + q(x))$, and then
#
# $$V(D^*, G) = -\log 4 + 2\, JSD(p \,\|\, q),$$
#
# with the Jensen-Shannon divergence, which is 0 where $q = p$ only. So the game
# ends at $-\log 4 = -1.386$. We look at it on a ring of eight Gaussians in the
# plane. First the integrals, as sums over a fine net of points, for generators
# that make the same ring, but turned by an angle:

# %%
DEVIATION = 0.15
axis = np.linspace(-3, 3, 601)
area = (axis[1] - axis[0]) ** 2
plane = np.stack(np.meshgrid(axis, axis), axis=-1)


def ring(turn=0.0):
    angles = np.arange(8) * np.pi / 4 + np.radians(turn)
    return 2 * np.stack([np.cos(angles), np.sin(angles)], axis=1)


def density(centres):
    squares = ((plane[:, :, None] - centres) ** 2).sum(axis=-1)
    values = np.exp(-0.5 * squares / DEVIATION**2).mean(axis=-1)
    return values / (2 * np.pi * DEVIATION**2)


def expectation(weight, values):
    # Where the weight is 0, so is the product.
    return np.sum(np.where(weight > 0, weight * values, 0)) * area


p = density(ring())
for turn in (0, 2, 5, 10, 22.5):
    q = density(ring(turn))
    with np.errstate(divide="ignore", invalid="ignore"):
        best = p / (p + q)
        value = expectation(p, np.log(best))
        value += expectation(q, np.log(1 - best))
        jsd = expectation(p, np.log(2 * best)) / 2
        jsd += expectation(q, np.log(2 - 2 * best)) / 2
    print(f"turned by {turn:4} degrees: V {value:.4f}, ", end="")
    print(f"-log 4 + 2 JSD {-np.log(4) + 2 * jsd:.4f}")

# %% [markdown]
# Turned by half of the way from one Gaussian to the next, the value is almost
# 0, its largest, and flat there: a generator that is far from the data gets no
# direction from it. So nobody trains with this loss as it stands (`"minimax"`).
# `"non_saturating"` turns it round, with a gradient where the generator loses.
#
# Now the game itself. `discriminator_loss` is $-V$:

# %%
random = np.random.default_rng(0)
points = ring()[random.integers(8, size=50_000)]
points = (points + DEVIATION * random.normal(size=points.shape)).astype(
    "float32"
)


def build_gan_of_points():
    return kx.GANModel(
        generator=kx.networks.DenseGenerator(2, (128,) * 3, activation=None),
        discriminator=kx.networks.DenseDiscriminator((128,) * 3),
        latent_dim=4,
        conditional=False,
        seed=0,
    )


game = build_gan_of_points()
game.compile(
    keras.optimizers.Adam(1e-3, beta_1=0.0, beta_2=0.99),
    keras.optimizers.Adam(1e-3, beta_1=0.0, beta_2=0.99),
    loss="non_saturating",
    penalties=[kx.adversarial.R1(0.1)],
)
history = game.fit(points, batch_size=256, epochs=steps(20, 1), verbose=0)
value = -np.array(history.history["discriminator_loss"])
figure, axes = plt.subplots(1, 2, figsize=(8, 3))
axes[0].plot(np.arange(1, len(value) + 1), value, label="V(D, G)")
axes[0].axhline(-np.log(4), color="black", ls=":", label="-log 4")
axes[0].set_xlabel("epoch")
axes[0].legend()
axes[1].scatter(*points[:2000].T, s=1, label="data")
axes[1].scatter(
    *game.generate(num_examples=2000, seed=0).T, s=1, label="generated"
)
axes[1].legend(loc="center")
axes[1].set_aspect("equal")
plt.show()
print(f"V in the last epoch {value[-1]:.3f}, -log 4 = {-np.log(4):.3f}")

# %% [markdown]
# The value is where the theory wants it, and yet the generated clouds are
# narrower than the real ones: a discriminator that is kept smooth sees less
# than the best one does. The value of the game is no measure of a generator.
#
# ## 3. Dropped modes, and a loss that cannot drop them
#
# Real data has many modes. Here they are 25 Gaussians on a grid. A generator
# that makes a few of them well is not punished by the losses above: no example
# of a missing mode is ever generated, so none is ever found out. The
# *relativistic* loss compares each real example with a generated one:
#
# $$\min_D E[\mathrm{softplus}(D(G(z)) - D(x))], \qquad
#   \min_G E[\mathrm{softplus}(D(x) - D(G(z)))],$$
#
# and every real example counts. The penalties R1 and R2, $\frac{\gamma}{2}
# E\|\nabla D\|^2$ at real and at generated examples, keep the discriminator
# flat where both agree; without them the two networks circle each other for
# ever.

# %%
grid = np.arange(-4.0, 5.0, 2.0)
centres = np.stack(np.meshgrid(grid, grid), axis=-1).reshape(-1, 2)
random = np.random.default_rng(0)
points = centres[random.integers(25, size=50_000)]
points = (points + 0.05 * random.normal(size=points.shape)).astype("float32")


def train_on_points(loss, penalties):
    keras.utils.set_random_seed(0)
    model = build_gan_of_points()
    num_steps = steps(6000)

    model.compile(
        adam(num_steps), adam(num_steps), loss=loss, penalties=penalties
    )
    data = tf.data.Dataset.from_tensor_slices(points).shuffle(50_000)
    model.fit(data.repeat().batch(256), steps_per_epoch=num_steps, verbose=0)
    samples = model.generate(num_examples=2500, seed=0)
    report = kx.metrics.mode_report(samples, centres=centres, deviation=0.05)
    return samples, report


results = {
    "non-saturating": train_on_points("non_saturating", []),
    "relativistic + R1 + R2": train_on_points(
        "relativistic", [kx.adversarial.R1(0.1), kx.adversarial.R2(0.1)]
    ),
}
figure, axes = plt.subplots(1, 3, figsize=(9, 3), sharex=True, sharey=True)
axes[0].scatter(*points[:2500].T, s=1)
axes[0].set_title("data")
for ax, (label, (samples, report)) in zip(
    axes[1:], results.items(), strict=True
):
    ax.scatter(*samples.T, s=1)
    share = f"{report['high_quality']:.2f}"
    ax.set_title(f"{label}\n{report['num_covered']} modes, {share} within 3 sd")
    ax.set(xlim=(-5.5, 5.5), ylim=(-5.5, 5.5))
plt.show()

# %% [markdown]
# The baseline misses a mode and fills the others unevenly, the relativistic
# loss has all 25. (With more noise and longer training, over three seeds, the
# baseline has 15 to 17: `benchmarks/README.md`.) The Jensen-Shannon divergence
# of the theory would have seen the difference; the game, played in small steps
# by two networks, does not.
#
# ## 4. A class as the condition, and too little data
#
# Now pictures: clothes of Fashion-MNIST, 28 x 28. The condition is a class,
# encoded as one number out of ten. A GAN of pictures needs tens of thousands of
# them; we keep *five percent*, 300 of each class, and compare: without
# anything, with R1 and R2, and with augmentation as well. `DiffAugment` changes
# real and generated pictures alike before the discriminator sees them, so it
# cannot learn the few real ones by heart, and the generator does not learn the
# changes.
#
# `kx.datasets.fetch("mnist_fashion")` fetches the pictures. Without them the
# notebook goes on with the 1,797 digits of scikit-learn, 8 x 8, for which all
# of the code is the same.


# %%
def read_pictures(split):
    """Pictures in [-1, 1] and their classes."""
    try:
        data = kx.datasets.load("mnist_fashion", split, modalities=["fashion"])
    except FileNotFoundError:
        digits = load_digits()
        images, labels = digits.images[..., None] / 8, digits.target
        part = slice(0, 1200) if split == "train" else slice(1200, None)
        images, labels = images[part], labels[part]
    else:
        x, labels = data.batch(len(data)).as_numpy_iterator().next()
        images = x["fashion"] / 127.5
    return (images - 1).astype("float32"), labels


images, labels = read_pictures("train")
test_images, test_labels = read_pictures("test")
num_kept = len(images) // 20 // 10
few = np.concatenate(
    [np.flatnonzero(labels == c)[:num_kept] for c in range(10)]
)
print(images.shape, "of which we keep", len(few))

# %% [markdown]
# The judge is a classifier that learned from all real pictures: how often does
# it see in a picture the class that was asked for? Noise has .10. And because a
# generator that always makes the same shoe would please it, we look at the
# *Frechet distance* of its features, too, and at the *recall*, the share of
# real pictures that have a generated one nearby. What real pictures have, as
# against other real ones, stands below.

# %%
layers = keras.layers
judge = keras.Sequential(
    [
        keras.Input(images.shape[1:]),
        layers.Conv2D(32, 3, strides=2, activation="relu"),
        layers.Conv2D(64, 3, activation="relu"),
        layers.Flatten(),
        layers.Dropout(0.3),
        layers.Dense(64, activation="relu", name="features"),
        layers.Dense(10),
    ],
    name="judge",
)
judge.compile(
    "adam",
    keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    metrics=["accuracy"],
)
judge.fit(images, labels, batch_size=128, epochs=steps(3, 1), verbose=0)
accuracy = judge.evaluate(test_images, test_labels, verbose=0)[1]
print(f"the judge on unseen real pictures: {accuracy:.2f}")
extractor = keras.Model(
    judge.inputs, judge.get_layer("features").output, name="judge"
)


def train_on_pictures(rows, loss, penalties=(), augmenter=None):
    keras.utils.set_random_seed(0)
    model = kx.GANModel(
        generator=kx.networks.ConvGenerator(images.shape[1:], (48, 24)),
        discriminator=kx.networks.ConvDiscriminator((24, 48)),
        condition_encoder=layers.CategoryEncoding(10, "one_hot"),
        augmenter=augmenter,
        ema_momentum=0.998,
        seed=0,
    )
    num_steps = steps(1200, 5)
    model.compile(
        adam(num_steps), adam(num_steps), loss=loss, penalties=penalties
    )
    data = tf.data.Dataset.from_tensor_slices((labels[rows], images[rows]))
    data = data.shuffle(len(rows)).repeat().batch(64)
    model.fit(data, steps_per_epoch=num_steps, verbose=0)
    asked = np.arange(2000) % 10
    generated = model.generate(asked, seed=0)
    seen = judge.predict(generated, verbose=0).argmax(axis=1)
    report = kx.metrics.generation_report(
        test_images[:2000], generated, extractor, reference=images[:2000]
    )
    return generated[:20], np.mean(seen == asked), report


penalties = [kx.adversarial.R1(0.5), kx.adversarial.R2(0.5)]
augmenter = kx.layers.DiffAugment(("translation", "cutout"))
every = np.arange(len(images))
runs = {
    "all, R1 + R2": (every, "relativistic", penalties),
    "5%, non-saturating": (few, "non_saturating"),
    "5%, R1 + R2": (few, "relativistic", penalties),
    "5%, R1 + R2, augmented": (few, "relativistic", penalties, augmenter),
}
figure, axes = plt.subplots(len(runs), 1, figsize=(9, 2.4))
for ax, (label, options) in zip(axes, runs.items(), strict=True):
    row, share, report = train_on_pictures(*options)
    strip = np.concatenate(list(row[..., 0]), axis=1)
    ax.imshow(strip, cmap="gray", vmin=-1, vmax=1)
    ax.set_ylabel(label, rotation=0, ha="right", va="center")
    ax.set(xticks=[], yticks=[])
    print(f"{label:22s} the class asked for {share:.2f}, ", end="")
    print(f"Frechet distance {report['frechet_distance']:.1f}, ", end="")
    print(f"recall {report['recall']:.2f}")
floor = report["floor"]
print(f"{'real pictures':22s} the class {accuracy:.2f}, ", end="")
print(f"Frechet distance {floor['frechet_distance']:.1f}, ", end="")
print(f"recall {floor['recall']:.2f}")
plt.show()

# %% [markdown]
# With 5% of the pictures, R1 and R2 lose little, and have half as much again of
# the variety of the baseline, whose clothes are of the right class more often
# because they are always the same ones. Augmentation does not pay here, it
# costs: in 1,200 steps each of the 3,000 pictures is shown 26 times, too seldom
# to be learned by heart, and moved pictures are harder to learn from. It is for
# longer training, and for fewer pictures, as below.
#
# ## 5. Text -> image
#
# The bundled sample has 681 pictures of 32 x 32 with their names and keywords.
# What should the networks get of a caption? With so little data no GAN learns
# what words mean. So an `EmbeddingModel` learns it first, which puts pictures
# and texts into one space, as in tutorial 01: by `kx.recipes.embedding`, with
# the demo's data and augmentation (it brings word vectors from far more text
# than we have). Its text tower becomes the `condition_encoder`; it is
# not trained any more.

# %%
from keras_xmodal.demo import recipe

train_rows = recipe.read_train()


def train_embedding_model(seed):
    made = recipe.make(train_rows, seed, quiet=True)
    made.fit(steps(recipe.EPOCHS, 2))
    return made.model


space = train_embedding_model(seed=1)
tower = keras.Sequential(
    [
        space.encoders["text"],
        space.projections["text"],
        layers.UnitNormalization(),
    ],
    name="text_tower",
)

# %% [markdown]
# One thing more is needed. A discriminator that is only asked "real or not?"
# accepts any fine picture for any caption. So it also gets *mismatched* pairs,
# a real picture with the caption of another one, and must refuse them
# (`mismatch_weight`).


# %%
def read_emoji(split):
    data = kx.datasets.load("emoji", split, columns=["keywords"])
    return [{**row, "id": item} for row, item in data.as_numpy_iterator()]


emoji = read_emoji("train")
pictures = np.stack([row["image"] for row in emoji]) / 127.5 - 1.0
pictures = pictures.astype("float32")
captions, rows = [], []
for i, row in enumerate(emoji):
    for caption in (row["text"], *(word for word in row["keywords"] if word)):
        captions.append(caption.decode())
        rows.append(i)
print(f"{len(pictures)} pictures, {len(captions)} captions")

keras.utils.set_random_seed(0)
gan = kx.GANModel(
    generator=kx.networks.ConvGenerator((32, 32, 3), (64, 32, 16)),
    discriminator=kx.networks.ConvDiscriminator((16, 32, 64)),
    condition="text",
    target="image",
    condition_encoder=tower,
    preprocessors={"text": space.preprocessors["text"]},
    augmenter=kx.layers.DiffAugment(("translation",)),
    ema_momentum=0.998,
    seed=0,
)
num_steps = steps(2500, 10)
gan.compile(
    adam(num_steps), adam(num_steps), penalties=penalties, mismatch_weight=0.5
)
tokens = space.preprocessors["text"](np.array(captions)).numpy()
data = tf.data.Dataset.from_tensor_slices((tokens, np.array(rows)))
data = data.shuffle(len(rows)).repeat()
data = data.map(
    lambda t, i: kx.models.Preprocessed(text=t, image=tf.gather(pictures, i))
)
history = gan.fit(data.batch(64), steps_per_epoch=num_steps, verbose=0)

# %% [markdown]
# Three rows of pictures for each caption, with one noise in each row. The first
# captions are names that training had; the last are not.

# %%
asked = ["red apple", "sun", "clock", "umbrella", "tiger"]
asked += ["crimson fruit", "kitten", "daylight"]
z = np.random.default_rng(3).normal(size=(3, 64)).astype("float32")
figure, axes = plt.subplots(3, len(asked), figsize=(10, 4))
for column, caption in zip(axes.T, asked, strict=True):
    drawn = gan.generate([caption] * 3, z)
    column[0].set_title(caption, fontsize=9)
    for ax, picture in zip(column, drawn, strict=True):
        ax.imshow((picture + 1) / 2)
        ax.axis("off")
plt.show()

# %% [markdown]
# ## 6. Is it in the picture?
#
# A picture can please and show something else. So we ask a model that the GAN
# never saw, an `EmbeddingModel` of another seed: it must find the caption of a
# generated picture among 99 others (*R-precision*). Chance is .01. Beside it
# stands what the judge makes of the real pictures.

# %%
judge_of_captions = train_embedding_model(seed=0)


def precision(question, split):
    test = read_emoji(split)
    texts = np.array([row["text"].decode() for row in test])
    ids = np.array([row["id"] for row in test])
    drawn = gan.generate(texts, seed=0)
    batches = {
        "generated": np.clip((drawn + 1) * 127.5, 0, 255).astype("uint8"),
        "real": np.stack([row["image"] for row in test]),
    }
    embedded = judge_of_captions.encode({"text": texts})["text"]
    for name, batch in batches.items():
        report = kx.metrics.text_r_precision(
            judge_of_captions.encode({"image": batch})["image"], embedded, ids
        )
        print(f"{question}, {name}: {report['r_precision']:.2f}", end="")
        print(f" +- {report['standard_error']:.2f}")


precision("names in training", "train")
precision("unseen captions of seen concepts", "test_keyword")
precision("unseen concepts", "test_concept")

# %% [markdown]
# The judge finds as much or more in generated pictures of unseen captions as in
# the real ones. That is no triumph: real ones show what the judge has never
# seen, while generated ones are put together of what training pictures show,
# and both models learned from the same 681 of them. The figure says that the
# picture shows what the *text* made the model think of, which is what it is
# for.
#
# ## 7. The other direction: image -> text
#
# A text is a row of tokens, and tokens have no gradient: between "cat" and
# "car" there is nothing to move through. `GumbelSoftmax` ends a generator with
# one-hot tokens forward and with the gradient of a softmax backward. The
# condition is a handwritten digit (8 x 8, scikit-learn), the target its name,
# in English or in German, as the noise decides. The test digits were never
# shown.

# %%
pairs = (
    "zero null one eins two zwei three drei four vier "
    "five fünf six sechs seven sieben eight acht nine neun"
)
names = np.reshape(pairs.split(), (10, 2)).T  # English, German
texts = kx.networks.TextPreprocessor(
    split="character", sequence_length=8, end_token=True
)
texts.adapt(names.ravel())
num_tokens = texts.vocabulary_size()

digits = load_digits()
x = (digits.data / 8 - 1).astype("float32")
digit = digits.target
language = np.random.default_rng(0).integers(2, size=len(digit))
y = keras.ops.one_hot(texts(names[language, digit]), num_tokens)

keras.utils.set_random_seed(0)
noise, condition = keras.Input((16,)), keras.Input((64,))
logits = kx.networks.ConvGenerator((8, num_tokens), (64, 32), activation=None)(
    [noise, condition]
)
namer = kx.GANModel(
    generator=keras.Model(
        [noise, condition], kx.layers.GumbelSoftmax(seed=0)(logits)
    ),
    discriminator=kx.networks.ConvDiscriminator((32, 64)),
    latent_dim=16,
    ema_momentum=0.99,
    seed=0,
)
epochs = steps(150, 1)
namer.compile(adam(12 * epochs, 4e-3), adam(12 * epochs, 4e-3))
namer.fit(x[:1200], y[:1200], batch_size=100, epochs=epochs, verbose=0)
written = namer.generate(np.repeat(x[1200:], 8, axis=0), seed=0)
written = np.reshape(texts.detokenize(written.argmax(axis=-1)), (-1, 8))
right = (written[..., None] == names.T[digit[1200:], None]).any(axis=-1)
print(f"a right name: {right.mean():.2f} (one name for all has .10)")
both = [len(set(row[ok])) == 2 for row, ok in zip(written, right, strict=True)]
print(f"both languages in 8 samples: {np.mean(both):.2f}")
for row, answer in zip(written[:4], digit[1200:], strict=False):
    print(answer, *row)

# %% [markdown]
# ## 8. Save, resume, serve
#
# The file has both networks, both optimizers, the average and the number of the
# step: loaded, training goes on as if it had never stopped. And a server needs
# neither Keras nor Python: a seed for each row decides the picture.

# %%
import tempfile

with tempfile.TemporaryDirectory() as folder:
    gan.save(f"{folder}/gan.keras")
    again = keras.saving.load_model(f"{folder}/gan.keras")
    print("step", int(again.step))
    report = kx.export.saved_model(gan, f"{folder}/served/1")
    print(f"largest difference from Keras: {report['max_abs_error']:.1e}")
    served = tf.saved_model.load(f"{folder}/served/1")
    drawn = served.signatures["generate_string"](
        text=tf.constant(["red apple"]), seed=tf.constant([7])
    )["image"]
    expected = gan.generate(["red apple"], seed=[7])
    print("the same picture:", np.allclose(drawn, expected, atol=1e-4))
