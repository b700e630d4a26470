import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_xmodal as kx
from keras_xmodal.models.vae import networks
from tests.helpers import assert_close, check_same_training, check_step

RNG = np.random.default_rng(0)
SHARED = RNG.normal(size=(32, 3))
DATA = {
    "image": SHARED @ RNG.normal(size=(3, 6)),
    "text": SHARED @ RNG.normal(size=(3, 4)),
    "speech": SHARED @ RNG.normal(size=(3, 5)),
}
DATA = {name: value.astype("float32") for name, value in DATA.items()}
SIZES = {name: value.shape[1] for name, value in DATA.items()}
OBJECTIVES = {
    "mvae": kx.objectives.MVAE,
    "mmvae": kx.objectives.MMVAE,
    "mopoe": kx.objectives.MoPoE,
    "mvtcae": kx.objectives.MVTCAE,
    "jmvae": kx.objectives.JMVAE,
    "telbo": kx.objectives.TELBO,
    "cvae": lambda **k: kx.objectives.CVAE("image", **k),
    "mmvae_plus": lambda **k: kx.objectives.MMVAEPlus(private_dim=2, **k),
}
# Objectives have tests of their own. These two are most unlike each other:
# private latents, against conditions with an encoder of all modalities.
TWO = ("mmvae_plus", "cvae")
MARKS = {name: () if name in TWO else pytest.mark.large for name in OBJECTIVES}
each_objective = pytest.mark.parametrize("objective", OBJECTIVES)
two_objectives = pytest.mark.parametrize(
    "objective", [pytest.param(name, marks=MARKS[name]) for name in OBJECTIVES]
)
two_objectives_and_dreg = pytest.mark.parametrize(
    ("objective", "estimator"),
    [
        *(pytest.param(n, "elbo", marks=MARKS[n]) for n in OBJECTIVES),
        pytest.param("mvae", "dreg", marks=pytest.mark.large),
    ],
)


def make_model(objective="mopoe", estimator=None, **kwargs):
    options = {"estimator": estimator} if estimator else {}
    if estimator == "dreg":
        options["num_samples"] = 3
    return kx.VAEModel(
        SIZES,
        latent_dim=3,
        objective=OBJECTIVES[objective](**options),
        seed=1,
        **kwargs,
    )


def train(model, x=DATA, epochs=3, compile_kwargs=None, **kwargs):
    keras.utils.set_random_seed(7)
    if not model.compiled:
        # Building a graph takes longer than so few steps.
        options = compile_kwargs or {"run_eagerly": epochs < 20}
        model.compile(keras.optimizers.Adam(0.01), **options)
    options = {"batch_size": 16, "shuffle": False, "verbose": 0, **kwargs}
    return model.fit(x, epochs=epochs, **options).history


# Training.


@two_objectives_and_dreg
def test_a_step_of_xla_is_that_of_eager(objective, estimator):
    keras.utils.set_random_seed(3)
    model = make_model(objective, estimator)
    model.compile("adam")
    check_step(model, DATA)


@pytest.mark.large
def test_trains_alike_with_xla_and_eagerly():
    def fit(**options):
        model = make_model("mmvae_plus")
        history = train(model, epochs=4, compile_kwargs=options)
        assert history["loss"][-1] < history["loss"][0]
        return model, history

    check_same_training(fit, atol=1e-4)


@each_objective
def test_the_loss_falls(objective):
    history = train(make_model(objective), epochs=4)
    assert history["loss"][-1] < history["loss"][0]


@two_objectives
def test_saves_and_resumes_exactly(objective, tmp_path):
    model = make_model(objective)
    train(model, epochs=2)
    path = tmp_path / "model.keras"
    model.save(path)
    loaded = keras.saving.load_model(path)
    assert_close(loaded(DATA), model(DATA), atol=0)
    assert loaded.get_config()["seed"] == 1
    histories = [train(m, epochs=2) for m in (model, loaded)]
    assert histories[0] == histories[1]
    for a, b in zip(model.get_weights(), loaded.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


@each_objective
def test_every_weight_learns(objective):
    model = make_model(objective)
    model.compile("adam")
    model(DATA)
    with tf.GradientTape() as tape:
        loss = model.compute_loss(keras.tree.map_structure(tf.constant, DATA))
    gradients = tape.gradient(loss, model.trainable_variables)
    for weight, gradient in zip(
        model.trainable_variables, gradients, strict=True
    ):
        assert gradient is not None, weight.path
        assert np.abs(gradient).max() > 0, weight.path


@pytest.mark.parametrize(
    ("objective", "policy"),
    [
        *(pytest.param(n, "mixed_float16", marks=MARKS[n]) for n in OBJECTIVES),
        ("mopoe", "mixed_bfloat16"),
    ],
)
def test_mixed_precision(objective, policy):
    def layers(output):
        return {
            name: keras.Sequential(
                [
                    keras.layers.Dense(8, "relu", dtype=policy),
                    keras.layers.Dense(
                        size if output else 8,
                        dtype="float32" if output else policy,
                    ),
                ]
            )
            for name, size in SIZES.items()
        }

    decoders = layers(output=True)
    if objective == "cvae":
        decoders = {"image": decoders["image"]}
    model = kx.VAEModel(
        latent_dim=3,
        encoders=layers(output=False),
        decoders=decoders,
        objective=OBJECTIVES[objective](),
        dtype=policy,
    )
    history = train(model, epochs=6)
    # A step that overflows is skipped, and halves the loss scale.
    assert np.isfinite(history["gradient_norm"]).all()
    assert np.isfinite(history["loss"]).all()
    assert history["loss"][-1] < history["loss"][0]
    if policy == "mixed_float16":
        assert isinstance(model.optimizer, keras.optimizers.LossScaleOptimizer)


def test_layers_train_in_training_only():
    modes = []

    class Mode(keras.layers.Layer):
        def call(self, x, training=False):
            modes.append(training)
            return x

    model = kx.VAEModel(
        latent_dim=3,
        encoders={
            name: keras.Sequential([keras.Input((size,)), Mode()])
            for name, size in SIZES.items()
        },
        decoders={
            name: keras.Sequential(
                [keras.Input((3,)), Mode(), keras.layers.Dense(size)]
            )
            for name, size in SIZES.items()
        },
        objective=kx.objectives.MVTCAE(),
    )
    model.compile("adam", run_eagerly=True)
    model.build({name: value.shape for name, value in DATA.items()})
    for step, training in (
        (model.train_on_batch, True),
        (model.test_on_batch, False),
    ):
        modes.clear()
        step(DATA)
        assert modes == [training] * 6


def test_loss_scale_does_not_show_in_the_gradient_norm():
    model = make_model()
    optimizer = keras.optimizers.SGD(0.0)
    scaled = keras.optimizers.LossScaleOptimizer(optimizer, initial_scale=1024)
    norms = []
    for choice in (keras.optimizers.SGD(0.0), scaled):
        keras.utils.set_random_seed(1)
        model = make_model()
        model.compile(choice, run_eagerly=True)
        norms.append(train(model, epochs=1)["gradient_norm"])
    np.testing.assert_allclose(*norms, rtol=1e-3)


@each_objective
def test_terms_are_the_metrics_of_training_and_evaluation(objective):
    model = make_model(objective)
    train(model, epochs=1)
    result = model.evaluate(DATA, verbose=0, return_dict=True)
    generated = ["image"] if objective == "cvae" else list(SIZES)
    expected = {"loss", "kl", *(f"{name}_loss" for name in generated)}
    assert expected <= set(result)
    again = model.evaluate(DATA, verbose=0, return_dict=True)
    assert again == result
    terms = model.compute_terms(keras.tree.map_structure(tf.constant, DATA))
    np.testing.assert_allclose(
        -np.mean(terms["bound"]), result["loss"], rtol=1e-5
    )


# Missing modalities.


def with_missing(fill):
    weights = {
        name: RNG_MASK[i].astype("float32") for i, name in enumerate(SIZES)
    }
    x = {
        name: np.where(weights[name][:, None] > 0, value, fill)
        for name, value in DATA.items()
    }
    return {k: v.astype("float32") for k, v in x.items()}, weights


RNG_MASK = np.random.default_rng(5).random((3, 32)) < 0.6
RNG_MASK[0, ~RNG_MASK.any(axis=0)] = True


@two_objectives_and_dreg
def test_missing_cells_change_nothing_even_as_nan(objective, estimator):
    results = []
    for fill in (0.0, np.nan):
        x, weights = with_missing(fill)
        keras.utils.set_random_seed(3)
        model = make_model(objective, estimator)
        history = train(model, x, sample_weight=weights)
        assert np.isfinite(history["loss"]).all()
        results.append((history, model.get_weights()))
    for history, weights in results[1:]:
        assert history == results[0][0]
        for a, b in zip(weights, results[0][1], strict=True):
            np.testing.assert_array_equal(a, b)


@each_objective
def test_an_absent_modality_equals_a_missing_one(objective):
    model = make_model(objective)
    model(DATA)
    x = {k: tf.constant(v) for k, v in DATA.items()}
    absent = {"image": x["image"], "speech": x["speech"]}
    weights = {"text": tf.zeros(32)}
    a = model.compute_terms(absent)
    b = model.compute_terms(x, sample_weight=weights)
    np.testing.assert_allclose(a["bound"], b["bound"], rtol=1e-5)
    np.testing.assert_array_equal(a["mask"], b["mask"])
    direct = model.encode({k: DATA[k] for k in absent})
    masked = model.encode(DATA, missing={"text": np.ones(32)})
    np.testing.assert_allclose(direct, masked, atol=1e-6)


def test_weights_of_a_modality_and_of_examples():
    model = make_model("mvtcae")
    model(DATA)
    x = {k: tf.constant(v) for k, v in DATA.items()}
    plain = model.compute_terms(x)["log_likelihood"]
    double = model.compute_terms(x, sample_weight={"text": 2 * tf.ones(32)})[
        "log_likelihood"
    ]
    np.testing.assert_allclose(double[1], 2 * plain[1], rtol=1e-5)
    np.testing.assert_allclose(double[0], plain[0], rtol=1e-5)
    model.modality_weights["text"].assign(3.0)
    triple = model.compute_terms(x)["log_likelihood"]
    np.testing.assert_allclose(triple[1], 3 * plain[1], rtol=1e-5)

    model.compile("adam")
    weights = np.where(np.arange(32) < 8, 1.0, 0.0).astype("float32")
    loss = model.compute_loss(x, sample_weight=tf.constant(weights))
    bound = model.compute_terms(x, training=True)["bound"]
    np.testing.assert_allclose(loss, -np.mean(bound[:8]), rtol=1e-5)


# Use.


@two_objectives
def test_translates_from_any_subset(objective):
    model = make_model(objective)
    train(model, epochs=1)
    targets = ["image"] if objective == "cvae" else list(SIZES)
    for source in (["text"], ["text", "speech"]):
        x = {name: DATA[name] for name in source}
        for target in targets:
            y = model.translate(x, to=target)
            assert y.shape == (32, SIZES[target])
            same = model.translate(x, to=target, batch_size=5)
            np.testing.assert_allclose(y, same, atol=1e-5)
        drawn = [
            model.translate(x, to="image", latent="sample", seed=seed)
            for seed in (1, 1, 2)
        ]
        np.testing.assert_array_equal(drawn[0], drawn[1])
        assert np.abs(drawn[0] - drawn[2]).max() > 1e-3


def test_encode_gives_moments_of_the_samples():
    model = make_model("mopoe")
    train(model, epochs=10)
    x = {name: value[:2] for name, value in DATA.items()}
    mean = model.encode(x)
    variance = np.exp(model.encode(x, output="log_variance"))
    many = {name: np.repeat(value, 4000, 0) for name, value in x.items()}
    z = model.encode(many, output="sample", seed=1).reshape(2, 4000, 3)
    error = np.sqrt(variance / 4000)
    assert (np.abs(z.mean(1) - mean) < 5 * error).all()
    np.testing.assert_allclose(z.var(1), variance, rtol=0.15)


def test_generates_interpolates_and_keeps_the_sampler(tmp_path):
    model = make_model("mvtcae")
    train(model, epochs=20)
    from_prior = model.generate(2000, seed=1)
    assert {k: v.shape for k, v in from_prior.items()} == {
        name: (2000, size) for name, size in SIZES.items()
    }
    z = model.sample_latents(5000, seed=1)
    np.testing.assert_allclose(z.mean(0), 0, atol=0.08)
    np.testing.assert_allclose(z.std(0), 1, atol=0.08)

    model.fit_sampler(DATA, num_components=2)
    drawn = model.sample_latents(20000, seed=1)
    latents = model.encode(DATA, output="sample", seed=0)
    np.testing.assert_allclose(drawn.mean(0), latents.mean(0), atol=0.1)
    np.testing.assert_allclose(drawn.std(0), latents.std(0), atol=0.15)
    model.save(tmp_path / "m.keras")
    loaded = keras.saving.load_model(tmp_path / "m.keras")
    assert_close(
        loaded.generate(50, seed=3), model.generate(50, seed=3), atol=0
    )

    a = {name: value[:3] for name, value in DATA.items()}
    b = {name: value[3:6] for name, value in DATA.items()}
    way = model.interpolate(a, b, num_steps=5)
    assert way["text"].shape == (3, 5, SIZES["text"])
    ends = model.decode(model.encode(b))
    np.testing.assert_allclose(way["text"][:, -1], ends["text"], atol=1e-5)


def test_probabilities_modes_and_samples_of_tokens(tmp_path):
    tokens = RNG.integers(1, 7, (32, 4))
    model = kx.VAEModel(
        latent_dim=3,
        encoders={
            "image": keras.layers.Dense(8, activation="relu"),
            "text": keras.Sequential(
                [
                    keras.layers.Embedding(7, 5),
                    keras.layers.GlobalAveragePooling1D(),
                ]
            ),
        },
        decoders={
            "image": keras.layers.Dense(6),
            "text": kx.networks.TextDecoder(7, 4, hidden_dim=8, num_heads=2),
        },
        likelihoods={"text": kx.likelihoods.TokenSequence(7)},
        seed=1,
    )
    x = {"image": DATA["image"], "text": tokens}
    history = train(model, x, epochs=3)
    assert history["text_loss"][-1] < history["text_loss"][0]
    image = {"image": DATA["image"]}
    assert model.translate(image, "text").shape == (32, 4, 7)
    ids = model.translate(image, "text", output="mode")
    assert ids.shape == (32, 4)
    assert ids.dtype.kind == "i"
    drawn = [
        model.translate(image, "text", output="sample", seed=s) for s in (1, 2)
    ]
    assert (drawn[0] != drawn[1]).any()
    # Teacher forcing: the log-probability is that of the tokens themselves.
    z = tf.constant(model.encode(x))
    logits = model.decoders["text"](z, tokens)
    expected = model.likelihoods["text"].log_prob(tokens, logits)
    values = networks.log_likelihood(model, x, {}, None, False)(z)
    np.testing.assert_allclose(values[1], expected, rtol=1e-4)
    model.save(tmp_path / "m.keras")
    loaded = keras.saving.load_model(tmp_path / "m.keras")
    np.testing.assert_array_equal(
        loaded.translate(image, "text", output="mode"), ids
    )


# Likelihood, on a model whose likelihood is known.


def linear_gaussian(objective, noise_scale=0.5):
    """`x_m = W_m z + noise`: log p(X) is that of one Gaussian."""
    model = kx.VAEModel(
        SIZES,
        3,
        likelihoods={n: kx.likelihoods.Normal(noise_scale) for n in SIZES},
        objective=objective,
        seed=1,
    )
    train(model, epochs=60)
    names = [n for n in SIZES if n in model.generated]

    def exact(given):
        kernels = [model._output_layers[n].kernel.numpy() for n in given]
        biases = [model._output_layers[n].bias.numpy() for n in given]
        kernel = np.concatenate(kernels, axis=1).astype("float64")
        covariance = kernel.T @ kernel + noise_scale**2 * np.eye(
            kernel.shape[1]
        )
        x = np.concatenate([DATA[n] for n in given], axis=1)
        x = x - np.concatenate(biases)
        _, log_det = np.linalg.slogdet(2 * np.pi * covariance)
        solved = np.linalg.solve(covariance, x.T).T
        return -0.5 * (log_det + (x * solved).sum(1))

    return model, names, exact


@pytest.mark.parametrize(
    "objective",
    [
        "mopoe",
        "jmvae",
        *(
            pytest.param(name, marks=pytest.mark.large)
            for name in ("mvae", "mmvae", "mvtcae", "telbo")
        ),
    ],
)
def test_bounds_approach_the_exact_likelihood_from_below(objective):
    model, names, exact = linear_gaussian(OBJECTIVES[objective]())
    truth = exact(names)
    values = {}
    for num_samples in (1, 10, 300):
        runs = np.stack(
            [
                model.log_likelihood(DATA, num_samples, seed=seed)
                for seed in range(5)
            ]
        )
        mean = runs.mean()
        error = runs.mean(axis=1).std() / np.sqrt(5) + 1e-4
        assert mean < truth.mean() + 4 * error
        values[num_samples] = mean
    assert values[1] < values[10] < values[300] + 1e-3
    # What is left is the error of 300 samples of experts that know one
    # modality.
    assert abs(values[300] - truth.mean()) < 0.1 + 0.03 * abs(truth.mean())

    # What training maximises is a bound as well (a looser one).
    if objective not in ("mvae", "telbo", "mvtcae"):
        x = keras.tree.map_structure(tf.constant, DATA)
        bound = model.compute_terms(x)["bound"]
        assert np.mean(bound) < truth.mean() + 0.5

    # From some modalities, too.
    part = {name: DATA[name] for name in ("image", "speech")}
    estimate = model.log_likelihood(part, 500, seed=1).mean()
    assert abs(estimate - exact(list(part)).mean()) < 0.25
    conditional = model.log_likelihood(
        {"text": DATA["text"]}, 500, given=part, seed=1
    )
    expected = truth - exact(list(part))
    assert abs(conditional.mean() - expected.mean()) < 0.3


def test_private_latents_count_in_the_likelihood():
    """With decoders that ignore `u`, each modality is its own model."""
    private_dim = 2
    model = kx.VAEModel(
        {"a": 4, "b": 3},
        3,
        objective=kx.objectives.MMVAEPlus(private_dim),
        likelihoods={n: kx.likelihoods.Normal(0.7) for n in "ab"},
        seed=1,
    )
    x = {"a": DATA["text"], "b": DATA["image"][:, :3]}
    model(x)
    expected = 0
    for name in "ab":
        kernel, _ = model._output_layers[name].weights
        own = np.random.default_rng(1).normal(size=kernel.shape) * 0.5
        own[:3] = 0
        kernel.assign(own)
        covariance = own.T @ own + 0.49 * np.eye(own.shape[1])
        _, log_det = np.linalg.slogdet(2 * np.pi * covariance)
        solved = np.linalg.solve(covariance, x[name].T).T
        expected -= 0.5 * (log_det + (x[name] * solved).sum(1))
    estimate = model.log_likelihood(x, 4000, seed=1, batch_size=8)
    np.testing.assert_allclose(estimate.mean(), expected.mean(), atol=0.5)


def test_the_conditional_likelihood_of_cvae_is_that_of_the_target():
    model = make_model("cvae")
    train(model, epochs=3)
    low, high = (model.log_likelihood(DATA, k, seed=1).mean() for k in (1, 100))
    assert low < high
    x = keras.tree.map_structure(tf.constant, DATA)
    assert np.mean(model.compute_terms(x)["bound"]) < high


# Bad input.


def test_sizes_are_checked():
    with pytest.raises(ValueError, match="Received: latent_dim=0"):
        kx.VAEModel({"a": 3}, 0)
    with pytest.raises(ValueError, match="Received: input_dim=-1"):
        kx.VAEModel(-1, 3)
    with pytest.raises(ValueError, match=r"input_dim\['a'\]=0"):
        kx.VAEModel({"a": 0}, 3)
    with pytest.raises(ValueError, match="`output_dim` must be None"):
        kx.VAEModel({"a": 3}, 2, 3)
    with pytest.raises(ValueError, match="Give either `input_dim`"):
        kx.VAEModel(latent_dim=3)
    with pytest.raises(ValueError, match="`encoders` and `decoders` together"):
        kx.VAEModel(latent_dim=3, encoders={"a": keras.layers.Dense(2)})
    with pytest.raises(ValueError, match=r"Received: decoders of \['b'\]"):
        kx.VAEModel(
            latent_dim=3,
            encoders={"a": keras.layers.Dense(2)},
            decoders={"b": keras.layers.Dense(2)},
        )


def test_data_is_checked_before_training():
    model = make_model()
    model.compile("adam")
    x = {name: value.copy() for name, value in DATA.items()}
    x["text"][3, 1] = np.nan
    with pytest.raises(ValueError, match=r"NaN.*in example 3"):
        model.fit(x)
    with pytest.raises(ValueError, match="Every example must have a modality"):
        model.fit(DATA, sample_weight={n: np.arange(32) for n in SIZES})
    with pytest.raises(ValueError, match="Received: x with keys"):
        model.fit({"video": DATA["text"]})
    with pytest.raises(ValueError, match="equally many"):
        model.fit({**DATA, "text": DATA["text"][:5]})
    binary = kx.VAEModel({"a": 6}, 2, likelihoods={"a": "bernoulli"})
    binary.compile("adam")
    with pytest.raises(ValueError, match=r"0 or 1 .* for Bernoulli\. Received"):
        binary.fit({"a": DATA["image"]})


def test_decoders_must_fit_their_likelihood():
    model = kx.VAEModel(
        latent_dim=3,
        encoders={"a": keras.layers.Dense(4)},
        decoders={"a": keras.layers.Dense(5)},
    )
    model.compile("adam")
    match = r"`decoders\['a'\]` must return .*\(None, 6\).* \(None, 5\)"
    with pytest.raises(ValueError, match=match):
        model.fit({"a": DATA["image"]}, verbose=0)


def test_options_are_checked():
    model = make_model()
    model(DATA)
    with pytest.raises(ValueError, match="Received: to='video'"):
        model.translate(DATA, to="video")
    with pytest.raises(ValueError, match="Received: output='median'"):
        model.encode(DATA, output="median")
    with pytest.raises(ValueError, match="Received: num_samples=0"):
        model.log_likelihood(DATA, num_samples=0)
    with pytest.raises(ValueError, match="Received: num_examples=-1"):
        model.generate(-1)
    with pytest.raises(ValueError, match=r"Received: \['text'\] in both"):
        model.log_likelihood(DATA, given={"text": DATA["text"]})
    with pytest.raises(ValueError, match=r"Received: z.shape=\(2, 4\)"):
        model.decode(np.zeros((2, 4)))
    with pytest.raises(ValueError, match="Received: num_steps=1"):
        model.interpolate(DATA, DATA, num_steps=1)
    with pytest.raises(ValueError, match="Received: loss='mse'"):
        model.compile("adam", loss="mse")
    with pytest.raises(ValueError, match="Received: NaN or infinity"):
        model.encode({"text": np.full((2, 4), np.nan)})
    conditional = make_model("cvae")
    conditional(DATA)
    with pytest.raises(ValueError, match="generates from conditions only"):
        conditional.generate(3)
    with pytest.raises(ValueError, match="must hold one of the conditions"):
        conditional.decode(np.zeros((2, 3)))


def test_joint_encoders_need_all_modalities_once():
    model = make_model("jmvae")
    model.compile("adam")
    encoders = {n: keras.layers.Dense(4) for n in SIZES}
    decoders = {n: keras.layers.Dense(SIZES[n]) for n in SIZES}
    model = kx.VAEModel(
        latent_dim=3,
        encoders=encoders,
        decoders=decoders,
        objective="jmvae",
    )
    with pytest.raises(ValueError, match=r"without \['image', 'speech'\]"):
        model({"text": DATA["text"]})


# Targets and samples.


def vectors(output_dim):
    keras.utils.set_random_seed(0)
    model = kx.VAEModel(6, 2, output_dim, seed=0)
    model.compile(run_eagerly=True)
    return model


def as_dataset(*parts):
    return tf.data.Dataset.from_tensor_slices(parts).batch(16)


@pytest.mark.parametrize(
    "entry",
    [
        lambda model, x, y: model.evaluate(x, y, verbose=0, batch_size=16),
        lambda model, x, y: model.evaluate(as_dataset(x, y), verbose=0),
        lambda model, x, y: model.test_on_batch(x, y),
        lambda model, x, y: model.compute_loss(x, y),
    ],
    ids=["arrays", "tf_data", "batch", "compute_loss"],
)
def test_numbers_are_targets_of_size_1_alone(entry):
    x, y = DATA["image"], DATA["text"][:, 0]
    np.testing.assert_array_equal(
        entry(vectors(1), x, y), entry(vectors(1), x, y[:, None])
    )
    for size in (2, 16, 32):  # Of the size of a batch, they would broadcast.
        for target in (y, y[:, None]):
            with pytest.raises(ValueError, match=r"`y` must have shape \(None"):
                entry(vectors(size), x, target)


def test_sizes_that_differ_need_targets():
    model = vectors(4)
    with pytest.raises(ValueError, match="`y` must hold targets"):
        model.fit(DATA["image"], verbose=0)
    with pytest.raises(ValueError, match="`log_likelihood` is of a model"):
        model.log_likelihood(DATA["image"])
    assert model.encode(DATA["image"]).shape == (32, 2)


def test_modalities_have_noise_of_their_own():
    """Of one probability, two coins fall alike by half."""

    def coin():
        return keras.layers.Dense(3, kernel_initializer="zeros")

    model = kx.VAEModel(
        encoders={"a": keras.layers.Dense(3), "b": keras.layers.Dense(3)},
        decoders={"a": coin(), "b": coin()},
        likelihoods={"a": "bernoulli", "b": "bernoulli"},
        latent_dim=2,
    )
    model({"a": np.zeros((2, 3)), "b": np.zeros((2, 3))})
    z = np.zeros((400, 2))
    for sample in (
        model.generate(400, "sample", seed=0),
        model.generate(400, "sample"),
        model.decode(z, "sample", seed=0),
    ):
        assert (sample["a"] == sample["b"]).mean() == pytest.approx(
            0.5, abs=0.1
        )


@pytest.mark.parametrize("objective", ["mopoe", "cvae", "mmvae_plus"])
@pytest.mark.parametrize("latent", ["mean", "sample"])
def test_the_seed_decides_samples(objective, latent):
    model = make_model(objective)
    model(DATA)
    x = {"text": DATA["text"]}
    a, b, c = (
        model.translate(x, "image", latent, "sample", seed=seed)
        for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(a, b)
    assert np.abs(a - c).max() > 0.1


def test_log_likelihood_is_of_what_the_likelihoods_describe():
    likelihoods = {"image": "bernoulli"}
    model = kx.VAEModel({"image": 6, "text": 4}, 2, likelihoods=likelihoods)
    text = {"text": DATA["text"]}
    wrong = {**text, "image": DATA["image"]}
    with pytest.raises(ValueError, match=r"`x\['image'\]` must be 0 or 1"):
        model.log_likelihood(wrong, 2)
    with pytest.raises(ValueError, match=r"`x\['image'\]` must be 0 or 1"):
        model.log_likelihood(text, 2, given={"image": DATA["image"]})
    missing = {"image": np.ones(32, "bool")}
    assert np.isfinite(model.log_likelihood(wrong, 2, missing=missing)).all()
    # Behind the first 32, and of what a preprocessor makes.
    model = kx.VAEModel(
        {"image": 6},
        2,
        likelihoods=likelihoods,
        preprocessors={"image": keras.layers.Rescaling(1 / 255)},
    )
    raw = np.full((40, 6), 255, "uint8")
    assert np.isfinite(model.log_likelihood({"image": raw}, 2)).all()
    raw[39, 0] = 7
    with pytest.raises(ValueError, match=r"`x\['image'\]` must be 0 or 1"):
        model.log_likelihood({"image": raw}, 2)


def test_a_conditional_likelihood_needs_its_target():
    model = make_model("cvae")
    model(DATA)
    with pytest.raises(ValueError, match=r"must hold what.*\['image'\]"):
        model.log_likelihood({"text": DATA["text"]})
    with pytest.raises(ValueError, match="'image' missing in 1 examples"):
        model.log_likelihood(DATA, missing={"image": np.arange(32) == 3})
    given = {n: v for n, v in DATA.items() if n != "image"}
    np.testing.assert_array_equal(
        model.log_likelihood({"image": DATA["image"]}, 3, given, seed=0),
        model.log_likelihood(DATA, 3, seed=0),
    )
