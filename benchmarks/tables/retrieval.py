"""What models find."""

import numpy as np

from benchmarks.tables.results import KEYS, number, read, spread

DEMO_BATCH_SIZE = 227


def demo():
    """What the demo's recipe finds, three seeds."""
    tests = {
        "test_keyword": "unseen captions: keywords",
        "test_language": "unseen captions: Italian",
        "test_style": "seen concepts, unseen style",
        "test_concept": "unseen concepts",
        "test_style_concept": "unseen concepts and style",
    }
    yield (
        "test",
        "direction",
        "EmbeddingModel",
        "ridge from raw pixels",
        "chance R@1",
    )
    last = None
    for row in read("emoji_retrieval_bundled")["summary"]:
        if (row["loss"], row["batch_size"]) != ("info_nce", DEMO_BATCH_SIZE):
            continue
        test = f"{tests[row['split']]} ({row['num_candidates']})"
        yield (
            "" if row["split"] == last else test,
            row["direction"].replace("_", " "),
            *_short_recalls(row["mean"], row["baseline"]),
            number(row["chance_R@1"], 4),
        )
        last = row["split"]


def real_data():
    """What larger models find, three seeds."""
    yield "test", "direction", " / ".join(KEYS), "baseline", "chance R@1"
    ridge = "ridge from EfficientNet-Lite0 to MiniLM"
    emoji = {
        "new style": "1,299 emoji in an unseen style",
        "unseen concepts (google)": "300 unseen concepts",
        "unseen concepts, new style": "300 unseen concepts, unseen style",
    }
    for row in read("emoji_retrieval_pretrained")["summary"]:
        if row["question"] in emoji and row["direction"] == "image to text":
            model, baseline = _short_recalls(row["mean"], row["baseline"])
            yield (
                emoji[row["question"]],
                row["direction"],
                model,
                f"{baseline}: {ridge}",
                number(row["chance_R@1"], 4),
            )
            ridge = "the same"
    speech = "spoken_prompts, 100 unseen transcripts"
    motion = "emoji_motion, unseen combinations"
    spoken = "emoji, unseen voice and style"
    unpaired = ", never trained on, through the texts"
    for test, data, direction, how in (
        (
            "100 unseen transcripts, 14 minutes of speech to learn from",
            *(speech, "speech to text", ""),
        ),
        ("", speech, "text to speech", ""),
        (
            "1,362 unseen pairs of thing and motion",
            *(motion, "video to text", ""),
        ),
        (
            "46 spoken emoji, unseen voice and style, images and speech never "
            "compared in training",
            *(spoken, "speech to image", unpaired),
        ),
        ("", spoken, "image to speech", unpaired),
    ):
        rows = {
            row["measure"]: row
            for row in read("directions")["rows"]
            if (row["family"], row["data"], row["direction"])
            == ("EmbeddingModel", data, direction)
        }
        model, baseline = _short_recalls(
            *(
                {key: rows[key + how][side] for key in KEYS}
                for side in ("model", "baseline")
            )
        )
        first = rows[f"R@1{how}"]
        name = first["baseline_name"] if test else "the same"
        chance = number(first["chance"], 4)
        yield test, direction, model, f"{baseline}: {name}", chance


def _short_recalls(*sides):
    """Recall at all `KEYS`, to two digits, of each side."""
    for side in sides:
        yield " / ".join(number(side[key], 2) for key in KEYS)


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


def _recalls(row):
    yield row["direction"].replace("_", " ")
    for side in ("mean", "baseline"):
        yield " / ".join(f"{row[side][key]:,.3f}" for key in KEYS)
    yield f"{row['chance_R@1']:,.4f}"


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
