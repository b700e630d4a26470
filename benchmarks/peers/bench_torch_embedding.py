"""Time a dual encoder in PyTorch with open_clip's own losses.

    python bench_torch_embedding.py --loss clip --batch-size 256 --steps 60

The baseline of `benchmarks/speed/embedding.py`, which has the same towers:

- image 32x32x3: convolutions with 32, 64 and 128 filters (3x3, stride 2, same,
  bias, ReLU), global average pool, dense 128;
- text, 16 tokens of 2000: embedding 128, mean over tokens, dense 256 ReLU,
  dense 128.

Both outputs L2-normalised; learned temperature (and bias, for SigLIP); Adam
1e-3; float32; data in memory. Prints one JSON line. A sample is a pair.
`samples_per_s` is that of the median step, `loop_samples_per_s` that of all
steps over the wall time of the loop, `samples_per_cpu_s` over the CPU time of
all threads. Needs torch and open-clip-torch: see the
README beside it.
"""

import argparse
import json
import platform
import resource
import statistics
import time

import torch
import torch.nn.functional as F  # noqa: N812
from torch import nn

if torch.version.cuda is None:
    # A CUDA build of torchvision imports beside a CPU-only torch once its
    # C++ operators are declared. They are not used here.
    _library = torch.library.Library("torchvision", "DEF")
    for _op in ("nms", "qnms"):
        _library.define(
            f"{_op}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
        )

import open_clip
from open_clip.loss import ClipLoss, SigLipLoss

VOCABULARY_SIZE = 2000
NUM_TOKENS = 16
NUM_BATCHES = 8  # In memory; the steps go round.


class ImageTower(nn.Module):
    def __init__(self, embedding_dim):
        super().__init__()
        self.net = nn.Sequential(
            nn.Conv2d(3, 32, 3, 2, 1),
            nn.ReLU(),
            nn.Conv2d(32, 64, 3, 2, 1),
            nn.ReLU(),
            nn.Conv2d(64, 128, 3, 2, 1),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(128, embedding_dim),
        )

    def forward(self, images):
        return F.normalize(self.net(images), dim=-1)


class TextTower(nn.Module):
    def __init__(self, embedding_dim):
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY_SIZE, 128)
        self.net = nn.Sequential(
            nn.Linear(128, 256), nn.ReLU(), nn.Linear(256, embedding_dim)
        )

    def forward(self, tokens):
        return F.normalize(self.net(self.embedding(tokens).mean(1)), dim=-1)


def parse_arguments():
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--loss", choices=["clip", "siglip"], default="clip")
    parser.add_argument("--batch-size", type=int, default=256)
    parser.add_argument("--embedding-dim", type=int, default=128)
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--warmup", type=int, default=10)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", default="cpu")
    parser.add_argument(
        "--precision",
        choices=["float32", "bfloat16"],
        default="float32",
        help="bfloat16 by autocast",
    )
    parser.add_argument(
        "--compile", action="store_true", help="torch.compile the towers"
    )
    parser.add_argument(
        "--loss-only",
        action="store_true",
        help="time forward and backward of the loss alone",
    )
    return parser.parse_args()


def measure(arguments):
    """Train; return times of steps, wall and CPU, last loss, parameters."""
    device = torch.device(arguments.device)
    batch_size, dim = arguments.batch_size, arguments.embedding_dim
    num_examples = NUM_BATCHES * batch_size
    images = torch.rand(num_examples, 3, 32, 32, device=device)
    tokens = torch.randint(
        0, VOCABULARY_SIZE, (num_examples, NUM_TOKENS), device=device
    )
    image_tower = ImageTower(dim).to(device)
    text_tower = TextTower(dim).to(device)
    if arguments.compile:
        image_tower = torch.compile(image_tower)
        text_tower = torch.compile(text_tower)
    log_scale = nn.Parameter(torch.tensor(2.6592, device=device))
    bias = nn.Parameter(torch.tensor(-10.0, device=device))
    parameters = [*image_tower.parameters(), *text_tower.parameters()]
    parameters += [log_scale, bias]
    optimizer = torch.optim.Adam(parameters, lr=1e-3)
    if arguments.loss == "clip":
        criterion, extra = ClipLoss(), ()
    else:
        criterion, extra = SigLipLoss(), (bias,)

    def embeddings(step):
        if arguments.loss_only:
            return [
                F.normalize(
                    torch.randn(batch_size, dim, device=device), dim=-1
                ).requires_grad_()
                for _ in range(2)
            ]
        start = step * batch_size % num_examples
        rows = slice(start, start + batch_size)
        with torch.autocast(
            device.type, torch.bfloat16, arguments.precision == "bfloat16"
        ):
            return image_tower(images[rows]), text_tower(tokens[rows])

    def synchronize():
        if device.type == "cuda":
            torch.cuda.synchronize()

    times = []
    for step in range(arguments.warmup + arguments.steps):
        if step == arguments.warmup:
            synchronize()
            wall, cpu = time.perf_counter(), time.process_time()
        if arguments.loss_only:
            anchors, candidates = embeddings(step)
            synchronize()
            start = time.perf_counter()
        else:
            synchronize()
            start = time.perf_counter()
            optimizer.zero_grad(set_to_none=True)
            anchors, candidates = embeddings(step)
        loss = criterion(
            anchors.float(), candidates.float(), log_scale.exp(), *extra
        )
        loss.backward()
        if not arguments.loss_only:
            optimizer.step()
        synchronize()
        if step >= arguments.warmup:
            times.append(time.perf_counter() - start)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return times, wall, cpu, loss.item(), sum(p.numel() for p in parameters)


def main():
    arguments = parse_arguments()
    torch.set_num_threads(arguments.threads)
    if arguments.device == "cuda":  # By TensorFloat-32, as TensorFlow.
        torch.set_float32_matmul_precision("high")
    torch.manual_seed(0)
    times, wall, cpu, loss, parameters = measure(arguments)
    median = statistics.median(times)
    batch_size = arguments.batch_size
    num_samples = batch_size * len(times)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    result = {
        "peer": "torch+open_clip",
        "versions": {
            "python": platform.python_version(),
            "torch": torch.__version__,
            "open_clip": open_clip.__version__,
        },
        "loss": arguments.loss,
        "batch_size": batch_size,
        "loss_only": arguments.loss_only,
        "compile": arguments.compile,
        "device": arguments.device,
        "threads": arguments.threads,
        "parameters": parameters,
        "samples_per_s": round(batch_size / median, 1),
        "loop_samples_per_s": round(num_samples / wall, 1),
        "samples_per_cpu_s": round(num_samples / cpu, 1),
        "step_ms": {
            "min": round(1e3 * min(times), 2),
            "median": round(1e3 * median, 2),
            "max": round(1e3 * max(times), 2),
        },
        "peak_rss_mib": peak,
        "peak_gpu_mib": torch.cuda.max_memory_allocated() / 2**20
        if arguments.device == "cuda"
        else None,
        "precision": arguments.precision,
        "final_loss": loss,
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
