"""What each endpoint computes, against formulas of its own."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_xmodal as kx
from keras_xmodal.export.signatures import find_signatures
from keras_xmodal.export.towers import find_towers
from keras_xmodal.ops import noise as noise_ops

DIMS = {"image": 8, "text": 5, "speech": 3}
CVAE = kx.objectives.CVAE("image")
OBJECTIVES = [
    kx.objectives.MVAE(),
    kx.objectives.MMVAE(),
    kx.objectives.MoPoE(),
    kx.objectives.MVTCAE(),
    kx.objectives.JMVAE(),
    kx.objectives.TELBO(),
    kx.objectives.MMVAEPlus(private_dim=3),
    CVAE,
]
each_objective = pytest.mark.parametrize(
    "objective", OBJECTIVES, ids=lambda o: type(o).__name__
)


def make_model(objective, spread=3.0):
    """A model whose experts differ: means far apart, variances too."""
    keras.utils.set_random_seed(0)
    model = kx.VAEModel(DIMS, 4, objective=objective)
    model({name: np.ones((1, dim)) for name, dim in DIMS.items()})
    generator = np.random.default_rng(1)
    for layer in model.posterior_layers.values():
        kernel, bias = layer.get_weights()
        kernel = generator.normal(0, 0.5, kernel.shape)
        bias = generator.normal(0, spread, bias.shape)
        layer.set_weights([kernel, bias])
    return model


def inputs(num_examples=6):
    generator = np.random.default_rng(2)
    return {
        name: generator.random((num_examples, dim), "float32")
        for name, dim in DIMS.items()
    }


def expert(model, name, x):
    """Mean and clipped log-variance of `q(z|x_m)`, by NumPy."""
    kernel, bias = model.posterior_layers[name].get_weights()
    mean, log_variance = np.split(x.astype("float64") @ kernel + bias, 2, 1)
    return mean[:, :4], np.clip(log_variance, -10, 10)[:, :4]


def endpoints(model, sampling="seed"):
    found = find_signatures(model, find_towers(model), sampling)
    return {endpoint.name: endpoint for endpoint in found}


@each_objective
def test_names_and_inputs(objective):
    found = endpoints(make_model(objective))
    names = list(DIMS)
    if objective is CVAE:
        expected = {
            "encode_text": ["text"],
            "encode_speech": ["speech"],
            "translate_text_to_image": ["text", "seed"],
            "translate_speech_to_image": ["speech", "seed"],
        }
    else:
        expected = {
            **{f"encode_{name}": [name] for name in names},
            "encode_all": names,
            **{f"decode_{name}": ["z"] for name in names},
            **{
                f"translate_{a}_to_{b}": [a, "seed"]
                for a in names
                for b in names
                if a != b
            },
        }
    assert {
        name: [spec.name for spec in endpoint.inputs]
        for name, endpoint in found.items()
    } == expected
    for endpoint in found.values():
        assert all(spec.shape[0] is None for spec in endpoint.inputs)


@each_objective
def test_one_modality_gives_its_own_gaussian(objective):
    # Of every posterior: the others add nothing, but for MVAE the prior.
    model, x = make_model(objective), inputs()
    for name, endpoint in endpoints(model).items():
        if not name.startswith("encode_") or name == "encode_all":
            continue
        modality = name.removeprefix("encode_")
        mean, log_variance = expert(model, modality, x[modality])
        if isinstance(objective, kx.objectives.MVAE):
            precision = np.exp(-log_variance) + 1
            mean = mean * np.exp(-log_variance) / precision
            log_variance = -np.log(precision)
        actual = endpoint.reference(model, x)
        assert set(actual) == {"mean", "log_variance"}
        np.testing.assert_allclose(actual["mean"], mean, atol=1e-5)
        np.testing.assert_allclose(
            actual["log_variance"], log_variance, atol=1e-5
        )


def test_all_modalities_give_the_moments_of_the_mixture():
    # Variances of e^-8 around means of 100, which single precision squares
    # to nothing but noise.
    model, x = make_model(kx.objectives.MMVAE(), spread=0.0), inputs()
    for i, layer in enumerate(model.posterior_layers.values()):
        bias = np.r_[np.full(4, 100 + 0.02 * i), np.full(4, -8)]
        layer.set_weights([0 * layer.kernel, bias])
    actual = endpoints(model)["encode_all"].reference(model, x)
    experts = [expert(model, name, x[name]) for name in DIMS]
    means = np.array([mean for mean, _ in experts])
    variance = np.mean([np.exp(v) for _, v in experts], 0) + means.var(0)
    np.testing.assert_allclose(actual["mean"], means.mean(0), rtol=1e-6)
    np.testing.assert_allclose(actual["log_variance"], np.log(variance), 1e-3)


@pytest.mark.parametrize(
    "objective",
    [kx.objectives.JMVAE(), kx.objectives.MVAE(), kx.objectives.MoPoE()],
)
def test_all_modalities_equal_encode(objective):
    model, x = make_model(objective), inputs()
    actual = endpoints(model)["encode_all"].reference(model, x)
    for output, value in actual.items():
        np.testing.assert_allclose(
            value, model.encode(x, output=output), atol=1e-4
        )


@each_objective
def test_translation_decodes_a_sample_of_the_source(objective):
    model, x = make_model(objective), inputs()
    seed = np.array([3, -7, 0, 2**31 - 1, 3, 11], "int32")
    noise = noise_ops.stateless_normal((6, 4), seed).numpy()
    given = {
        name: value for name, value in x.items() if name not in model.generated
    }
    for sampling, value in (("seed", seed), ("noise", noise)):
        found = endpoints(model, sampling)
        for name, endpoint in found.items():
            if not name.startswith("translate"):
                continue
            source, target = name.removeprefix("translate_").split("_to_")
            actual = endpoint.reference(model, {**x, sampling: value})
            mean, log_variance = (
                found[f"encode_{source}"].reference(model, x)[key]
                for key in ("mean", "log_variance")
            )
            z = mean + np.exp(log_variance / 2) * noise
            given = {source: x[source]} if objective is CVAE else None
            expected = model.decode(z, given=given)[target]
            assert list(actual) == [target]
            np.testing.assert_allclose(
                actual[target], expected, rtol=1e-5, atol=1e-5
            )
            if sampling == "noise":
                zeros = {**x, "noise": 0 * noise}
                np.testing.assert_allclose(
                    endpoint.reference(model, zeros)[target],
                    model.translate({source: x[source]}, target),
                    rtol=1e-5,
                    atol=1e-5,
                )


@pytest.mark.parametrize(
    "objective", [kx.objectives.MVAE(), kx.objectives.JMVAE()]
)
def test_layers_serve_in_inference_mode(objective):
    layers, x = keras.layers, inputs()
    model = kx.VAEModel(
        latent_dim=4,
        encoders={
            name: keras.Sequential([keras.Input((dim,)), layers.Dropout(0.5)])
            for name, dim in DIMS.items()
        },
        decoders={
            name: keras.Sequential(
                [keras.Input((4,)), layers.Dropout(0.5), layers.Dense(dim)]
            )
            for name, dim in DIMS.items()
        },
        objective=objective,
    )
    model(x)
    z = np.ones((6, 4), "float32")
    for name, endpoint in endpoints(model, "noise").items():
        given = {**x, "z": z, "noise": 0 * z}
        actual = endpoint.reference(model, given)
        use, _, rest = name.partition("_")
        source, _, target = rest.partition("_to_")
        if use == "encode":
            given = x if source == "all" else {source: x[source]}
            expected = {key: model.encode(given, output=key) for key in actual}
        elif use == "decode":
            expected = {source: model.decode(z)[source]}
        else:
            given = {source: x[source]}
            expected = {target: model.translate(given, target)}
        for key, value in actual.items():
            np.testing.assert_allclose(value, expected[key], atol=1e-5)


def test_seed_of_a_row_decides_its_sample():
    model, x = make_model(kx.objectives.MoPoE()), inputs()
    endpoint = endpoints(model)["translate_text_to_image"]
    seed = np.array([5, 6, 5, 7, 8, 9], "int32")
    text = np.repeat(x["text"][:1], 6, axis=0)

    def run(rows):
        feed = {"text": text[rows], "seed": seed[rows]}
        return endpoint.reference(model, feed)["image"]

    together = run(slice(None))
    for i in range(6):
        np.testing.assert_allclose(
            run(slice(i, i + 1))[0], together[i], atol=1e-6
        )
    np.testing.assert_array_equal(together[0], together[2])
    assert len(np.unique(together.round(4), axis=0)) == 5


def test_xla_draws_the_same():
    model, x = make_model(kx.objectives.MMVAE()), inputs()
    endpoint = endpoints(model)["translate_text_to_image"]
    seed = np.arange(-3, 3, dtype="int32")
    compiled = tf.function(
        endpoint.function(model), jit_compile=True, autograph=False
    )
    actual = compiled(tf.constant(x["text"]), tf.constant(seed))["image"]
    expected = endpoint.reference(model, {**x, "seed": seed})["image"]
    np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-5)


def test_private_latents_are_zero():
    model = make_model(kx.objectives.MMVAEPlus(private_dim=3))
    kernel, bias = model._output_layers["image"].get_weights()
    z = np.random.default_rng(0).normal(size=(5, 4)).astype("float32")
    actual = endpoints(model)["decode_image"].reference(model, {"z": z})
    np.testing.assert_allclose(
        actual["image"], z @ kernel[:4] + bias, rtol=1e-5, atol=1e-5
    )


def test_model_of_one_tensor():
    model = kx.VAEModel(7, 3, 5)
    x = np.random.default_rng(0).random((4, 7), "float32")
    expected = model(x)
    found = endpoints(model, "noise")
    assert set(found) == {"encode", "decode", "translate"}
    z = found["encode"].reference(model, {"x": x})["mean"]
    np.testing.assert_allclose(z, model.encode(x), atol=1e-6)
    decoded = found["decode"].reference(model, {"z": z})
    translated = found["translate"].reference(model, {"x": x, "noise": 0 * z})
    for actual in (decoded, translated):
        np.testing.assert_allclose(actual["y"], expected, atol=1e-6)


def text_model(objective=None):
    keras.utils.set_random_seed(0)
    encoder = keras.Sequential(
        [
            keras.Input((6,), dtype="int32"),
            keras.layers.Embedding(9, 8),
            keras.layers.Flatten(),
        ]
    )
    decoder = kx.networks.TextDecoder(9, 6, 16, 1, 2, end_id=2)
    vector = keras.Sequential([keras.Input((4,)), keras.layers.Dense(4)])
    decoders = {"text": decoder, "image": keras.layers.Dense(4)}
    if isinstance(objective, kx.objectives.CVAE):
        del decoders["image"]
    return kx.VAEModel(
        latent_dim=3,
        encoders={"text": encoder, "image": vector},
        decoders=decoders,
        likelihoods={"text": kx.likelihoods.TokenSequence(9)},
        objective=objective,
    )


def test_text_decoder_writes_greedily():
    model = text_model()
    model({"text": np.ones((1, 6), "int32"), "image": np.ones((1, 4))})
    z = np.random.default_rng(0).normal(size=(20, 3)).astype("float32")
    endpoint = endpoints(model)["decode_text"]
    actual = endpoint.reference(model, {"z": z})["text"]
    assert actual.dtype == np.int32
    np.testing.assert_array_equal(actual, model.decode(z, "mode")["text"])
    assert len(np.unique(actual, axis=0)) > 1

    def score(ids):
        return endpoint.scored(model, {"z": z}, None, {"text": ids})

    best, chosen = (part["text"] for part in score(actual))
    np.testing.assert_allclose(chosen, best, atol=1e-5)
    # Another token is less probable by the difference of its logit.
    wrong = actual.copy()
    wrong[3, 0] = (wrong[3, 0] + 1) % 9
    best, chosen = (part["text"] for part in score(wrong))
    logits = model.decoders["text"](z, actual).numpy()[3, 0]
    assert best[3, 0] - chosen[3, 0] == pytest.approx(
        logits.max() - logits[wrong[3, 0]], abs=1e-5
    )
    # Nothing but padding may stand behind the end.
    wrong = actual.copy()
    wrong[0] = [2, 0, 0, 5, 0, 0]
    best, chosen = (part["text"] for part in score(wrong))
    np.testing.assert_array_equal(chosen[0, 1:] - best[0, 1:], [0, 0, 5, 0, 0])


def test_text_decoder_takes_conditions():
    model = text_model(kx.objectives.CVAE("text"))
    x = np.random.default_rng(0).random((5, 4), "float32")
    model({"text": np.ones((1, 6), "int32"), "image": x[:1]})
    endpoint = endpoints(model, "noise")["translate_image_to_text"]
    feed = {"image": x, "noise": np.zeros((5, 3), "float32")}
    actual = endpoint.reference(model, feed)
    expected = model.translate({"image": x}, "text", output="mode")
    np.testing.assert_array_equal(actual["text"], expected)
    best, chosen = endpoint.scored(model, feed, None, actual)
    np.testing.assert_allclose(best["text"], chosen["text"], atol=1e-5)


def test_modality_with_the_name_of_another_input():
    model = kx.VAEModel({"seed": 3, "b": 2}, 2)
    with pytest.raises(ValueError, match=r"another input.*\['seed', 'seed'\]"):
        endpoints(model)
