"""Train a model of MultiVae and write down what it generates.

    python train_multivae.py --data mnist_fashion.npz --objective MoPoE \\
        --fraction 0.2 --seeds 0 1 2 --out runs

Started by `benchmarks/vae/quality.py`, which writes the data with all the
settings, and scores the result. For each seed, `--out` receives a file
`peer_{objective}_{fraction}_{seed}.npz` (an existing one is left alone) with

- `{given}_to_{name}`: modality `name`, generated from others (`a+b_to_c`), by
  a sample of the posterior, as bytes: the mean of the Laplace likelihood or the
  more probable bit of the Bernoulli likelihood;
- `joint_{name}`: what is generated from the prior;
- `log_likelihood`: estimates of the joint log-likelihood (CVAE: of the target
  given the others) by importance sampling, with `VAEModel`'s estimator: as many
  samples from each component of the posterior, weighed by the whole mixture;
- `facts`: JSON with seconds of training, parameters and versions.

Needs torch and multivae: see the README beside it.
"""

import argparse
import itertools
import json
import math
import pathlib
import platform
import time
from importlib.metadata import version

import bench_multivae as peer
import numpy as np
import torch
from multivae.data.datasets.base import IncompleteDataset, MultimodalBaseDataset
from torch.distributions import Normal

CHUNK = 20  # Examples whose importance samples are decoded together.


def read_pictures(arrays, split, modalities):
    """Dict of float tensors in [0, 1], channels first."""
    return {
        name: torch.from_numpy(arrays[f"{split}_{name}"])
        .permute(0, 3, 1, 2)
        .float()
        / 255
        for name in modalities
    }


def train(model, arguments, settings, data, present):
    """Train for all epochs; return the loss of each, and the seconds."""
    num_examples, batch_size = len(present), settings["batch_size"]
    masks = {name: present[:, i] for i, name in enumerate(data)}
    missing = arguments.fraction > 0
    if missing:
        # Missing cells must not be NaN.
        data = {
            name: torch.where(masks[name][:, None, None, None], value, 0.0)
            for name, value in data.items()
        }
    losses, start = [], time.perf_counter()
    for epoch in range(1, settings["epochs"] + 1):
        # TELBO's second stage is a training of its own, as in its trainer.
        if epoch == 1 or (
            arguments.objective == "TELBO"
            and epoch == settings["epochs"] // 2 + 1
        ):
            optimizer = torch.optim.Adam(
                model.parameters(), lr=settings["learning_rate"]
            )
        model.train()
        total, order = 0.0, torch.randperm(num_examples)
        for rows in order.split(batch_size):
            inputs = {name: value[rows] for name, value in data.items()}
            if missing:
                batch = IncompleteDataset(
                    inputs, {name: mask[rows] for name, mask in masks.items()}
                )
            else:
                batch = MultimodalBaseDataset(inputs)
            loss = peer.train_step(
                model, arguments.objective, optimizer, batch, epoch
            )
            total += loss * len(rows)
        losses.append(round(total / num_examples, 3))
    return losses, time.perf_counter() - start


def to_bytes(pictures, likelihood):
    if likelihood == "bernoulli":  # Logits.
        pictures = (pictures > 0).float()
    pictures = (pictures * 255).round().to(torch.uint8)
    return pictures.permute(0, 2, 3, 1).numpy()


@torch.no_grad()
def translate(model, objective, data, likelihood):
    """All modalities from all subsets of the others that the model takes."""
    outputs, names = {}, list(data)
    for size in range(1, len(names)):
        for given in itertools.combinations(names, size):
            targets = [name for name in names if name not in given]
            inputs = MultimodalBaseDataset(data)
            if objective == "CVAE":
                if targets != names[:1]:
                    continue
                pictures = model.predict(inputs, cond_mod=list(given))
            elif objective == "TELBO" and size > 1:
                continue  # It encodes one modality, or all.
            else:
                pictures = model.predict(
                    inputs, cond_mod=list(given), gen_mod=targets
                )
            for name in targets:
                key = f"{'+'.join(given)}_to_{name}"
                outputs[key] = to_bytes(pictures[name], likelihood)
    return outputs


@torch.no_grad()
def generate(model, num_examples, likelihood):
    model.device = "cpu"
    pictures = model.decode(model.generate_from_prior(num_examples))
    return {
        f"joint_{name}": to_bytes(value, likelihood)
        for name, value in pictures.items()
    }


def posterior(model, objective, data):
    """Means and log-variances of the components, and of private latents."""
    inputs, private = MultimodalBaseDataset(data), {}
    if objective == "MVAE":
        means, log_variances = model.compute_mu_log_var_subset(
            inputs, list(data)
        )
    elif objective in peer.SUMS:
        outputs = {name: model.encoders[name](data[name]) for name in data}
        means = torch.stack([o.embedding for o in outputs.values()])
        log_variances = torch.stack(
            [o.log_covariance for o in outputs.values()]
        )
        if objective == "MMVAEPlus":
            private = {
                name: (o.style_embedding, o.style_log_covariance)
                for name, o in outputs.items()
            }
    elif objective == "MoPoE":
        latents = model.inference(inputs)
        means, log_variances = latents["mus"], latents["logvars"]
    elif objective == "MVTCAE":
        means, log_variances = model._inference(inputs)["joint"]
    else:
        encoder = model.encoder if objective == "CVAE" else model.joint_encoder
        output = encoder(data)
        means, log_variances = output.embedding, output.log_covariance
    if means.dim() == 2:
        means, log_variances = means[None], log_variances[None]
    return means, log_variances, private


def log_prob(z, mean, log_variance):
    normal = Normal(mean, torch.exp(0.5 * log_variance))
    return normal.log_prob(z).sum(-1)


@torch.no_grad()
def log_likelihood(model, objective, data, num_samples):
    """Estimate `log p(X)` with about `num_samples` samples for each example."""
    means, log_variances, private = posterior(model, objective, data)
    count = math.ceil(num_samples / len(means))
    z = means + torch.exp(0.5 * log_variances) * torch.randn(
        count, *means.shape
    )  # (samples, components, batch, dim)
    log_q = torch.logsumexp(
        torch.stack(
            [
                log_prob(z, *component)
                for component in zip(means, log_variances, strict=True)
            ]
        ),
        dim=0,
    ) - math.log(len(means))
    prior = (torch.zeros(()), torch.zeros(()))
    conditions = {}
    if objective == "CVAE":
        conditions = {name: data[name] for name in list(data)[1:]}
        output = model.prior_network(conditions)
        prior = (output.embedding, output.log_covariance)
    log_weights = log_prob(z, *prior) - log_q
    for name, x in list(data.items())[: 1 if conditions else None]:
        latents = z
        if name in private:
            mean, log_variance = private[name]
            w = mean + torch.exp(0.5 * log_variance) * torch.randn(
                *z.shape[:-1], mean.shape[-1]
            )
            log_weights = log_weights + log_prob(w, *(torch.zeros(()),) * 2)
            log_weights = log_weights - log_prob(w, mean, log_variance)
            latents = torch.cat([z, w], dim=-1)
        target = x.expand(*z.shape[:2], *x.shape).flatten(0, 2)
        if conditions:
            repeated = {
                key: value.expand(*z.shape[:2], *value.shape).flatten(0, 2)
                for key, value in conditions.items()
            }
            parameters = model.decoder(latents.flatten(0, 2), repeated)
            density = model.recon_log_prob
        else:
            parameters = model.decoders[name](latents.flatten(0, 2))
            density = model.recon_log_probs[name]
        values = density(parameters.reconstruction, target)
        log_weights = log_weights + values.flatten(1).sum(1).reshape(
            z.shape[:-1]
        )
    return torch.logsumexp(log_weights, dim=(0, 1)) - math.log(
        count * len(means)
    )


def run(arguments, seed, arrays, settings):
    torch.manual_seed(seed)
    names = settings["modalities"]
    likelihood = settings["likelihood"]
    data = read_pictures(arrays, "train", names)
    model = peer.build_model(
        arguments.objective,
        {name: tuple(value.shape[1:]) for name, value in data.items()},
        likelihood,
        settings["scale"],
        latent_dim=settings["latent_dim"],
        private_dim=settings["private_dim"],
        units=settings["units"],
        joint_epochs=settings["epochs"] // 2,
    )
    parameters = peer.count_parameters(model)
    present = torch.from_numpy(arrays[f"present_{arguments.fraction}_{seed}"])
    losses, seconds = train(model, arguments, settings, data, present)
    start = time.perf_counter()
    model.eval()
    test = read_pictures(arrays, "test", names)
    outputs = translate(model, arguments.objective, test, likelihood)
    if arguments.objective != "CVAE":
        outputs |= generate(model, settings["num_generated"], likelihood)
    likelihoods = [
        log_likelihood(
            model,
            arguments.objective,
            {name: value[i : i + CHUNK] for name, value in test.items()},
            settings["num_samples"],
        )
        for i in range(0, settings["num_likelihoods"], CHUNK)
    ]
    facts = {
        "parameters": parameters,
        "losses": losses,
        "train_s": round(seconds, 1),
        "evaluate_s": round(time.perf_counter() - start, 1),
        "versions": {
            "python": platform.python_version(),
            "torch": torch.__version__,
            "multivae": version("multivae"),
        },
    }
    return {
        **outputs,
        "log_likelihood": torch.cat(likelihoods).numpy(),
        "facts": json.dumps(facts),
    }


def main():
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add("--data", type=pathlib.Path, required=True)
    add("--objective", choices=peer.OBJECTIVES, required=True)
    add("--fraction", type=float, default=0.0, help="of the cells is missing")
    add("--seeds", type=int, nargs="+", default=[0])
    add("--out", type=pathlib.Path, required=True, help="folder of the results")
    add("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    with np.load(arguments.data) as file:
        arrays = dict(file)
    settings = json.loads(str(arrays["settings"]))
    for seed in arguments.seeds:
        name = f"peer_{arguments.objective}_{arguments.fraction}_{seed}.npz"
        path = arguments.out / name
        if path.exists():
            continue
        result = run(arguments, seed, arrays, settings)
        # Beside and renamed, so that no file is there in part.
        partial = path.with_suffix(".partial.npz")
        np.savez(partial, **result)
        partial.replace(path)
        print(f"{name}: {result['facts']}", flush=True)


if __name__ == "__main__":
    main()
