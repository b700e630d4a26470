"""Arguments that public functions of the maths cannot use."""

import numpy as np
import pytest

import keras_xmodal as kx
from keras_xmodal.ops import adversarial, contrastive, gumbel, importance

ROW, SQUARE = np.zeros(3), np.zeros((3, 3))
LOSSES = [
    adversarial.hinge,
    adversarial.least_squares,
    adversarial.minimax,
    adversarial.non_saturating,
    adversarial.relativistic,
    adversarial.wasserstein,
]


@pytest.mark.parametrize("loss", LOSSES)
def test_logits_of_any_real_dtype(loss):
    expected = loss(np.float32([0, 1, 2]), np.float32([2, -1, 0]))
    for kind in (list, np.float64, np.float16, np.int64):
        found = loss(kind([0, 1, 2]), kind([2, -1, 0]))
        np.testing.assert_allclose(found, expected, rtol=1e-6)
    for real, fake in ((ROW, "x"), (None, ROW), (ROW, ROW[:, None])):
        with pytest.raises((TypeError, ValueError), match="Received"):
            loss(real, fake)


TRIPLETS = [
    contrastive.triplet_all_negatives,
    contrastive.triplet_hard_negative,
    contrastive.triplet_semi_hard_negative,
]
CALLS = [
    *[(f, (p, z)) for f in (contrastive.info_nce,
                            contrastive.sigmoid_contrastive)
      for p, z in ((SQUARE, "x"), (SQUARE, ROW), (SQUARE[:2], SQUARE),
                   (None, SQUARE))],
    *[(f, (SQUARE, z, margin)) for f in TRIPLETS
      for z, margin in ((ROW, 0.2), (SQUARE, "x"), (SQUARE, np.nan),
                        (SQUARE[:2], 0.2))],
    (contrastive.info_nce, (SQUARE, SQUARE, ROW)),
    (contrastive.anchor_weights, (SQUARE, ROW)),
    (contrastive.positives_from_ids, (SQUARE.astype(int),)),
    (contrastive.positives_from_ids, ([0.5, 1.5],)),
    (importance.iwae_bound, ("x",)),
    (importance.normalized_weights, (1.0,)),
    (gumbel.gumbel_softmax, (SQUARE, ROW)),
    (gumbel.gumbel_softmax, (SQUARE, None, 0.0)),
    (kx.losses.InfoNCE(), (np.arange(3), "x")),
    (kx.losses.InfoNCE(), (np.arange(3), SQUARE, "x")),
    (kx.likelihoods.Normal().log_prob, ("x", SQUARE)),
    (kx.likelihoods.Normal().log_prob, (SQUARE, None)),
    (kx.likelihoods.Normal().log_prob, (SQUARE, SQUARE, ROW[:2])),
    (kx.likelihoods.Normal().log_prob, (1.0, 1.0)),
    (kx.likelihoods.Normal().mean, ("x",)),
]  # fmt: skip


@pytest.mark.parametrize(("function", "arguments"), CALLS)
def test_errors_name_the_argument(function, arguments):
    with pytest.raises((TypeError, ValueError), match=r"`\w+` must.*Received"):
        function(*arguments)
