"""The loss of a small tower that learns from a large one."""

import keras
import numpy as np
from keras import ops

from keras_xmodal import checks, saving
from keras_xmodal.ops.similarity import dot_similarity


@saving.register
class SimilarityDistillation(keras.losses.Loss):
    """Find among candidates what another model finds, and as surely.

    `KL(softmax(C t / temperature) || softmax(C s / temperature))` of an
    embedding `s` and its target `t`, with one candidate in each row of `C`:
    embeddings of another modality, such as of pictures where a tower of texts
    learns. Where an embedding cannot be equal to its target, as in a smaller
    tower, it says which errors matter: those that change what is found.

    Args:
        candidates: Array of shape `(candidates, dim)`, what the model to learn
            from makes of some hundreds or thousands of examples of another
            modality. Saved with what a compiled model was compiled with.
        temperature: Float in `[0.01, 1]`; lower makes the nearest candidates
            count for more.
        reduction: Keras reduction.
        name: Name of the loss.
        dtype: Dtype of the maths.

    Call arguments:
        y_true: Embeddings by the model to learn from, `(batch, dim)`.
        y_pred: Embeddings by the model that learns, `(batch, dim)`.
        sample_weight: Optional, of shape `(batch,)`.

    Returns:
        Scalar, in nats.

    Raises:
        TypeError: If `candidates` are no numbers.
        ValueError: If they are not finite or of another shape, or
            `temperature` is out of range.

    Example:
        ```python
        import numpy as np
        import keras_xmodal as kx

        rng = np.random.default_rng(0)
        x = {"image": rng.normal(size=(50, 20)), "text": rng.normal(size=(50, 9))}
        teacher = kx.EmbeddingModel({"image": 20, "text": 9}, 4)
        targets = teacher.encode(x)

        student = kx.EmbeddingModel({"text": 9}, 4)
        loss = kx.losses.SimilarityDistillation(targets["image"])
        student.compile("adam", loss)
        student.fit({"text": x["text"]}, {"text": targets["text"]}, verbose=0)
        ```

    Reference:
        - Hinton et al., 2015, https://arxiv.org/abs/1503.02531
        - Wu et al., 2023 (TinyCLIP), https://arxiv.org/abs/2309.12314,
          section 3.1
    """  # noqa: E501

    def __init__(
        self,
        candidates: np.ndarray,
        temperature: float = 0.1,
        reduction: str = "sum_over_batch_size",
        name: str = "similarity_distillation",
        dtype: str | keras.DTypePolicy | None = None,
    ):
        super().__init__(name=name, reduction=reduction, dtype=dtype)
        self.candidates = checks.embeddings("candidates", candidates)
        self.temperature = checks.in_range(
            "temperature", temperature, 0.01, 1.0
        )

    def call(self, y_true, y_pred):
        shape = (None, self.candidates.shape[1])
        checks.shape("y_true", y_true.shape, shape)
        checks.shape("y_pred", y_pred.shape, shape)
        candidates = ops.cast(self.candidates, y_pred.dtype)
        expected, found = (
            ops.log_softmax(dot_similarity(x, candidates) / self.temperature)
            for x in (y_true, y_pred)
        )  # (batch, candidates)
        return ops.sum(ops.exp(expected) * (expected - found), axis=-1)
