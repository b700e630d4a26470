"""What a query, an index, a file or a server costs."""

from benchmarks.tables.results import number, read


def index_speed(argument=None):
    """Indexes by their rows, a text query in all, or recall by modality."""
    results = read("index_speed")
    if argument == "query":
        yield "in all", "of which the text tower", "the search"
        names = ("in_all_ms", "encode_ms", "search_ms")
        yield [f"{results['text query'][name]:.1f} ms" for name in names]
        return
    if argument == "recall":
        found = results["recall"]
        yield f"{found['rows']:,} rows", "the same modality", "another one"
        for row in found["table"]:
            yield row["index"], number(row["same"], 3), number(row["other"], 3)
        return
    yield (
        "rows",
        "index",
        "one / 100 queries",
        "recall",
        "add a row / search after it",
        "remove",
        "build",
        "load / map",
        "MiB",
    )

    def times(row, *names, unit="ms"):
        values = [number(row[f"{name}_{unit}"], 2) for name in names]
        return f"{' / '.join(values)} {unit}"

    for row in results["table"]:
        yield (
            f"{row['rows']:,}",
            row["index"],
            times(row, "one", "hundred"),
            number(row["recall"], 3),
            times(row, "add", "search_after_add"),
            times(row, "remove"),
            times(row, "build", unit="s"),
            times(row, "load", "map", unit="s"),
            f"{row['more_mib']:,.0f}",
        )


def corpus():
    """A corpus by three engines, killed on the way."""
    yield (
        "engine",
        "rows",
        "killed",
        "each once",
        "largest error",
        "rows/s",
        "between shards",
        "MB of memory",
        "MB of files",
    )
    engines = {"own": "`embed_corpus`", "ray": "Ray", "beam": "Beam"}
    for row in read("corpus")["table"]:
        yield (
            engines[row["engine"]],
            f"{row['rows']:,}",
            str(row["killed"]),
            "yes" if row["each_item_once"] else "**no**",
            f"{row['max_abs_error']:.0e}",
            f"{row['rows_per_s']:,}",
            f"{row['rows_per_s_after_first']:,}"
            if row["rows_per_s_after_first"]
            else "–",
            f"{row['peak_mb']:,}",
            f"{row['megabytes']:,}",
        )


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
