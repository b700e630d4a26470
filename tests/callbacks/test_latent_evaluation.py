import keras
import numpy as np
import pytest

import keras_xmodal as kx
from keras_xmodal.callbacks import LatentEvaluation
from keras_xmodal.metrics import linear_probe


class Encoder:
    """Gives latents that the test has chosen, by the modalities given."""

    modalities = ("a", "b")

    def __init__(self, means, log_variances):
        self.means, self.log_variances = means, log_variances

    def encode(self, x, output, batch_size):
        which = self.means if output == "mean" else self.log_variances
        return which["".join(x)]


def data(examples=40):
    rng = np.random.default_rng(0)
    labels = np.arange(examples) % 2
    shift = 4.0 * labels[:, None]
    return {
        "a": (rng.normal(size=(examples, 6)) + shift).astype("float32"),
        "b": (rng.normal(size=(examples, 4)) + shift).astype("float32"),
    }, labels


def make_model(**kwargs):
    keras.utils.set_random_seed(0)
    model = kx.VAEModel({"a": 6, "b": 4}, 3, **kwargs)
    model.compile(keras.optimizers.Adam(0.02), run_eagerly=True)
    return model


def kl_per_dim(mean, log_variance):
    """Closed form in float64."""
    terms = np.exp(log_variance) + mean**2 - 1 - log_variance
    return 0.5 * terms.mean(axis=0)


def test_results_are_those_of_the_latents():
    rng = np.random.default_rng(0)
    names = ("ab", "a", "b")
    means = {n: rng.normal(size=(40, 3)) * [1, 0.5, 0.01] for n in names}
    means["b"] *= [1.0, 0.01, 1.0]
    variances = {n: rng.normal(size=(40, 3)) for n in names}
    x, labels = data()
    evaluation = LatentEvaluation(x, labels)
    found = evaluation.evaluate(Encoder(means, variances))
    expected = {
        f"val_{prefix}latent_kl": kl_per_dim(means[n], variances[n]).sum()
        for prefix, n in [("", "ab"), ("a_", "a"), ("b_", "b")]
    }
    accuracy = found.pop("val_linear_probe")
    assert 0.2 < accuracy < 0.8
    expected |= {
        "val_active_units": 2,
        "val_a_active_units": 2,
        "val_b_active_units": 1,
    }
    assert found == pytest.approx(expected, rel=1e-5)
    assert all(type(value) is float for value in found.values())
    np.testing.assert_allclose(
        evaluation.report["kl_per_dim"],
        kl_per_dim(means["ab"], variances["ab"]),
        rtol=1e-5,
    )
    assert evaluation.report["linear_probe"]["accuracy"] == accuracy
    assert evaluation.report["linear_probe"]["num_train"] == 20


def test_fit_logs_it_to_history_and_later_callbacks():
    class Later(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            seen.append(logs["val_active_units"])

    x, labels = data()
    seen, model = [], make_model()
    evaluation = LatentEvaluation(x, labels, batch_size=7)
    history = model.fit(
        x, epochs=3, verbose=0, callbacks=[evaluation, Later()]
    ).history
    for key, value in evaluation.evaluate(model).items():
        assert len(history[key]) == 3
        assert history[key][-1] == pytest.approx(value, rel=1e-5)
    assert seen == history["val_active_units"]
    mean = model.encode(x)
    log_variance = model.encode(x, output="log_variance")
    assert history["val_latent_kl"][-1] == pytest.approx(
        kl_per_dim(mean, log_variance).sum(), rel=1e-4
    )
    mean = model.encode({"b": x["b"]})
    assert history["val_b_active_units"][-1] == np.sum(mean.var(axis=0) > 0.01)


def test_the_probe_reads_labels_that_the_latents_hold():
    x, labels = data(80)
    model = make_model()
    model.fit(x, epochs=20, verbose=0)
    evaluation = LatentEvaluation(x, labels)
    assert evaluation.evaluate(model)["val_linear_probe"] > 0.9
    shuffled = np.random.default_rng(1).permutation(labels)
    found = LatentEvaluation(x, shuffled).evaluate(model)
    assert found["val_linear_probe"] < 0.75
    mean = model.encode(x)
    assert linear_probe(mean, labels, mean, labels)["accuracy"] > 0.9


def test_frequency_prefix_and_a_single_modality():
    x, _ = data()
    evaluation = LatentEvaluation({"b": x["b"]}, frequency=2, prefix="test_")
    history = make_model().fit(x, epochs=5, verbose=0, callbacks=[evaluation])
    found = {k: v for k, v in history.history.items() if "test_" in k}
    assert set(found) == {"test_latent_kl", "test_active_units"}
    # The first epoch, every second and the last; epoch 3 repeats.
    values = found["test_latent_kl"]
    assert len(set(values)) == 4
    assert values[1] == values[2]


def test_a_model_of_tensors():
    x = data()[0]["a"]
    keras.utils.set_random_seed(0)
    model = kx.VAEModel(6, 3)
    model.compile(keras.optimizers.Adam(0.02))
    history = model.fit(
        x, x, epochs=4, verbose=0, callbacks=[LatentEvaluation(x)]
    )
    assert history.history["val_active_units"][-1] >= 1


def test_training_is_left_as_it_was():
    x, labels = data()
    weights = []
    for callbacks in ([], [LatentEvaluation(x, labels)]):
        model = make_model()
        model.fit(x, epochs=2, verbose=0, callbacks=callbacks)
        weights.append(model.get_weights())
    for a, b in zip(*weights, strict=True):
        np.testing.assert_array_equal(a, b)


def fake_epochs(evaluation, *collapsed):
    """Run epochs in which the posteriors named are those of all examples."""
    rng = np.random.default_rng(0)
    encoder = Encoder({}, {n: np.zeros((40, 3)) for n in ("ab", "a", "b")})
    evaluation.set_model(encoder)
    evaluation.on_train_begin()
    for epoch, names in enumerate(collapsed):
        for name in ("ab", "a", "b"):
            scale = 0.0 if name in names else 1.0
            encoder.means[name] = scale * rng.normal(size=(40, 3))
        evaluation.on_epoch_end(epoch, {})


def test_a_collapse_is_warned_of_once(recwarn):
    evaluation = LatentEvaluation(data()[0])
    fake_epochs(evaluation, ["ab", "a", "b"])
    assert not recwarn
    with pytest.warns(
        UserWarning,
        match="collapsed: .* given all modalities, given 'a' alone, given 'b'",
    ):
        fake_epochs(evaluation, *[["ab", "a", "b"]] * 2)
    recwarn.clear()
    fake_epochs(evaluation, ["ab"], [], ["ab"], [])
    evaluation.on_train_end()
    assert not recwarn


def test_a_modality_that_is_not_used():
    evaluation = LatentEvaluation(data()[0])
    with pytest.warns(UserWarning, match=r"active given 'b' alone\. A smaller"):
        fake_epochs(evaluation, ["a"], ["b"], ["b"])
    evaluation.on_train_end()  # It was said already.


def test_the_last_evaluation_counts_as_well():
    evaluation = LatentEvaluation(data()[0])
    fake_epochs(evaluation, [], ["ab"])
    with pytest.warns(UserWarning, match=r"active given all"):
        evaluation.on_train_end()


def test_a_model_that_collapses():
    x, _ = data()
    model = make_model(objective=kx.objectives.MVTCAE(beta=1e4))
    model.compile(keras.optimizers.Adam(0.02))
    with pytest.warns(UserWarning, match="posterior has collapsed"):
        history = model.fit(
            x,
            epochs=40,
            verbose=0,
            callbacks=[LatentEvaluation(x, frequency=20)],
        )
    assert history.history["val_active_units"][-1] == 0


def test_latents_that_are_not_finite_give_nan():
    x, labels = data()
    bad = np.zeros((40, 3))
    bad[3] = np.nan
    good = np.random.default_rng(0).normal(size=(40, 3))
    variances = {n: np.zeros((40, 3)) for n in ("ab", "a", "b")}
    encoder = Encoder({"ab": bad, "a": good, "b": good}, variances)
    with pytest.warns(UserWarning, match=r"1 of 40 rows.*\['a', 'b'\]"):
        found = LatentEvaluation(x, labels).evaluate(encoder)
    for key in ("val_latent_kl", "val_active_units", "val_linear_probe"):
        assert np.isnan(found[key])
    assert found["val_a_active_units"] == 3


@pytest.mark.parametrize(
    ("change", "error", "match"),
    [
        ({"data": {}}, ValueError, "`data` must be a dict"),
        ({"data": {"a": np.zeros(3), "b": np.zeros(2)}}, ValueError, "equally"),
        ({"labels": np.zeros(3)}, ValueError, r"`labels` must .*\(40,\)"),
        ({"labels": ["a"] * 40}, ValueError, "two classes.*'a'.* all 40"),
        ({"frequency": 0}, ValueError, "`frequency` must be a positive"),
        ({"batch_size": 0}, ValueError, "`batch_size` must be a positive"),
        ({"prefix": None}, TypeError, "`prefix` must be a string"),
    ],
)
def test_bad_arguments(change, error, match):
    with pytest.raises(error, match=match):
        LatentEvaluation(**{"data": data()[0], **change})


def test_an_unknown_modality_is_found_before_training():
    x, _ = data()
    model = make_model()
    with pytest.raises(ValueError, match=r"modalities of \['a', 'b'\].*\['c'"):
        model.fit(x, verbose=0, callbacks=[LatentEvaluation({"c": x["a"]})])
    assert int(model.optimizer.iterations) == 0
