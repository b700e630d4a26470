"""Time the training of a conditional GAN in plain PyTorch.

    python bench_torch_gan.py --loss relativistic --penalties r1 r2

The baseline of `benchmarks/speed/gan.py`, which has the same networks for 28 x
28 pictures of ten classes:

- generator: 64 numbers of noise beside the one-hot class, dense 6272, two
  transposed convolutions (64 and 1 filters, 4x4, stride 2), tanh;
- discriminator: two convolutions (64 and 128 filters, 4x4, stride 2, leaky
  ReLU), a dense logit, and the projection of the class on the features.

A step is one update of each network (relativistic, non-saturating or
Wasserstein loss; R1 and R2, or the gradient penalty) on one batch, by Adam
(2e-4, 0, 0.99), and the moving average of the generator. The penalties come
from the same forward pass as the loss where they can. Float32, data in memory.
Prints one JSON line; `samples_per_s` is that of the median step. Needs torch.
"""

import argparse
import copy
import json
import os
import platform
import resource
import statistics
import time

import torch
from torch import nn
from torch.nn.functional import leaky_relu, one_hot, relu, softplus

LATENT_DIM, CLASSES, FEATURES = 64, 10, 128 * 7 * 7


class Generator(nn.Module):
    def __init__(self):
        super().__init__()
        self.dense = nn.Linear(LATENT_DIM + CLASSES, FEATURES)
        self.up = nn.ConvTranspose2d(128, 64, 4, 2, 1)
        self.out = nn.ConvTranspose2d(64, 1, 4, 2, 1)

    def forward(self, z, condition):
        x = relu(self.dense(torch.cat([z, condition], dim=1)))
        x = relu(self.up(x.view(-1, 128, 7, 7)))
        return torch.tanh(self.out(x))


class Discriminator(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(1, 64, 4, 2, 1)
        self.second = nn.Conv2d(64, 128, 4, 2, 1)
        self.logit = nn.Linear(FEATURES, 1)
        self.projection = nn.Linear(CLASSES, FEATURES, bias=False)

    def forward(self, x, condition):
        x = leaky_relu(self.first(x), 0.2)
        x = leaky_relu(self.second(x), 0.2).flatten(1)
        projected = (self.projection(condition) * x).sum(1)
        return self.logit(x)[:, 0] + projected / FEATURES**0.5


def squared_norms(logits, inputs):
    """Squared norm of the gradient of each logit, by each of the inputs."""
    total = sum(logit.sum() for logit in logits)
    gradients = torch.autograd.grad(total, inputs, create_graph=True)
    return [g.square().flatten(1).sum(1) for g in gradients]


def discriminator_loss(arguments, discriminator, real, fake, condition):
    places = {"r1": real, "r2": fake}
    inputs = [places[name] for name in arguments.penalties if name in places]
    for value in inputs:
        value.requires_grad_()
    r = discriminator(real, condition)
    f = discriminator(fake, condition)
    loss = {
        "relativistic": lambda: softplus(f - r).mean(),
        "non_saturating": lambda: (softplus(-r) + softplus(f)).mean(),
        "wasserstein": lambda: (f - r).mean(),
    }[arguments.loss]()
    if inputs:
        loss = loss + 0.5 * sum(
            norm.mean() for norm in squared_norms([r, f], inputs)
        )
    if "gradient_penalty" in arguments.penalties:
        share = torch.rand(len(real), 1, 1, 1)
        between = (share * real + (1 - share) * fake).detach()
        between.requires_grad_()
        logits = discriminator(between, condition)
        (norm,) = squared_norms([logits], [between])
        loss = loss + 10 * ((norm + 1e-12).sqrt() - 1).square().mean()
    return loss


def generator_loss(arguments, discriminator, real, fake, condition):
    f = discriminator(fake, condition)
    if arguments.loss == "relativistic":
        with torch.no_grad():
            r = discriminator(real, condition)
        return softplus(r - f).mean()
    if arguments.loss == "non_saturating":
        return softplus(-f).mean()
    return -f.mean()


def make_step(arguments):
    generator, discriminator = Generator(), Discriminator()
    average = copy.deepcopy(generator).requires_grad_(False)
    if arguments.compile:
        generator, discriminator = map(
            torch.compile, (generator, discriminator)
        )
    optimizers = [
        torch.optim.Adam(network.parameters(), lr=2e-4, betas=(0.0, 0.99))
        for network in (generator, discriminator)
    ]

    def step(real, condition):
        real = real.clone()
        with torch.no_grad():
            fake = generator(torch.randn(len(real), LATENT_DIM), condition)
        loss = discriminator_loss(
            arguments, discriminator, real, fake, condition
        )
        optimizers[1].zero_grad(set_to_none=True)
        loss.backward()
        optimizers[1].step()
        real = real.detach()
        fake = generator(torch.randn(len(real), LATENT_DIM), condition)
        loss = generator_loss(arguments, discriminator, real, fake, condition)
        optimizers[0].zero_grad(set_to_none=True)
        loss.backward()
        optimizers[0].step()
        with torch.no_grad():
            for a, b in zip(
                average.parameters(), generator.parameters(), strict=True
            ):
                a.lerp_(b, 0.001)
        return loss

    parameters = sum(
        p.numel() for n in (generator, discriminator) for p in n.parameters()
    )
    return step, parameters


def main():
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    losses = ["relativistic", "non_saturating", "wasserstein"]
    add("--loss", choices=losses, default="relativistic")
    penalties = ["r1", "r2", "gradient_penalty"]
    add("--penalties", nargs="*", choices=penalties, default=["r1", "r2"])
    add("--batch-size", type=int, default=64)
    add("--steps", type=int, default=40)
    add("--warmup", type=int, default=5)
    add("--threads", type=int, default=os.cpu_count())
    add("--device", default="cpu")
    precisions = ["float32", "bfloat16"]
    add("--precision", choices=precisions, default="float32")
    add("--compile", action="store_true", help="torch.compile the networks")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    torch.set_default_device(arguments.device)
    if arguments.device == "cuda":  # By TensorFloat-32, as TensorFlow.
        torch.set_float32_matmul_precision("high")
    size = arguments.batch_size
    pictures = torch.rand(8 * size, 1, 28, 28) * 2 - 1
    labels = one_hot(torch.randint(CLASSES, (8 * size,)), CLASSES).float()
    step, parameters = make_step(arguments)
    times = []
    for number in range(arguments.warmup + arguments.steps):
        if number == arguments.warmup:
            cpu = time.process_time()
        start = number % 8 * size
        rows = slice(start, start + size)
        begin = time.perf_counter()
        with torch.autocast(
            torch.device(arguments.device).type,
            torch.bfloat16,
            arguments.precision == "bfloat16",
        ):
            loss = step(pictures[rows], labels[rows])
        loss.item()  # Waits for a GPU.
        times.append(time.perf_counter() - begin)
    cpu = time.process_time() - cpu
    median = statistics.median(times[arguments.warmup :])
    result = {
        "versions": {
            "python": platform.python_version(),
            "torch": torch.__version__,
        },
        "parameters": parameters,
        "samples_per_s": round(size / median, 1),
        "samples_per_cpu_s": round(size * arguments.steps / cpu, 1),
        "peak_rss_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        // 1024,
        "peak_gpu_mib": torch.cuda.max_memory_allocated() / 2**20
        if arguments.device == "cuda"
        else None,
        "precision": arguments.precision,
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
