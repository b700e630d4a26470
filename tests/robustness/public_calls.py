"""A valid call of every public name, to put bad arguments into."""

import functools
import inspect
import pathlib
import types

import keras
import numpy as np

import keras_xmodal as kx

RNG = np.random.default_rng(0)
ROWS = 12
A = RNG.normal(size=(ROWS, 6)).astype("float32")
B = RNG.uniform(size=(ROWS, 5)).astype("float32")
X = {"image": A, "text": B}
IDS = np.arange(ROWS)
LABELS = IDS % 3
PICTURES = RNG.uniform(size=(ROWS, 8, 8, 3)).astype("float32")
CLIPS = RNG.uniform(size=(2, 4, 8, 8, 3)).astype("float32")
TOKENS = RNG.integers(1, 9, (ROWS, 4))
TEXTS = ["red apple", "green tree", "blue sky"] * 4
SOUND = RNG.uniform(-1, 1, (2, 4000)).astype("float32")
GAUSSIAN = RNG.normal(size=(2, ROWS, 3)).astype("float32")
LOGITS = RNG.normal(size=(ROWS,)).astype("float32")


def dense(units, **kwargs):
    return keras.Sequential([keras.layers.Dense(units, **kwargs)])


@functools.cache
def embedding_model():
    model = kx.EmbeddingModel({"image": 6, "text": 5}, 4)
    model.compile("adam", run_eagerly=True)
    model(X)
    return model


@functools.cache
def adapted_model():
    encoder = dense(4)
    encoder.build((None, 6))
    encoder.layers[0].enable_lora(2)
    model = kx.EmbeddingModel(
        encoders={"image": encoder, "text": dense(4)}, embedding_dim=4
    )
    model(X)
    return model


@functools.cache
def vae_model():
    model = kx.VAEModel({"image": 6, "text": 5}, 3, seed=0)
    model.compile("adam", run_eagerly=True)
    model(X)
    return model


@functools.cache
def gan_model():
    model = kx.GANModel(6, 5, seed=0)
    model.compile(run_eagerly=True)
    return model


@functools.cache
def cycle_gan_model():
    model = kx.CycleGANModel(
        generators={"image": dense(6), "text": dense(5)},
        discriminators={"image": dense(1), "text": dense(1)},
        seed=0,
    )
    model.compile(run_eagerly=True)
    model(X)
    return model


@functools.cache
def extractor():
    return keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Flatten()])


def text_preprocessor():
    layer = kx.networks.TextPreprocessor(sequence_length=4)
    layer.adapt(TEXTS)
    return layer


def adapt(data):
    kx.networks.TextPreprocessor().adapt(data)


def index():
    index = kx.retrieval.ExactIndex()
    index.add(A, IDS, modality="image")
    return index


def run():
    index = kx.retrieval.ExactIndex(embedding_model())
    index.add(A[:, :4], IDS, modality="image")
    kinds = {"image": "numbers", "text": "numbers"}
    return kx.runs.Run(pathlib.Path("run"), index, {}, {}, kinds)


class EncodesTexts:
    def encode(self, x, modality=None):
        return RNG.normal(size=(len(x), 6))


def loss_of(loss):
    """A loss as a function of its arguments."""

    def call(y_true, y_pred, sample_weight=None):
        return loss(y_true, y_pred, sample_weight=sample_weight)

    return call


def metric_of(metric):
    def update(y_true, y_pred, sample_weight=None):
        metric.reset_state()
        metric.update_state(y_true, y_pred, sample_weight=sample_weight)
        return metric.result()

    return update


def layer_of(layer):
    return lambda **inputs: layer(*inputs.values())


def halves(loss):
    def call(real, fake):
        return loss.discriminator_loss(real, fake)

    return call


def fits(model, x=X, y=None):
    return {
        "fit": (
            model.fit,
            {
                "x": x,
                "y": y,
                "batch_size": 6,
                "epochs": 1,
                "validation_split": 0.0,
                "validation_data": None,
                "sample_weight": None,
                "verbose": 0,
            },
        ),
        "evaluate": (
            model.evaluate,
            {
                "x": x,
                "y": y,
                "batch_size": 6,
                "sample_weight": None,
                "verbose": 0,
            },
        ),
        "train_on_batch": (
            model.train_on_batch,
            {"x": x, "y": y, "sample_weight": None},
        ),
    }


def uses():
    """Dict `{name: (callable, valid arguments)}` of what objects do."""
    embedding, vae = embedding_model(), vae_model()
    gan, cycle_gan = gan_model(), cycle_gan_model()
    relevance = np.eye(ROWS, dtype="float32")
    scores = (A @ A.T).astype("float32")
    found = {}
    for name, model, x, y in (
        ("EmbeddingModel", embedding, X, IDS),
        ("VAEModel", vae, X, None),
        ("GANModel", gan, A, B),
        ("CycleGANModel", cycle_gan, X, None),
    ):
        for entry, call in fits(model, x, y).items():
            found[f"models.{name}.{entry}"] = call
        found[f"models.{name}.predict"] = (
            model.predict,
            {"x": x, "batch_size": 6, "verbose": 0},
        )
    found |= {
        "models.EmbeddingModel.compile": (
            embedding.compile,
            {
                "optimizer": "adam",
                "loss": "info_nce",
                "learning_rate_multipliers": {"text": 0.1},
                "micro_batch_size": 4,
                "memory_size": 5,
                "memory_warm_up": 3,
                "run_eagerly": True,
            },
        ),
        "models.EmbeddingModel.encode": (
            embedding.encode,
            {"x": A, "modality": "image", "batch_size": 5},
        ),
        "models.EmbeddingModel.similarity": (
            embedding.similarity,
            {"a": A, "b": A},
        ),
        "models.EmbeddingModel.logits": (
            embedding.logits,
            {"a": {"image": A}, "b": {"text": B}},
        ),
        "models.VAEModel.encode": (
            vae.encode,
            {
                "x": A,
                "modality": "image",
                "output": "mean",
                "missing": None,
                "seed": 0,
                "batch_size": 5,
            },
        ),
        "models.VAEModel.decode": (
            vae.decode,
            {"z": A[:, :3], "output": "mean", "given": None, "seed": 0},
        ),
        "models.VAEModel.translate": (
            vae.translate,
            {
                "x": {"image": A},
                "to": "text",
                "latent": "sample",
                "output": "sample",
                "missing": None,
                "seed": 0,
                "batch_size": 5,
            },
        ),
        "models.VAEModel.generate": (
            vae.generate,
            {"num_examples": 3, "output": "sample", "seed": 0, "batch_size": 2},
        ),
        "models.VAEModel.sample_latents": (
            vae.sample_latents,
            {"num_examples": 3, "seed": 0},
        ),
        "models.VAEModel.interpolate": (
            vae.interpolate,
            {"a": {"image": A}, "b": {"image": A}, "num_steps": 3},
        ),
        "models.VAEModel.log_likelihood": (
            vae.log_likelihood,
            {
                "x": {"image": A},
                "num_samples": 2,
                "given": None,
                "missing": None,
                "seed": 0,
                "batch_size": 6,
            },
        ),
        "models.VAEModel.fit_sampler": (
            kx.VAEModel({"image": 6, "text": 5}, 3).fit_sampler,
            {"x": {"image": A}, "num_components": 2, "seed": 0},
        ),
        "models.GANModel.compile": (
            gan.compile,
            {
                "generator_optimizer": "adam",
                "discriminator_optimizer": "adam",
                "loss": "hinge",
                "penalties": ["r1"],
                "mismatch_weight": 0.0,
                "discriminator_steps": 1,
                "metrics": None,
                "run_eagerly": True,
            },
        ),
        "models.GANModel.generate": (
            gan.generate,
            {
                "condition": A,
                "z": None,
                "num_examples": None,
                "seed": 0,
                "batch_size": 5,
            },
        ),
        "models.GANModel.sample_latents": (
            gan.sample_latents,
            {"num_examples": 3, "seed": 0},
        ),
        "models.CycleGANModel.compile": (
            cycle_gan.compile,
            {
                "loss": "least_squares",
                "penalties": [],
                "cycle_weight": 1.0,
                "identity_weight": 0.0,
                "metrics": None,
                "run_eagerly": True,
            },
        ),
        "models.CycleGANModel.translate": (
            cycle_gan.translate,
            {"x": {"image": A}, "to": "text", "batch_size": 5},
        ),
        "retrieval.ExactIndex.add": (
            lambda x, ids, modality: kx.retrieval.ExactIndex().add(
                x, ids, modality=modality
            ),
            {"x": A, "ids": IDS, "modality": "image"},
        ),
        "retrieval.ExactIndex.search": (
            index().search,
            {"queries": A, "k": 2, "modality": "image", "unique": True},
        ),
        "retrieval.ExactIndex.remove": (index().remove, {"ids": IDS}),
        "retrieval.ExactIndex.rows": (index().rows, {"modality": "image"}),
        "runs.Run.search": (
            run().search,
            {"query": {"image": A[0]}, "k": 2, "modality": "image"},
        ),
        "retrieval.ExactIndex.endpoints": (
            index().endpoints,
            {"model": kx.EmbeddingModel({"image": 6}, 4), "k": 2},
        ),
        "networks.TextPreprocessor.call": (
            layer_of(text_preprocessor()),
            {"inputs": TEXTS},
        ),
        "networks.TextPreprocessor.adapt": (adapt, {"data": TEXTS}),
        "networks.ImagePreprocessor.call": (
            layer_of(kx.networks.ImagePreprocessor((8, 8))),
            {"inputs": PICTURES},
        ),
        "networks.SpeechPreprocessor.call": (
            layer_of(kx.networks.SpeechPreprocessor(duration=0.5)),
            {"inputs": SOUND},
        ),
        "networks.VideoPreprocessor.call": (
            layer_of(kx.networks.VideoPreprocessor(4, (8, 8))),
            {"inputs": CLIPS},
        ),
    }
    for name, loss in LOSSES.items():
        found[f"losses.{name}.call"] = (
            loss_of(loss()),
            {"y_true": IDS, "y_pred": scores, "sample_weight": None},
        )
        found[f"losses.{name}.from_embeddings"] = (
            loss(chunk_size=5).from_embeddings,
            {
                "y_true": IDS,
                "anchors": A,
                "candidates": A[::-1],
                "scale": 2.0,
                "bias": -1.0,
                "sample_weight": None,
                "max_batch_size": None,
                "memory": (IDS, A, A, np.ones(len(A)), np.ones(len(A))),
            },
        )
    for name in kx.adversarial.__all__:
        cls = getattr(kx.adversarial, name)
        if issubclass(cls, kx.adversarial.AdversarialLoss):
            found[f"adversarial.{name}.call"] = (
                halves(cls()),
                {"real": LOGITS, "fake": -LOGITS},
            )
    found.pop("adversarial.AdversarialLoss.call")
    for name in kx.metrics.__all__:
        cls = getattr(kx.metrics, name)
        if inspect.isclass(cls) and name != "RetrievalMetric":
            metric = (
                cls(k=3) if "k" in CALLS.get(f"metrics.{name}", {}) else cls()
            )
            found[f"metrics.{name}.update_state"] = (
                metric_of(metric),
                {
                    "y_true": relevance,
                    "y_pred": scores,
                    "sample_weight": None,
                },
            )
    for name, (layer, inputs) in LAYER_CALLS.items():
        inputs = inputs if isinstance(inputs, dict) else {"inputs": inputs}
        found[f"layers.{name}.call"] = layer_of(layer()), inputs
    for name, (likelihood, values, parameters) in LIKELIHOOD_CALLS.items():
        found[f"likelihoods.{name}.log_prob"] = (
            likelihood().log_prob,
            {"x": values, "parameters": parameters},
        )
        found[f"likelihoods.{name}.mean"] = (
            likelihood().mean,
            {"parameters": parameters},
        )
    return found


LOSSES = {
    name: getattr(kx.losses, name)
    for name in kx.losses.__all__
    if issubclass(getattr(kx.losses, name), kx.losses.ContrastiveLoss)
    and name != "ContrastiveLoss"
}

LAYER_CALLS = {
    "DiffAugment": (kx.layers.DiffAugment, PICTURES),
    "GaussianSampling": (
        lambda: kx.layers.GaussianSampling(seed=0),
        [GAUSSIAN[0], GAUSSIAN[1]],
    ),
    "GumbelSoftmax": (lambda: kx.layers.GumbelSoftmax(seed=0), A),
    "ImageAugmentation": (
        lambda: kx.layers.ImageAugmentation(seed=0),
        PICTURES,
    ),
    "LogitScale": (kx.layers.LogitScale, A),
    "MinibatchStandardDeviation": (
        kx.layers.MinibatchStandardDeviation,
        PICTURES,
    ),
    "OrientedGradients": (kx.layers.OrientedGradients, PICTURES),
    "ProductOfExperts": (
        kx.layers.ProductOfExperts,
        {"means": GAUSSIAN, "log_variances": GAUSSIAN},
    ),
    "MixtureOfExperts": (
        lambda: kx.layers.MixtureOfExperts(seed=0),
        {"means": GAUSSIAN, "log_variances": GAUSSIAN},
    ),
    "BigramCounts": (lambda: kx.layers.BigramCounts(9), TOKENS),
    "SpecAugment": (
        lambda: kx.layers.SpecAugment(seed=0),
        np.abs(RNG.normal(size=(2, 30, 10))).astype("float32"),
    ),
    "SpeechAugmentation": (
        lambda: kx.layers.SpeechAugmentation(seed=0),
        SOUND,
    ),
    "VideoAugmentation": (kx.layers.VideoAugmentation, CLIPS),
}

_P = RNG.normal(size=(ROWS, 5)).astype("float32")
LIKELIHOOD_CALLS = {
    "Bernoulli": (kx.likelihoods.Bernoulli, np.round(B), _P),
    "ContinuousBernoulli": (kx.likelihoods.ContinuousBernoulli, B, _P),
    "Normal": (kx.likelihoods.Normal, B, _P),
    "Laplace": (kx.likelihoods.Laplace, B, _P),
    "CalibratedNormal": (kx.likelihoods.CalibratedNormal, B, _P),
    "Categorical": (
        lambda: kx.likelihoods.Categorical(5),
        LABELS,
        _P,
    ),
    "HeteroscedasticNormal": (
        kx.likelihoods.HeteroscedasticNormal,
        B,
        np.concatenate([_P, _P], axis=-1),
    ),
    "TokenSequence": (
        lambda: kx.likelihoods.TokenSequence(9),
        TOKENS,
        RNG.normal(size=(ROWS, 4, 9)).astype("float32"),
    ),
}

# Valid arguments of constructors and functions; what is left out is valid by
# its default.
CALLS = {
    "callbacks.BackupAndRestore": {"backup_dir": "backup"},
    "callbacks.ConditionalSampleGrid": {"data": X, "folder": "pictures"},
    "callbacks.ForOptimizer": {
        "name": "generator_optimizer",
        "callback": keras.callbacks.TerminateOnNaN(),
    },
    "callbacks.GenerationEvaluation": {
        "data": PICTURES,
        "extractor": extractor(),
    },
    "callbacks.InputWait": {},
    "callbacks.KLWarmUp": {"num_steps": 5},
    "callbacks.LatentEvaluation": {"data": X, "labels": LABELS},
    "callbacks.LatentPlot": {"data": X, "folder": "pictures"},
    "callbacks.ModeCollapseMonitor": {"data": PICTURES},
    "callbacks.Projector": {"data": X, "log_dir": "logs"},
    "callbacks.RetrievalEvaluation": {"data": X},
    "callbacks.RetrievalGrid": {
        "data": X,
        "source": "text",
        "target": "image",
        "folder": "pictures",
    },
    "callbacks.SampleGrid": {"folder": "pictures"},
    "callbacks.TranslationGrid": {"data": X, "folder": "pictures"},
    "callbacks.WeightSchedule": {
        "name": "kl_weight",
        "schedule": keras.optimizers.schedules.PolynomialDecay(0.0, 5, 1.0),
    },
    "layers.BigramCounts": {"vocabulary_size": 9},
    "layers.SpectralNormalization": {"layer": keras.layers.Dense(3)},
    "likelihoods.Categorical": {"num_classes": 3},
    "likelihoods.TokenSequence": {"vocabulary_size": 9},
    "metrics.HitRate": {"k": 3},
    "metrics.Recall": {"k": 3},
    "metrics.NDCG": {"k": 3},
    "metrics.MeanAveragePrecision": {"k": 3},
    "metrics.text_r_precision": {
        "image_embeddings": A,
        "text_embeddings": A,
        "text_ids": IDS,
        "num_candidates": 5,
    },
    "metrics.character_error_rate": {
        "references": TEXTS,
        "predictions": TEXTS,
    },
    "metrics.word_error_rate": {"references": TEXTS, "predictions": TEXTS},
    "metrics.frechet_distance": {"real": A, "generated": A + 1},
    "metrics.kernel_distance": {
        "real": A,
        "generated": A + 1,
        "num_subsets": 2,
        "subset_size": 4,
    },
    "metrics.generation_report": {
        "real": PICTURES,
        "generated": PICTURES,
        "extractor": extractor(),
        "num_neighbors": 2,
        "num_subsets": 2,
        "subset_size": 4,
    },
    "metrics.latent_report": {"mean": A, "log_variance": A},
    "metrics.linear_probe": {
        "train_latents": A,
        "train_labels": LABELS,
        "test_latents": A,
        "test_labels": LABELS,
    },
    "metrics.manifold_report": {
        "real": A,
        "generated": A + 1,
        "num_neighbors": 2,
    },
    "metrics.mode_report": {"samples": LABELS, "num_modes": 3},
    "metrics.reconstruction_report": {"x": B, "reconstruction": B},
    "metrics.retrieval_report": {
        "queries": A,
        "candidates": A,
        "query_ids": IDS,
        "candidate_ids": IDS,
        "ks": (1, 3),
        "chunk_size": 5,
    },
    "models.EmbeddingModel": {
        "input_dim": {"image": 6, "text": 5},
        "embedding_dim": 4,
    },
    "models.VAEModel": {
        "input_dim": {"image": 6, "text": 5},
        "latent_dim": 3,
    },
    "models.GANModel": {"input_dim": 6, "output_dim": 5},
    "models.CycleGANModel": {
        "generators": {"image": dense(6), "text": dense(5)},
        "discriminators": {"image": dense(1), "text": dense(1)},
    },
    "models.replace_towers": {
        "model": embedding_model(),
        "towers": embedding_model(),
    },
    "models.interpolate_weights": {
        "start": [A, B],
        "end": [A + 1, B],
        "alpha": 0.5,
    },
    "models.merge_lora": {"model": adapted_model()},
    "losses.SimilarityDistillation": {
        "candidates": A[:, :4],
        "temperature": 0.1,
    },
    "models.ridge_warm_start": {
        "model": embedding_model(),
        "x": {"image": A},
        "targets": A[:, :4],
        "penalty": 0.1,
        "sample_weight": np.ones(ROWS, "float32"),
    },
    "networks.ConvGenerator": {"output_shape": (8, 8, 3), "filters": (4, 4)},
    "networks.ConvDiscriminator": {"filters": (4,)},
    "networks.ConvTranslator": {"filters": (4,), "num_blocks": 1},
    "networks.DenseGenerator": {"output_dim": 3},
    "networks.GriffinLim": {
        "preprocessor": kx.networks.SpeechPreprocessor(duration=0.5)
    },
    "networks.ImageDecoder": {"image_size": (8, 8), "filters": (4,)},
    "networks.ImageEncoder": {"image_size": (8, 8), "filters": (4,)},
    "networks.SpeechEncoder": {
        "num_frames": 20,
        "num_mel_bins": 8,
        "filters": (4,),
        "hidden_dim": 8,
        "num_layers": 1,
    },
    "networks.TextDecoder": {
        "vocabulary_size": 9,
        "sequence_length": 4,
        "hidden_dim": 8,
        "num_layers": 1,
    },
    "networks.TextEncoder": {"vocabulary_size": 9},
    "networks.TransformerTextEncoder": {
        "vocabulary_size": 9,
        "sequence_length": 4,
        "hidden_dim": 8,
        "num_layers": 1,
    },
    "networks.VideoDecoder": {"image_size": (8, 8), "filters": (4,)},
    "networks.VideoEncoder": {
        "image_size": (8, 8),
        "filters": (4,),
        "hidden_dim": 8,
        "num_layers": 1,
    },
    "networks.lsa_embeddings": {
        "tokens": TOKENS,
        "vocabulary_size": 9,
        "embedding_dim": 3,
    },
    "objectives.CVAE": {"target": "text"},
    "ops.alignment": {"x": A, "y": A},
    "ops.best_rank": {"relevance": np.eye(ROWS), "scores": A @ A.T},
    "ops.gaussian_kl": {"mean": A, "log_variance": A},
    "ops.gaussian_log_prob": {"x": A, "mean": A, "log_variance": A},
    "ops.l2_normalize": {"x": A},
    "ops.mixture_log_prob": {
        "z": GAUSSIAN[0],
        "means": GAUSSIAN,
        "log_variances": GAUSSIAN,
    },
    "ops.modality_gap": {"x": A, "y": A},
    "ops.product_of_experts": {"means": GAUSSIAN, "log_variances": GAUSSIAN},
    "ops.relative_representation": {"embeddings": A, "anchors": A},
    "ops.sample_frames": {"length": 9, "num_frames": 3},
    "ops.sample_gaussian": {"mean": A, "log_variance": A, "noise": A},
    "ops.sorted_relevance": {
        "relevance": np.eye(ROWS),
        "scores": A @ A.T,
        "k": 3,
    },
    "ops.uniformity": {"x": A},
    "plots.plot_history": {"history": {"loss": [2.0, 1.0]}},
    "plots.plot_retrieval": {
        "model": embedding_model(),
        "x": {"image": A},
        "queries": {"text": B},
    },
    "retrieval.ExactIndex": {"model": EncodesTexts()},
    "retrieval.FaissIndex": {"model": EncodesTexts()},
    "retrieval.recall_report": {
        "index": index(),
        "queries": {"image": A},
        "modality": "image",
    },
    "retrieval.UsearchIndex": {"model": EncodesTexts()},
    "retrieval.ZeroShotClassifier": {
        "model": EncodesTexts(),
        "class_names": ["cat", "dog"],
    },
    "datasets.kind_of": {"values": PICTURES},
    "export.ExportReport": {
        "content": {
            "format": "onnx",
            "model": "EmbeddingModel",
            "modalities": ["a"],
            "keras_xmodal": "1",
            "num_cpus": 2,
            "bytes": 1,
            "endpoints": {},
        },
    },
    "serving.Client": {
        "url": "http://127.0.0.1:1",
        "model": "emoji",
        "headers": {"Authorization": "x"},
    },
}

# Names whose calls read or write files, or train: tried by the other scripts
# here, and by tests of their own.
ELSEWHERE = {
    "datasets.check_pairs",
    "datasets.decode_wav",
    "datasets.fetch",
    "datasets.from_csv",
    "datasets.from_folder",
    "datasets.from_tfds",
    "datasets.load",
    "datasets.read_video",
    "datasets.split",
    "datasets.write_gif",
    "datasets.write_wav",
    "export.litert",
    "export.onnx",
    "export.saved_model",
    "recipes.EmbeddingRecipe",
    "recipes.GenerationRecipe",
    "recipes.Plan",
    "recipes.embedding",
    "recipes.gan",
    "recipes.vae",
    "runs.Run",
    "runs.write_run",
    "export.serving",
    "export.verify",
    "export.web",
    "metrics.classification_accuracy_score",
    "metrics.coherence_report",
    "models.Preprocessed",
    "networks.KerasHubImagePreprocessor",
    "networks.KerasHubTextPreprocessor",
    "networks.from_keras_hub",
    "networks.word_vectors",
    "pipelines.BatchEmbedder",
    "pipelines.beam_model_handler",
    "pipelines.embed_with_beam",
    "pipelines.embed_with_ray",
    "play.serve",
    "retrieval.embed_corpus",
    "retrieval.read_corpus",
    "serving.kserve_model",
}


def public_names():
    """All public classes and functions: `room.name`."""
    for room, module in vars(kx).items():
        if isinstance(module, types.ModuleType):
            for name in getattr(module, "__all__", ()):
                if callable(getattr(module, name)):
                    yield f"{room}.{name}"


def calls():
    """Dict `{name: (callable, valid arguments)}` of all."""
    found = {}
    for name in public_names():
        if name in ELSEWHERE:
            continue
        room, _, symbol = name.partition(".")
        function = getattr(getattr(kx, room), symbol)
        given = CALLS.get(name, {})
        for parameter in inspect.signature(function).parameters.values():
            if parameter.kind not in (
                parameter.VAR_POSITIONAL,
                parameter.VAR_KEYWORD,
            ):
                given = {parameter.name: parameter.default, **given}
        missing = [k for k, v in given.items() if v is inspect.Parameter.empty]
        assert not missing, f"{name} needs a valid {missing}"
        found[name] = function, given
    return {**found, **uses()}
