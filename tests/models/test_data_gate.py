"""The same data is treated alike by every entry of every model."""

import inspect
import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_xmodal as kx
from keras_xmodal.models import Preprocessed

ROWS = 6
RANDOM = np.random.default_rng(0)
VECTORS = {
    "image": RANDOM.uniform(0, 1, (ROWS, 8)).astype("float32"),
    "text": RANDOM.uniform(0, 1, (ROWS, 5)).astype("float32"),
}
IDS = np.array([3, 1, 4, 1, 5, 9])
HALF = np.array([1, 0, 1, 1, 0, 1], "float32")
# All there: nothing but the weights can change a result.
UNEQUAL = np.array([4, 1, 2, 1, 3, 1], "float32")


@keras.saving.register_keras_serializable("tests")
class Scaled(keras.layers.Layer):
    """A preprocessor: bytes to [0, 1]; in training, half of that."""

    def call(self, x, training=False):
        return keras.ops.cast(x, "float32") / (510.0 if training else 255.0)


def embedding(**kwargs):
    keras.utils.set_random_seed(0)
    model = kx.EmbeddingModel({"image": 8, "text": 5}, 4, **kwargs)
    model.compile(keras.optimizers.SGD(0.1), run_eagerly=True)
    return model


def vae(**kwargs):
    keras.utils.set_random_seed(0)
    model = kx.VAEModel({"image": 8, "text": 5}, 3, seed=0, **kwargs)
    model.compile(keras.optimizers.SGD(0.01), run_eagerly=True)
    return model


def gan(**kwargs):
    keras.utils.set_random_seed(0)
    model = kx.GANModel(
        generator=kx.networks.DenseGenerator(5),
        discriminator=kx.networks.DenseDiscriminator(),
        condition="image",
        target="text",
        latent_dim=3,
        seed=0,
        **kwargs,
    )
    model.compile(run_eagerly=True)
    return model


def cycle_gan(**kwargs):
    keras.utils.set_random_seed(0)
    model = kx.CycleGANModel(
        generators={
            "image": keras.Sequential([keras.layers.Dense(8, "sigmoid")]),
            "text": keras.Sequential([keras.layers.Dense(5, "sigmoid")]),
        },
        discriminators={
            "image": keras.Sequential([keras.layers.Dense(1)]),
            "text": keras.Sequential([keras.layers.Dense(1)]),
        },
        seed=0,
        **kwargs,
    )
    model.compile(run_eagerly=True)
    return model


ALL = {
    "embedding": embedding,
    "vae": vae,
    "gan": gan,
    "cycle_gan": cycle_gan,
}
each_model = pytest.mark.parametrize("make", ALL.values(), ids=ALL)
paired_models = pytest.mark.parametrize(
    "make", [embedding, vae, gan], ids=["embedding", "vae", "gan"]
)


class Batches(keras.utils.PyDataset):
    def __init__(self, batches):
        super().__init__()
        self.batches = batches

    def __len__(self):
        return len(self.batches)

    def __getitem__(self, index):
        return self.batches[index]


def batches(*parts):
    """Two batches of three rows, floats as NumPy makes them."""

    def rows(part, start):
        if part is None:
            return None
        dtype = "float64" if part.dtype == "float32" else part.dtype
        return part[start : start + 3].astype(dtype)

    return [
        keras.tree.map_structure(lambda part: rows(part, start), parts)  # noqa: B023
        for start in (0, 3)
    ]


def as_tf_data(*parts):
    parts = [part for part in parts if part is not None]
    return tf.data.Dataset.from_tensor_slices(tuple(parts)).batch(3)


def as_generator(*parts):
    """As for plain Keras, it must go on for as long as it is read."""
    return (batch for _ in range(9) for batch in batches(*parts))


def as_py_dataset(*parts):
    return Batches(batches(*parts))


SOURCES = {
    "tf_data": as_tf_data,
    "generator": as_generator,
    "py_dataset": as_py_dataset,
}
each_source = pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES)


def results(history):
    return {name: values[-1] for name, values in history.history.items()}


def assert_same(a, b):
    assert a.keys() == b.keys()
    for name, value in a.items():
        np.testing.assert_allclose(value, b[name], rtol=1e-5, err_msg=name)


# The form of the data does not matter.


@each_model
@each_source
def test_arrays_and_sources_of_batches_give_the_same(make, source):
    x = VECTORS
    options = {"verbose": 0, "shuffle": False, "validation_data": (x,)}
    expected, model = make(), make()
    a = results(expected.fit(x, batch_size=3, **options))
    options |= {"validation_batch_size": 3, "steps_per_epoch": 2}
    b = results(model.fit(source(x), **options))
    assert_same(a, b)
    assert_same(
        expected.evaluate(x, batch_size=3, verbose=0, return_dict=True),
        model.evaluate(source(x), steps=2, verbose=0, return_dict=True),
    )
    for u, v in zip(
        keras.tree.flatten(expected.predict(x, batch_size=3, verbose=0)),
        keras.tree.flatten(model.predict(source(x), steps=2, verbose=0)),
        strict=True,
    ):
        np.testing.assert_allclose(u, v, atol=1e-6)


@paired_models
@each_source
def test_weights_count_with_and_without_targets(make, source):
    plain = make().evaluate(VECTORS, verbose=0, batch_size=3, return_dict=True)
    weighted = make().evaluate(
        VECTORS,
        sample_weight=UNEQUAL,
        batch_size=3,
        verbose=0,
        return_dict=True,
    )
    loss = "loss" if "loss" in plain else "generator_loss"
    assert weighted[loss] != pytest.approx(plain[loss], rel=1e-5)
    if make is not gan:
        with_ids = make().evaluate(
            VECTORS,
            np.arange(ROWS),
            sample_weight=UNEQUAL,
            batch_size=3,
            verbose=0,
            return_dict=True,
        )
        assert_same(weighted, with_ids)
    data = source(VECTORS, np.arange(ROWS), UNEQUAL)
    if source is not as_tf_data:
        data = source(VECTORS, None, UNEQUAL)
    assert_same(
        weighted, make().evaluate(data, steps=2, verbose=0, return_dict=True)
    )
    history = make().fit(
        VECTORS,
        batch_size=3,
        verbose=0,
        validation_data=(VECTORS, None, UNEQUAL),
    )
    assert np.isfinite(history.history[f"val_{loss}"]).all()


@paired_models
def test_validation_data_is_evaluated_as_by_evaluate(make):
    model = make()
    history = model.fit(
        VECTORS,
        batch_size=3,
        verbose=0,
        validation_data=(VECTORS, None, HALF),
    )
    expected = model.evaluate(
        VECTORS, sample_weight=HALF, batch_size=3, verbose=0, return_dict=True
    )
    for name, value in expected.items():
        assert history.history[f"val_{name}"][-1] == pytest.approx(value, 1e-5)


@paired_models
def test_one_batch_is_a_step_of_fit_and_evaluate(make):
    expected, model = make(), make()
    history = results(
        expected.fit(VECTORS, sample_weight=HALF, shuffle=False, verbose=0)
    )
    logs = model.train_on_batch(VECTORS, sample_weight=HALF, return_dict=True)
    assert_same(history, {k: logs[k] for k in history})
    assert_same(
        expected.evaluate(
            VECTORS, sample_weight=HALF, verbose=0, return_dict=True
        ),
        model.test_on_batch(VECTORS, sample_weight=HALF, return_dict=True),
    )


# Missing cells.


def missing_data():
    x = {name: value.copy() for name, value in VECTORS.items()}
    x["text"][HALF == 0] = np.nan
    filled = {**x, "text": np.nan_to_num(x["text"])}
    return x, filled, {"text": HALF}


@paired_models
def test_missing_cells_may_hold_nan_in_every_entry(make):
    x, filled, weight = missing_data()
    expected, model = make(), make()
    options = {"batch_size": 3, "verbose": 0, "sample_weight": weight}
    assert_same(
        model.evaluate(x, return_dict=True, **options),
        expected.evaluate(filled, return_dict=True, **options),
    )
    options["shuffle"] = False
    history = results(
        model.fit(x, validation_data=(x, None, weight), **options)
    )
    assert all(np.isfinite(value) for value in history.values())
    assert_same(
        history,
        results(
            expected.fit(
                filled, validation_data=(filled, None, weight), **options
            )
        ),
    )
    for entry in ("train_on_batch", "test_on_batch"):
        assert_same(
            getattr(model, entry)(x, sample_weight=weight, return_dict=True),
            getattr(expected, entry)(
                filled, sample_weight=weight, return_dict=True
            ),
        )


@paired_models
@each_source
def test_missing_cells_may_hold_nan_in_every_source(make, source):
    x, filled, weight = missing_data()
    assert_same(
        make().evaluate(
            source(x, IDS, weight), steps=2, verbose=0, return_dict=True
        ),
        make().evaluate(
            filled,
            IDS if make is not gan else None,
            batch_size=3,
            sample_weight=weight,
            verbose=0,
            return_dict=True,
        ),
    )


@paired_models
def test_an_example_of_weight_0_may_hold_nan(make):
    x = {name: value.copy() for name, value in VECTORS.items()}
    for value in x.values():
        value[HALF == 0] = np.nan
    results = make().evaluate(
        x, sample_weight=HALF, verbose=0, return_dict=True
    )
    assert all(np.isfinite(value) for value in results.values())


ENTRIES = {
    "fit": lambda model, x, **kwargs: model.fit(x, verbose=0, **kwargs),
    "evaluate": lambda model, x, **kwargs: model.evaluate(
        x, verbose=0, **kwargs
    ),
    "validation_data": lambda model, x, sample_weight=None: model.fit(
        Preprocessed(VECTORS),
        validation_data=(x, None, sample_weight),
        verbose=0,
    ),
    "train_on_batch": lambda model, x, **kwargs: model.train_on_batch(
        x, **kwargs
    ),
    "test_on_batch": lambda model, x, **kwargs: model.test_on_batch(
        x, **kwargs
    ),
    "predict": lambda model, x: model.predict(x, verbose=0),
    "predict_on_batch": lambda model, x: model.predict_on_batch(x),
}
each_entry = pytest.mark.parametrize("entry", ENTRIES.values(), ids=ENTRIES)


@each_model
@each_entry
def test_bad_data_is_refused_by_every_entry(make, entry):
    model = make()
    model.test_on_batch(VECTORS)  # A built model checks no less.
    image = VECTORS["image"]
    with pytest.raises(ValueError, match=r"must hold modalities.*'speech'"):
        entry(model, {"speech": image})
    with pytest.raises(ValueError, match=r"must hold modalities.*'txet'"):
        entry(model, {**VECTORS, "txet": VECTORS["text"]})
    with pytest.raises(ValueError, match="finite"):
        entry(model, {**VECTORS, "image": np.full_like(image, np.inf)})
    with pytest.raises(ValueError, match="at least 1"):
        entry(model, {name: value[:0] for name, value in VECTORS.items()})
    if make is gan and entry in (
        ENTRIES["predict"],
        ENTRIES["predict_on_batch"],
    ):
        return  # Its input has one modality, which needs no name.
    with pytest.raises(TypeError, match="must be a dict of modalities"):
        entry(model, image)


def unbatched(rows):
    return tf.data.Dataset.from_tensor_slices(rows)


IMAGE, TEXT = VECTORS["image"], VECTORS["text"]
BAD_DATA = {
    "list of modalities": ([IMAGE, TEXT], "must be a dict of modalities"),
    "tuple of modalities": ((IMAGE, TEXT), "must be a dict of modalities"),
    "list of batches": ([VECTORS, VECTORS], "must be a dict of modalities"),
    "array": (IMAGE, "must be a dict of modalities"),
    "misspelt": ({**VECTORS, "txet": TEXT}, r"\['txet'\] are unknown"),
    "scalar": ({**VECTORS, "text": 3.0}, r"`x\['text'\]` must be a batch"),
    "one value each": ({**VECTORS, "text": TEXT[:, 0]}, r"\['text'\]|shape"),
    "objects": ({**VECTORS, "text": [object()] * ROWS}, "must hold numbers"),
    "no values": ({**VECTORS, "text": [[None] * 5] * ROWS}, "must hold num"),
    "uneven": ({**VECTORS, "text": [[1.0], [2, 3]] * 3}, "of equal shapes"),
    "complex": ({**VECTORS, "image": IMAGE * 1j}, "must be real numbers"),
    "path": ("data.csv", "must be arrays, a `tf.data.Dataset`"),
    "nothing": (None, "must be arrays, a `tf.data.Dataset`"),
    "unbatched": (unbatched(VECTORS), r"`dataset.batch\(32\)`"),
    "unbatched scalars": (
        unbatched({"image": IMAGE[:, 0], "text": TEXT[:, 0]}),
        r"`dataset.batch\(32\)`",
    ),
    "sparse": (
        unbatched({**VECTORS, "text": tf.sparse.from_dense(TEXT)}).batch(2),
        r"`x\['text'\]` must be dense",
    ),
    "modalities that come and go": (
        Batches([(VECTORS,), ({"image": IMAGE},)]),
        "must hold the (same )?modalities",
    ),
}


@each_model
@pytest.mark.parametrize("bad", BAD_DATA)
def test_bad_data_is_refused_in_words(make, bad):
    x, match = BAD_DATA[bad]
    with pytest.raises((TypeError, ValueError), match=match):
        make().fit(x, verbose=0)


@paired_models
def test_weights_of_batches_have_one_axis(make):
    dataset = as_tf_data(VECTORS, IDS, np.ones((ROWS, 3), "float32"))
    with pytest.raises(ValueError, match="one weight per example"):
        make().fit(dataset, verbose=0)
    with pytest.raises(TypeError, match="`sample_weight` must be real numbers"):
        make().fit(VECTORS, sample_weight=np.array(["a"] * ROWS), verbose=0)


@each_model
def test_arguments_come_in_the_order_of_keras(make):
    """That of `fit`, `evaluate` and `predict` of `keras.Model`."""
    model = make()
    stop = keras.callbacks.TerminateOnNaN()
    history = model.fit(VECTORS, None, 2, 3, 0, [stop], 0.0, VECTORS, False)
    assert len(history.epoch) == 3
    assert "val_" in str(history.history)
    values = model.evaluate(VECTORS, None, 2, 0, return_dict=True)
    assert values == pytest.approx(
        model.evaluate(VECTORS, batch_size=2, verbose=0, return_dict=True)
    )
    x = {"image": IMAGE}
    for a, b in zip(
        keras.tree.flatten(model.predict(x, 2, 0)),
        keras.tree.flatten(model.predict(x, batch_size=2, verbose=0)),
        strict=True,
    ):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("make", [gan, cycle_gan])
def test_callbacks_of_one_optimizer_are_refused_where_there_are_two(make):
    for callback in (
        keras.callbacks.LearningRateScheduler(lambda epoch, rate: rate),
        keras.callbacks.ReduceLROnPlateau(monitor="generator_loss"),
        keras.callbacks.SwapEMAWeights(),
    ):
        with pytest.raises(ValueError, match="ForOptimizer"):
            make().fit(VECTORS, callbacks=[callback], verbose=0)


@paired_models
@pytest.mark.parametrize("entry", list(ENTRIES)[:5])
def test_bad_weights_are_refused_by_every_entry(make, entry):
    model, entry = make(), ENTRIES[entry]
    for weight, match in (
        ({"speech": HALF}, "'speech'"),
        (-HALF, "must not be negative"),
        (HALF[:2], r"equally many.*2"),
        (HALF * np.nan, "finite"),
    ):
        with pytest.raises(ValueError, match=match):
            entry(model, VECTORS, sample_weight=weight)


@each_model
@each_source
def test_bad_batches_are_refused_in_every_source(make, source):
    model = make()
    with pytest.raises(ValueError, match="'txet'"):
        model.fit(source({**VECTORS, "txet": VECTORS["text"]}), verbose=0)
    with pytest.raises(ValueError, match="beside it"):
        model.fit(source(VECTORS), IDS, verbose=0)
    with pytest.raises(ValueError, match="validation_data"):
        model.fit(source(VECTORS), validation_split=0.5, verbose=0)


@each_model
def test_an_unknown_source_is_refused_in_words(make):
    with pytest.raises(TypeError, match="generator of batches"):
        make().fit(iter([VECTORS]), verbose=0)


# Data of other forms.


@each_model
def test_data_of_unknown_length_reports_what_data_of_known_length_does(make):
    expected = make().evaluate(
        VECTORS, batch_size=3, verbose=0, return_dict=True
    )
    unknown = as_tf_data(VECTORS).unbatch().filter(lambda *_: True).batch(3)
    assert unknown.cardinality() == tf.data.UNKNOWN_CARDINALITY
    # As plain Keras does, it looks for one batch more than there are.
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Your input ran out of data")
        found = make().evaluate(unknown, verbose=0, return_dict=True)
    assert_same(found, expected)


@paired_models
def test_weights_may_have_a_last_axis_of_one(make):
    flat, column = (
        make().evaluate(
            as_tf_data(VECTORS, np.arange(ROWS), weight),
            verbose=0,
            return_dict=True,
        )
        for weight in (HALF, HALF[:, None])
    )
    assert_same(flat, column)
    column = make().evaluate(
        VECTORS,
        sample_weight=HALF[:, None],
        batch_size=3,
        verbose=0,
        return_dict=True,
    )
    assert_same(flat, column)
    with pytest.raises(ValueError, match="one weight per example"):
        make().fit(VECTORS, sample_weight=np.ones((ROWS, 2)), verbose=0)


@each_model
def test_values_in_a_tf_data_set_are_checked(make):
    broken = {**VECTORS, "text": np.full_like(VECTORS["text"], np.nan)}
    model = make()
    for entry in (model.fit, model.evaluate, model.predict):
        with pytest.raises(
            tf.errors.InvalidArgumentError, match=r"`x\['text'\]` must be fin"
        ):
            entry(as_tf_data(broken), verbose=0)
    if make is not cycle_gan:
        with pytest.raises(
            tf.errors.InvalidArgumentError, match="must not be negative"
        ):
            model.fit(as_tf_data(VECTORS, IDS, -HALF), verbose=0)


@each_model
def test_predict_may_come_first_and_shapes_are_compared_after(make):
    model = make()
    outputs = model.predict(VECTORS, verbose=0)
    assert all(len(value) == ROWS for value in keras.tree.flatten(outputs))
    wrong = {**VECTORS, "image": VECTORS["image"][:, :4]}
    for data in (wrong, as_tf_data(wrong)):
        for entry in (model.fit, model.evaluate, model.predict):
            with pytest.raises(ValueError, match=r"must have shape .*None, 8"):
                entry(data, verbose=0)


def test_unpaired_data_is_paired_where_it_must_be():
    model = cycle_gan()
    uneven = {**VECTORS, "image": VECTORS["image"][:4]}
    model.fit(uneven, verbose=0)
    for entry in (model.predict, model.train_on_batch, model.test_on_batch):
        with pytest.raises(ValueError, match=r"equally many.*'image': 4"):
            entry(uneven)


def test_evaluate_reports_no_gradient():
    assert "gradient_norm" not in vae().evaluate(
        VECTORS, verbose=0, return_dict=True
    )


# Further arguments of Keras' `fit`.


@paired_models
def test_validation_split_is_that_of_keras(make):
    history = results(
        make().fit(
            VECTORS,
            sample_weight=HALF,
            validation_split=0.5,
            shuffle=False,
            verbose=0,
        )
    )
    first, last = (
        {name: value[rows] for name, value in VECTORS.items()}
        for rows in (slice(3), slice(3, None))
    )
    expected = results(
        make().fit(
            first,
            sample_weight=HALF[:3],
            validation_data=(last, None, HALF[3:]),
            shuffle=False,
            verbose=0,
        )
    )
    assert_same(history, expected)


@each_model
def test_class_weight_is_refused(make):
    """Ids are no classes, and their number says nothing of an example."""
    weights = {0: 1.0, 1: 0.0}
    y = None if make is cycle_gan else IDS
    dataset = as_tf_data(VECTORS, y)
    for entry, data in (
        ("fit", (VECTORS, y)),
        ("fit", (dataset,)),
        ("train_on_batch", (VECTORS, y)),
    ):
        with pytest.raises(ValueError, match="class_weight"):
            getattr(make(), entry)(*data, class_weight=weights)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(
    "make", [vae, gan, cycle_gan], ids=["vae", "gan", "cycle_gan"]
)
def test_a_small_last_batch_counts_by_its_examples(make, weighted):
    """Reported means are means over examples, in training and evaluation."""
    if weighted and make is cycle_gan:
        return
    weight = np.array([4, 1, 2, 3, 0, 1], "float32") if weighted else None
    options = {"sample_weight": weight, "verbose": 0}
    found = make().evaluate(VECTORS, batch_size=4, return_dict=True, **options)
    whole = make().evaluate(VECTORS, batch_size=6, return_dict=True, **options)
    assert_same(found, whole)

    history = make().fit(VECTORS, batch_size=4, shuffle=False, **options)
    model, each = make(), []
    for rows in (slice(0, 4), slice(4, 6)):
        part = {name: value[rows] for name, value in VECTORS.items()}
        part = (part,) if weight is None else (part, None, weight[rows])
        each.append(model.train_on_batch(*part, return_dict=True))
    share = [10, 1] if weighted else [4, 2]
    for name, value in results(history).items():
        expected = [batch[name] for batch in each]
        if name != "gradient_norm":  # A mean over steps.
            np.testing.assert_allclose(
                value, np.average(expected, weights=share), rtol=1e-5
            )


def test_scores_of_a_gan_are_weighted():
    weight = np.array([1, 0, 1, 0, 0, 1], "float32")
    model = gan()
    found = model.evaluate(
        VECTORS, sample_weight=weight, verbose=0, return_dict=True
    )
    z = model._latents(model._noise(step=-2), ROWS)
    fake = model.ema_generator([z, VECTORS["image"]])
    for name, y in (("real", VECTORS["text"]), ("fake", fake)):
        logits = model.discriminator([y, VECTORS["image"]]).numpy()[:, 0]
        np.testing.assert_allclose(
            found[f"{name}_score"], logits[weight > 0].mean(), rtol=1e-5
        )


@each_model
def test_arguments_of_compile_that_say_nothing_are_refused(make):
    for argument in ("loss_weights", "weighted_metrics"):
        with pytest.raises(ValueError, match=f"leave `{argument}` out"):
            make().compile(**{argument: ["mse"]})


@each_model
def test_steps_per_epoch_goes_on_through_the_data(make):
    model = make()
    history = model.fit(
        VECTORS, batch_size=2, epochs=3, steps_per_epoch=2, verbose=0
    )
    assert len(next(iter(history.history.values()))) == 3


@each_model
def test_shuffle_must_be_a_boolean(make):
    with pytest.raises(ValueError, match="`shuffle` must be True or False"):
        make().fit(VECTORS, shuffle="batch", verbose=0)


# Raw and preprocessed data.


RAW = {**VECTORS, "image": np.round(VECTORS["image"] * 255).astype("uint8")}
SMALL = {**VECTORS, "image": RAW["image"] / np.float32(255)}
HALVED = {**SMALL, "image": SMALL["image"] / 2}


def numbers(output):
    if hasattr(output, "history"):
        output = results(output)
    return np.concatenate([np.ravel(v) for v in keras.tree.flatten(output)])


@each_model
@each_entry
def test_every_entry_preprocesses_raw_data_and_leaves_preprocessed(make, entry):
    train = entry in (ENTRIES["fit"], ENTRIES["train_on_batch"])
    prepared = HALVED if train else SMALL
    expected = numbers(entry(make(), prepared))
    for data in (RAW, Preprocessed(prepared)):
        model = make(preprocessors={"image": Scaled()})
        assert numbers(entry(model, data)) == pytest.approx(expected, 1e-5)


@each_model
@each_source
def test_preprocessed_data_stays_marked_in_every_source(make, source):
    model = make(preprocessors={"image": Scaled()})
    plain = make()
    expected = plain.evaluate(SMALL, batch_size=3, verbose=0, return_dict=True)
    for data in (source(RAW), source(Preprocessed(SMALL))):
        assert_same(
            model.evaluate(data, steps=2, verbose=0, return_dict=True), expected
        )


def test_a_data_set_keeps_the_mark_through_its_methods():
    model = vae(preprocessors={"image": Scaled()})
    raw = tf.data.Dataset.from_tensor_slices(RAW).batch(3)
    data = model.preprocess(raw).cache().shuffle(2).prefetch(1)
    assert isinstance(data.element_spec, Preprocessed)
    zipped = tf.data.Dataset.zip(data, data).map(lambda a, b: (a, IDS[:3]))
    assert isinstance(zipped.element_spec[0], Preprocessed)
    assert isinstance(model.preprocess(RAW), Preprocessed)
    a = model.preprocess(data)
    assert a.element_spec == data.element_spec


def test_encode_and_callbacks_treat_raw_data_as_fit_does():
    model = embedding(preprocessors={"image": Scaled()})
    expected = model.predict(Preprocessed(SMALL), verbose=0)
    for x in (RAW, Preprocessed(SMALL), model.preprocess(RAW)):
        encoded = model.encode(x)
        evaluation = kx.callbacks.RetrievalEvaluation((x, IDS))
        for name, value in expected.items():
            np.testing.assert_allclose(encoded[name], value, atol=1e-6)
        found = evaluation.evaluate(model)
        if x is RAW:
            first = found
        assert found == pytest.approx(first, abs=1e-5)


@pytest.mark.parametrize("make", [embedding, vae])
@each_source
def test_encode_takes_what_fit_takes(make, source):
    model = make(preprocessors={"image": Scaled()})
    expected = model.encode(RAW)
    data = source(RAW, IDS)
    if source is as_generator:
        data = (batch for batch in batches(RAW, IDS))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Your input ran out of data")
        encoded = model.encode(data)
    for a, b in zip(
        keras.tree.flatten(encoded), keras.tree.flatten(expected), strict=True
    ):
        np.testing.assert_allclose(a, b, atol=1e-6)


def test_raw_pictures_are_as_good_in_training_as_in_use():
    model = embedding(preprocessors={"image": Scaled()})
    evaluation = kx.callbacks.RetrievalEvaluation((RAW, IDS))
    history = model.fit(RAW, IDS, verbose=0, callbacks=[evaluation])
    gap = history.history["val_image_text_modality_gap"][-1]
    encoded = model.encode(RAW)
    expected = kx.ops.modality_gap(encoded["image"], encoded["text"])
    assert gap == pytest.approx(float(expected), abs=1e-5)


# Files and texts.


@keras.saving.register_keras_serializable("tests")
class Sizes(keras.layers.Layer):
    """A preprocessor of files: how many of each eight bytes are there."""

    def call(self, files):
        length = tf.cast(tf.strings.length(files), tf.float32)[:, None]
        return tf.clip_by_value(length - tf.range(8.0), 0.0, 1.0)


@each_model
@each_entry
def test_files_in_a_list_keep_the_zeros_at_their_end(make, entry):
    files = [b"\0" * (1 + i) for i in range(ROWS)]
    sizes = np.tri(ROWS, 8, dtype="float32")
    expected = numbers(entry(make(), {**VECTORS, "image": sizes}))
    for data in (files, np.array(files, object), tf.constant(files)):
        model = make(preprocessors={"image": Sizes()})
        found = numbers(entry(model, {**VECTORS, "image": data}))
        assert found == pytest.approx(expected, 1e-5)
    with pytest.raises(TypeError, match=r"x\['image'\].*a list of bytes"):
        entry(model, {**VECTORS, "image": np.array([b"\0a"] * ROWS)})


@each_model
@each_entry
def test_a_text_that_is_none_is_named(make, entry):
    model = make(preprocessors={"image": Sizes()})
    for missing in (np.nan, None):
        texts = ["a", "b", missing, "c", "d", "e"]
        for data in (texts, np.array(texts, object)):
            with pytest.raises(TypeError, match=r"x\['image'\].*in example 2"):
                entry(model, {**VECTORS, "image": data})


def test_an_index_finds_recordings_that_end_in_silence(tmp_path):
    preprocessor = kx.networks.SpeechPreprocessor(
        sampling_rate=800, duration=0.5, num_mel_bins=8, frame_length=0.04
    )
    encoder = keras.Sequential([keras.Input((50, 8)), keras.layers.Flatten()])
    model = kx.EmbeddingModel(
        encoders={"speech": encoder, "text": keras.layers.Dense(4)},
        embedding_dim=4,
        preprocessors={"speech": preprocessor},
    )
    files = []
    for i in range(3):
        tone = np.sin(np.arange(400) * (1 + i))
        tone[200 + 50 * i :] = 0
        kx.datasets.write_wav(tmp_path / "tone.wav", tone, 800)
        files.append((tmp_path / "tone.wav").read_bytes())
        assert files[-1].endswith(b"\0\0")
    index = kx.retrieval.ExactIndex(model)
    index.add({"speech": files}, [0, 1, 2])
    ids, _ = index.search({"speech": files}, k=1)
    np.testing.assert_array_equal(ids[:, 0], [0, 1, 2])


# Documentation.


def test_fit_is_documented_for_each_model():
    docs = [inspect.getdoc(make().fit) for make in ALL.values()]
    assert len(set(docs)) == 4
    assert "positives of each other" in docs[0]
    assert not any("positives" in doc for doc in docs[1:])


@pytest.mark.parametrize("kind", ["float32", "uint8"])
@each_source
def test_pictures_that_an_encoder_does_not_take_are_refused(source, kind):
    model = kx.EmbeddingModel(
        encoders={
            "image": kx.networks.ImageEncoder((8, 8), filters=()),
            "text": keras.layers.Dense(4),
        },
        embedding_dim=4,
    )
    model.compile("sgd", run_eagerly=True)
    x = {**VECTORS, "image": np.full((ROWS, 8, 8, 3), 200, kind)}
    for data in (x, source(x)):
        with pytest.raises(
            (ValueError, tf.errors.InvalidArgumentError),
            match="must be from 0 to 1 for ImageEncoder",
        ):
            model.predict(data, verbose=0)


def refused(match):
    kinds = (TypeError, ValueError, tf.errors.InvalidArgumentError)
    return pytest.raises(kinds, match=match)


@pytest.mark.parametrize("entry", ["fit", "evaluate"])
@pytest.mark.parametrize("make", [vae, gan, cycle_gan])
@pytest.mark.parametrize("source", [None, *SOURCES.values()])
def test_values_that_no_network_makes_are_refused(make, source, entry):
    """In arrays and in data sets, also beyond what is looked at first."""
    if make is gan:
        model = kx.GANModel(
            generator=keras.Sequential([keras.layers.Dense(5, "sigmoid")]),
            discriminator=keras.Sequential([keras.layers.Dense(1)]),
            conditional=False,
            target="text",
        )
        model.compile(run_eagerly=True)
    elif make is vae:
        model = vae(likelihoods={"text": "continuous_bernoulli"})
    else:
        model = make()
    text = VECTORS["text"].copy()
    text[5, 2] = 1.5
    x = {"text": text} if make is gan else {**VECTORS, "text": text}
    data = x if source is None else source(x)
    with refused(r"in \[0, 1\](.|\n)*1\.5"):
        getattr(model, entry)(data, verbose=0, batch_size=None)


def test_values_after_preprocessing_are_checked_in_all_batches():
    model = vae(
        preprocessors={"text": Scaled()},
        likelihoods={"text": "continuous_bernoulli"},
    )
    text = np.full((40, 5), 100.0, "float32")
    text[39] = 1000
    x = {"image": np.zeros((40, 8), "float32"), "text": text}
    with refused(r"x\['text'\].*in \[0, 1\](.|\n)*3\.92"):
        model.evaluate(x, verbose=0)


@each_model
def test_weights_that_are_all_0_are_refused(make):
    if make is cycle_gan:
        return
    weights = np.zeros(ROWS, "float32")
    for entry in ("fit", "evaluate", "train_on_batch", "test_on_batch"):
        with pytest.raises(ValueError, match=r"sample_weight.*above 0"):
            getattr(make(), entry)(VECTORS, sample_weight=weights)


def test_an_example_without_modalities_has_no_latent():
    model = vae()
    missing = dict.fromkeys(VECTORS, np.arange(ROWS) == 2)
    for entry in (model.encode, model.log_likelihood):
        with pytest.raises(
            ValueError, match=r"must have a modality.*example 2"
        ):
            entry(VECTORS, missing=missing)
    with pytest.raises(ValueError, match=r"must have a modality.*example 2"):
        model.translate(
            {"image": VECTORS["image"]},
            "text",
            missing={"image": missing["image"]},
        )


@pytest.mark.parametrize("rows", [np.arange(ROWS), np.full(ROWS, 0.5)])
def test_missing_is_told_by_truth_values(rows):
    model = vae()
    for entry in (model.encode, model.log_likelihood):
        with pytest.raises(
            ValueError, match=r"`missing\['text'\]` must hold T"
        ):
            entry(VECTORS, missing={"text": rows})


def test_tokens_of_a_missing_text_may_be_any():
    text = np.ones((ROWS, 5), "int32")
    text[HALF == 0] = -1
    x = {"text": text, "title": np.ones((ROWS, 5), "int32")}
    weights = {"text": HALF}
    token_embedding().fit(x, IDS, sample_weight=weights, verbose=0)
    token_embedding().fit(as_tf_data(x, IDS, weights), verbose=0)


def token_embedding():
    model = kx.EmbeddingModel(
        encoders={
            "text": kx.networks.TextEncoder(9, 4),
            "title": kx.networks.TransformerTextEncoder(9, 5, 4, 1, 1),
        },
        embedding_dim=3,
    )
    model.compile(run_eagerly=True)
    return model


@pytest.mark.parametrize("name", ["text", "title"])
@pytest.mark.parametrize("source", [None, *SOURCES.values()])
@pytest.mark.parametrize(
    ("tokens", "match"),
    [
        (-1, "from 0 to 8 for T.*Encoder"),
        (9, "from 0 to 8 for T.*Encoder"),
        (2.5, "integers"),
    ],
)
def test_tokens_are_those_of_the_vocabulary(name, source, tokens, match):
    x = dict.fromkeys(("text", "title"), np.ones((ROWS, 5), "int32"))
    x[name] = np.full((ROWS, 5), tokens)
    data = x if source is None else source(x)
    with refused(rf"`x\[\\?'{name}\\?'\]` must be .*{match}"):
        token_embedding().fit(data, verbose=0, steps_per_epoch=1)


@pytest.mark.parametrize("source", [None, *SOURCES.values()])
def test_ids_of_unpaired_data_are_left_aside(source):
    model = cycle_gan()
    data = (VECTORS, IDS) if source is None else (source(VECTORS, IDS),)
    model.fit(*data, verbose=0, steps_per_epoch=2)
    model.evaluate(*data, verbose=0, steps=2)
    with pytest.raises(ValueError, match=r"Unpaired data.*\['y'\]"):
        model.fit(VECTORS, VECTORS["text"])


@each_model
def test_results_are_float32_under_mixed_precision(make):
    policy = keras.DTypePolicy("mixed_float16")
    dense = keras.layers.Dense
    if make is cycle_gan:
        model = kx.CycleGANModel(
            {n: dense(v.shape[1], dtype=policy) for n, v in VECTORS.items()},
            {n: dense(1, dtype=policy) for n in VECTORS},
            dtype=policy,
        )
        model.build({n: v.shape for n, v in VECTORS.items()})
        image = model.translate({"text": VECTORS["text"]}, "image")
        assert image.dtype == "float32"
    elif make is gan:
        model = kx.GANModel(
            generator=keras.Sequential([dense(5, dtype=policy)]),
            discriminator=keras.Sequential([dense(1, dtype=policy)]),
            conditional=False,
            target="text",
            dtype=policy,
        )
        assert model.generate(num_examples=2).dtype == "float32"
        return
    else:
        model = make(dtype=policy)
    for value in model.predict(VECTORS, verbose=0).values():
        assert value.dtype == "float32"


def dense(size):
    return keras.Sequential([keras.layers.Dense(size)])


NAMED = {
    embedding: lambda name: kx.EmbeddingModel({name: 3, "b": 3}, 2),
    vae: lambda name: kx.VAEModel({name: 3, "b": 3}, 2),
    gan: lambda name: kx.GANModel(
        generator=dense(3), discriminator=dense(1), condition=name, target="b"
    ),
    cycle_gan: lambda name: kx.CycleGANModel(
        {name: dense(3), "b": dense(3)}, {name: dense(1), "b": dense(1)}
    ),
}


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("two words", ValueError),
        ("図", ValueError),
        ("a/b", ValueError),
        ("a.b", ValueError),
        ("_a", ValueError),
        ("", ValueError),
        (1, TypeError),
        (None, TypeError),
    ],
)
@each_model
def test_constructors_say_how_modalities_may_be_called(make, name, error):
    with pytest.raises(error, match=r"letters.*digits.*Received"):
        NAMED[make](1 if name is None and make is gan else name)


def test_endpoints_of_a_vae_have_different_names():
    for names in (("all", "b"), ("a_to_b", "a", "b_to_c", "c")):
        with pytest.raises(ValueError, match="different names"):
            kx.VAEModel(dict.fromkeys(names, 3), 2)


@pytest.mark.large
def test_allowed_names_go_through_saving_and_exports(tmp_path):
    """Digits and capitals: in layers, files and signatures."""
    names = ("View_2nd", "X1")
    x = {name: RANDOM.random((6, 3), "float32") for name in names}
    for cls in (kx.EmbeddingModel, kx.VAEModel):
        model = cls(dict.fromkeys(names, 3), 2)
        model.compile("adam", run_eagerly=True)
        model.fit(x, verbose=0)
        path = tmp_path / f"{cls.__name__}.keras"
        model.save(path)
        loaded = keras.saving.load_model(path)
        kx.export.saved_model(loaded, tmp_path / cls.__name__)


# What is missing in use.


def weighted_source(source, x, weight):
    if source is as_generator:
        return (batch for batch in batches(x, IDS, weight))
    return source(x, IDS, weight)


@each_source
def test_weights_of_data_say_what_is_missing_to_a_vae(source):
    model = vae()
    x, filled, weight = missing_data()
    model(filled)
    missing = {"text": weight["text"] == 0}

    def data():
        return weighted_source(source, x, weight)

    z = model.encode(x, missing=missing)
    assert np.abs(z - model.encode(filled)).max() > 1e-3
    image = model.decode(z)["image"]
    np.testing.assert_allclose(model.encode(data()), z, atol=1e-6)
    np.testing.assert_allclose(
        model.predict(data(), verbose=0, steps=2)["image"], image, atol=1e-6
    )
    np.testing.assert_allclose(
        model.translate(data(), "image"), image, atol=1e-6
    )
    np.testing.assert_allclose(
        model.log_likelihood(data(), 3, seed=0),
        model.log_likelihood(x, 3, missing=missing, seed=0),
        atol=1e-5,
    )
    model.fit_sampler(data(), 1)
    np.testing.assert_allclose(
        model.encode(data(), "image"), model.encode(IMAGE, "image"), atol=1e-6
    )


@pytest.mark.parametrize("objective", ["mopoe", "jmvae", "mmvae_plus"])
def test_an_example_of_weight_0_is_the_prior_to_a_vae(objective):
    objective = {"mmvae_plus": kx.objectives.MMVAEPlus(2)}.get(
        objective, objective
    )
    model = vae(objective=objective)
    model(VECTORS)
    x = {name: value.copy() for name, value in VECTORS.items()}
    for value in x.values():
        value[HALF == 0] = np.nan
    data = as_tf_data(x, IDS, HALF)
    z = model.encode(data)
    np.testing.assert_array_equal(z[HALF == 0], 0.0)
    assert np.isfinite(z).all()
    found = model.log_likelihood(data, 2)
    np.testing.assert_array_equal(found[HALF == 0], 0.0)
    assert np.isfinite(found).all()
    for value in model.predict(data, verbose=0).values():
        assert np.isfinite(value).all()


@each_source
def test_what_is_missing_has_no_direction(source):
    model = embedding()
    x, filled, weight = missing_data()
    expected = model.encode(filled)
    expected["text"] *= HALF[:, None]
    for found in (
        model.predict(weighted_source(source, x, weight), verbose=0, steps=2),
        model.encode(weighted_source(as_tf_data, x, weight)),
    ):
        for name, value in expected.items():
            np.testing.assert_allclose(found[name], value, atol=1e-6)
    found = model.encode(as_tf_data(x, IDS, weight), "text")
    np.testing.assert_allclose(found, expected["text"], atol=1e-6)


def test_vectors_of_weight_0_may_hold_nan():
    x = IMAGE.copy()
    x[HALF == 0] = np.nan
    model = kx.EmbeddingModel(8, 5)
    model.compile(loss="mse", run_eagerly=True)
    data = as_tf_data(x, TEXT, HALF)
    assert np.isfinite(model.evaluate(data, verbose=0))
    assert np.isfinite(model.predict(data, verbose=0)).all()
    model.fit(x, TEXT, sample_weight=HALF, verbose=0)
    assert all(np.isfinite(value).all() for value in model.get_weights())


def test_conditions_that_are_missing_are_no_zeros():
    model = kx.VAEModel(
        {"image": 8, "text": 5, "sound": 2},
        3,
        objective=kx.objectives.CVAE("image"),
    )
    x = {**VECTORS, "sound": TEXT[:, :2]}
    model(x)
    del x["image"]
    x["text"] = np.where(HALF[:, None] == 0, np.nan, TEXT)
    found = model.translate(x, "image", missing={"text": HALF == 0})
    alone = model.translate({"sound": x["sound"]}, "image")
    np.testing.assert_allclose(found[HALF == 0], alone[HALF == 0], atol=1e-6)


@pytest.mark.parametrize("make", [embedding, vae])
def test_a_dict_may_come_with_the_name_of_its_modality(make):
    model = make()
    np.testing.assert_array_equal(
        keras.tree.flatten(model.encode(VECTORS, "image")),
        keras.tree.flatten(model.encode(IMAGE, "image")),
    )
    with pytest.raises(ValueError, match="`x` must hold 'image'"):
        model.encode({"text": TEXT}, "image")


# Means are over what was there.


def three_pairs():
    keras.utils.set_random_seed(0)
    model = kx.EmbeddingModel({"a": 8, "b": 8, "c": 8}, 4)
    model.compile(run_eagerly=True)
    return model


def test_pairs_that_are_not_there_do_not_count():
    model = three_pairs()
    x = {"a": IMAGE, "b": IMAGE[::-1], "c": IMAGE[[3, 2, 5, 4, 0, 1]]}
    options = {"batch_size": 3, "verbose": 0, "return_dict": True}
    there = np.array([1, 1, 1, 0, 0, 0], "float32")
    first = model.evaluate({n: v[:3] for n, v in x.items()}, **options)
    found = model.evaluate(x, sample_weight={"b": there}, **options)
    for name in ("a_b_loss", "b_c_loss"):
        assert found[name] == pytest.approx(first[name], rel=1e-5)
    without = {"a": x["a"], "c": x["c"]}
    expected = model.evaluate(without, **options)
    assert expected.keys() == {"loss", "a_c_loss"}
    data = as_tf_data(x, IDS, {"b": there * 0})
    left_out = as_tf_data(without, IDS)
    assert_same(
        model.evaluate(data, verbose=0, return_dict=True),
        model.evaluate(left_out, verbose=0, return_dict=True),
    )


def test_batches_without_a_pair_do_not_count():
    model = embedding()
    there = np.array([1, 1, 1, 0, 0, 0], "float32")
    options = {"batch_size": 3, "verbose": 0}
    found = model.evaluate(VECTORS, sample_weight={"text": there}, **options)
    first = {name: value[:3] for name, value in VECTORS.items()}
    assert found == pytest.approx(model.evaluate(first, **options), rel=1e-5)


@pytest.mark.filterwarnings("ignore:Gradients do not exist")
@pytest.mark.parametrize("make", [three_pairs, vae])
def test_what_is_not_there_has_no_metric(make):
    names = {three_pairs: ("a", "c"), vae: ("image",)}[make]
    absent = {three_pairs: "b", vae: "text"}[make]
    model, x = make(), dict.fromkeys(names, IMAGE)
    logs = results(model.fit(x, validation_data=(x,), verbose=0))
    logs |= model.train_on_batch(x, return_dict=True)
    logs |= model.test_on_batch(x, return_dict=True)
    words = {word for name in logs for word in name.split("_")}
    assert absent not in words
    assert {"loss", "val_loss"} <= logs.keys()
    assert len(model.test_on_batch(x)) == len(model.evaluate(x, verbose=0))


@each_model
@pytest.mark.parametrize("source", [as_generator, as_py_dataset])
def test_batches_hold_the_same_parts(make, source):
    if make is cycle_gan:
        return  # It takes no weights.
    first, second = batches(VECTORS, IDS, HALF)
    gains = [(first[0], first[1]), second]
    loses = [first, (second[0], None, second[2])]
    for data in (gains, loses):
        data = Batches(data) if source is as_py_dataset else iter(data)
        if source is as_generator:
            data = (batch for batch in data)
        with pytest.raises(ValueError, match="must hold the same parts"):
            make().fit(data, verbose=0)


def test_weights_of_batches_have_an_anchor():
    loss = kx.losses.InfoNCE()
    logits = np.zeros((3, 3), "float32")
    assert loss.total_weight(np.arange(3), logits) == 3.0
    assert loss.total_weight(np.arange(3), logits, np.array([2, 0, 1])) == 3.0
    pairs = np.eye(3) * [[0.5], [0.0], [0.0]]
    assert loss.total_weight(np.arange(3), logits, pairs) == 0.5


# Networks of other kinds, and files.


@keras.saving.register_keras_serializable("tests")
class Parts(keras.layers.Layer):
    """Two features, in a structure."""

    def __init__(self, kind, **kwargs):
        super().__init__(**kwargs)
        self.kind = kind

    def get_config(self):
        return {**super().get_config(), "kind": self.kind}

    def call(self, x):
        return {"list": [x, x], "tuple": (x, x), "dict": {"a": x}}[self.kind]


def functional(kind):
    x, other = keras.Input((8,), name="x"), keras.Input((8,), name="other")
    if kind.startswith("inputs"):
        inputs = [x, other]
        if kind == "inputs of dict":
            inputs = {"x": x, "other": other}
        return keras.Model(inputs, keras.layers.Add()([x, other]))
    return keras.Model(x, Parts(kind)(x))


KINDS = ["inputs of dict", "inputs of list", "list", "tuple", "dict"]


@pytest.mark.parametrize("kind", KINDS)
def test_encoders_are_from_one_tensor_to_one(kind):
    x = {"image": IMAGE}
    for encoder in (functional(kind), Parts(kind)):
        if kind.startswith("inputs") and isinstance(encoder, Parts):
            continue
        for make, options in (
            (kx.EmbeddingModel, {}),
            (kx.VAEModel, {"decoders": {"image": dense(8)}, "latent_dim": 2}),
        ):
            with pytest.raises(ValueError, match=r"`encoders\['image'\]` must"):
                make(encoders={"image": encoder}, **options)(x)


@pytest.mark.parametrize("kind", KINDS[2:])
def test_decoders_generators_and_discriminators_return_one_tensor(kind):
    model = kx.VAEModel(
        encoders={"image": dense(4)},
        decoders={"image": Parts(kind)},
        latent_dim=2,
    )
    with pytest.raises(ValueError, match=r"`decoders\['image'\]` must return"):
        model({"image": IMAGE})
    with pytest.raises(ValueError, match="`generator` must return one tensor"):
        kx.GANModel(
            generator=Parts(kind), discriminator=dense(1), conditional=False
        )
    with pytest.raises(ValueError, match="`discriminator` must return one"):
        kx.GANModel(
            generator=dense(2), discriminator=Parts(kind), conditional=False
        )
    model = kx.CycleGANModel(
        {"image": Parts(kind), "text": dense(5)},
        {"image": dense(1), "text": dense(1)},
    )
    with pytest.raises(ValueError, match=r"`generators\['image'\]` must ret"):
        model.build({"image": (None, 8), "text": (None, 5)})


@each_model
def test_parts_of_a_batch_are_equally_long(make):
    short = tf.data.Dataset.from_tensor_slices(TEXT[:5]).batch(3)
    long = tf.data.Dataset.from_tensor_slices(IMAGE).batch(3)
    model = make()
    for data in (
        tf.data.Dataset.zip({"image": long, "text": short}),
        tf.data.Dataset.zip(
            unbatched(VECTORS).batch(3), unbatched(IDS[:5]).batch(3)
        ),
    ):
        with pytest.raises(
            tf.errors.InvalidArgumentError, match="equally many examples"
        ):
            model.evaluate(data, verbose=0)


def test_a_model_of_pairs_has_a_pair(tmp_path):
    with pytest.raises(ValueError, match="`pairs` must hold one pair"):
        embedding(pairs=[])
    alone = kx.EmbeddingModel({"image": 8}, 2)
    kx.EmbeddingModel.from_config(alone.get_config())


def test_texts_need_no_preprocessor():
    texts = ["a b", "c d", "e f"] * 2
    words = keras.layers.TextVectorization(output_mode="multi_hot")
    words.adapt(texts)
    encoders = {
        "image": dense(4),
        "text": keras.Sequential([keras.Input((), dtype="string"), words]),
    }
    arrays = [texts, np.array(texts), np.array(texts, object), np.bytes_(texts)]
    losses = []
    for array in arrays:
        keras.utils.set_random_seed(0)
        model = kx.EmbeddingModel(encoders=encoders)
        model.compile(run_eagerly=True)
        losses.append(
            model.evaluate({"image": IMAGE, "text": array}, verbose=0)
        )
    assert np.ptp(losses) < 1e-5
    tokens = keras.Sequential(
        [
            keras.Input((4,), dtype="int32"),
            keras.layers.Embedding(9, 2),
            keras.layers.Flatten(),
        ]
    )
    model = kx.EmbeddingModel(encoders={**encoders, "text": tokens})
    model.compile(run_eagerly=True)
    with pytest.raises(TypeError, match=r"`x\['text'\]` must be int32"):
        model.fit({"image": IMAGE, "text": [["a"] * 4] * ROWS}, verbose=0)


@each_model
def test_no_file_is_written_that_keras_does_not_load(make, tmp_path):
    for name in ("model.h5", "model.hdf5"):
        with pytest.raises(ValueError, match=r"must end in '\.keras'"):
            make().save(tmp_path / name)
    assert not list(tmp_path.iterdir())
