"""Data that says of itself that it needs no preprocessing."""

import optree


class Preprocessed(dict):
    """Modalities that need no preprocessing any more.

    What `fit`, `evaluate`, `predict`, `encode` and callbacks are given in a
    plain dict is raw, and goes through the model's preprocessors. A dict of
    this class does not. `model.preprocess` returns it, and a
    `tf.data.Dataset` keeps it through `cache`, `shuffle`, `batch` and the
    like; what was prepared elsewhere is put into one.

    Args:
        *args: As for `dict`.
        **kwargs: As for `dict`.

    Example:
        ```python
        import keras
        import numpy as np
        import keras_xmodal as kx

        model = kx.EmbeddingModel(
            encoders={
                "image": keras.layers.Flatten(),
                "text": keras.layers.Dense(8),
            },
            preprocessors={"image": kx.networks.ImagePreprocessor((8, 8))},
        )
        raw = {"image": np.zeros((2, 9, 9, 3), "uint8")}
        print(model.predict(raw, verbose=0)["image"].shape)  # (2, 128)
        x = model.preprocess(raw)  # of class Preprocessed
        print(model.predict(x, verbose=0)["image"].shape)  # (2, 128)
        ```
    """

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)


optree.register_pytree_node(
    Preprocessed,
    lambda x: ([x[name] for name in sorted(x)], sorted(x), sorted(x)),
    lambda names, values: Preprocessed(zip(names, values, strict=True)),
    namespace="keras",
)
