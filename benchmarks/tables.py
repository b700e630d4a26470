"""Writes the tables of README.md from `results/`: a table is its JSON.

    python -m benchmarks.tables

A table begins below a line `<!-- table: NAME -->`, and is the function of that
name here.
"""

import json
import re

import numpy as np

from benchmarks.catalogue import BENCHMARKS
from benchmarks.settings import RESULTS, ROOT

README = ROOT / "README.md"
KEYS = ("R@1", "R@5", "R@10")
RECIPES = {
    "relativistic": "relativistic + R1 + R2",
    "non_saturating": "non-saturating",
}


def main():
    """Write the tables."""
    README.write_text(written(README.read_text("utf-8")), encoding="utf-8")


def written(text):
    """The README with its tables as the results have them."""
    return re.sub(
        r"(<!-- table: (\w+)(?: (\w+))? -->\n)(?:\|.*\n)*",
        lambda m: m[1] + "\n".join(_table(m[2], m[3])) + "\n",
        text,
    )


def _table(name, argument):
    function = globals()[name]
    return markdown(function(argument) if argument else function())


def markdown(rows):
    """Lines of a table whose first row is its head."""
    head, *rows = rows
    return [_line(head), "|" + "---|" * len(head), *map(_line, rows)]


def _line(cells):
    return "|" + "".join(f" {cell} |" if cell else " |" for cell in cells)


def read(name):
    """Results of a benchmark."""
    return json.loads((RESULTS / f"{name}.json").read_text("utf-8"))


def facts_of(name):
    """Date, commit and machine of results, or None where they do not say."""
    path = RESULTS / f"{name}.json"
    return read(name).get("run") if path.exists() else None


def number(value, digits):
    """A number without the zero before its point."""
    return re.sub(r"^(-?)0\.", r"\1.", f"{value:,.{digits}f}")


def spread(mean, deviation, digits, short=True):
    """Mean and standard deviation."""
    if short:
        return f"{number(mean, digits)} ± {number(deviation, digits)}"
    return f"{mean:,.{digits}f} ± {deviation:,.{digits}f}"


def runs():
    """When the results were made, of which code and beside what."""
    yield "results", "date", "commit", "machine", "load before", "minutes"
    for benchmark in BENCHMARKS:
        facts = facts_of(benchmark.name)
        if facts is None:
            yield f"`{benchmark.name}`", *["–"] * 5
            continue
        yield (
            f"`{benchmark.name}`",
            facts["date"],
            facts["commit"],
            f"{facts['cores']} cores, {facts['cpu']}",
            f"{facts['load_before']:.1f}",
            f"{facts['minutes']:,.1f}",
        )


# Speed.


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


def query_speed():
    """CPU of one query."""
    yield "one query", "CPU"
    for row in read("query_speed")["table"]:
        yield row["use"], f"{row['milliseconds']:,.2f} ms"


def search_stdin():
    """Queries of one process of the command, one line after the other."""
    yield "query", "median", "p99", "largest", "first"
    for row in read("search_stdin")["table"]:
        names = ("median_ms", "p99_ms", "largest_ms", "first_ms")
        yield row["query"], *(f"{row[name]:.0f} ms" for name in names)


def own_data():
    """`keras-xmodal train` beside a script, on a part that neither has seen."""
    sides = "recipe", "by hand", "ridge", "chance"
    yield "data", *sides
    runs = read("own_data")["runs"]
    for name in dict.fromkeys(run["data"] for run in runs):
        own = [run for run in runs if run["data"] == name]
        values = {key: [run[key] for run in own] for key in sides}
        found = (spread(np.mean(v), np.std(v), 2) for v in values.values())
        yield name, *found


def on_device():
    """The demo's LiteRT files."""
    rows = read("on_device")["table"]
    splits = list(rows[0]["R@1"])
    yield "files", "MB", "share", "picture", "text", *splits
    for row in rows:
        yield (
            f"`{row['quantization']}`",
            f"{row['megabytes']:.1f}",
            f"{100 * row['share']:.0f}%",
            *(f"{row['milliseconds'][m]:.2f} ms" for m in ("image", "text")),
            *(f"{100 * row['R@1'][split]:.1f}" for split in splits),
        )


def browser():
    """The demo's model in a browser."""
    yield (
        "towers",
        "rows",
        "MB loaded",
        "load: median / slowest",
        "text: p50 / p99",
        "picture: p50 / p99",
        "photo: p50 / p99",
        "as in Python",
    )
    for row in read("browser")["table"]:
        yield (
            f"`{row['quantization']}`",
            f"{row['rows']:,}",
            f"{row['megabytes']:.1f}",
            f"{row['load_seconds']:.1f} / {row['slowest_load_seconds']:.1f} s",
            *(
                f"{row[kind]['p50']:.0f} / {row[kind]['p99']:.0f} ms"
                for kind in ("text", "picture", "photo")
            ),
            f"{row['equal']} of {row['queries']}",
        )


def heavy_models(cell):
    """A tower and smaller ones in its place, and what they recall."""
    results = read("heavy_models")
    rows = [row for row in results["table"] if row["cell"] == cell]
    recalls = [
        row["recall"].get("test_style") or row["recall"]["unseen voice"]
        for row in rows
    ]
    yield (
        "model",
        "parameters",
        "MB",
        "batch 1, p50 / p99",
        "batch 32",
        "MiB",
        *(
            f"{direction}, R@1 (chance {number(found['chance_R@1'][0], 4)})"
            for direction, found in recalls[0].items()
        ),
        *(f"{direction}, R@5" for direction in recalls[0]),
    )
    for row, recall in zip(rows, recalls, strict=True):
        cost = results["latency"][f"{cell}, {row['tower']}, {row['model']}"]
        yield (
            row["model"],
            f"{row['parameters']:,}",
            f"{row['bytes'] / 1e6:,.2f}",
            *(
                f"{number(times['p50'], 3)} / {number(times['p99'], 3)} ms"
                for times in cost["milliseconds"].values()
            ),
            number(cost["resident_mib"], 1),
            *(
                spread(*found[key], 3)
                for key in ("R@1", "R@5")
                for found in recall.values()
            ),
        )


def heavy_questions():
    """R@1 of each of the demo's questions, mean of both directions."""

    def means(row, key):
        for found in row["recall"].values():
            values = [each[key][0] for each in found.values()]
            yield number(sum(values) / len(values), 3)

    rows = read("heavy_models")["table"]
    rows = [row for row in rows if row["cell"] != "speech"]
    yield "tower", "model", *rows[0]["recall"]
    for row in rows:
        yield row["tower"], row["model"], *means(row, "R@1")
    yield "", "chance", *means(rows[0], "chance_R@1")


def search_speed():
    """Text queries against an index inside a SavedModel."""
    yield (
        "rows x dims",
        "loads in",
        "resident",
        "first request",
        "after warm-up",
        "C, batch 1: p50 / p99",
        "batch 32",
        "Python, batch 1",
        "batch 32",
        "faiss, exact, batch 1",
        "IVF, batch 1 (recall)",
    )

    def times(facts, size):
        return f"{facts[size]['p50']:,.1f} / {facts[size]['p99']:,.1f} ms"

    for row in read("search_speed")["table"]:
        c, peer = row["c"], row.get("faiss")
        title = f"{row['rows']:,} x {row['dim']}"
        if row["rows_of_an_id"] > 1:
            title += f", {row['rows_of_an_id']} an id"
        yield (
            title,
            f"{c['load_s']:.1f} s",
            f"{c['resident_mb']:,} MB",
            f"{c['first']:,.0f} ms",
            f"{c['first_after_warm_up']:,.1f} ms",
            times(c, "1"),
            times(c, "32"),
            times(row["python"], "1"),
            times(row["python"], "32"),
            times(peer["flat"], "1") if peer else "",
            f"{times(peer['ivf'], '1')} ({number(peer['recall'], 2)})"
            if peer
            else "",
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


# Retrieval.


def emoji_larger(name):
    """Larger sets of emoji, by the name of their results."""
    yield (
        "question",
        "candidates",
        "direction",
        *KEYS,
        "baseline",
        "chance R@1",
    )
    for row in read(f"emoji_retrieval_{name}")["summary"]:
        yield (
            row.get("question", row.get("split")),
            str(row["num_candidates"]),
            row["direction"].replace("_", " "),
            *(
                spread(row["mean"][key], row["std"][key], 3, short=False)
                for key in KEYS
            ),
            " / ".join(f"{row['baseline'][key]:,.2f}" for key in KEYS),
            f"{row['chance_R@1']:,.4f}",
        )


def interpolation():
    """Weights between the start and the end of a fine-tuning."""
    rows = read("emoji_interpolation")["summary"]
    yield list(rows[0])
    for row in rows:
        yield [
            number(row["alpha"], 2),
            *(spread(*row[name], 3) for name in list(row)[1:]),
        ]


def emoji_memory():
    """What a memory gives, beside larger batches, the baseline and chance."""
    results = read("emoji_memory")
    questions = ("test_style", "test_concept")
    yield "batch", "memory", "used", "unseen style", "unseen concepts"
    for row in results["summary"]:
        memory, used = "none", ""
        if row["memory_size"]:
            memory = f"{row['memory_size']:,}"
            used = "once full"
            if row["warm_up"]:
                used = f"from epoch {row['warm_up'] + 1} on"
        figures = (spread(*row[question], 3) for question in questions)
        yield row["batch_size"], memory, used, *figures
    for name, row in (("ridge", "baseline"), ("chance", "chance")):
        figures = (number(results[q][row], 3) for q in questions)
        yield name, "", "", *figures


def emoji_bundled():
    """The bundled sample, by loss and batch size."""
    yield (
        "loss",
        "batch",
        "split",
        "direction",
        "EmbeddingModel",
        "ridge baseline",
        "chance R@1",
    )
    for row in read("emoji_retrieval_bundled")["summary"]:
        yield row["loss"], str(row["batch_size"]), row["split"], *_recalls(row)


def emoji_reference():
    """All concepts, in a new style."""
    yield "direction", "EmbeddingModel", "ridge baseline", "chance R@1"
    for row in read("emoji_retrieval_reference")["summary"]:
        yield tuple(_recalls(row))


def _recalls(row):
    yield row["direction"].replace("_", " ")
    for side in ("mean", "baseline"):
        yield " / ".join(f"{row[side][key]:,.3f}" for key in KEYS)
    yield f"{row['chance_R@1']:,.4f}"


# Servers.


def serving_load():
    """Counts, latency and memory, with and without batching."""
    runs = {name: read(f"serving_load_{name}") for name in ("off", "on")}
    yield "batching", *runs
    for head, value in {
        "right answers": lambda r: f"{r['right']:,}",
        "wrong answers": lambda r: str(r["wrong"]),
        "malformed, refused": lambda r: f"{r['refused']:,}",
        "of these, 100 MB": lambda r: str(r["refused_100_mb"]),
        "neither answered nor refused": lambda r: str(sum(r["other"].values())),
        "crashes": lambda r: str(r["crashes"]),
        "requests a second": lambda r: number(r["requests_per_second"], 0),
        "examples a second": lambda r: number(r["examples_per_second"], 0),
        "ms, p50 / p99 / p99.9": lambda r: " / ".join(
            number(r["ms"][key], 0) for key in ("p50", "p99", "p99.9")
        ),
        "s without a server": lambda r: " + ".join(
            number(value, 0) for value in r["seconds_of_outages"]
        ),
        "MiB resident, after 10 s, at most, at the end": lambda r: "; ".join(
            f"{life['after_10_s']:,.0f}, {life['largest']:,.0f}, "
            f"{life['median_of_last_fifth']:,.0f}"
            for life in r["memory_mib"]
        ),
    }.items():
        yield head, *map(value, runs.values())


# Directions, challenges, pictures.


def directions_search():
    """Search in every direction."""
    yield "direction", "data", *KEYS, "baseline", "chance"
    found = {}
    for row in read("directions")["rows"]:
        measure, comma, how = row["measure"].partition(", ")
        if row["family"] == "EmbeddingModel" and measure in KEYS:
            key = row["direction"] + comma + how, row["data"]
            found.setdefault(key, []).append(row)
    for key, rows in found.items():
        yield (
            *key,
            *(spread(r["model"], r["deviation"], 3, False) for r in rows),
            " / ".join(number(row["baseline"], 2) for row in rows),
            " / ".join(number(row["chance"], 3) for row in rows),
        )


def directions_translation():
    """What is made of one modality from another."""
    yield (
        "direction",
        "model",
        "data",
        "measure",
        "value",
        "baseline",
        "chance",
        "real data",
    )
    rows = read("directions")["rows"]
    made = [row for row in rows if row["family"] == "VAEModel"]
    made += [row for row in rows if row["family"] == "GANModel"]
    for row in made:
        if "why" in row:  # there is no such cell
            continue
        far = row["baseline"] > 10
        digits = 1 if row["model"] > 1.5 else 3
        yield (
            row["direction"],
            row["family"],
            row["data"],
            row["measure"],
            spread(row["model"], row["deviation"], digits, short=False),
            f"{number(row['baseline'], 0 if far else 2)} "
            f"({row['baseline_name']})",
            number(row["chance"], 3) if "chance" in row else "",
            number(row["real"], 2) if "real" in row else "",
        )


def challenges(cell):
    """One of the challenges."""
    rows = read("challenges")["rows"]
    return challenge([row for row in rows if row["cell"] == cell])


def challenge(rows):
    """Rows of one challenge: value / baseline."""
    columns, lines = {}, {}
    for row in rows:
        column = row["measure"]
        if "chance" in row:
            column = f"{row['direction']}, {column}"
        limits = [
            f"{name} {row[key]:.2g}"
            for key, name in (("chance", "chance"), ("real", "real data"))
            if key in row
        ]
        columns.setdefault(column, limits)
        lines.setdefault(row["data"], {})[column] = _challenge(row)
    titles = [
        f"{name} ({', '.join(limits)})" if limits else name
        for name, limits in columns.items()
    ]
    yield "", *titles
    for name, cells in lines.items():
        yield name, *(cells.get(column, "") for column in columns)


def _challenge(row):
    """Mean and standard deviation, and the baseline."""
    if row["model"] > 1000:
        return f"{row['model']:,.0f}"
    text = f"{row['model']:.3f}"
    if "deviation" in row:
        text += f" ± {row['deviation']:.3f}"
    if "baseline" in row:
        text += f" / {row['baseline']:.2f}"
    return text


def pictures_64():
    """Pictures of 64 pixels, drawn from captions."""
    families = ("GANModel", "VAEModel")
    yield "captions", "measure", *families, "baseline", "real pictures"
    rows = {
        (row["data"], row["measure"], row["family"]): row
        for row in read("pictures_64")["rows"]
    }
    data = {
        "emoji_large, names of the training": "names of the training (1,299)",
        "emoji_large, unseen concepts": "unseen concepts (300)",
    }
    measures = {
        "caption found among 100 by a judge": ("R-precision", 3),
        "kernel distance, judge's features": ("kernel distance", 4),
    }
    for captions, title in data.items():
        for measure, (name, digits) in measures.items():
            sides = [rows[captions, measure, family] for family in families]
            yield (
                title,
                name,
                *(spread(r["model"], r["deviation"], digits) for r in sides),
                number(sides[0]["baseline"], digits),
                number(sides[0]["real"], digits),
            )
            title = ""


# Quality.


def vae_quality(dataset):
    """`VAEModel` beside MultiVae."""
    results = read(f"vae_quality_{dataset}")
    baseline = results["baselines"][dataset]
    copy = baseline["class_copy"]
    sizes = list(copy["conditional"])
    names = [f"conditional_{size}" for size in sizes]
    names += ["joint", "chance_joint", "log_likelihood"]
    yield (
        "missing",
        "objective",
        *(f"{size} given" for size in sizes),
        "from the prior",
        "its chance",
        "log-likelihood",
    )
    rows = {
        (row["fraction"], row["objective"], row["side"]): row
        for row in results["table"]
    }
    order = ("MVAE", "MMVAE", "MoPoE", "MVTCAE", "MMVAEPlus")
    order += ("JMVAE", "TELBO", "CVAE")
    for fraction in sorted({key[0] for key in rows}):
        for objective in order:
            if (fraction, objective, "ours") not in rows:
                continue
            sides = [
                rows.get((fraction, objective, side))
                for side in ("ours", "peer")
            ]
            yield (
                str(fraction),
                objective,
                *(
                    " / ".join(_quality(r, name) for r in sides)
                    for name in names
                ),
            )
    yield (
        "",
        "class copy, class means",
        *(f"{copy['conditional'][size]:,.2f}" for size in sizes),
        *(f"{copy[name]:,.2f}" for name in ("joint", "chance_joint")),
        f"{baseline['class_means_log_likelihood']:,.1f}",
    )


def _quality(row, name):
    if row is None:
        return "no"  # The peer does not train so.
    if name not in row:
        return "–"
    digits = 1 if name == "log_likelihood" else 2
    return spread(row[name], row[f"{name}_std"], digits, short=False)


def gan_points():
    """Rings and grids of Gaussians."""
    yield "task", "loss", "modes", "high quality", "KL from equal shares"
    results = read("gan_quality_points")
    rows = _measures(results)
    for task in ("ring", "grid"):
        for recipe, title in RECIPES.items():
            yield (
                task,
                title,
                f"{_covered(results, task, recipe)} of "
                f"{rows[task, 'num_modes', recipe]['mean']:.0f}",
                _value(rows[task, "high_quality", recipe], 3),
                _divergence(rows[task, "kl", recipe]),
            )


def gan_stacked():
    """Stacked-MNIST."""
    yield "loss", "modes of 1,000", "KL from equal shares"
    results = read("gan_quality_stacked")
    rows = _measures(results)
    for recipe, title in RECIPES.items():
        covered = _covered(results, "stacked", recipe)
        yield title, covered, _divergence(rows["stacked", "kl", recipe])


def gan_fashion():
    """Fashion-MNIST by class."""
    yield "measure", *RECIPES.values(), "real pictures"
    rows = _measures(read("gan_quality_fashion"))
    measures = {
        "Frechet distance": {"frechet_distance": 2},
        "kernel distance": {"kernel_distance": 2},
        "precision / recall": {"precision": 3, "recall": 3},
        "density / coverage": {"density": 2, "coverage": 3},
        "classification accuracy score": {"classification_accuracy": 3},
    }
    for title, names in measures.items():
        cells = [
            " / ".join(
                _value(rows["fashion", name, recipe], digits)
                for name, digits in names.items()
            )
            for recipe in RECIPES
        ]
        real = [rows["fashion", f"floor: {n}", "relativistic"] for n in names]
        cells.append(
            " / ".join(
                _value(row, 3) if row["std"] else number(row["mean"], 3)
                for row in real
            )
        )
        yield title, *cells


def gan_emoji():
    """Emoji from captions."""
    yield (
        "captions",
        *RECIPES.values(),
        "training picture of the nearest caption",
        "real pictures",
    )
    rows = _measures(read("gan_quality_emoji"))
    questions = {
        "of the training (681)": "seen captions",
        "unseen, seen concepts (960)": "seen concepts, unseen captions",
        "unseen concepts (150)": "unseen concepts",
    }
    for title, question in questions.items():
        made = [
            rows["emoji", f"{question}, generated: r_precision", recipe]
            for recipe in RECIPES
        ]
        others = [
            rows["emoji", f"{question}, {kind}: r_precision", "relativistic"]
            for kind in ("of the nearest caption", "real")
        ]
        yield (
            title,
            *(_value(row, 3) for row in made),
            *(number(row["mean"], 3) for row in others),
        )


def _measures(results):
    return {
        (row["task"], row["measure"], row["recipe"]): row
        for row in results["table"]
    }


def _value(row, digits):
    return spread(row["mean"], row["std"], digits)


def _divergence(row):
    return _value(row, 4 if row["mean"] < 0.1 else 2)


def _covered(results, task, recipe):
    """Modes that each seed covers."""
    counts = [
        str(run["report"]["num_covered"])
        for run in results["runs"]
        if (run["task"], run["recipe"]) == (task, recipe)
    ]
    return ", ".join(counts)


if __name__ == "__main__":
    main()
