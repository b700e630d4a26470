"""A generator that is chosen, to be trained and measured."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from keras_xmodal import checks
from keras_xmodal.metrics.retrieval_report import retrieval_report
from keras_xmodal.models import Preprocessed
from keras_xmodal.recipes.backup import check_backup
from keras_xmodal.recipes.options import Options
from keras_xmodal.recipes.pairs import (
    Pairs,
    common_pairs,
    read_pairs,
    read_parts,
)
from keras_xmodal.recipes.plan import Plan
from keras_xmodal.recipes.retrieval import to_unit
from keras_xmodal.recipes.start import Start
from keras_xmodal.recipes.towers import restart
from keras_xmodal.recipes.training import as_callbacks, example, train_stage

IMAGE_SIZE = 32
STAGE = "generator"
PATIENCE = 10
_BATCH = 64
_STEPS = 100  # of an epoch at least


class Family(NamedTuple):
    """What a generator is: how it is built, trained and asked.

    Args:
        directions: Pairs of modalities, source and target.
        build: Function of a `Start` and the plan to a model.
        inputs: Function of a dict of preprocessed modalities to the input of
            the model.
        compile: Function of the model and the number of steps.
        draw: Function of the model, source, target, raw values and a seed to
            raw values of the target.
        epochs: Integer, by default.
    """

    directions: Sequence[tuple[str, str]]
    build: Callable[[Start, Plan], keras.Model]
    inputs: Callable[[Mapping[str, np.ndarray]], Any]
    compile: Callable[[keras.Model, int], None]
    draw: Callable[[Any, str, str, np.ndarray, int], np.ndarray]
    epochs: int

    @property
    def needs_all(self) -> bool:
        """Whether an example without one of its modalities says nothing."""
        return len(self.directions) == 1


class GenerationRecipe:
    """What `kx.recipes.vae` and `gan` have chosen: a model to fit, and a plan.

    Its attributes are `model`, a compiled `VAEModel` or `GANModel` with
    preprocessors, after `fit` the best of the training; `plan`, a `Plan` of
    what was chosen and why; `kinds`, a dict `{modality: kind}`; and `history`,
    the values of each epoch, by the name of the stage, `"generator"`.

    What is good is said by a judge that no generator sees: linear maps in
    closed form between features of the modalities, those with which
    `kx.recipes.embedding` starts. It looks for the source of what was drawn.

    Args:
        train: Rows to learn from, as `read_pairs` returns them.
        validation: Rows of other items.
        options: What was asked for.
        family: Which generator.

    Example:
        ```python
        import numpy as np
        import keras_xmodal as kx

        x, ids = next(iter(kx.datasets.load("emoji").batch(40)))
        x = {"image": x["image"].numpy(), "text": x["text"].numpy()}
        recipe = kx.recipes.gan((x, ids.numpy()), image_size=16, verbose=0)
        print(recipe.plan, recipe.kinds)
        pictures = recipe.model.generate(np.array(["a tree"]), seed=0)
        ```
    """

    def __init__(
        self,
        train: Pairs,
        validation: Pairs,
        options: Options,
        family: Family,
    ):
        self._options, self._family = options, family
        self.kinds = train.kinds
        self.history: dict[str, dict] = {}
        for pairs in (train, validation):
            common_pairs(pairs)
        self.plan = Plan()
        told = Plan()
        self._start = Start(train, validation, options, told)
        for choice in told:
            if choice.what in (*self.kinds, "validation"):
                self.plan.add(*choice)
        for name, kind in self.kinds.items():
            if kind == "image":
                self._tell_size(name)
        keras.utils.set_random_seed(options.seed)
        self.model = family.build(self._start, self.plan)
        self._texts = {
            name: self._preprocess(name, values)
            for name, values in self._start.train.x.items()
            if self.kinds[name] == "text"
        }
        (x, *_), *_ = self._batches(0)
        self.model(family.inputs(x))
        self._compile(family.epochs)

    def _tell_size(self, name):
        size = self._options.image_size
        self.plan.add(
            f"size of {name} drawn",
            f"{size} x {size} pixels",
            "pictures are drawn in this size, and others brought to it",
        )

    # Training.

    @property
    def _batch_size(self):
        return max(2, min(_BATCH, len(self._start.train) // 3))

    @property
    def _steps(self):
        return max(_STEPS, len(self._start.train) // self._batch_size)

    def fit(
        self,
        epochs: int | None = None,
        callbacks: Sequence[keras.callbacks.Callback] = (),
    ) -> dict[str, dict]:
        """Train; end with the epoch that is best on the validation items.

        An epoch has 100 batches at least. Training stops when ten epochs have
        brought nothing.

        Args:
            epochs: Integer, at most; 0 leaves the start. Defaults to what the
                plan says.
            callbacks: Further Keras callbacks.

        Returns:
            Dict of the stage, `"generator"`, of the values of each epoch: its
            losses and `"val_MRR"`, the mean reciprocal rank at which the judge
            finds the source of what was drawn, over all directions. Empty
            after 0 epochs.
        """
        if epochs is not None:
            epochs = checks.integer("epochs", epochs, least=0)
        callbacks = as_callbacks(callbacks)
        if epochs == 0:
            return {}
        epochs = epochs or self._family.epochs
        self._compile(epochs)
        _, self.history[STAGE] = train_stage(
            STAGE,
            self.model,
            self._batches,
            self._steps,
            epochs,
            self._options,
            self.plan,
            self._score,
            PATIENCE,
            alphas=(),
            callbacks=callbacks,
        )
        self._compile(epochs)  # What it ends with is no epoch's state.
        return self.history

    def _compile(self, epochs):
        self._family.compile(self.model, epochs * self._steps)

    def _batches(self, epoch):
        """Preprocessed batches of captions drawn at random, augmented anew."""
        random = np.random.default_rng((self._options.seed, epoch))
        train, size = self._start.train, self._batch_size
        count = len(train) // size
        for number in range(self._steps):
            if number % count == 0:
                order = random.permutation(len(train))
            batch = order[number % count * size :][:size]
            x = {}
            for name, values in train.x.items():
                if name in self._texts:
                    choice = random.integers(values.shape[1], size=size)
                    x[name] = self._texts[name][batch, choice]
                    continue
                layer = self.model.preprocessors.get(name)
                restart(layer, number + self._steps * epoch)
                x[name] = self._preprocess(name, values[batch], training=True)
            yield example(Preprocessed(x), train, batch)

    def _preprocess(self, name, values, training=False):
        """What the networks take; of a table of texts, as many tables."""
        layer = self.model.preprocessors.get(name)
        if layer is None:
            return np.asarray(values, "float32")
        if self.kinds[name] == "text":
            tokens = np.asarray(layer(values.ravel().astype(str)))
            return tokens.reshape(*values.shape, -1)
        augments = training and getattr(layer, "augmentation", None)
        further = {"training": True} if augments else {}
        return np.asarray(layer(values, **further))

    # Measuring.

    def _draw(self, source, target, values):
        if self.kinds[source] == "text":
            values = values.astype(str)
        seed = self._options.seed
        return self._family.draw(self.model, source, target, values, seed)

    def _embed(self, name, values):
        """Unit embeddings of raw values by the judge."""
        kernel, bias = self._start.projections[name]
        return to_unit(self._start.features(name, values) @ kernel + bias)

    def _score(self, model):
        rows = self._reports(self._start.validation)
        return float(np.mean([row["MRR"] for row in rows.values()]))

    def _reports(self, pairs):
        found = {}
        for source, target in self._family.directions:
            values, ids = pairs.distinct(source)
            made = self._embed(target, self._draw(source, target, values))
            known = self._embed(source, values)
            direction = f"{source}_to_{target}"
            found[direction] = retrieval_report(made, known, ids, ids)
        return found

    def evaluate(
        self, data: tf.data.Dataset | tuple | None = None
    ) -> dict[str, dict]:
        """Measure how well what is drawn shows what it was drawn from.

        Args:
            data: Raw examples as for `kx.recipes.vae`. None: the validation
                items, by which the training was stopped: a test wants others.

        Returns:
            Dict by direction, such as `"text_to_image"`, of the report of
            `kx.metrics.retrieval_report`: how often the judge finds the source
            of what was drawn among all sources. Beside it, with `real_R@1` and
            so on, is what it finds of real ones, and with `baseline_R@1` of
            the training example whose source is nearest.
        """
        if data is not None:
            pairs = read_pairs(data, self.kinds, "data")
            pairs = pairs.only(list(self.kinds), self._family.needs_all)
            pairs = self._start.shrink(pairs)
        elif self._options.stops_early:
            pairs = self._start.validation
        else:
            raise ValueError(
                "`data` must be given where no items are held out, by "
                "`validation=None`. Received: data=None"
            )
        found = self._reports(pairs)
        for source, target in self._family.directions:
            report = found[f"{source}_to_{target}"]
            values, ids = pairs.distinct(source)
            known = self._embed(source, values)
            real, real_ids = pairs.distinct(target)
            nearest = self._nearest(source, target, known)
            for key, made, made_ids in (
                ("real", real, real_ids),
                ("baseline", nearest, ids),
            ):
                row = retrieval_report(
                    self._embed(target, made), known, made_ids, ids
                )
                for name, value in row.items():
                    if not name.startswith(("chance", "num")):
                        report[f"{key}_{name}"] = value
        return found

    def _nearest(self, source, target, embeddings):
        """Targets of the training examples whose sources are nearest."""
        train = self._start.train
        both = np.flatnonzero(train.there[source] & train.there[target])
        values, rows = train.x[source][both], both
        if self.kinds[source] == "text":
            rows = np.repeat(both, values.shape[1])
            values = values.ravel()
        near = (embeddings @ self._embed(source, values).T).argmax(axis=1)
        targets = train.x[target][rows[near]]
        return targets[:, 0] if self.kinds[target] == "text" else targets


def make_recipe(
    train: tf.data.Dataset | tuple,
    validation: tf.data.Dataset | tuple | float | None,
    kinds: Mapping[str, str] | None,
    choose: Callable[[Pairs], tuple[Sequence[str], Family]],
    **options,
) -> GenerationRecipe:
    """Read data, choose what of it a family takes, and make the recipe.

    Args:
        train: As of `kx.recipes.vae`.
        validation: As of `kx.recipes.vae`.
        kinds: As of `kx.recipes.vae`.
        choose: Function of all rows to names of modalities, and the family.
        **options: `image_size`, `backup_dir`, `seed` and `verbose`.

    Returns:
        `GenerationRecipe`.
    """
    seed = checks.seed(options["seed"])
    size = checks.integer("image_size", options["image_size"], least=8)
    pairs, known, unseen = read_parts(train, validation, kinds, seed)
    verbose = checks.verbose(options["verbose"])
    names, family = choose(pairs)
    pairs, known, unseen = (
        part.only(names, family.needs_all) for part in (pairs, known, unseen)
    )
    _check_varied(known)
    asked = Options(
        # The judge sees what is drawn as it is.
        augmentation={n: None for n in names if pairs.kinds[n] == "image"},
        image_size=size,
        backup=checks.path("backup_dir", options["backup_dir"], optional=True),
        seed=seed,
        verbose=verbose,
    )
    check_backup(asked, known, unseen)
    if validation is None:
        choices = Start(known, unseen, asked, Plan()).choices
        asked = dataclasses.replace(asked, choices=choices)
        known = pairs
    return GenerationRecipe(known, unseen, asked, family)


def _check_varied(pairs):
    """What is all the same says nothing of what to draw."""
    for name, values in pairs.x.items():
        values = values[pairs.there[name]]
        if all(np.array_equal(value, values[0]) for value in values[1:]):
            raise ValueError(
                f"`train` must hold different examples of {name!r}. "
                f"Received: {len(values)} that are equal"
            )
