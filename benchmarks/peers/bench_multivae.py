"""Time the training of MultiVae's models (PyPI `multivae`, PyTorch).

    python bench_multivae.py --objective MoPoE --batch-size 128 --epochs 4

The baseline of `benchmarks/speed/vae.py`, which has the same networks for two
modalities of 28 x 28 bits, the Bernoulli likelihood on logits, Adam and
float32, on data in memory:

- `mlp`: dense 512, 512 and the latents; back over dense 512, 512, 784;
- `conv`: convolutions with 32 and 64 filters (4x4, stride 2), dense 256 and
  the latents; back over dense 256, 3136 and transposed convolutions.

In two places they are not MultiVae's defaults. Its decoders end in a sigmoid,
where its Bernoulli likelihood takes logits. And its joint encoders have the
networks of the modalities a second time: here those of JMVAE and CVAE share
them, and each network is computed once a step. TELBO's cannot, as it is frozen
after the first half of the training.

`--via trainer` runs MultiVae's own `BaseTrainer`, with its data loader and
copies of the best model, instead of a plain loop. Prints one JSON line. A
sample is a pair. `samples_per_s` is that of the median epoch, the first left
out; `samples_per_cpu_s` counts the CPU time of all threads. Needs torch and
multivae: see the README beside it.
"""

import argparse
import contextlib
import json
import logging
import math
import os
import platform
import resource
import statistics
import tempfile
import time
from importlib.metadata import version

import torch
from torch import nn

if torch.version.cuda is None:
    # A CUDA build of torchvision imports beside a CPU-only torch once its
    # C++ operators are declared. They are not used here.
    _library = torch.library.Library("torchvision", "DEF")
    for _op in ("nms", "qnms"):
        _library.define(
            f"{_op}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
        )

import multivae.models
from multivae.data.datasets.base import MultimodalBaseDataset
from multivae.models.base import ModelOutput
from multivae.models.nn.base_architectures import (
    BaseConditionalDecoder,
    BaseJointEncoder,
    BaseMultilatentEncoder,
)
from multivae.trainers import BaseTrainer, BaseTrainerConfig
from multivae.trainers.base.callbacks import TrainingCallback
from pythae.models.nn.base_architectures import BaseDecoder, BaseEncoder

logging.disable(logging.INFO)

OBJECTIVES = (
    "MVAE",
    "MMVAE",
    "MoPoE",
    "MVTCAE",
    "JMVAE",
    "TELBO",
    "CVAE",
    "MMVAEPlus",
)
JOINT = ("JMVAE", "TELBO", "CVAE")  # They have an encoder of all modalities.
SUMS = ("MMVAE", "MMVAEPlus")  # Their losses are sums over the batch.
JOINT_UNITS = 256


# Networks.


class Trunk(nn.Module):
    """Features of a modality; with `memo`, once for a batch.

    Several networks that share a trunk ask it for the same tensor in one step.
    """

    def __init__(self, layers, num_features, memo=False):
        super().__init__()
        self.layers, self.num_features = nn.Sequential(*layers), num_features
        self.memo, self._last = memo, (None, None, None)

    def forward(self, x):
        if not self.memo:
            return self.layers(x)
        # The version counts the updates of the weights.
        state = (next(self.parameters())._version, torch.is_grad_enabled())
        if self._last[0] is not x or self._last[1] != state:
            self._last = (x, state, self.layers(x))
        return self._last[2]


def mlp_trunk(shape, units, memo):
    size = math.prod(shape)
    return Trunk(
        [
            nn.Flatten(),
            nn.Linear(size, units),
            nn.ReLU(),
            nn.Linear(units, units),
            nn.ReLU(),
        ],
        units,
        memo,
    )


def conv_trunk(shape, units, memo):
    return Trunk(
        [
            nn.Conv2d(1, 32, 4, 2, 1),
            nn.ReLU(),
            nn.Conv2d(32, 64, 4, 2, 1),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(64 * 7 * 7, units),
            nn.ReLU(),
        ],
        units,
        memo,
    )


def mlp_decoder(num_inputs, shape, units):
    return [
        nn.Linear(num_inputs, units),
        nn.ReLU(),
        nn.Linear(units, units),
        nn.ReLU(),
        nn.Linear(units, math.prod(shape)),
    ]


def conv_decoder(num_inputs, shape, units):
    return [
        nn.Linear(num_inputs, units),
        nn.ReLU(),
        nn.Linear(units, 64 * 7 * 7),
        nn.ReLU(),
        nn.Unflatten(1, (64, 7, 7)),
        nn.ConvTranspose2d(64, 32, 4, 2, 1),
        nn.ReLU(),
        nn.ConvTranspose2d(32, 1, 4, 2, 1),
    ]


# Features of a modality, layers of its decoder, units of the dense layers.
ARCHITECTURES = {
    "mlp": (mlp_trunk, mlp_decoder, 512),
    "conv": (conv_trunk, conv_decoder, 256),
}


class Encoder(BaseEncoder):
    def __init__(self, trunk, latent_dim):
        BaseEncoder.__init__(self)
        self.trunk, self.latent_dim = trunk, latent_dim
        self.mean = nn.Linear(trunk.num_features, latent_dim)
        self.log_variance = nn.Linear(trunk.num_features, latent_dim)

    def forward(self, x):
        features = self.trunk(x)
        return ModelOutput(
            embedding=self.mean(features),
            log_covariance=self.log_variance(features),
        )


class PrivateEncoder(BaseMultilatentEncoder):
    """With a latent of the modality's own besides the shared one."""

    def __init__(self, trunk, latent_dim, private_dim):
        BaseMultilatentEncoder.__init__(self)
        self.trunk = trunk
        self.latent_dim, self.style_dim = latent_dim, private_dim
        self.heads = nn.ModuleDict(
            {
                name: nn.Linear(trunk.num_features, dim)
                for name, dim in {
                    "embedding": latent_dim,
                    "log_covariance": latent_dim,
                    "style_embedding": private_dim,
                    "style_log_covariance": private_dim,
                }.items()
            }
        )

    def forward(self, x):
        features = self.trunk(x)
        return ModelOutput(
            **{name: head(features) for name, head in self.heads.items()}
        )


class JointEncoder(BaseJointEncoder):
    """From the features of all modalities, as `VAEModel` has it.

    It also gives a one for each modality, which says that it is there.
    """

    def __init__(self, trunks, latent_dim):
        BaseJointEncoder.__init__(self)
        self.trunks, self.latent_dim = nn.ModuleDict(trunks), latent_dim
        num_features = sum(t.num_features for t in trunks.values())
        self.net = nn.Sequential(
            nn.Linear(num_features + len(trunks), JOINT_UNITS), nn.ReLU()
        )
        self.mean = nn.Linear(JOINT_UNITS, latent_dim)
        self.log_variance = nn.Linear(JOINT_UNITS, latent_dim)

    def forward(self, x):
        features = [trunk(x[name]) for name, trunk in self.trunks.items()]
        features.append(torch.ones(len(features[0]), len(self.trunks)))
        features = self.net(torch.cat(features, dim=1))
        return ModelOutput(
            embedding=self.mean(features),
            log_covariance=self.log_variance(features),
        )


class ConditionPrior(BaseJointEncoder):
    """Product of the conditions' experts, for CVAE."""

    def __init__(self, trunks, latent_dim):
        BaseJointEncoder.__init__(self)
        self.latent_dim = latent_dim
        self.experts = nn.ModuleDict(
            {name: Encoder(trunk, latent_dim) for name, trunk in trunks.items()}
        )

    def forward(self, x):
        outputs = [expert(x[name]) for name, expert in self.experts.items()]
        mean, log_variance = product(
            torch.stack([output.embedding for output in outputs]),
            torch.stack([output.log_covariance for output in outputs]),
        )
        return ModelOutput(embedding=mean, log_covariance=log_variance)


def product(means, log_variances):
    """Product of Gaussians along the first axis."""
    log_variance = -torch.logsumexp(-log_variances, dim=0)
    weights = torch.exp(log_variance - log_variances)
    return (weights * means).sum(dim=0), log_variance


class Decoder(BaseDecoder):
    def __init__(self, layers, shape):
        BaseDecoder.__init__(self)
        self.net, self.shape = nn.Sequential(*layers), shape

    def forward(self, z):
        # MultiVae also gives samples, (K, batch, dim), and single latents.
        output = self.net(z.reshape(-1, z.shape[-1]))
        return ModelOutput(
            reconstruction=output.reshape(*z.shape[:-1], *self.shape)
        )


class ConditionalDecoder(BaseConditionalDecoder):
    def __init__(self, trunks, layers, latent_dim, shape):
        BaseConditionalDecoder.__init__(self)
        self.trunks, self.latent_dim = nn.ModuleDict(trunks), latent_dim
        self.net, self.shape = nn.Sequential(*layers), shape

    def forward(self, z, cond_mods):
        features = [
            trunk(cond_mods[name]) for name, trunk in self.trunks.items()
        ]
        output = self.net(torch.cat([z, *features], dim=-1))
        return ModelOutput(reconstruction=output.reshape(-1, *self.shape))


def build_model(
    objective,
    shapes,
    likelihood="bernoulli",
    scale=1.0,
    *,
    latent_dim,
    private_dim,
    architecture="mlp",
    units=None,
    num_samples=1,
    estimator="iwae",
    joint_epochs=0,
):
    """Build a model of MultiVae, with its arguments where ours have them.

    Args:
        objective: Name of the model's class.
        shapes: Dict `{modality: shape of its examples}`; the first modality is
            the target of CVAE.
        likelihood: `"bernoulli"`, on logits, or `"laplace"`, whose locations
            come out of a sigmoid.
        scale: Of the Laplace likelihood.
        latent_dim: Size of the latent.
        private_dim: Size of each private latent of MMVAEPlus.
        architecture: Key of `ARCHITECTURES`.
        units: Units of the dense layers, if not the architecture's.
        num_samples: K of MMVAE and MMVAEPlus.
        estimator: Of those two, `"iwae"` or `"dreg"`.
        joint_epochs: Epochs in which TELBO trains its joint bound; after them
            it trains its unimodal bounds, with the decoders frozen.
    """
    make_trunk, make_decoder, default_units = ARCHITECTURES[architecture]
    units = units or default_units

    def make_trunks():
        return {
            name: make_trunk(shape, units, memo=objective in JOINT)
            for name, shape in shapes.items()
        }

    trunks = make_trunks()
    num_inputs = latent_dim
    if objective == "MMVAEPlus":
        num_inputs += private_dim

    def decoder_layers(name, num_inputs):
        layers = make_decoder(num_inputs, shapes[name], units)
        return layers + ([nn.Sigmoid()] if likelihood == "laplace" else [])

    scales = {"scale": scale} if likelihood == "laplace" else {}
    if objective == "CVAE":
        target, *conditions = shapes
        given = {name: trunks[name] for name in conditions}
        num_inputs += sum(trunk.num_features for trunk in given.values())
        return multivae.models.CVAE(
            multivae.models.CVAEConfig(
                latent_dim=latent_dim,
                input_dims=shapes,
                main_modality=target,
                conditioning_modalities=conditions,
                decoder_dist=likelihood,
                decoder_dist_params=scales,
            ),
            encoder=JointEncoder(trunks, latent_dim),
            decoder=ConditionalDecoder(
                given,
                decoder_layers(target, num_inputs),
                latent_dim,
                shapes[target],
            ),
            prior_network=ConditionPrior(given, latent_dim),
        )
    mixture = {
        "K": num_samples,
        "loss": f"{estimator}_looser",
        "prior_and_posterior_dist": "normal",
    }
    options = {
        "MVAE": {"use_subsampling": True, "k": 0, "warmup": 0},
        "MMVAE": {**mixture, "learn_prior": False},
        "MVTCAE": {"alpha": 5 / 6, "beta": 1.0},
        "JMVAE": {"alpha": 0.1, "warmup": 0},
        "TELBO": {"warmup": joint_epochs, "uses_likelihood_rescaling": False},
        "MMVAEPlus": {**mixture, "modalities_specific_dim": private_dim},
    }.get(objective, {})
    config = getattr(multivae.models, f"{objective}Config")(
        n_modalities=len(shapes),
        latent_dim=latent_dim,
        input_dims=shapes,
        decoders_dist=dict.fromkeys(shapes, likelihood),
        decoder_dist_params={name: dict(scales) for name in shapes},
        **options,
    )
    if objective == "MMVAEPlus":
        encoders = {
            name: PrivateEncoder(trunk, latent_dim, private_dim)
            for name, trunk in trunks.items()
        }
    else:
        encoders = {
            name: Encoder(trunk, latent_dim) for name, trunk in trunks.items()
        }
    networks = {
        "encoders": encoders,
        "decoders": {
            name: Decoder(decoder_layers(name, num_inputs), shape)
            for name, shape in shapes.items()
        },
    }
    if objective in JOINT:
        # TELBO freezes its joint encoder, and what that shares with others.
        own = make_trunks() if objective == "TELBO" else trunks
        networks["joint_encoder"] = JointEncoder(own, latent_dim)
    return getattr(multivae.models, objective)(config, **networks)


def count_parameters(model):
    return sum(p.numel() for p in model.parameters() if p.requires_grad)


def train_step(model, objective, optimizer, batch, epoch):
    """Take one step; return the loss, a mean over the batch."""
    optimizer.zero_grad(set_to_none=True)
    loss = model(batch, epoch=epoch, batch_ratio=0.0).loss
    if objective in SUMS:
        loss = loss / len(next(iter(batch.data.values())))
    loss.backward()
    optimizer.step()
    return loss.item()


# Timing.


def time_loop(model, arguments, data):
    """Train in a plain loop; return rates by wall and CPU time, and losses."""
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    batch_size, num_examples = arguments.batch_size, arguments.num_examples
    num_examples -= num_examples % batch_size
    model.train()

    def step(rows):
        batch = MultimodalBaseDataset({k: v[rows] for k, v in data.items()})
        # After the epochs of the joint bound, if there are any.
        return train_step(model, arguments.objective, optimizer, batch, epoch=1)

    for _ in range(arguments.warmup_steps):
        step(torch.randperm(num_examples)[:batch_size])
    rates, cpu_rates, losses = [], [], []
    for _ in range(arguments.epochs):
        order = torch.randperm(num_examples)
        wall, cpu = time.perf_counter(), time.process_time()
        losses.append(
            statistics.fmean(
                step(order[i : i + batch_size])
                for i in range(0, num_examples, batch_size)
            )
        )
        rates.append(num_examples / (time.perf_counter() - wall))
        cpu_rates.append(num_examples / (time.process_time() - cpu))
    return rates, cpu_rates, losses


class Clock(TrainingCallback):
    """Measures the epochs of a trainer."""

    def __init__(self, batch_size):
        self.batch_size = batch_size
        self.rates, self.cpu_rates, self.losses = [], [], []

    def on_train_step_begin(self, training_config, **kwargs):
        self.steps = 0
        self.wall, self.cpu = time.perf_counter(), time.process_time()

    def on_train_step_end(self, training_config, **kwargs):
        self.steps += 1

    def on_epoch_end(self, training_config, **kwargs):
        num_examples = self.steps * self.batch_size
        self.rates.append(num_examples / (time.perf_counter() - self.wall))
        self.cpu_rates.append(num_examples / (time.process_time() - self.cpu))

    def on_log(self, training_config, logs, **kwargs):
        self.losses.append(float(logs["train_epoch_loss"]))


def time_trainer(model, arguments, data):
    """As `time_loop`, with MultiVae's own trainer."""
    clock = Clock(arguments.batch_size)
    with (
        tempfile.TemporaryDirectory() as folder,
        open(os.devnull, "w") as nowhere,
        contextlib.redirect_stderr(nowhere),
    ):
        config = BaseTrainerConfig(
            output_dir=folder,
            per_device_train_batch_size=arguments.batch_size,
            num_epochs=arguments.epochs,
            learning_rate=1e-3,
            drop_last=True,
            no_cuda=True,
            seed=0,
            keep_best_on_train=True,
        )
        BaseTrainer(
            model,
            train_dataset=MultimodalBaseDataset(data=data),
            training_config=config,
            callbacks=[clock],
        ).train()
    return clock.rates, clock.cpu_rates, clock.losses


def parse_arguments():
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add("--objective", choices=OBJECTIVES, default="MVAE")
    add("--architecture", choices=ARCHITECTURES, default="mlp")
    add("--num-samples", type=int, default=1, help="K of MMVAE, MMVAEPlus")
    add("--estimator", choices=["iwae", "dreg"], default="iwae")
    add("--batch-size", type=int, default=128)
    add("--latent-dim", type=int, default=32)
    add("--private-dim", type=int, default=16, help="of MMVAEPlus")
    add("--epochs", type=int, default=4)
    add("--num-examples", type=int, default=12800)
    add("--warmup-steps", type=int, default=5)
    add("--threads", type=int, default=2)
    add("--via", choices=["loop", "trainer"], default="loop")
    add(
        "--no-validation",
        action="store_true",
        help="switch off the argument checks of torch.distributions",
    )
    return parser.parse_args()


def main():
    arguments = parse_arguments()
    torch.set_num_threads(arguments.threads)
    torch.set_num_interop_threads(1)
    torch.distributions.Distribution.set_default_validate_args(
        not arguments.no_validation
    )
    torch.manual_seed(0)
    shapes = {"a": (1, 28, 28), "b": (1, 28, 28)}
    data = {
        name: torch.randint(0, 2, (arguments.num_examples, *shape)).float()
        for name, shape in shapes.items()
    }
    model = build_model(
        arguments.objective,
        shapes,
        latent_dim=arguments.latent_dim,
        private_dim=arguments.private_dim,
        architecture=arguments.architecture,
        num_samples=arguments.num_samples,
        estimator=arguments.estimator,
        # TELBO's step depends on the epoch: its joint bound is timed.
        joint_epochs=arguments.epochs,
    )
    parameters = count_parameters(model)
    measure = time_loop if arguments.via == "loop" else time_trainer
    rates, cpu_rates, losses = measure(model, arguments, data)
    median = statistics.median(rates[1:] or rates)
    result = {
        "peer": "multivae",
        "versions": {
            "python": platform.python_version(),
            "torch": torch.__version__,
            "multivae": version("multivae"),
        },
        "objective": arguments.objective,
        "architecture": arguments.architecture,
        "num_samples": arguments.num_samples,
        "estimator": arguments.estimator,
        "batch_size": arguments.batch_size,
        "via": arguments.via,
        "threads": arguments.threads,
        "validation": not arguments.no_validation,
        "parameters": parameters,
        "samples_per_s": round(median, 1),
        "samples_per_cpu_s": round(
            statistics.median(cpu_rates[1:] or cpu_rates), 1
        ),
        "epochs_samples_per_s": [round(rate, 1) for rate in rates],
        "step_ms": round(1e3 * arguments.batch_size / median, 2),
        "peak_rss_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        // 1024,
        "losses": [round(loss, 3) for loss in losses],
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
