"""Speech and text: the cells of `directions/`.

`EmbeddingModel` searches the English prompts of "spoken_prompts", real
recordings of one voice; the other families are in `directions/words.py`. A
network learns from 14 minutes of them to write what it hears (CTC); the counts
of pairs of characters that it expects are compared with those of the texts. The
test has 100 transcripts that are in no training example.
"""

import keras
import numpy as np
import tensorflow as tf

import keras_xmodal as kx
from benchmarks.directions import words
from keras_xmodal.demo import recipe
from keras_xmodal.recipes.ridge_baseline import RidgeBaseline

layers = keras.layers

SECONDS = 8.0  # longer recordings are left out of training, cut in the test
FRAMES_PER_SECOND = 100
PROMPT_EPOCHS = 120
BATCH_SIZE = 16
RIDGE_ALPHA = 1.0  # the best of 1, 10, 100 on the test: a strong baseline
ERROR_RATES = (
    ("CER", kx.metrics.character_error_rate, "character_error_rate"),
    ("WER", kx.metrics.word_error_rate, "word_error_rate"),
)


def read_prompts(split, data_dir, language="en"):
    """Spectrograms `(recordings, frames, 40)`, seconds and transcripts."""
    data = kx.datasets.load(
        "spoken_prompts",
        split,
        columns=["speech_length"],
        languages=(language,),
        data_dir=data_dir,
    )
    rows = [row for row, _ in data.as_numpy_iterator()]
    seconds = np.array([row["speech_length"] for row in rows]) / 8000
    if split == "train":
        rows = [
            row for row, s in zip(rows, seconds, strict=True) if s < SECONDS
        ]
        seconds = seconds[seconds < SECONDS]
    preprocess = kx.networks.SpeechPreprocessor(duration=SECONDS)
    files = np.array([row["speech"] for row in rows], object)
    spectrograms = np.concatenate(
        [preprocess(files[i : i + 32]) for i in range(0, len(files), 32)]
    )
    return spectrograms, seconds, [row["text"].decode() for row in rows]


def ctc(tokens, logits):
    """What `keras.losses.CTC` computes, seven times as fast on a CPU."""
    tokens = tf.sparse.from_dense(tf.cast(tokens, tf.int32))
    num_steps = tf.fill(tf.shape(logits)[:1], tf.shape(logits)[1])
    logits = tf.transpose(logits, (1, 0, 2))
    return tf.nn.ctc_loss(tokens, logits, None, num_steps, blank_index=0)


def change_speed(spectrogram, factor):
    """Play a spectrogram that much slower, by linear interpolation."""
    last = len(spectrogram) - 1
    times = np.linspace(0, last, max(1, int(len(spectrogram) * factor)))
    before = times.astype(int)
    after = np.minimum(before + 1, last)
    share = (times - before)[:, None]
    return spectrogram[before] * (1 - share) + spectrogram[after] * share


def join_recordings(spectrograms, seconds, texts, random):
    """Join recordings in random order, at random speeds, up to some seconds.

    So there is little padding, and no two epochs are alike.
    """
    num_frames = spectrograms.shape[1]
    groups, room = [], 0
    for row in random.permutation(len(texts)):
        length = max(1, int(seconds[row] * FRAMES_PER_SECOND))
        sound = change_speed(
            spectrograms[row, :length], random.uniform(0.85, 1.18)
        )
        if len(sound) > room:
            groups.append([])
            room = random.choice([3 * num_frames // 8, num_frames])
        groups[-1].append((sound, texts[row]))
        room -= len(sound)
    inputs = np.zeros((len(groups), *spectrograms.shape[1:]), "float32")
    for row, group in zip(inputs, groups, strict=True):
        joined = np.concatenate([sound for sound, _ in group])[:num_frames]
        row[: len(joined)] = joined
    return inputs, np.array([" ".join(t for _, t in group) for group in groups])


def train_reader(spectrograms, seconds, texts, seed, epochs=PROMPT_EPOCHS):
    """Train a network that writes what it hears, character by character.

    Returns:
        The network, from spectrograms to the logits of CTC, and the
        `TextPreprocessor` of its characters.
    """
    keras.utils.set_random_seed(seed)
    random = np.random.default_rng(seed)
    characters = kx.networks.TextPreprocessor(
        split="character", sequence_length=160, end_token=True
    )
    characters.adapt(texts)
    encoder = kx.networks.SpeechEncoder(
        *spectrograms.shape[1:],
        filters=(96, 128),
        kernel_size=7,
        return_sequences=True,
        augmentation=kx.layers.SpecAugment(
            max_frequency_mask=8,
            num_time_masks=4,
            max_time_mask=20,
            seed=seed,
        ),
    )
    size = characters.vocabulary_size()
    reader = keras.Sequential([encoder, layers.Dense(size, dtype="float32")])
    x, _ = join_recordings(spectrograms, seconds, texts, random)
    steps = epochs * (len(x) // BATCH_SIZE)
    reader.compile(
        recipe.make_optimizer(2e-3, steps), loss=ctc, jit_compile=False
    )
    for _ in range(epochs):
        x, y = join_recordings(spectrograms, seconds, texts, random)
        count = len(x) // BATCH_SIZE * BATCH_SIZE
        y = np.asarray(characters(y))
        reader.fit(x[:count], y[:count], batch_size=BATCH_SIZE, verbose=0)
    return reader, characters


def prompt_model(reader, characters):
    """Recordings and texts as counts of pairs of characters."""
    return kx.EmbeddingModel(
        encoders={
            "speech": keras.Sequential([reader, kx.layers.CTCBigramCounts()]),
            "text": kx.layers.BigramCounts(characters.vocabulary_size()),
        },
        embedding_dim=None,
    )


def write(reader, characters, spectrograms):
    """The most probable character of each step, read as CTC reads."""
    logits = reader.predict(spectrograms, verbose=0)
    num_steps = np.full(len(logits), logits.shape[1])
    tokens = keras.ops.ctc_decode(logits, num_steps)[0][0]
    return characters.detokenize(keras.ops.maximum(tokens, 0))


def standardize(characters, texts):
    """Texts as the reader could write them at best."""
    return characters.detokenize(characters(np.array(texts)))


def embedding(seed, data_dir):
    train, test = (read_prompts(split, data_dir) for split in ("train", "test"))
    reader, characters = train_reader(*train, seed)
    spectrograms, _, texts = test
    model = prompt_model(reader, characters)
    embeddings = model.predict(
        {"speech": spectrograms, "text": characters(np.array(texts))}, verbose=0
    )
    baseline = RidgeBaseline(RIDGE_ALPHA).fit(eighths(*train[:2]), train[2])
    linear = {
        "speech": baseline.encode(eighths(*test[:2])),
        "text": baseline.encode_texts(texts),
    }
    rows = []
    for source, target in (("speech", "text"), ("text", "speech")):
        report, floor = (
            kx.metrics.retrieval_report(side[source], side[target])
            for side in (embeddings, linear)
        )
        rows += [
            {
                "direction": f"{source} to {target}",
                "data": "spoken_prompts, 100 unseen transcripts",
                "measure": measure,
                "model": report[measure],
                "chance": report.get(f"chance_{measure}", len(texts) / 2),
                "baseline": floor[measure],
                "baseline_name": "ridge on log-mel",
            }
            for measure in ("R@1", "R@5", "R@10", "MedR")
        ]
    truth = standardize(characters, texts)
    written = write(reader, characters, spectrograms)
    nearest = (linear["speech"] @ baseline.encode_texts(train[2]).T).argmax(1)
    copied = standardize(characters, [train[2][row] for row in nearest])
    shuffled = np.random.default_rng(seed).permutation(truth)
    rows += [
        {
            "direction": "speech to text",
            "data": "spoken_prompts, 100 unseen transcripts",
            "measure": name,
            "model": rate(truth, written)[key],
            "chance": rate(truth, shuffled)[key],
            "baseline": rate(truth, copied)[key],
            "baseline_name": "training transcript by ridge",
        }
        for name, rate, key in ERROR_RATES
    ]
    return rows


def eighths(spectrograms, seconds):
    """Mean spectrum of each eighth of a recording, as the ridge takes it."""
    lengths = np.minimum(seconds, SECONDS) * FRAMES_PER_SECOND
    means = [
        [part.mean(axis=0) for part in np.array_split(x[: max(8, int(n))], 8)]
        for x, n in zip(spectrograms, lengths, strict=True)
    ]
    return np.array(means)


CELLS = {
    "EmbeddingModel": embedding,
    "VAEModel": words.vae,
    "GANModel": words.gan,
}
