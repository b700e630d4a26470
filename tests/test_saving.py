"""Configs from signatures: what is passed is kept, whatever it is."""

import ast
import inspect
import json
import textwrap

import keras
import numpy as np
import pytest
from keras.saving import deserialize_keras_object, serialize_keras_object

import keras_xmodal as kx
from keras_xmodal import saving

REGISTERED = sorted(
    (
        value
        for name, value in keras.saving.get_custom_objects().items()
        if name.startswith("keras_xmodal>") and inspect.isclass(value)
    ),
    key=lambda cls: cls.__name__,
)


@saving.register
class Everything(keras.layers.Layer):
    """Takes each kind of argument that a class of ours takes."""

    def __init__(
        self,
        sizes=(1,),
        count=1,
        activation="tanh",
        function=None,
        layer=None,
        layers=None,
        stack=(),
        initializer=None,
        loss=None,
        scale=1.0,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.sizes = tuple(sizes)
        self.count = count
        self.activation = keras.activations.get(activation)
        self.function = function
        self.layer = layer
        self.layers = layers
        self.stack = stack
        self.initializer = initializer
        self.loss = loss
        self.scale = self.add_weight(
            initializer=keras.initializers.Constant(scale)
        )


@saving.register
class More(Everything):
    def __init__(self, more, **kwargs):
        super().__init__(**kwargs)
        self.more = more


@pytest.fixture
def everything():
    return More(
        more=[{"a": None}, "b"],
        sizes=[3, np.int64(4)],
        count=np.int32(5),
        activation=keras.activations.silu,
        function=keras.activations.relu,
        layer=keras.layers.Dense(3, activation="gelu"),
        layers={"text": keras.layers.Dense(2), "image": None},
        stack=[keras.layers.Dense(4), keras.layers.Dense(5)],
        initializer=keras.initializers.Constant(2.0),
        loss=kx.losses.TripletHardNegative(margin=0.7),
        scale=3.0,
        name="all",
        dtype="mixed_bfloat16",
        trainable=False,
    )


def test_every_kind_of_argument_survives(everything):
    saved = json.loads(json.dumps(serialize_keras_object(everything)))
    revived = deserialize_keras_object(saved)
    assert type(revived) is More
    assert revived.more == [{"a": None}, "b"]
    assert revived.sizes == (3, 4)
    assert type(revived.get_config()["count"]) is int
    assert revived.activation is keras.activations.silu
    assert keras.activations.get(revived.function) is keras.activations.relu
    assert revived.layer.activation is keras.activations.gelu
    assert revived.layers["text"].units == 2
    assert revived.layers["image"] is None
    assert [layer.units for layer in revived.stack] == [4, 5]
    assert revived.initializer.value == 2.0
    assert revived.loss.margin == 0.7
    assert revived.name == "all"
    assert revived.dtype_policy.name == "mixed_bfloat16"
    assert not revived.trainable
    assert revived.get_config() == everything.get_config()


def test_what_became_a_weight_is_saved_with_the_weights(everything):
    assert "scale" not in everything.get_config()


def test_a_config_can_say_more():
    @saving.register
    class Doubled(kx.layers.LogitScale):
        def __init__(self, factor, **kwargs):
            super().__init__(**kwargs)
            self.factor = factor * 2

        def get_config(self):
            config = saving.signature_config(Doubled, self)
            return {**config, "factor": self.factor // 2}

    layer = Doubled(3, temperature=0.5)
    revived = deserialize_keras_object(serialize_keras_object(layer))
    assert (revived.factor, revived.temperature) == (6, 0.5)


def test_arguments_that_a_subclass_fixes_are_not_in_its_config():
    assert "symmetric" not in kx.losses.SigmoidContrastive().get_config()


def test_dtype_of_a_loss_is_kept():
    loss = kx.losses.InfoNCE(dtype="float64")
    revived = deserialize_keras_object(serialize_keras_object(loss))
    assert revived.dtype == "float64"


def test_custom_objects_reach_what_is_inside():
    class Mine(keras.layers.Dense):
        pass

    layer = Everything(layer=Mine(3))
    config = layer.get_config()
    revived = Everything.from_config(config, custom_objects={"Mine": Mine})
    assert type(revived.layer) is Mine


def test_every_argument_is_an_attribute():
    """A class without `get_config` of its own keeps each under its name."""
    for cls in REGISTERED:
        if inspect.getmodule(cls.get_config) is not saving:
            continue
        kept = {"name", "dtype", "reduction"}
        for base in cls.__mro__:
            if base.__module__.startswith("keras_xmodal"):
                kept |= attributes(base)
            elif base.__module__.startswith("keras."):
                kept |= {"layer"} if base is keras.layers.Wrapper else set()
        for name, parameter in inspect.signature(cls).parameters.items():
            if parameter.kind is not parameter.VAR_KEYWORD:
                assert name in kept, f"{cls.__name__}: {name} is no attribute"


def attributes(cls):
    """Names that a class sets on itself or computes as properties."""
    nodes = list(ast.walk(ast.parse(textwrap.dedent(inspect.getsource(cls)))))
    stored = {
        node.attr
        for node in nodes
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store)
    }
    stored |= {
        node.args[1].value
        for node in nodes
        if isinstance(node, ast.Call)
        and ast.unparse(node.func) == "object.__setattr__"
    }
    return stored | {
        node.name
        for node in nodes
        if isinstance(node, ast.FunctionDef)
        and "property" in map(ast.unparse, node.decorator_list)
    }


BASES = {
    kx.losses.ContrastiveLoss: {
        "info_nce": kx.losses.InfoNCE,
        "sigmoid_contrastive": kx.losses.SigmoidContrastive,
        "triplet_all_negatives": kx.losses.TripletAllNegatives,
        "triplet_hard_negative": kx.losses.TripletHardNegative,
        "triplet_semi_hard_negative": kx.losses.TripletSemiHardNegative,
    },
    kx.adversarial.AdversarialLoss: {
        "hinge": kx.adversarial.Hinge,
        "least_squares": kx.adversarial.LeastSquares,
        "minimax": kx.adversarial.Minimax,
        "non_saturating": kx.adversarial.NonSaturating,
        "relativistic": kx.adversarial.Relativistic,
        "wasserstein": kx.adversarial.Wasserstein,
    },
    kx.adversarial.Penalty: {
        "gradient_penalty": kx.adversarial.GradientPenalty,
        "matching_aware_gradient_penalty": (
            kx.adversarial.MatchingAwareGradientPenalty
        ),
        "r1": kx.adversarial.R1,
        "r2": kx.adversarial.R2,
    },
    kx.likelihoods.Likelihood: {
        "bernoulli": kx.likelihoods.Bernoulli,
        "calibrated_normal": kx.likelihoods.CalibratedNormal,
        "continuous_bernoulli": kx.likelihoods.ContinuousBernoulli,
        "discretized_logistic": kx.likelihoods.DiscretizedLogistic,
        "heteroscedastic_normal": kx.likelihoods.HeteroscedasticNormal,
        "laplace": kx.likelihoods.Laplace,
        "normal": kx.likelihoods.Normal,
    },
    kx.objectives.Objective: {
        "jmvae": kx.objectives.JMVAE,
        "mmvae": kx.objectives.MMVAE,
        "mmvae_plus": kx.objectives.MMVAEPlus,
        "mopoe": kx.objectives.MoPoE,
        "mvae": kx.objectives.MVAE,
        "mvtcae": kx.objectives.MVTCAE,
        "telbo": kx.objectives.TELBO,
    },
}


@pytest.mark.parametrize("base", BASES, ids=lambda base: base.__name__)
def test_names_stand_for_classes(base):
    for name, cls in BASES[base].items():
        assert type(saving.resolve("it", name, base)) is cls
    one = cls()
    assert saving.resolve("it", one, base) is one
    for other in BASES:
        if other is not base:
            wrong = next(iter(BASES[other]))
            with pytest.raises(ValueError, match=rf"{sorted(BASES[base])[0]}"):
                saving.resolve("it", wrong, base)
            with pytest.raises(TypeError, match=base.__name__):
                saving.resolve("it", BASES[other][wrong](), base)


def test_what_no_name_stands_for():
    resolve, losses = saving.resolve, kx.losses
    with pytest.raises(ValueError, match="Received: loss='mse'"):
        resolve("loss", "mse", losses.ContrastiveLoss)
    for base in ("contrastive_loss", "triplet_loss"):
        with pytest.raises(ValueError, match="must be one of"):
            resolve("loss", base, losses.ContrastiveLoss)
    with pytest.raises(TypeError, match=r"loss=0\.5 of type float"):
        resolve("loss", 0.5, losses.ContrastiveLoss)


def test_classes_that_need_arguments_have_no_name_but_are_named():
    with pytest.raises(ValueError, match="such as `CVAE`"):
        saving.resolve("objective", "cvae", kx.objectives.Objective)
    with pytest.raises(ValueError, match="such as `Categorical` and `Token"):
        saving.resolve("it", "categorical", kx.likelihoods.Likelihood)
    likelihood = kx.likelihoods.Categorical(3)
    assert saving.resolve("it", likelihood, kx.likelihoods.Likelihood) is (
        likelihood
    )
