"""What models make."""

from benchmarks.tables.results import number, read, spread

RECIPES = {
    "relativistic": "relativistic + R1 + R2",
    "non_saturating": "non-saturating",
}


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
