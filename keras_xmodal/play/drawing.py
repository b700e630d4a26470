"""What a run's generator makes of a query: variants, and ways between two."""

import keras
import numpy as np

from keras_xmodal.models import GANModel
from keras_xmodal.models.gan.checks import last_activation
from keras_xmodal.networks import GriffinLim
from keras_xmodal.objectives import MMVAE, MMVAEPlus

NUM_VARIANTS = 6
NUM_STEPS = 7
MAX_SEED = 2**31 - NUM_VARIANTS  # All variants have a seed in 32 bits.


class Drawing:
    """A generator of a run, whichever model it is.

    Args:
        run: `Run` with a generator.

    Attributes:
        targets: Names of the modalities that it makes and a page can show.
        given: Names of the modalities that it takes.
        draws_freely: Whether it makes something of nothing.
        follows_one: Whether, of several that are given, each variant follows
            one alone: a mixture of experts draws one of them.
    """

    def __init__(self, run):
        self.model = run.generator
        self.kinds = run.kinds
        self._is_gan = isinstance(self.model, GANModel)
        if self._is_gan:
            made = (self.model.target,)
            conditional = self.model.conditional
            self.given = (self.model.condition,) if conditional else ()
            self.draws_freely = not conditional
            self.follows_one = False
        else:
            made, self.given = self.model.generated, self.model.names
            self.draws_freely = set(made) == set(self.given)
            mixtures = MMVAE, MMVAEPlus
            self.follows_one = isinstance(self.model.objective, mixtures)
        self.targets = [name for name in made if self._can_show(name)]
        self._to_sound = {
            name: GriffinLim(self._preprocessor(name))
            for name in self.targets
            if self.kinds[name] == "speech"
        }

    def _preprocessor(self, name):
        return self.model.preprocessors.get(name)

    def _can_show(self, name):
        kind, preprocessor = self.kinds.get(name), self._preprocessor(name)
        if kind == "text":  # n-grams are not turned back into texts.
            return getattr(preprocessor, "ngrams", True) is None
        return kind != "speech" or preprocessor is not None

    def variants(self, queries, to, seed):
        """Draw variants, each of its own seed, from `seed` on.

        Args:
            queries: Dict `{modality: example}`.
            to: Name of the modality to make.
            seed: Integer.

        Returns:
            List of pairs of a seed and what to show of it.
        """
        self._check(queries, to)
        seeds = [seed + number for number in range(NUM_VARIANTS)]
        if self._is_gan:
            conditions = [_batch([x] * len(seeds)) for x in queries.values()]
            made = self.model.generate(
                *conditions, num_examples=len(seeds), seed=seeds
            )
        else:
            made = [self._draw_one(queries, to, each) for each in seeds]
        return list(zip(seeds, self._to_shown(to, made), strict=True))

    def _draw_one(self, queries, to, seed):
        output = self._output(to)
        if not queries:
            return self.model.generate(1, output, seed=seed)[to][0]
        x = {name: _batch([example]) for name, example in queries.items()}
        return self.model.translate(x, to, "sample", output, seed=seed)[0]

    def way(self, start, end, to, seed):
        """Go from one query to another in equal steps.

        Args:
            start: As the queries of `variants`.
            end: The same.
            to: Name of the modality to make.
            seed: Integer, of the noise, the same at every step.

        Returns:
            List of pairs of a share, from 0 to 1, and what to show of it.
        """
        self._check(start, to)
        self._check(end, to)
        if not start or start.keys() != end.keys():
            raise ValueError(
                "A way must have both ends, of the same modalities. Received: "
                f"{' and '.join(start) or 'nothing'}; {' and '.join(end)}"
            )
        if self._is_gan:
            (name,) = self.given
            made = self._between([start[name], end[name]], seed)
        else:
            a, b = (
                {name: _batch([example]) for name, example in place.items()}
                for place in (start, end)
            )
            made = self.model.interpolate(a, b, NUM_STEPS)[to][0]
        shares = np.linspace(0, 1, NUM_STEPS)
        return list(zip(shares, self._to_shown(to, made), strict=True))

    def _between(self, ends, seed):
        """Targets of features between those of two conditions."""
        model, features = self.model, _batch(ends)
        (name,) = self.given
        for network in (self._preprocessor(name), model.condition_encoder):
            features = features if network is None else network(features)
        share = np.linspace(0, 1, NUM_STEPS)

        def mix(ends):
            ends = np.asarray(ends, "float32")
            weight = share.reshape(-1, *[1] * (ends.ndim - 1))
            return (1 - weight) * ends[:1] + weight * ends[1:]

        mixed = keras.tree.map_structure(mix, features)
        z = np.repeat(model.sample_latents(1, seed=seed), NUM_STEPS, axis=0)
        return model.ema_generator([z, mixed], training=False)

    def _check(self, queries, to):
        if to not in self.targets:
            raise ValueError(
                f"What to make must be one of {', '.join(self.targets)}. "
                f"Received: {to}"
            )
        if not queries.keys() <= set(self.given):
            raise ValueError(
                f"The generator takes {' or '.join(self.given)}. "
                f"Received: {' and '.join(queries)}"
            )
        if not queries and not self.draws_freely:
            raise ValueError(
                f"The generator must be given {' or '.join(self.given)}. "
                "Received: nothing"
            )

    def _output(self, to):
        return "mode" if self.kinds[to] == "text" else "mean"

    def _to_shown(self, to, made):
        """Bytes of pictures and clips, waveforms, texts or vectors."""
        made = np.stack([np.asarray(each) for each in made])
        kind = self.kinds[to]
        if kind == "text":
            if made.ndim == 3:  # probabilities of tokens
                made = made.argmax(axis=-1)
            return self._preprocessor(to).detokenize(made.astype("int64"))
        if kind == "speech":
            return list(np.asarray(self._to_sound[to](made)))
        if kind == "numbers":
            return list(made)
        if self._is_signed(to):
            made = (made + 1) / 2
        return list((255 * made.clip(0, 1) + 0.5).astype("uint8"))

    def _is_signed(self, to):
        """Whether raw targets are in [-1, 1]; a preprocessor makes [0, 1]."""
        is_raw = self._is_gan and self._preprocessor(to) is None
        last = last_activation(self.model.generator) if is_raw else None
        return last is keras.activations.tanh


def _batch(examples):
    if isinstance(examples[0], bytes):
        return np.array(examples, object)
    return np.stack(examples)
