"""What is an extra is imported where it is used, and not before."""

import configparser
import importlib.metadata
import pathlib
import re
import subprocess
import sys

import pytest

SETUP = pathlib.Path(__file__).parent.parent / "setup.cfg"
# Without any extra: train, search, generate.
MAIN_JOB = """
import sys
for name in {optional}:
    sys.modules[name] = None  # Importing it fails.
import keras_xmodal as kx
import keras, numpy as np, tensorflow as tf

x = {{"image": np.eye(8, 5), "text": np.eye(8, 4)}}
model = kx.EmbeddingModel({{"image": 5, "text": 4}}, 3)
model.compile("adam")
model.fit(x, verbose=0)
index = kx.retrieval.ExactIndex(model)
index.add({{"image": x["image"]}})
index.search({{"text": x["text"]}}, k=2)

bits, two = tf.eye(8), tf.zeros((8, 16))
likelihoods = kx.likelihoods
for likelihood, data, parameters in [
    (likelihoods.Bernoulli(), bits, bits),
    (likelihoods.CalibratedNormal(), bits, bits),
    (likelihoods.Categorical(8), tf.range(8), bits),
    (likelihoods.ContinuousBernoulli(), bits, bits),
    (likelihoods.DiscretizedLogistic(), bits, two),
    (likelihoods.HeteroscedasticNormal(), bits, two),
    (likelihoods.Laplace(), bits, bits),
    (likelihoods.Normal(), bits, bits),
    (likelihoods.TokenSequence(3), tf.ones((8, 2)), tf.zeros((8, 2, 3))),
]:
    likelihood.log_prob(data, parameters)
    likelihood.mean(parameters)
    likelihood.mode(parameters)
    if not isinstance(likelihood, likelihoods.CalibratedNormal):
        likelihood.sample(parameters, seed=0)
try:
    likelihoods.Normal().distribution(bits)
except ImportError as error:
    print(error)
"""


def optional_modules():
    """Names of the modules that come with the extras."""
    parser = configparser.ConfigParser()
    parser.read(SETUP)
    lines = "\n".join(parser["options.extras_require"].values()).splitlines()
    wanted = {
        re.split(r"[\[>=<]", line)[0].replace("_", "-").lower()
        for line in lines
        if line and not line.startswith(("#", "keras-xmodal"))
    }
    found = importlib.metadata.packages_distributions()
    return sorted(
        module
        for module, distributions in found.items()
        if wanted & {name.replace("_", "-").lower() for name in distributions}
    )


def test_every_extra_is_known_by_its_modules():
    names = {"tensorflow_probability", "tf_keras", "keras_hub", "av", "sklearn"}
    names |= {"ai_edge_quantizer", "onnx", "onnxruntime", "tf2onnx"}
    names |= {"tensorflow_serving", "gradio", "pyarrow"}
    names |= {"faiss", "usearch", "ray", "apache_beam"}
    assert names <= set(optional_modules())


@pytest.mark.large
def test_the_main_job_needs_no_extra():
    script = MAIN_JOB.format(optional=optional_modules())
    result = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True
    )
    assert result.returncode == 0, result.stderr
    assert "pip install 'keras-xmodal[distributions]'" in result.stdout
