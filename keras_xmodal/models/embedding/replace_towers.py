"""A model with some of its towers exchanged for those of another."""

import keras

from keras_xmodal import checks, saving
from keras_xmodal.models.embedding.embedding_model import EmbeddingModel


def replace_towers(
    model: EmbeddingModel, towers: EmbeddingModel
) -> EmbeddingModel:
    """Put the towers of one model in the place of those of another.

    A tower is a modality's encoder with its projection and preprocessor. What
    `towers` has is taken from there; all else, and the temperatures of the
    pairs, from `model`. Networks are copied with their weights, so that
    further training changes neither of the two; preprocessors are shared.

    So a heavy model becomes a light one: a small tower learns to give the
    embeddings of a large one (distillation), from raw examples of one modality
    alone, and takes its place. What was indexed by the other towers stays
    valid.

    Args:
        model: Built `EmbeddingModel` of named modalities.
        towers: The same, of some of its modalities, in the same space.

    Returns:
        New `EmbeddingModel` of the modalities of `model`, not compiled.

    Raises:
        TypeError: If an argument is no `EmbeddingModel`.
        ValueError: If a modality of `towers` is none of `model`, the sizes of
            the embeddings differ, or one of both is not built.

    Example:
        ```python
        import keras
        import numpy as np
        import keras_xmodal as kx

        rng = np.random.default_rng(0)
        x = {"image": rng.normal(size=(50, 20)), "text": rng.normal(size=(50, 9))}
        teacher = kx.EmbeddingModel({"image": 20, "text": 9}, 4)
        teacher(x)

        small = keras.Sequential([keras.Input((9,)), keras.layers.Dense(2)])
        student = kx.EmbeddingModel(encoders={"text": small}, embedding_dim=4)
        student.compile("adam", loss="cosine_similarity")
        texts = {"text": x["text"]}
        student.fit(texts, teacher.encode(texts), verbose=0)

        light = kx.models.replace_towers(teacher, student)
        print(light.similarity(texts, {"image": x["image"]}).shape)  # (50, 50)
        ```
    """  # noqa: E501
    for argument, value in (("model", model), ("towers", towers)):
        checks.instance_of(
            argument, value, EmbeddingModel, "an `EmbeddingModel`"
        )
        if not value.modalities or not value.built:
            raise ValueError(
                f"`{argument}` must have named modalities, and have been called"
                f" once. Received: modalities {list(value.modalities)}, "
                f"built={value.built}"
            )
    checks.modalities(
        "towers", dict.fromkeys(towers.modalities), model.modalities
    )
    if towers.embedding_dim != model.embedding_dim:
        raise ValueError(
            "`model` and `towers` must have the same `embedding_dim`. Received:"
            f" {model.embedding_dim} and {towers.embedding_dim}"
        )
    sources = {
        name: towers if name in towers.modalities else model
        for name in model.modalities
    }
    encoders = {name: _encoder(each, name) for name, each in sources.items()}
    parts = {f"encoders/{name}": layer for name, layer in encoders.items()}
    for name, each in sources.items():
        if name in each.projections:
            parts[f"projections/{name}"] = each.projections[name]
    for name, layer in model.logit_scales.items():
        parts[f"logit_scales/{name}"] = layer
    config = {
        **model.get_config(),
        "input_dim": None,
        "encoders": saving.serialize_layers(encoders),
        "preprocessors": None,  # They have learned what no config holds.
        "layer_states": {
            path: saving.layer_states(layer) for path, layer in parts.items()
        },
    }
    replaced = type(model).from_config(config)
    for name, each in sources.items():
        if name in each.preprocessors:
            replaced.preprocessors[name] = each.preprocessors[name]
    inputs = {name: each.built_input(name) for name, each in sources.items()}
    inputs = {name: each for name, each in inputs.items() if each[0]}
    replaced.build_from_config(
        {
            "input_shape": {name: each[0] for name, each in inputs.items()},
            "input_dtype": {name: each[1] for name, each in inputs.items()},
        }
    )
    for path, layer in replaced._parts().items():
        layer.set_weights(parts[path].get_weights())
    return replaced


def _encoder(model, name):
    """The encoder of a modality, or one that hands vectors on."""
    if name in model.encoders:
        return model.encoders[name]
    return keras.Sequential(
        [keras.Input((model.input_dim[name],)), keras.layers.Identity()]
    )
