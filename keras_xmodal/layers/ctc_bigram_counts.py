"""Speech as expected counts of pairs of neighbouring characters."""

import keras
from keras import ops

from keras_xmodal import checks
from keras_xmodal.ops.bigrams import ctc_bigram_counts
from keras_xmodal.saving import register


@register
class CTCBigramCounts(keras.layers.Layer):
    """Count the pairs of neighbouring characters in what CTC reads.

    The counts are expectations over all paths, so a character that the network
    doubts counts in parts, and neither a beam nor a dictionary is needed. They
    lie in the space of `BigramCounts` of written texts: a network that is
    trained with `keras.losses.CTC` to write what it hears so becomes the speech
    tower of an `EmbeddingModel`, and stays differentiable. Memory grows with
    the square of the steps, 4 bytes for each pair of them.

    Args:
        **kwargs: Arguments of `keras.layers.Layer`. The counts are float32
            under every `dtype` policy.

    Call arguments:
        logits: Float tensor of shape `(batch, steps, classes)`; class 0 is the
            blank.

    Returns:
        Float32 tensor of shape `(batch, classes ** 2)`, as `BigramCounts` has
        it for a vocabulary of as many token ids.

    Raises:
        ValueError: If the logits have another rank, or steps or classes are not
            known.

    Example:
        ```python
        import keras
        import keras_xmodal as kx
        import numpy as np

        texts = kx.networks.TextPreprocessor(split="character")
        texts.adapt(["red", "green"])
        size = texts.vocabulary_size()
        encoder = kx.networks.SpeechEncoder(50, 40, return_sequences=True)
        reader = keras.Sequential(
            [encoder, keras.layers.Dense(size, dtype="float32")]
        )  # to be trained with `keras.losses.CTC`
        model = kx.EmbeddingModel(
            encoders={
                "speech": keras.Sequential(
                    [reader, kx.layers.CTCBigramCounts()]
                ),
                "text": kx.layers.BigramCounts(size),
            },
            embedding_dim=None,
        )
        x = {
            "speech": np.random.default_rng(0).random((2, 50, 40), "float32"),
            "text": texts(np.array(["red", "green"])),
        }
        model(x)["speech"].shape  # (2, 49)
        ```

    Reference:
        - Graves et al., 2006, https://doi.org/10.1145/1143844.1143891
        - Allauzen et al., 2004, https://aclanthology.org/W04-2907
    """

    def __init__(self, **kwargs):
        # Half precision would spoil sums of logarithms over many steps.
        super().__init__(autocast=False, **kwargs)

    def call(self, logits):
        checks.shape(
            "logits",
            logits.shape,
            ("batch", "steps", "classes"),
            known=("steps", "classes"),
        )
        return ops.reshape(
            ctc_bigram_counts(logits), (-1, logits.shape[-1] ** 2)
        )

    def compute_output_spec(self, logits):
        shape = (logits.shape[0], logits.shape[-1] ** 2)
        return keras.KerasTensor(shape, "float32")
