"""A model that is chosen and started, to be trained and measured."""

from collections.abc import Sequence

import keras
import numpy as np
import tensorflow as tf

from keras_xmodal import checks
from keras_xmodal.models import EmbeddingModel, Preprocessed
from keras_xmodal.recipes.options import Options
from keras_xmodal.recipes.pairs import Pairs, common_pairs, read_pairs
from keras_xmodal.recipes.plan import Plan
from keras_xmodal.recipes.retrieval import reports, score
from keras_xmodal.recipes.start import Start
from keras_xmodal.recipes.training import (
    as_callbacks,
    example,
    make_optimizer,
    train_stage,
)

HEAD_EPOCHS, NETWORK_EPOCHS = 40, 60
LEARNING_RATE = 1e-3
PATIENCE = 10
# From so many rows on a network is tried, too; the validation items decide.
ROWS_FOR_NETWORK = 2000
_BATCH = 256
_OF_BASELINE = "projections of the baseline"
_NEW_WEIGHTS = 0.02  # their standard deviation, that of the start's


class EmbeddingRecipe:
    """What `kx.recipes.embedding` has chosen: a model to fit, and a plan.

    Its attributes are `model`, a compiled `EmbeddingModel` with preprocessors:
    the closed-form start, and after `fit` the best of the training; `plan`, a
    `Plan` of what was chosen and why; `kinds`, a dict `{modality: kind}`; and
    `history`, the values of each epoch by stage of the training.

    Args:
        train: Rows to learn from, as `read_pairs` returns them.
        validation: Rows of other items.
        options: What was asked for.

    Example:
        ```python
        import numpy as np
        import keras_xmodal as kx

        x, ids = next(iter(kx.datasets.load("emoji").batch(40)))
        x = {"image": x["image"].numpy(), "text": x["text"].numpy()}
        recipe = kx.recipes.embedding((x, ids.numpy()), 0.25, verbose=0)
        history = recipe.fit(epochs=1)
        print(recipe.plan, history["projections"]["val_MRR"])
        index = kx.retrieval.ExactIndex(recipe.model)
        index.add({"image": x["image"]}, ids=x["text"])
        ```
    """

    def __init__(self, train: Pairs, validation: Pairs, options: Options):
        self._options = options
        self.plan = Plan()
        self.kinds = train.kinds
        self.history: dict[str, dict] = {}
        keras.utils.set_random_seed(options.seed)
        self._pairs = common_pairs(train)
        self._asked = common_pairs(validation, self._pairs)
        own = self._own = Start(train, validation, options, self.plan)
        self._towers = Plan(self.plan)
        self._starts = [own]
        if own.is_below_baseline:
            self._starts = [own.baseline]
            if options.stops_early:
                self._starts.insert(0, own)
        self._begin_from(self._starts[-1])
        self._describe_start()
        is_large = len(train) >= ROWS_FOR_NETWORK and not options.towers
        self._uses_network = options.network is True or (
            options.network == "auto" and is_large
        )
        why = "as asked"
        if options.network == "auto":
            why = f"{len(train)} rows; it is tried from {ROWS_FOR_NETWORK} on"
            if options.towers:
                why = "pretrained towers run once, not in each epoch"
        self.plan.add(
            "network beside the features",
            "small" if self._uses_network else "none",
            why,
        )
        self._batch_size = max(2, min(_BATCH, len(train) // 3))
        self.model = self._assemble(self._head, with_network=False)
        self._compile(self.model, LEARNING_RATE, HEAD_EPOCHS * self._steps)

    def _begin_from(self, start):
        self._start, self._head = start, self._build_head(start)

    def _describe_start(self):
        """The towers of the start, in the plan."""
        is_own = self._start is self._own
        for choice in self._towers if is_own else self._start.plan:
            self.plan.add(*choice)

    # What is trained.

    def _build_head(self, start):
        """Projections alone, on features that are computed once."""
        sizes = {name: x.shape[-1] for name, x in start.cached.items()}
        model = EmbeddingModel(
            sizes,
            start.embedding_dim,
            pairs=self._pairs,
            temperature=self._options.temperature,
        )
        model({n: np.zeros((1, size), "float32") for n, size in sizes.items()})
        for name, weights in start.projections.items():
            model.projections[name].set_weights(weights)
        return model

    def _assemble(self, head, with_network):
        """The whole model, with the projections of the head."""
        towers = self._start.towers
        for tower in towers.values():
            tower.features.trainable = False
        model = EmbeddingModel(
            encoders={n: t.encoder(with_network) for n, t in towers.items()},
            embedding_dim=head.embedding_dim,
            preprocessors={
                name: tower.preprocessor
                for name, tower in towers.items()
                if tower.preprocessor is not None
            },
            pairs=self._pairs,
            temperature=self._options.temperature,
        )
        model.build({n: t.features.input_shape for n, t in towers.items()})
        random = np.random.default_rng(self._options.seed)
        for name, projection in head.projections.items():
            kernel, bias = projection.get_weights()
            size = model.projections[name].kernel.shape[0] - len(kernel)
            new = random.normal(0, _NEW_WEIGHTS, (size, kernel.shape[1]))
            model.projections[name].set_weights(
                [np.concatenate([kernel, new]), bias]
            )
        for old, scale in zip(
            head.logit_scales.values(), model.logit_scales.values(), strict=True
        ):
            scale.set_weights(old.get_weights())
        return model

    def _compile(self, model, learning_rate, steps):
        model.compile(make_optimizer(learning_rate, steps), self._options.loss)
        model.optimizer.build(model.trainable_variables)

    @property
    def _steps(self):
        return len(self._start.train) // self._batch_size

    # Training.

    def fit(
        self,
        epochs: int | None = None,
        callbacks: Sequence[keras.callbacks.Callback] | None = (),
        batch_size: int | None = None,
    ) -> dict[str, dict]:
        """Train; end with what is best on the validation items.

        First the projections, on features that are computed once, and those of
        the ridge baseline if it is better than the start; then, where the plan
        has one, the network beside the better of them. Each stage stops when
        ten epochs have brought nothing, and ends with its best epoch, its
        start, or weights between the two.

        Args:
            epochs: Integer, of each stage at most; 0 leaves the start.
                Defaults to 40 for the projections and 60 for a network.
            callbacks: Further Keras callbacks, one or several, of all stages.
                Their `model` is what is trained: projections of `features`,
                then the whole.
            batch_size: Integer, rows of a batch. Defaults to 256, or a third
                of the rows where there are fewer.

        Returns:
            Dict by stage, `"projections"`, `"projections of the baseline"` and
            `"network"`, of the values of each epoch: `"loss"` and
            `"val_MRR"`, the mean reciprocal rank over all directions.
        """
        if epochs is not None:
            epochs = checks.integer("epochs", epochs, least=0)
        if batch_size is not None:
            batch_size = checks.integer("batch_size", batch_size, least=2)
            self._batch_size = min(batch_size, len(self._start.train))
        callbacks = as_callbacks(callbacks)
        if epochs == 0:
            return {}
        keep = self._fit_projections(epochs or HEAD_EPOCHS, callbacks)
        self.model = self._assemble(self._head, with_network=False)
        if self._uses_network:
            keep = self._fit_network(keep, epochs or NETWORK_EPOCHS, callbacks)
        self._compile(
            self.model, LEARNING_RATE, (epochs or HEAD_EPOCHS) * self._steps
        )
        if keep is not None:
            self._compare_with_baseline(keep.state["best"])
        return self.history

    def _fit_projections(self, epochs, callbacks):
        """Those of the start, and of the ridge baseline if that is better."""
        best = None
        for start in self._starts:
            self._begin_from(start)
            keep = self._train(
                "projections" if start is self._starts[0] else _OF_BASELINE,
                self._head,
                self._head_batches,
                lambda model: self._score(model, self._start.unseen),
                epochs,
                callbacks,
            )
            if best is None or keep.state["best"] > best[0].state["best"]:
                best = keep, start, self._head
        keep, self._start, self._head = best
        self._describe_start()
        return keep

    def _compare_with_baseline(self, ours):
        """Say in the plan how much better it is than the ridge baseline."""
        rows = self._own.baseline.evaluate(self._start.validation, self._asked)
        trivial = float(np.mean([row["MRR"] for row in rows.values()]))
        self.plan.add(
            "beside the ridge baseline",
            "not worse" if ours > trivial - 1e-6 else "worse",
            f"MRR of the validation items {ours:.3f}, baseline {trivial:.3f}",
        )

    def _fit_network(self, before, epochs, callbacks):
        keras.utils.set_random_seed(self._options.seed)
        model = self._assemble(self._head, with_network=True)
        start = self._start
        unseen = {
            name: (start.preprocess(name, values), ids)
            for name in start.asked
            for values, ids in [start.validation.distinct(name, whole=True)]
        }
        texts = {
            name: _reshape(start.preprocess(name, values.ravel()), values.shape)
            for name, values in start.train.x.items()
            if self.kinds[name] == "text"
        }
        keep = self._train(
            "network",
            model,
            lambda epoch: self._network_batches(epoch, texts),
            lambda model: self._score(model, unseen),
            epochs,
            callbacks,
        )
        if keep is None or keep.state["best"] > before.state["best"]:
            self.model = model
        return keep

    def _train(self, stage, model, batches, measure, epochs, callbacks):
        self._compile(model, LEARNING_RATE, epochs * self._steps)
        keep, self.history[stage] = train_stage(
            stage,
            model,
            batches,
            self._steps,
            epochs,
            self._options,
            self.plan,
            measure,
            PATIENCE,
            callbacks=callbacks,
        )
        return keep

    def _orders(self, epoch, stream):
        """The rows of each batch of an epoch."""
        random = np.random.default_rng((self._options.seed, stream, epoch))
        rows = random.permutation(len(self._start.train))
        count = self._steps * self._batch_size
        for batch in rows[:count].reshape(self._steps, -1):
            yield batch, random

    def _head_batches(self, epoch):
        """Features of copies and captions drawn at random, and ids."""
        start = self._start
        for batch, random in self._orders(epoch, 0):
            x = {
                name: values[
                    batch, random.integers(values.shape[1], size=len(batch))
                ]
                for name, values in start.cached.items()
            }
            yield example(x, start.train, batch)

    def _network_batches(self, epoch, texts):
        """Preprocessed batches, augmented anew."""
        start = self._start
        for number, (batch, random) in enumerate(self._orders(epoch, 1)):
            x = {}
            for name, values in start.train.x.items():
                tower = start.towers[name]
                if name in texts:
                    choice = random.integers(values.shape[1], size=len(batch))
                    x[name] = texts[name][batch, choice]
                    continue
                tower.restart(number + self._steps * epoch)
                values = start.train.whole(name)[batch]
                x[name] = start.preprocess(name, values, training=True)
            yield example(Preprocessed(x), start.train, batch)

    # Measuring.

    def features(self, data: tf.data.Dataset | tuple) -> tuple:
        """What the projections take, for callbacks of their training.

        Args:
            data: Raw examples as for `kx.recipes.embedding`.

        Returns:
            Tuple of a dict `{modality: array (rows, dim)}`, a row a text of
            each item, and ids of shape `(rows,)`.
        """
        pairs = read_pairs(data, self.kinds, "data", list(self.kinds))
        pairs = self._start.shrink(pairs)
        texts = [n for n, kind in self.kinds.items() if kind == "text"]
        counts = [pairs.x[name].shape[1] for name in texts]
        repeats = max(counts, default=1)
        x = {}
        for name in pairs.x:
            values = pairs.whole(name)
            if name in texts:
                flat = self._start.features(name, values.ravel())
                flat = flat.reshape(*values.shape, -1)
                places = np.arange(repeats) % values.shape[1]
                x[name] = flat[:, places].reshape(-1, flat.shape[-1])
            else:
                flat = self._start.features(name, values)
                x[name] = np.repeat(flat, repeats, axis=0)
        return x, np.repeat(pairs.ids, repeats)

    def _score(self, model, unseen):
        embedded = {
            name: (model.predict(Preprocessed({name: x}), verbose=0)[name], ids)
            for name, (x, ids) in unseen.items()
        }
        return score(embedded, self._asked)

    def evaluate(
        self, data: tf.data.Dataset | tuple | None = None
    ) -> dict[str, dict]:
        """Measure retrieval in all directions, beside chance and a baseline.

        Args:
            data: Raw examples as for `kx.recipes.embedding`. None: the
                validation items, by which the training was stopped: a test
                wants others.

        Returns:
            Dict by direction, such as `"image_to_text"`, of the report of
            `kx.metrics.retrieval_report`, with `baseline_R@1` and so on: a
            ridge regression from pixels, spectra or numbers to n-grams of the
            texts, with the penalty that is best on the validation items.
        """
        if data is not None:
            pairs = read_pairs(data, self.kinds, "data", list(self.kinds))
            pairs = self._start.shrink(pairs, keep=True)
        elif self._options.stops_early:
            pairs = self._start.validation
        else:
            raise ValueError(
                "`data` must be given where no items are held out, by "
                "`validation=None`. Received: data=None"
            )
        embedded = {}
        for name in pairs.x:
            values, ids = pairs.distinct(name, whole=True)
            if self.kinds[name] == "text":
                values = values.astype(str)
            embedded[name] = self.model.encode(values, name), ids
        asked = common_pairs(pairs, self._pairs)
        found = reports(embedded, asked)
        trivial = self._own.baseline.evaluate(pairs, asked)
        for direction, report in found.items():
            for key, value in trivial.get(direction, {}).items():
                if not key.startswith(("chance", "num")):
                    report[f"baseline_{key}"] = value
        return found


def _reshape(x, shape):
    """Rows as a table of this shape."""
    return x.reshape(*shape, *x.shape[1:])
