"""All benchmarks: how each file of `results/` comes about."""

from typing import NamedTuple

from benchmarks import needs


class Benchmark(NamedTuple):
    """One command, and what it leaves.

    Attributes:
        name: String; the results are `results/<name>.json`.
        command: String, what follows `python -m benchmarks.`. `{out}` is the
            file to write, `{work}` a folder that a second run finds again,
            `{demo}`, `{peers}` and `{kserve}` what `needs` prepares.
        minutes: Number, about how long it takes on two cores.
        needs: Names of functions of `needs`.
        timed: Whether it measures speed, for which the machine must be idle.
    """

    name: str
    command: str
    minutes: float
    needs: tuple[str, ...] = ()
    timed: bool = False

    def arguments(self, folder):
        """Arguments of Python, with the paths below a folder."""
        paths = {
            "out": folder / f"{self.name}.partial",
            "work": folder / self.name,
            "demo": folder / "demo",
            "peers": needs.python_of(folder / "peers"),
            "kserve": needs.python_of(folder / "kserve"),
        }
        module, *options = self.command.split()
        options = [option.format(**paths) for option in options]
        return ["-m", f"benchmarks.{module}", *options]


_WITH_PEER = "--peer-python {peers} --wait 60 --out {out} --jit"
_PEER = f"{_WITH_PEER} off"
_CELLS = "--work {work} --out {out}"
_GAN = f"gan {_CELLS} --tasks"
_VAE = f"vae {_CELLS} --jobs 2 --peer-python {{peers}} --datasets"
_EMOJI = "emoji --out {out} --data"
_DEMO_LOSS = "--losses info_nce --batch-sizes 227"
_EMOJI_LARGE, _MNIST = "emoji_large", "mnist_fashion"
_PROMPTS, _CLIPS = "spoken_prompts", "moving_mnist"

BENCHMARKS = (
    Benchmark(
        "embedding_speed",
        f"speed.embedding {_PEER} --losses info_nce --repetitions 5 --epochs 5",
        4,
        ("peers",),
        timed=True,
    ),
    Benchmark(
        "vae_speed_mlp",
        f"speed.vae {_PEER} --repetitions 2",
        17,
        ("peers",),
        timed=True,
    ),
    Benchmark(
        "vae_speed_mlp_dataset",
        f"speed.vae {_PEER} --modes dataset step --repetitions 2",
        17,
        ("peers",),
        timed=True,
    ),
    Benchmark(
        "vae_speed_mlp_jit",
        f"speed.vae {_WITH_PEER} on --modes fit --repetitions 1 "
        "--configurations MVAE MMVAE-10 MoPoE CVAE",
        5,
        ("peers",),
        timed=True,
    ),
    Benchmark(
        "vae_speed_conv",
        f"speed.vae {_PEER} --architectures conv --modes fit --repetitions 1 "
        "--steps 60 --epochs 2",
        10,
        ("peers",),
        timed=True,
    ),
    Benchmark(
        "gan_speed",
        f"speed.gan {_PEER} --repetitions 2",
        7,
        ("peers",),
        timed=True,
    ),
    Benchmark(
        "contrastive_speed",
        "speed.contrastive --peer-python {peers} --out {out}",
        15,
        ("peers",),
        timed=True,
    ),
    Benchmark("grad_cache", "speed.grad_cache --out {out}", 15, timed=True),
    Benchmark(
        "index_speed",
        "speed.indexes --out {out}",
        40,
        ("indexes",),
        timed=True,
    ),
    Benchmark("corpus", "corpus --out {out}", 15, ("engines",), timed=True),
    Benchmark("input_speed", "speed.input --out {out}", 5, timed=True),
    Benchmark("query_speed", "speed.query --out {out}", 2, timed=True),
    Benchmark(
        "search_stdin",
        "speed.search_stdin {demo} --out {out}",
        2,
        ("demo",),
        timed=True,
    ),
    Benchmark(
        "search_speed",
        "speed.search --peer-python {peers} --out {out}",
        20,
        ("peers", "compiler"),
        timed=True,
    ),
    Benchmark(
        "on_device",
        "on_device {demo} --out {out}",
        3,
        ("demo", "quantizer"),
        timed=True,
    ),
    Benchmark(
        "browser",
        "browser {demo} --out {out}",
        10,
        ("demo", "chromium", "quantizer"),
        timed=True,
    ),
    *(
        Benchmark(
            f"serving_load_{batching}",
            f"serving_load --batching {batching} --kserve-python {{kserve}} "
            "--out {out}",
            12,
            ("kserve",),
            timed=True,
        )
        for batching in ("off", "on")
    ),
    Benchmark("gpu", f"gpu {_CELLS}", 30, ("gpu",), timed=True),
    Benchmark("xla_gpu", "speed.gpu --out {out}", 5, ("gpu",), timed=True),
    Benchmark("own_data", f"own_data {_CELLS}", 25),
    Benchmark("emoji_retrieval_bundled", f"{_EMOJI} bundled", 8),
    Benchmark(
        "emoji_retrieval_reference", f"{_EMOJI} reference {_DEMO_LOSS}", 2
    ),
    Benchmark(
        "emoji_retrieval_larger",
        f"{_EMOJI} larger {_DEMO_LOSS} --epochs 15",
        5,
        (_EMOJI_LARGE,),
    ),
    Benchmark(
        "emoji_retrieval_pretrained",
        "emoji.pretrained --out {out}",
        15,
        (_EMOJI_LARGE, "towers"),
    ),
    Benchmark(
        "emoji_interpolation",
        "emoji.interpolation --out {out}",
        15,
        (_EMOJI_LARGE, "towers"),
    ),
    Benchmark("emoji_memory", "emoji.memory --out {out}", 10),
    Benchmark(
        "directions",
        f"directions {_CELLS}",
        50,
        (_EMOJI_LARGE, _MNIST, _PROMPTS, _CLIPS, "sacrebleu"),
    ),
    Benchmark(
        "challenges",
        f"challenges {_CELLS}",
        130,
        (_EMOJI_LARGE, _MNIST, _PROMPTS),
    ),
    Benchmark(
        "heavy_models",
        f"heavy_models {_CELLS}",
        60,
        ("quantizer",),
        timed=True,
    ),
    Benchmark("pictures_64", f"pictures {_CELLS}", 80, (_EMOJI_LARGE,)),
    Benchmark("gan_quality_points", f"{_GAN} ring grid", 30),
    Benchmark("gan_quality_stacked", f"{_GAN} stacked", 45, (_MNIST,)),
    Benchmark("gan_quality_fashion", f"{_GAN} fashion", 45, (_MNIST,)),
    Benchmark("gan_quality_emoji", f"{_GAN} emoji", 40),
    Benchmark(
        "vae_quality_mnist_fashion",
        f"{_VAE} mnist_fashion",
        60,
        (_MNIST, "peers"),
    ),
    Benchmark(
        "vae_quality_poly_mnist", f"{_VAE} poly_mnist", 180, (_MNIST, "peers")
    ),
)
