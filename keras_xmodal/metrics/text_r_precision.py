"""Whether images that were generated from captions show them."""

from collections.abc import Sequence

import numpy as np

from keras_xmodal import checks
from keras_xmodal.metrics.ids import match_ids
from keras_xmodal.reports import Report

# Scores held at once, 32 MB.
_MAX_SCORES = 2**22
# Cosines that float32 embeddings cannot tell apart.
_TIE = 1e-7


def text_r_precision(
    image_embeddings: np.ndarray,
    text_embeddings: np.ndarray,
    text_ids: Sequence | np.ndarray | None = None,
    num_candidates: int = 100,
) -> dict[str, float]:
    """Share of generated images whose own caption is the nearest to them.

    This is what text-to-image papers call R-precision: of the caption that an
    image was generated from and 99 random ones that it was not, its own must
    have the largest cosine similarity. (The metric `RPrecision` is another
    one, of retrieval with many relevant candidates.) The share is its
    expectation over all draws of the other captions, in closed form, so there
    is no seed. Ties count against the model.

    Embed with a model that the generator's loss never saw: one that it was
    trained on is satisfied by images that no one else would recognise.

    Args:
        image_embeddings: Array of shape `(images, dim)`, of generated images.
        text_embeddings: Array of shape `(images, dim)`, row by row of the
            captions that they were generated from.
        text_ids: Array of shape `(images,)` of any dtype with equality.
            Rows of the same id are never drawn against each other: give equal
            captions, or all captions of one image, the same. None if all
            rows differ.
        num_candidates: Integer from 2, its own caption included.

    Returns:
        Dict of Python numbers: `"r_precision"`; `"standard_error"` of it, over
        the images; `"chance"`, `1 / num_candidates`; `"num_images"`;
        `"num_candidates"`.

    Raises:
        TypeError: If embeddings or ids are of a wrong type.
        ValueError: If shapes do not fit, values are not finite, or an image
            has too few captions that are not its own.

    Example:
        ```python
        import numpy as np
        import keras_xmodal as kx

        rng = np.random.default_rng(0)
        captions = rng.normal(size=(500, 16))
        images = captions + rng.normal(size=(500, 16))
        report = kx.metrics.text_r_precision(images, captions)
        print(report["r_precision"], report["chance"])  # about 0.78, 0.01
        ```

    Reference:
        - Xu et al., 2018, https://arxiv.org/abs/1711.10485, section 4
    """
    num_candidates = checks.integer("num_candidates", num_candidates, least=2)
    images = checks.embeddings("image_embeddings", image_embeddings, "float64")
    texts = checks.embeddings("text_embeddings", text_embeddings, "float64")
    checks.same_shape(
        image_embeddings=images.shape, text_embeddings=texts.shape
    )
    if text_ids is None:
        ids = np.arange(len(images))
    else:
        (ids,) = match_ids(checks.ids("text_ids", text_ids, len(images)))
    num_others = len(ids) - np.bincount(ids)[ids]  # (images,)
    if num_others.min() < num_candidates - 1:
        raise ValueError(
            f"Every image must have at least {num_candidates - 1} captions of "
            "other ids, `num_candidates` less its own. Received: an image "
            f"with {num_others.min()}, among {len(ids)}"
        )
    better = _count_better(_normalize(images), _normalize(texts), ids)
    first = np.ones(len(images))
    for drawn in range(num_candidates - 1):
        left = np.maximum(num_others - better - drawn, 0)
        first *= left / (num_others - drawn)
    return Report(
        {
            "r_precision": float(first.mean()),
            "standard_error": float(first.std(ddof=1) / np.sqrt(len(first))),
            "chance": 1 / num_candidates,
            "num_images": len(first),
            "num_candidates": num_candidates,
        }
    )


def _count_better(images, texts, ids):
    """Captions of other ids that are not farther from an image than its own."""
    rows = max(1, _MAX_SCORES // len(images))
    counts = []
    for start in range(0, len(images), rows):
        chunk = slice(start, start + rows)
        scores = images[chunk] @ texts.T  # (rows, captions)
        own = np.sum(images[chunk] * texts[chunk], axis=1, keepdims=True)
        others = ids[chunk, None] != ids
        counts.append(np.sum(others & (scores >= own - _TIE), axis=1))
    return np.concatenate(counts)


def _normalize(embeddings):
    lengths = np.linalg.norm(embeddings, axis=1, keepdims=True)
    # A zero vector ties with everything.
    return embeddings / np.where(lengths > 0, lengths, 1.0)
