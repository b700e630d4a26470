"""The state of a `SeedGenerator` in saved files, where Keras has none."""


class SavedSeedGenerator:
    """Base of layers with a `seed_generator`, whose state is saved.

    So what is loaded goes on with the numbers of what was saved.
    """

    def save_own_variables(self, store):
        super().save_own_variables(store)
        store["seed_generator"] = self.seed_generator.state

    def load_own_variables(self, store):
        weights = {key: store[key] for key in store.keys()}  # noqa: SIM118
        self.seed_generator.state.assign(weights.pop("seed_generator"))
        super().load_own_variables(weights)
