"""CPU of one query, beside Keras' ways to call a model on one example.

    python -m benchmarks.speed.query --out results.json

Models of small towers answer one raw text or picture after the other: the
milliseconds of CPU (all threads) of `encode`, `ExactIndex.search`, `translate`
and `generate`, beside `predict` and `predict_on_batch` of the same model, which
includes its preprocessors, and one compiled function of the network alone, on a
prepared example: what cannot be saved. Rounds of all of them take turns; the
medians count.
"""

import argparse
import json
import pathlib
import statistics
import time

CALLS, ROUNDS = 20, 7
TEXTS = ["red apple", "green tree", "blue sky over the sea", "yellow sun"]


def make_models():
    """An embedding model, a VAE and a GAN, built."""
    import keras
    import numpy as np

    import keras_xmodal as kx

    text = kx.networks.TextPreprocessor(sequence_length=12)
    text.adapt(TEXTS)
    size = text.vocabulary_size()
    preprocessors = {
        "image": kx.networks.ImagePreprocessor((32, 32)),
        "text": text,
    }

    def encoders():
        return {
            "image": kx.networks.ImageEncoder(),
            "text": kx.networks.TextEncoder(size),
        }

    embedding = kx.EmbeddingModel(
        encoders=encoders(), embedding_dim=64, preprocessors=preprocessors
    )
    vae = kx.VAEModel(
        latent_dim=16,
        encoders=encoders(),
        decoders={
            "image": kx.networks.ImageDecoder((32, 32)),
            "text": kx.networks.TextDecoder(size, 12, num_layers=1),
        },
        likelihoods={"text": kx.likelihoods.TokenSequence(size)},
        preprocessors=preprocessors,
    )
    z, features = keras.Input((64,)), keras.Input((256,))
    joined = keras.layers.Concatenate()([z, features])
    picture, features_too = keras.Input((32,)), keras.Input((256,))
    judged = keras.layers.Concatenate()([picture, features_too])
    gan = kx.GANModel(
        generator=keras.Model(
            [z, features], keras.layers.Dense(32, "tanh")(joined)
        ),
        discriminator=keras.Model(
            [picture, features_too], keras.layers.Dense(1)(judged)
        ),
        condition_encoder=kx.networks.TextEncoder(size),
        condition="text",
        target="vector",
        preprocessors={"text": text},
    )
    raw = {
        "image": np.zeros((len(TEXTS), 40, 40, 3), "uint8"),
        "text": np.array(TEXTS),
    }
    for model in (embedding, vae):
        model.predict_on_batch(raw)
    return embedding, vae, gan, raw


def make_uses():
    """Dict `{name: function of rows}`."""
    import numpy as np
    import tensorflow as tf

    import keras_xmodal as kx

    embedding, vae, gan, raw = make_models()
    index = kx.retrieval.ExactIndex(embedding)
    pictures = np.random.default_rng(0).normal(size=(1000, 64))
    index.add(pictures, range(1000), modality="image")
    prepared = embedding.preprocess({"text": raw["text"][:1]})["text"]

    @tf.function
    def network(ids):
        return embedding({"text": ids})["text"]

    def take(name, rows):
        return {name: raw[name][rows]}

    return {
        "encode, text": lambda rows: embedding.encode(take("text", rows)),
        "encode, image": lambda rows: embedding.encode(take("image", rows)),
        "search, text": lambda rows: index.search(take("text", rows), k=10),
        "translate, text to image": lambda rows: vae.translate(
            take("text", rows), to="image"
        ),
        "generate, from text": lambda rows: gan.generate(
            take("text", rows), seed=0
        ),
        "Keras predict, text": lambda rows: embedding.predict(
            take("text", rows), verbose=0
        ),
        "Keras predict_on_batch, text": lambda rows: embedding.predict_on_batch(
            take("text", rows)
        ),
        "network alone, text": lambda rows: network(prepared).numpy(),
    }


def milliseconds(use):
    start = time.process_time()
    for _ in range(CALLS):
        use([0])
    return 1000 * (time.process_time() - start) / CALLS


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=pathlib.Path, required=True)
    arguments = parser.parse_args()
    uses = make_uses()
    for use in uses.values():
        use([0])
    rounds = [
        {name: milliseconds(use) for name, use in uses.items()}
        for _ in range(ROUNDS)
    ]
    table = [
        {
            "use": name,
            "milliseconds": round(
                statistics.median(r[name] for r in rounds), 2
            ),
        }
        for name in uses
    ]
    arguments.out.write_text(json.dumps({"table": table}, indent=1) + "\n")
    for row in table:
        print(f"{row['milliseconds']:8.2f} ms  {row['use']}")


if __name__ == "__main__":
    main()
