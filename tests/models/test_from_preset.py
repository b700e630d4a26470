"""Models of KerasHub's two towers, against KerasHub itself."""

import io

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_xmodal as kx
from tests.helpers import assert_close

pytestmark = [
    pytest.mark.large,
    # KerasHub does not close the files of SentencePiece.
    pytest.mark.filterwarnings(
        "ignore:.*vocabulary.spm:pytest.PytestUnraisableExceptionWarning"
    ),
]

keras_hub = pytest.importorskip("keras_hub")
hub = keras_hub.models

SIZES = {
    "num_layers": 2,
    "num_heads": 2,
    "hidden_dim": 16,
    "intermediate_dim": 32,
}
TEXTS = ["Red, red apple!", "apple", "a pear and an apple and a red pear", ""]
# Wide and high, larger and smaller.
IMAGES = [
    np.random.default_rng(i).integers(0, 256, (*size, 3)).astype("uint8")
    for i, size in enumerate([(50, 37), (20, 61), (32, 32), (97, 96)])
]


def sentence_piece(**kwargs):
    import sentencepiece

    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(["red apple", "a pear and an apple"]),
        model_writer=model,
        vocab_size=9,
        model_type="WORD",
        minloglevel=2,
        **kwargs,
    )
    return model.getvalue()


def make_clip():
    letters = "!,adelnpr"
    words = [x + end for x in letters for end in ("</w>", "")]
    # The end is the largest number: there CLIP takes the features.
    words += ["re", "red</w>", "<|startoftext|>", "<|endoftext|>"]
    tokenizer = hub.CLIPTokenizer(
        {word: i for i, word in enumerate(words)}, ["r e", "re d</w>"]
    )
    converter = keras_hub.layers.CLIPImageConverter(
        (32, 32),
        scale=[1 / 255 / 0.27, 1 / 255 / 0.26, 1 / 255 / 0.28],
        offset=[-1.8, -1.75, -1.5],
        interpolation="bicubic",
        antialias=True,
    )
    backbone = hub.CLIPBackbone(
        hub.CLIPVisionEncoder(8, **SIZES, image_shape=(32, 32, 3)),
        hub.CLIPTextEncoder(len(words), 16, **SIZES, max_sequence_length=40),
        projection_dim=8,
    )
    return backbone, hub.CLIPPreprocessor(
        tokenizer, converter, sequence_length=40
    )


def make_siglip():
    tokenizer = hub.SigLIPTokenizer(
        sentence_piece(pad_id=0, bos_id=1, eos_id=2, unk_id=3)
    )
    converter = keras_hub.layers.SigLIPImageConverter(
        (32, 32), scale=1 / 127.5, offset=-1, crop_to_aspect_ratio=False
    )
    backbone = hub.SigLIPBackbone(
        hub.SigLIPVisionEncoder(8, **SIZES, image_shape=(32, 32, 3)),
        hub.SigLIPTextEncoder(
            9, 16, **SIZES, projection_dim=16, max_sequence_length=6
        ),
    )
    return backbone, hub.SigLIPPreprocessor(
        tokenizer, converter, sequence_length=6
    )


def make_metaclip():
    tokenizer = hub.MetaCLIP2Tokenizer(sentence_piece())
    converter = keras_hub.layers.MetaCLIP2ImageConverter(
        (32, 32), scale=1 / 255, interpolation="bicubic"
    )
    backbone = hub.MetaCLIP2Backbone(
        hub.MetaCLIP2VisionEncoder(8, **SIZES, image_shape=(32, 32, 3)),
        hub.MetaCLIP2TextEncoder(10, 16, **SIZES, max_sequence_length=7),
        projection_dim=8,
    )
    return backbone, hub.MetaCLIP2CausalLMPreprocessor(
        tokenizer, converter, sequence_length=7
    )


class Preset:
    """A preset on disk, and what KerasHub itself makes of raw examples."""

    def __init__(self, make, folder):
        backbone, preprocessor = make()
        generator = np.random.default_rng(0)
        backbone.set_weights(
            [
                weight
                if weight.dtype.kind == "i"
                else generator.normal(0, 0.3, weight.shape)
                for weight in backbone.get_weights()
            ]
        )
        (head,) = [x for x in backbone.layers if hasattr(x, "logit_scale")]
        head.logit_scale.assign(2.0)
        self.loss = kx.losses.InfoNCE()
        if hasattr(head, "logit_bias"):
            # As in SigLIP's own weights, the scale is above 100.
            head.logit_scale.assign(4.77)
            head.logit_bias.assign(-12.9)
            self.loss = kx.losses.SigmoidContrastive()
        self.backbone, self.folder = backbone, str(folder)
        backbone.save_to_preset(self.folder)
        preprocessor.save_to_preset(self.folder)
        rows = [
            preprocessor({"images": image[np.newaxis], "prompts": [text]})
            for image, text in zip(IMAGES, TEXTS, strict=True)
        ]
        feed = {
            name: np.concatenate([np.asarray(row[name]) for row in rows])
            for name in ("images", "token_ids")
        }
        self.preprocessed = {
            "image": feed["images"],
            "text": feed["token_ids"],
        }
        self.pngs = [to_png(image) for image in IMAGES]
        self.logits = np.asarray(
            backbone.predict(feed, verbose=0)["vision_logits"]
        )


@pytest.fixture(scope="module", params=[make_clip, make_siglip, make_metaclip])
def preset(request, tmp_path_factory):
    return Preset(request.param, tmp_path_factory.mktemp("preset"))


def to_png(image):
    return tf.io.encode_png(image).numpy()


def test_logits_are_those_of_keras_hub(preset, tmp_path):
    model = kx.EmbeddingModel.from_preset(preset.folder)
    pngs = {"image": preset.pngs}
    texts = {"text": TEXTS}
    x = model.preprocess({**pngs, **texts})
    for name, expected in preset.preprocessed.items():
        assert_close(x[name], expected, atol=1e-6)
    assert np.ptp(preset.logits) > 0.5
    atol = 1e-5 * max(1, np.abs(preset.logits).max())
    assert_close(model.logits(pngs, texts), preset.logits, atol=atol)
    assert_close(model.logits(texts, pngs), preset.logits.T, atol=atol)
    one = {"image": IMAGES[0][np.newaxis]}
    assert_close(model.logits(one, texts), preset.logits[:1], atol=atol)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert_close(loaded.logits(pngs, texts), preset.logits, atol=atol)
    # Compiling starts nothing anew; the towers are frozen.
    loaded.compile("adam", preset.loss)
    assert_close(loaded.logits(pngs, texts), preset.logits, atol=atol)
    trainable = {weight.name for weight in loaded.trainable_weights}
    assert trainable == {"log_scale", "logit_bias"}

    if isinstance(preset.backbone, hub.MetaCLIP2Backbone):
        return  # As CLIP.
    x = {**pngs, **texts}
    report = kx.export.saved_model(loaded, tmp_path / "served", (x, None))
    assert report["max_abs_error"] < 1e-5
    served = tf.saved_model.load(str(tmp_path / "served")).signatures
    embeddings = [
        served["embed_image_bytes"](image=tf.constant(pngs["image"]))[
            "embedding"
        ],
        served["embed_text_string"](text=tf.constant(TEXTS))["embedding"],
    ]
    scale = model.logit_scales["image_text"]
    logits = scale(embeddings[0] @ tf.transpose(embeddings[1]))
    assert_close(logits, preset.logits, atol=atol)


def test_zero_shot_at_once(preset):
    model = kx.EmbeddingModel.from_preset(preset.folder)
    classifier = kx.retrieval.ZeroShotClassifier(model, TEXTS)
    pngs = {"image": preset.pngs}
    expected = preset.logits.argmax(axis=1)
    assert classifier.predict(pngs).tolist() == expected.tolist()


def test_a_backbone_without_preprocessor(preset):
    model = kx.EmbeddingModel.from_preset(preset.backbone)
    assert model.preprocessors == {}
    image, text = preset.preprocessed.values()
    logits = model.logits({"image": image}, {"text": text})
    atol = 1e-5 * max(1, np.abs(preset.logits).max())
    assert_close(logits, preset.logits, atol=atol)


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return Preset(make_clip, tmp_path_factory.mktemp("clip"))


X = {"image": np.stack([IMAGES[2]] * 4), "text": TEXTS}


def names_that_changed(model, before):
    after = model.get_weights()
    return {
        weight.name
        for weight, a, b in zip(model.weights, before, after, strict=True)
        if np.any(a != b)
    }


def test_adapters_alone_train_and_are_saved_merged_and_exported(clip, tmp_path):
    model = kx.EmbeddingModel.from_preset(clip.folder, lora_rank=2)
    assert_close(
        model.logits({"image": clip.pngs}, {"text": TEXTS}),
        clip.logits,
        atol=1e-5,
    )
    # Two factors, of query and value, of two layers, of two towers.
    adapters = [w for w in model.trainable_weights if "lora" in w.name]
    assert len(adapters) == 2 * 2 * 2 * 2
    others = {w.name for w in model.trainable_weights} - {"lora_kernel_a"}
    assert others == {"lora_kernel_b", "log_scale", "logit_bias"}

    before = model.get_weights()
    optimizer = keras.optimizers.AdamW(0.01, weight_decay=0.1)
    model.compile(optimizer, run_eagerly=True)
    model.fit(X, epochs=2, verbose=0)
    changed = names_that_changed(model, before)
    changed -= {"logit_bias"}  # Rounding moves it.
    assert changed == {"lora_kernel_a", "lora_kernel_b", "log_scale"}

    # What trains follows the blocks, and no way of Keras thaws the rest.
    tower = model.encoders["text"]
    for blocks, count in ((1, 4), (0, 0), ("all", 8)):
        tower.trainable_blocks = blocks
        assert len(tower.trainable_weights) == count
    model.trainable = False
    model.trainable = True
    assert len(model.trainable_weights) == len(adapters) + 2
    with pytest.raises(ValueError, match="`lora_rank` is for a backbone with"):
        tower.enable_lora(2)

    embeddings = model.encode(X)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert_close(loaded.encode(X), embeddings, atol=1e-6)
    assert [w.trainable for w in loaded.weights] == [
        w.trainable for w in model.weights
    ]
    merged = kx.models.merge_lora(loaded)
    assert_close(merged.encode(X), embeddings, atol=1e-5)
    assert len(merged.weights) == len(model.weights) - len(adapters)
    assert {w.name for w in merged.trainable_weights} == {
        "log_scale",
        "logit_bias",
    }
    assert merged.encoders["image"].trainable_blocks == 0
    report = kx.export.litert(model, tmp_path / "litert")
    assert report["max_abs_error"] < 1e-5
    report = kx.export.saved_model(merged, tmp_path / "served", (X, None))
    assert report["max_abs_error"] < 1e-5

    # Half the way back to zero-shot.
    zero_shot = kx.EmbeddingModel.from_preset(clip.folder)
    merged.set_weights(kx.models.interpolate_weights(zero_shot, merged, 0.0))
    assert_close(
        merged.logits({"image": clip.pngs}, {"text": TEXTS}),
        clip.logits,
        atol=1e-5,
    )


def test_towers_of_different_rates(clip):
    model = kx.EmbeddingModel.from_preset(
        clip.folder, trainable_blocks={"image": 1, "text": "all"}
    )
    assert model.encoders["image"].trainable_blocks == 1
    before = model.encoders["text"].get_weights()
    image = model.encoders["image"].get_weights()
    model.compile(
        keras.optimizers.AdamW(0.01, weight_decay=0.1),
        learning_rate_multipliers={"text": 0},
        run_eagerly=True,
    )
    model.fit(X, verbose=0)
    for a, b in zip(before, model.encoders["text"].get_weights(), strict=True):
        assert a.tobytes() == b.tobytes()
    after = model.encoders["image"].get_weights()
    assert any(np.any(a != b) for a, b in zip(image, after, strict=True))


def test_presets_that_are_not_there(clip, tmp_path, monkeypatch):
    from_preset = kx.EmbeddingModel.from_preset
    rule = r"(?s)a folder that has one: config.json.*image_converter.json.*"
    with pytest.raises(ValueError, match=rule + "preset='no_preset'"):
        from_preset("no_preset")
    with pytest.raises(ValueError, match=rule + "no config.json"):
        from_preset(tmp_path)
    clip.backbone.save_to_preset(str(tmp_path / "half"))
    with pytest.raises(ValueError, match=rule + "tokenizer.json` doesn't ex"):
        from_preset(tmp_path / "half")

    def offline(preset):
        raise ConnectionError("Name or service not known")

    monkeypatch.setattr(hub.Backbone, "from_preset", offline)
    with pytest.raises(ValueError, match=rule + r"\(Name or service not known"):
        from_preset("clip_vit_base_patch32")


def test_what_is_no_preset(clip):
    from_preset = kx.EmbeddingModel.from_preset
    bert = hub.BertBackbone(20, 1, 2, 8, 8)
    with pytest.raises(ValueError, match=r"SigLIP2 or.*a BertBackbone"):
        from_preset(bert)
    with pytest.raises(TypeError, match="`preset` must be a name, a folder or"):
        from_preset(3)
    with pytest.raises(ValueError, match="`trainable_blocks` must hold modal"):
        from_preset(clip.backbone, trainable_blocks={"sound": 1})
    with pytest.raises(TypeError, match=r"Received: \['lora_ranks'\]"):
        kx.EmbeddingModel.from_preset("no_preset", lora_ranks=2)
    with pytest.raises(TypeError, match="`preprocessor` must be a Keras layer"):
        kx.EmbeddingModel.from_preset("no_preset", preprocessor="no_preset")
    with pytest.raises(ValueError, match="leave `dtype` out"):
        from_preset(clip.backbone, dtype="bfloat16")
    with pytest.raises(ValueError, match="`lora_rank` must be a positive"):
        from_preset(clip.backbone, lora_rank=0)
