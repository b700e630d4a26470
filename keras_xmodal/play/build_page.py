"""The page, as Gradio's blocks."""

import functools
import pathlib

from keras_xmodal.play.answers import AUTOMATIC
from keras_xmodal.play.cards import error, escape, hint
from keras_xmodal.play.drawing import NUM_VARIANTS
from keras_xmodal.play.queries import takes

TEMPLATES = pathlib.Path(__file__).parent / "templates"
_NUM_EXAMPLES = 5


def build_page(answers):
    """Build the page.

    Args:
        answers: `Answers`.

    Returns:
        `gradio.Blocks`, which shows pictures and plays sound where it is
        served with the routes of `make_app`.
    """
    gr = import_gradio()
    name = pathlib.Path(answers.run.path).resolve().name
    # Uploads of an hour ago are removed every hour, and all at the end.
    with gr.Blocks(
        title=name,
        analytics_enabled=False,
        fill_width=True,
        delete_cache=(3600, 3600),
    ) as page:
        gr.HTML(_header(answers.run, name))
        with gr.Tab("Search"):
            _add_search(gr, answers)
        if answers.drawing is not None and answers.drawing.targets:
            with gr.Tab("Draw"):
                _add_drawing(gr, answers)
        if answers.found:
            with gr.Tab("Map"):
                gr.HTML(
                    html_template=_read("map.html"),
                    js_on_load=_read("map.js"),
                    elem_id="map",
                )
        with gr.Tab("About"):
            gr.HTML(_about(answers.run))
    return page


def import_gradio():
    """Import Gradio, or say which extra brings it."""
    try:
        import gradio
    except ImportError as missing:
        raise ImportError(
            "`kx.play.serve` needs Gradio: pip install 'keras-xmodal[play]'"
        ) from missing
    return gradio


def _read(name):
    return (TEMPLATES / name).read_text(encoding="utf-8")


def _bar(gr, kinds, label, **options):
    """Where words are typed, files dropped and speech spoken."""
    sources = []
    if set(kinds) & {"image", "speech", "video"}:
        sources.append("upload")
    if "speech" in kinds:
        sources.append("microphone")
    bar = gr.MultimodalTextbox(
        label=label,
        file_count="multiple",
        sources=sources,
        lines=1,
        max_lines=3,
        max_plain_text_length=100_000,
        **options,
    )

    async def refuse_others(path):
        if not _is_upload(bar, path):
            raise gr.Error("No such upload.", print_exception=False)
        return path

    # Gradio would copy any file of this machine there, or load an address.
    bar.async_move_resource_to_block_cache = refuse_others
    return bar


def _is_upload(bar, path):
    uploads = pathlib.Path(bar.GRADIO_CACHE).resolve()
    return pathlib.Path(path).resolve().is_relative_to(uploads)


def _parts(bar, query):
    """Words and files of what a bar holds; no path that a visitor made up."""
    query = query or {}
    files = [f for f in query.get("files", ()) if _is_upload(bar, f)]
    return query.get("text", "").strip(), files


def _add_search(gr, answers):
    run, found = answers.run, list(answers.found)
    bar = _bar(
        gr,
        run.kinds.values(),
        "Ask",
        placeholder=_sentence([*_words_first(run), "or two at once"]),
        submit_btn="Search",
        elem_id="query",
    )
    with gr.Row(elem_classes="options"):
        modality = gr.Radio(
            [AUTOMATIC, *found],
            value=AUTOMATIC,
            label="Find",
            visible=len(found) > 1,
            elem_classes="pills",
        )
        weight = gr.Slider(
            0,
            1,
            value=0.5,
            step=0.05,
            label="Weight of the file",
            visible=False,
            elem_id="weight",
        )
    examples = _examples(run)
    if examples:
        tried = gr.Dataset(
            label="Try",
            components=["textbox"],
            samples=[[text] for text in examples],
            type="values",
            elem_classes="examples",
        )
    result = gr.HTML(hint("The nearest items will be here."), elem_id="found")
    asked = gr.State([])

    def search(query, modality, weight):
        text, files = _parts(bar, query)
        which = "the file" if text else "the second file"
        return (
            answers.search(text, files, modality, weight),
            gr.update(
                visible=bool(text) + len(files) == 2,
                label=f"Weight of {which}",
            ),
            files,
        )

    def search_files(query, modality, weight, asked):
        """As soon as a file is there, or gone; words wait for Enter."""
        if _parts(bar, query)[1] == asked:
            return gr.skip(), gr.skip(), gr.skip()
        return search(query, modality, weight)

    inputs, outputs = [bar, modality, weight], [result, weight, asked]
    listen = functools.partial(_listen, outputs=outputs)
    listen(bar.submit, search, inputs)
    listen(modality.input, search, inputs)
    listen(weight.release, search, inputs)
    listen(bar.change, search_files, [*inputs, asked], progress="hidden")
    if examples:
        _listen(
            tried.click, lambda sample: {"text": sample[0]}, [tried], bar
        ).then(search, inputs, outputs, queue=False, api_visibility="private")


def _add_drawing(gr, answers):
    run, drawing = answers.run, answers.drawing
    taken = [name for name in drawing.given if name in run.kinds]
    kinds = [run.kinds[name] for name in taken]
    what = [takes(run)[name] for name in taken]
    free = "; or nothing, for anything" if drawing.draws_freely else ""
    start_bar = _bar(
        gr,
        kinds,
        "From",
        placeholder=_sentence(what) + free,
        submit_btn=False,
        elem_id="start",
        visible=bool(drawing.given),
    )
    if drawing.follows_one and len(what) > 1:
        gr.HTML(
            hint(
                f"Of several at once, such as {' and '.join(what[:2])}, each "
                "drawing follows one alone; its seed decides which."
            )
        )
    end_bar = _bar(
        gr,
        kinds,
        "To, if it shall be a way from one to the other",
        placeholder=_sentence(what),
        submit_btn=False,
        elem_id="end",
        visible=bool(drawing.given),
    )
    with gr.Row(elem_classes="options"):
        to = gr.Radio(
            drawing.targets,
            value=drawing.targets[0],
            label="Make",
            visible=len(drawing.targets) > 1,
            elem_classes="pills",
        )
        seed = gr.Number(
            0,
            label="Seed",  # without bounds, for `draw` says what is wrong
            min_width=90,
            elem_id="seed",
        )
        other = gr.Button("Other seed", elem_id="other-seed")
        draw = gr.Button("Draw", variant="primary", elem_id="draw")
    result = gr.HTML(hint("What is made will be here."), elem_id="made")

    def make(start, end, to, seed):
        ends = _parts(start_bar, start), _parts(end_bar, end)
        return answers.draw(*ends, to, seed)

    inputs = [start_bar, end_bar, to, seed]
    for trigger in (
        draw.click,
        start_bar.submit,
        end_bar.submit,
        seed.submit,
    ):
        _listen(trigger, make, inputs, result)
    _listen(
        other.click, lambda seed: (seed or 0) + NUM_VARIANTS, [seed], seed
    ).then(make, inputs, result, queue=False, api_visibility="private")


def _listen(trigger, function, inputs, outputs, progress="minimal"):
    """Answer an event, the last one where they come faster than answers."""
    return trigger(
        function,
        inputs,
        outputs,
        # Without the queue, whose stream loses one of two events at a time.
        queue=False,
        trigger_mode="always_last",
        show_progress=progress,
        api_visibility="private",
    )


def _examples(run):
    """Some texts of the run."""
    texts = [
        known["text"]
        for modality, kind in run.kinds.items()
        if kind == "text"
        for known in run.items.get(modality, {}).values()
        if "text" in known
    ]
    step = max(1, len(texts) // _NUM_EXAMPLES)
    return texts[step // 2 :: step][:_NUM_EXAMPLES]


def _words_first(run):
    parts = takes(run)
    return [
        parts[n] for n in sorted(parts, key=lambda n: run.kinds[n] != "text")
    ]


def _sentence(parts):
    text = ", ".join(parts)
    return text[:1].upper() + text[1:]


def _header(run, name):
    sizes = " · ".join(
        f"{escape(modality)} {size:,}"
        for modality, size in run.index.sizes.items()
    )
    return f"<header><h1>{escape(name)}</h1><p>{sizes}</p></header>"


def _about(run):
    report = run.report
    parts = []
    if report.get("retrieval"):
        parts.append("<h2>How good it is</h2>" + _retrieval(report))
    if report.get("plan"):
        rows = "".join(
            "<tr>"
            + "".join(f"<td>{escape(part)}</td>" for part in row)
            + "</tr>"
            for row in report["plan"]
        )
        parts.append(
            "<h2>How it was made</h2><div class='scroll'><table><thead><tr>"
            "<th>what</th><th>choice</th><th>why</th></tr></thead>"
            f"<tbody>{rows}</tbody></table></div>"
        )
    facts = {**report.get("data", {}), **report.get("versions", {})}
    rows = "".join(
        f"<tr><th scope='row'>{escape(key)}</th><td>{escape(value)}</td></tr>"
        for key, value in facts.items()
    )
    if rows:
        parts.append(
            "<h2>Of what</h2><div class='scroll'><table>"
            f"<tbody>{rows}</tbody></table></div>"
        )
    if not parts:
        return error("This run has no report.")
    return f'<div class="about">{"".join(parts)}</div>'


def _retrieval(report):
    columns = ["R@1", "R@5", "R@10", "baseline_R@1", "chance_R@1"]
    head = "".join(
        f"<th>{escape(column.replace('_', ' '))}</th>" for column in columns
    )
    rows = ""
    for split, directions in report["retrieval"].items():
        for direction, values in directions.items():
            cells = "".join(
                f"<td>{values[column]:.3f}</td>"
                if column in values
                else "<td></td>"
                for column in columns
            )
            rows += (
                f"<tr><th scope='row'>{escape(split.replace('_', ' '))}</th>"
                f"<td>{escape(direction.replace('_', ' '))}</td>{cells}</tr>"
            )
    return (
        "<div class='scroll'><table><thead><tr><th>test</th><th>direction</th>"
        f"{head}</tr></thead><tbody>{rows}</tbody></table></div>"
    )
