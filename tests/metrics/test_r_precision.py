from keras_xmodal.metrics import RPrecision
from tests.metrics.check_metric import check_compiled_metric, check_metric


def test_compiled_and_saved():
    check_compiled_metric(RPrecision, {})


def test_matches_brute_force():
    check_metric(
        RPrecision,
        {},
        lambda ranked: sum(ranked[: int(sum(ranked))]) / sum(ranked),
    )
