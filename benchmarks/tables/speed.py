"""What training costs: speed, memory, batches."""

from benchmarks.tables.results import number, read


def embedding_speed():
    """`EmbeddingModel` beside PyTorch."""
    yield (
        "InfoNCE, 2 cores, jit off",
        "ours / peer: min",
        "median",
        "max",
        "per CPU second, median",
        "floor",
    )
    for row in read("embedding_speed")["table"]:
        ratios = [f"{value:,.2f}" for value in row["ratio"].values()]
        cpu = f"{row['cpu_ratio']['median']:,.2f}"
        yield f"`{row['mode']}` ({row['runs']} runs)", *ratios, cpu, _floor(row)


def contrastive_speed():
    """InfoNCE in chunks, as a matrix, and in PyTorch."""
    yield (
        "batch",
        "scale",
        "chunks: ms / MiB",
        "matrix: ms / MiB",
        "open_clip: ms / MiB",
        "open_clip / chunks",
    )
    for row in read("contrastive_speed")["table"]:
        costs = (
            f"{row[way]['ms']:,.0f} / {row[way]['peak_mib']:,}"
            if way in row
            else ""
            for way in ("chunked", "whole", "torch")
        )
        ratio = f"{row['torch']['ratio']:.2f}" if "torch" in row else ""
        yield f"{row['batch']:,}", f"{row['scale']:.1f}", *costs, ratio


def grad_cache():
    """Steps on large batches."""
    yield "loss", "batch", "at once", "MiB", "of these embeddings", "s a step"
    for row in read("grad_cache")["table"]:
        micro = row["micro_batch_size"]
        yield (
            f"`{row['loss']}`" + ", `RematScope`" * bool(row.get("remat")),
            f"{row['batch_size']:,}",
            f"{micro:,}" if micro else "all",
            f"{row['mib']:,}",
            number(row["embeddings_mib"], 1),
            f"{row['seconds']:.2f}",
        )


def input_speed():
    """Rows of files, bare, preprocessed and in training."""
    yield "use", "rows/s", "CPU a row", "`input_wait`"
    for row in read("input_speed")["table"]:
        yield (
            row["use"],
            f"{row['rows_per_s']:,.0f}",
            f"{row['cpu_us']:,.0f} µs",
            "" if row["wait"] is None else number(row["wait"], 2),
        )


def gpu():
    """Steps up to the end of a GPU's memory."""
    yield (
        "model",
        "batch",
        "step",
        "in kernels",
        "examples/s",
        "GiB",
        "floor",
    )
    for run in read("gpu")["runs"]:
        for row in run["results"]:
            title = run["run"], f"{row['batch_size']:,}"
            if "samples_per_s" not in row:
                yield *title, row.get("error", "no memory left"), *[""] * 4
                continue
            kernels = row.get("device_milliseconds")
            peak = row.get("peak_mib") or row.get("peak_gpu_mib")
            milliseconds = 1000 * row["batch_size"] / row["samples_per_s"]
            yield (
                *title,
                f"{milliseconds:,.1f} ms",
                f"{kernels:,.1f} ms" if kernels else "–",
                f"{row['samples_per_s']:,.0f}",
                f"{peak / 1024:,.1f}" if peak else "–",
                _floor(row),
            )


def xla_gpu():
    """Steps on a GPU, beside the CPU."""
    yield (
        "model",
        "CPU",
        "GPU",
        "GPU, XLA",
        "difference: GPU",
        "GPU, XLA",
        "PyTorch 2.11 on the GPU",
    )
    results = read("xla_gpu")
    models = {
        "EmbeddingModel": "`EmbeddingModel`, InfoNCE",
        "VAEModel": "`VAEModel`, MoPoE, MLP",
        "VAEModel, convolutions": "`VAEModel`, MoPoE, convolutions",
        "GANModel": "`GANModel`, relativistic, R1 and R2",
    }
    clip, _, gan = results["peers"]
    milliseconds = 1000 * 256 / gan["samples_per_s"]
    peers = {
        "EmbeddingModel": f"{clip['step_ms']['median']} ms (open_clip's loss)",
        "GANModel": f"{milliseconds:.1f} ms",
    }
    for model, title in models.items():
        runs = [run for run in results["runs"] if run["model"] == model]
        times = [f"{run['milliseconds']:.1f} ms" for run in runs]
        differences = [f"{run['difference']:.0e}" for run in runs[1:]]
        differences = [text.replace("e-0", "e-") for text in differences]
        yield title, *times, *differences, peers.get(model, "")


def vae_speed_mlp():
    """`VAEModel` beside MultiVae, dense networks."""
    yield (
        "objective",
        "`fit`, min / median / max",
        "`step`, median",
        "`fit`, per CPU second",
        "floor",
        "samples/s",
        "MiB, ours / peer",
    )
    rows = {
        (row["configuration"], row["mode"]): row
        for row in read("vae_speed_mlp")["table"]
    }
    for (objective, mode), row in rows.items():
        if mode == "fit":
            ratios = [f"{value:,.2f}" for value in row["ratio"].values()]
            step = rows[objective, "step"]["ratio"]["median"]
            yield objective, " / ".join(ratios), f"{step:,.2f}", *_speed(row)


def vae_speed_conv():
    """`VAEModel` beside MultiVae, convolutions."""
    yield (
        "objective",
        "`fit`, ours / peer",
        "per CPU second",
        "floor",
        "samples/s",
        "MiB, ours / peer",
    )
    for row in read("vae_speed_conv")["table"]:
        ratio = f"{row['ratio']['median']:,.2f}"
        yield row["configuration"], ratio, *_speed(row)


def gan_speed():
    """`GANModel` beside PyTorch."""
    yield (
        "loss",
        "mode",
        "ours / peer: min",
        "median",
        "max",
        "per CPU second",
        "floor",
        "samples/s",
        "MiB, ours / peer",
    )
    for row in read("gan_speed")["table"]:
        ratios = [f"{value:,.2f}" for value in row["ratio"].values()]
        yield row["configuration"], row["mode"], *ratios, *_speed(row)


def _speed(row):
    """Per CPU second, share of the floor, samples, and memory."""
    yield f"{row['cpu_ratio']['median']:,.2f}"
    yield _floor(row)
    yield f"{row['ours_samples_per_s']['median']:,.0f}"
    sides = [row[f"{side}_peak_rss_mib"] for side in ("ours", "peer")]
    yield " / ".join(f"{side['median']:,.0f}" for side in sides)


def _floor(row):
    """Share of our time that a step needs at least, if it was counted."""
    return f"{row['floor']:,.2f}" if "floor" in row else "–"
