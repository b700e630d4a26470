"""The command `keras-xmodal`: parses, calls, prints, and returns codes.

It lies beside the package, because importing anything of the package loads
TensorFlow: help, the version and wrong usage are answered without.
"""

import argparse
import contextlib
import faulthandler
import importlib.metadata
import importlib.util
import json
import logging
import os
import sys
import tempfile

# Of `keras_xmodal`, which the help must not import.
EPOCHS = 40
VALIDATION = 0.1
SHARD_SIZE = 4096
GENERATORS = ("vae", "gan")
FORMATS = ("saved_model", "serving", "litert", "onnx", "web")
QUANTIZATIONS = ("float16", "dynamic", "int8")


def command() -> int:
    """Run the command line in a process of its own: `main`, without logs."""
    with _held_log():
        return main()


def main(argv: list[str] | None = None) -> int:
    """Run the command line.

    Args:
        argv: Arguments without the program's name. Defaults to those of the
            process.

    Returns:
        0 for success, 1 for an error that is told in one line, or for an
        export that is not right. Wrong usage exits with 2, as `argparse` does.

    Example:
        ```python
        from keras_xmodal_cli import main

        try:
            main(["--version"])
        except SystemExit as exit:
            print(exit.code)  # 0
        ```
    """
    arguments = _parser().parse_args(argv)
    try:
        return arguments.run(arguments)
    except BrokenPipeError:  # Who reads has seen enough.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (ValueError, TypeError, OSError, ImportError, RuntimeError) as error:
        message = " ".join(str(error).split())
        print(f"keras-xmodal: error: {message}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("keras-xmodal: interrupted", file=sys.stderr)
        return 1


def _tell(arguments, result, text):
    """Print a result; 1 if something in it is wrong."""
    if arguments.json:
        text = json.dumps(result, indent=2, ensure_ascii=False)
    print(_printable(text), flush=True)
    return int(bool(result.get("errors")))


def _printable(text):
    """A text in which names of files are printed that are no text."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


@contextlib.contextmanager
def _held_log():
    """Hold what C++ logs; tell it if the command fails as nobody foresaw.

    TensorFlow logs while it is imported, whatever `TF_CPP_MIN_LOG_LEVEL` says,
    and LiteRT always greets. Who sets the variable to 0 sees everything.
    """
    if os.environ.get("TF_CPP_MIN_LOG_LEVEL") == "0":
        yield
        return
    for name in ("absl", "tensorflow"):
        logging.getLogger(name).setLevel(logging.ERROR)
    terminal = os.dup(2)
    faulthandler.enable(terminal)
    # Both stay open to the end of the process, whose handlers write to them.
    log = tempfile.TemporaryFile()  # noqa: SIM115
    os.dup2(log.fileno(), 2)
    sys.stderr = open(terminal, "w", buffering=1)  # noqa: SIM115
    try:
        yield
    except Exception:
        log.seek(0)
        sys.stderr.write(log.read().decode(errors="replace"))
        raise


def _parser():
    parser = argparse.ArgumentParser(
        prog="keras-xmodal", description="Cross-modal learning in Keras."
    )
    parser.add_argument(
        "--version",
        action="version",
        version=f"%(prog)s {importlib.metadata.version('keras-xmodal')}",
    )
    commands = parser.add_subparsers(title="commands", required=True)

    command = commands.add_parser(
        "demo",
        help="train, evaluate and export a model on the bundled pictures",
        description="Train an EmbeddingModel on the bundled emoji pictures and "
        "names, measure it on five kinds of unseen data, and write a run "
        "folder: model.keras, index.npz with the pictures in thumbnails.npz, "
        "saved_model/, litert/, report.json, "
        "retrieval.png, training.png, and examples to ask it with, "
        "picture.png and pictures.csv. About three minutes on two cores.",
        epilog="example: keras-xmodal demo --output RUN",
    )
    command.add_argument(
        "--output",
        default="keras-xmodal-demo",
        help="run folder to write; must not exist (default: %(default)s)",
    )
    command.add_argument(
        "--overwrite",
        action="store_true",
        help="replace the run folder if it is one",
    )
    command.add_argument(
        "--epochs",
        type=_positive_int,
        default=EPOCHS,
        help="training epochs (default: %(default)s)",
    )
    command.add_argument(
        "--seed", type=int, default=0, help="random seed (default: %(default)s)"
    )
    _add_quiet(command)
    _add_json(command)
    command.set_defaults(run=_run_demo)

    command = commands.add_parser(
        "train",
        help="train on your own pairs, from a CSV file or a folder",
        description="Check the data, split it by item, train an "
        "EmbeddingModel, measure it on the items that training did not see, "
        "and write a run folder to search, measure, export and play with. "
        "Taken are a CSV file, whose first row names the columns; a folder "
        "with one subfolder of files a class; and a folder of files with texts "
        "(.txt) of the same names beside them.",
        epilog="example: keras-xmodal train pairs.csv --modality image=photo "
        "--modality text=caption --output RUN",
    )
    command.add_argument(
        "pairs",
        metavar="PAIRS",
        nargs="?",
        help="CSV file or folder; not with --resume",
    )
    _add_modality(command, "of a folder, all that it has")
    _add_columns(command)
    command.add_argument(
        "--output",
        default="keras-xmodal-run",
        help="run folder to write; must not exist (default: %(default)s)",
    )
    command.add_argument(
        "--overwrite",
        action="store_true",
        help="replace the run folder if it is one",
    )
    command.add_argument(
        "--towers",
        default="auto",
        metavar="{auto,small,PRESET}",
        help="features that need no training; a small network beside them; or "
        "a preset of KerasHub, by its name or folder, frozen, alone or beside "
        "the features, whichever is better (default: %(default)s)",
    )
    command.add_argument(
        "--generator",
        choices=GENERATORS,
        help="train a generator as well, for `play`: a VAE, which makes any of "
        "pictures, texts and numbers of the others, or a GAN, which draws "
        "pictures of texts or numbers (default: none)",
    )
    part = command.add_mutually_exclusive_group()
    part.add_argument(
        "--validation",
        type=_share,
        metavar="SHARE",
        help="share of the items to measure on, above 0 and below 1 (default: "
        f"{VALIDATION})",
    )
    part.add_argument(
        "--split-column",
        metavar="COLUMN",
        help="column that says `train` or `validation` of each row, and "
        "perhaps `test`",
    )
    command.add_argument(
        "--group-column",
        metavar="COLUMN",
        help="column of groups, such as speakers, none of which is to be on "
        "both sides",
    )
    command.add_argument(
        "--duration",
        type=float,
        metavar="SECONDS",
        help="length of a recording that the model hears (default: of the "
        "longest one, at most 20)",
    )
    command.add_argument(
        "--epochs",
        type=_positive_int,
        help="training epochs at most (default: by the data)",
    )
    command.add_argument(
        "--seed", type=int, default=0, help="random seed (default: %(default)s)"
    )
    _add_skip_broken(command)
    command.add_argument(
        "--resume",
        metavar="RUN",
        help="go on with a training that was killed, from where it was; its "
        "arguments are those that it began with",
    )
    _add_quiet(command)
    _add_json(command)
    command.set_defaults(run=_run_train, parser=command)

    command = commands.add_parser(
        "search",
        help="search a run folder with words, pictures, recordings or clips",
        description="Find what fits some words, a picture (JPEG, PNG, GIF, "
        "BMP, WebP), a recording (WAV) or a clip (GIF, WebP; MP4 with the "
        "extra `video`), in a run folder. The content of a file tells what it "
        "is.",
        epilog='example: keras-xmodal search RUN "a red apple" photo.jpg -k 3; '
        "or JSON lines in, JSON lines out: "
        """printf '%s\\n' '"a tree"' '{"image": "photo.jpg", "text": "red"}' """
        "| keras-xmodal search RUN -",
    )
    command.add_argument("folder", metavar="RUN", help="run folder")
    command.add_argument(
        "queries",
        metavar="QUERY",
        nargs="+",
        help="words, or the path of a file; or `-`: read JSON lines from the "
        "standard input, each a string, or an object of a text, a path or "
        "numbers by modality, several of which are one query, and answer each "
        "at once with a line of JSON",
    )
    command.add_argument(
        "--in",
        dest="modality",
        metavar="MODALITY",
        help="modality to find (default: texts for files, these for texts)",
    )
    command.add_argument(
        "-k",
        type=_positive_int,
        default=5,
        help="number of hits (default: %(default)s)",
    )
    _add_json(command)
    command.set_defaults(run=_run_search)

    command = commands.add_parser(
        "index",
        help="add to what a run folder finds, remove from it, or rebuild it",
        description="Add files or the rows of CSV files to the index of a run "
        "folder, remove from it, or encode all of it again. The content of a "
        "file tells what it is. Until all is encoded, the old index is what "
        "others find; who is interrupted goes on where it was by the same "
        "command.",
        epilog="example: keras-xmodal index RUN photos/*.jpg more.csv "
        "--remove old.jpg",
    )
    command.add_argument("folder", metavar="RUN", help="run folder")
    command.add_argument(
        "sources",
        metavar="FILE",
        nargs="*",
        help="pictures, recordings or clips, or CSV files and folders, as "
        "`train` takes them",
    )
    _add_modality(command, "those that the run was trained on")
    _add_columns(command)
    command.add_argument(
        "--remove",
        nargs="+",
        default=[],
        metavar="ID",
        help="ids to remove, as a search shows them; each names a row of one "
        "modality alone: the captions of a file stay in the index of texts, "
        "where they are not named too",
    )
    command.add_argument(
        "--rebuild",
        action="store_true",
        help="encode again all that is there, such as after further training",
    )
    _add_skip_broken(command)
    _add_quiet(command)
    _add_json(command)
    command.set_defaults(run=_run_index, parser=command)

    command = commands.add_parser(
        "embed",
        help="embed a table of any size into files of Parquet",
        description="Embed the rows of a CSV file or of Parquet files, or the "
        "files of a folder, with the model of a run folder, into a folder of "
        "Parquet files with ids and embeddings. Few rows are in memory at a "
        "time. Who is interrupted goes on where it was by the same command; "
        "several at the same time share the work. Needs the extra `parquet`.",
        epilog="example: keras-xmodal embed RUN photos.csv --modality "
        "image=file --id-column file --output corpus",
    )
    command.add_argument("folder", metavar="RUN", help="run folder")
    command.add_argument(
        "table",
        metavar="TABLE",
        help="CSV file, Parquet file or folder of such, or folder of pictures, "
        "recordings or clips",
    )
    command.add_argument(
        "--output",
        default="keras-xmodal-corpus",
        help="folder to write, or to go on with (default: %(default)s)",
    )
    _add_modality(command, "those that the run was trained on")
    _add_columns(command, "the number of the row, of a folder the path")
    command.add_argument(
        "--shard-size",
        type=_positive_int,
        default=SHARD_SIZE,
        metavar="ROWS",
        help="rows of a file (default: %(default)s)",
    )
    _add_skip_broken(command)
    _add_quiet(command)
    _add_json(command)
    command.set_defaults(run=_run_embed)

    command = commands.add_parser(
        "evaluate",
        help="measure how well a run folder finds what a table says",
        description="Encode the items of a CSV file or folder with the model "
        "of a run folder, and measure retrieval among them in all directions, "
        "with chance beside it. Of several captions an item, each is a query "
        "of its own, and any of them an answer. Items that the run was "
        "trained on are counted and named.",
        epilog="example: keras-xmodal evaluate RUN pairs.csv --part validation",
    )
    command.add_argument("folder", metavar="RUN", help="run folder")
    command.add_argument(
        "data",
        metavar="PAIRS",
        help="CSV file, whose first row names the columns, or folder, as "
        "`train` takes it",
    )
    _add_modality(command, "those that the run was trained on")
    _add_columns(command)
    command.add_argument(
        "--split-column",
        metavar="COLUMN",
        help="column that says of each row in which part it is (default: the "
        "parts that the training of the run had)",
    )
    command.add_argument(
        "--part",
        metavar="NAME",
        help="part to measure, such as `validation` or `test` (default: all)",
    )
    _add_skip_broken(command)
    _add_quiet(command)
    _add_json(command)
    command.set_defaults(run=_run_evaluate)

    command = commands.add_parser(
        "play",
        help="serve a page to play in with a run folder",
        description="Serve a page on this machine to search a run folder by "
        "texts, pictures and sounds, and to draw and translate where it has a "
        "generator. Needs the extra `play`.",
        epilog="example: keras-xmodal play RUN --open",
    )
    command.add_argument("folder", metavar="RUN", help="run folder")
    command.add_argument(
        "--host",
        default="127.0.0.1",
        help="address to listen at (default: %(default)s, this machine alone)",
    )
    command.add_argument(
        "--port",
        type=_port,
        default=7860,
        help="port to listen at (default: %(default)s)",
    )
    command.add_argument(
        "--open",
        dest="open_browser",
        action="store_true",
        help="open the page in a browser",
    )
    command.set_defaults(run=_run_play)

    command = commands.add_parser(
        "export",
        help="write a trained model for servers and devices",
        description="Write the model of a run folder, with its index, for "
        "servers, devices and other runtimes, each format into a folder of "
        "its name. What is written is loaded again, run and compared with "
        "Keras before it counts.",
        epilog="example: keras-xmodal export keras-xmodal-demo "
        "--format saved_model,litert",
    )
    command.add_argument(
        "run_folder",
        metavar="RUN",
        help="folder with model.keras, and perhaps index.npz; or a .keras file",
    )
    command.add_argument(
        "--output",
        default="keras-xmodal-export",
        help="folder to write into (default: %(default)s)",
    )
    command.add_argument(
        "--format",
        type=_formats,
        default=("saved_model",),
        metavar=f"{{{','.join(FORMATS)}}}",
        help="one or several, with commas between (default: saved_model)",
    )
    command.add_argument(
        "--quantization",
        choices=QUANTIZATIONS,
        help="of the weights, for litert (default: float32) and web (default: "
        "float16)",
    )
    _add_data(
        command,
        "CSV file of examples to compare on, to measure recall on before and "
        "after, and ranges for int8",
    )
    command.add_argument(
        "--no-search",
        dest="search",
        action="store_false",
        help="leave the index out",
    )
    command.add_argument(
        "-k",
        type=_positive_int,
        help="number of hits of a served search (default: 10)",
    )
    command.add_argument(
        "--name",
        help="name of the model for a server (default: model)",
    )
    command.add_argument(
        "--model-version",
        type=_positive_int,
        help="its version for a server (default: 1)",
    )
    _add_json(command)
    command.set_defaults(run=_run_export)

    command = commands.add_parser(
        "verify",
        help="load and run what was exported once more",
        description="Load and run every export in a folder, at several batch "
        "sizes. Outputs must be finite, and a row the same in each batch; with "
        "--model, they must equal those of Keras.",
        epilog="example: keras-xmodal verify keras-xmodal-export "
        "--model keras-xmodal-demo",
    )
    command.add_argument(
        "path", metavar="PATH", help="folder of an export, or of several"
    )
    command.add_argument(
        "--model",
        metavar="RUN",
        help="run folder or .keras file of the model that was exported",
    )
    _add_data(command, "CSV file of examples to compare with Keras on")
    _add_json(command)
    command.set_defaults(run=_run_verify)

    command = commands.add_parser(
        "info",
        help="say what is in a run folder or a .keras file",
        description="Say what a run folder or a `.keras` file holds, from "
        "which data and versions, and how good it is. No model is loaded.",
        epilog="example: keras-xmodal info RUN",
    )
    command.add_argument(
        "path", metavar="RUN", help="run folder, or .keras file"
    )
    _add_json(command)
    command.set_defaults(run=_run_info)

    command = commands.add_parser(
        "doctor",
        help="say what is installed, and what is missing for what",
        description="Say which versions and devices there are, whether the "
        "package loads, and which extras and tools are missing for what.",
        epilog="example: keras-xmodal doctor",
    )
    _add_json(command)
    command.set_defaults(run=_run_doctor)
    return parser


def _run_demo(arguments):
    from keras_xmodal.demo import run

    report = run.run(
        arguments.output,
        epochs=arguments.epochs,
        seed=arguments.seed,
        overwrite=arguments.overwrite,
        quiet=arguments.quiet or arguments.json,
    )
    return _tell(arguments, report, run.format_report(report))


def _run_train(arguments):
    if (arguments.pairs is None) == (arguments.resume is None):
        arguments.parser.error("give PAIRS, or --resume RUN")
    from keras_xmodal.runs import train

    validation = arguments.validation
    if validation is None and arguments.split_column is None:
        validation = VALIDATION
    result = train.run(
        arguments.pairs,
        modalities=dict(arguments.modality),
        output=arguments.output,
        towers=arguments.towers,
        generator=arguments.generator,
        validation=validation,
        split_column=arguments.split_column,
        group_column=arguments.group_column,
        duration=arguments.duration,
        id_column=arguments.id_column,
        delimiter=arguments.delimiter,
        epochs=arguments.epochs,
        seed=arguments.seed,
        resume=arguments.resume,
        skip_broken=arguments.skip_broken,
        overwrite=arguments.overwrite,
        quiet=arguments.quiet or arguments.json,
    )
    return _tell(arguments, result, train.format_report(result))


def _run_index(arguments):
    sources, remove = arguments.sources, arguments.remove
    if not (sources or remove or arguments.rebuild):
        arguments.parser.error("give files, --remove or --rebuild")
    from keras_xmodal.runs import index

    result = index.run(
        arguments.folder,
        sources,
        modalities=dict(arguments.modality),
        ids=arguments.id_column,
        delimiter=arguments.delimiter,
        remove=remove,
        rebuild=arguments.rebuild,
        skip_broken=arguments.skip_broken,
        quiet=arguments.quiet or arguments.json,
    )
    return _tell(arguments, result, index.format_result(result))


def _run_embed(arguments):
    from keras_xmodal.runs import embed

    result = embed.run(
        arguments.folder,
        arguments.table,
        arguments.output,
        modalities=dict(arguments.modality),
        ids=arguments.id_column,
        delimiter=arguments.delimiter,
        shard_size=arguments.shard_size,
        skip_broken=arguments.skip_broken,
        quiet=arguments.quiet or arguments.json,
    )
    return _tell(arguments, result, embed.format_result(result))


def _run_evaluate(arguments):
    from keras_xmodal.runs import evaluate

    result = evaluate.run(
        arguments.folder,
        arguments.data,
        modalities=dict(arguments.modality),
        ids=arguments.id_column,
        delimiter=arguments.delimiter,
        split_column=arguments.split_column,
        part=arguments.part,
        skip_broken=arguments.skip_broken,
        quiet=arguments.quiet or arguments.json,
    )
    return _tell(arguments, result, evaluate.format_result(result))


def _run_play(arguments):
    from keras_xmodal import play, runs

    play.serve(
        runs.Run.load(arguments.folder),
        host=arguments.host,
        port=arguments.port,
        open_browser=arguments.open_browser,
    )
    return 0


def _run_info(arguments):
    from keras_xmodal.runs import info

    result = info.run(arguments.path)
    return _tell(arguments, result, info.format_info(result))


def _run_doctor(arguments):
    """Load the one module that waits for no TensorFlow by its path."""
    (package,) = importlib.util.find_spec(
        "keras_xmodal"
    ).submodule_search_locations
    spec = importlib.util.spec_from_file_location(
        "doctor", os.path.join(package, "runs", "doctor.py")
    )
    doctor = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(doctor)
    result = doctor.run()
    return _tell(arguments, result, doctor.format_result(result))


def _run_search(arguments):
    from keras_xmodal.runs import search

    options = {"k": arguments.k, "modality": arguments.modality}
    if arguments.queries != ["-"]:
        result = search.run(arguments.folder, arguments.queries, **options)
        return _tell(arguments, result, search.format_hits(result))
    failed = False
    answers = search.stream(arguments.folder, sys.stdin.buffer, **options)
    for answer in answers:
        failed |= "error" in answer
        print(json.dumps(answer), flush=True)
    return int(failed)


def _run_export(arguments):
    from keras_xmodal.runs import export

    result = export.run(
        arguments.run_folder,
        arguments.output,
        formats=arguments.format,
        quantization=arguments.quantization,
        data=arguments.data,
        modalities=dict(arguments.modality),
        search=arguments.search,
        k=arguments.k,
        name=arguments.name,
        version=arguments.model_version,
    )
    return _tell(arguments, result, export.format_exports(result))


def _run_verify(arguments):
    from keras_xmodal.runs import export

    result = export.verify(
        arguments.path,
        arguments.model,
        data=arguments.data,
        modalities=dict(arguments.modality),
    )
    return _tell(arguments, result, export.format_exports(result))


def _add_data(command, what):
    command.add_argument("--data", metavar="PAIRS.csv", help=what)
    _add_modality(command)


def _add_modality(command, default="the column of its name"):
    command.add_argument(
        "--modality",
        type=_modality,
        action="append",
        default=[],
        metavar="NAME=COLUMN",
        help="column of the CSV file that holds a modality, or several of "
        "numbers with commas between; once for each modality (default: "
        f"{default})",
    )


def _add_columns(command, default="rows of a file are one item"):
    command.add_argument(
        "--id-column",
        metavar="COLUMN",
        help=f"column that says which item a row shows (default: {default})",
    )
    command.add_argument(
        "--delimiter",
        default=",",
        metavar="CHARACTER",
        help="what stands between two cells (default: a comma)",
    )


def _add_skip_broken(command):
    command.add_argument(
        "--skip-broken",
        action="store_true",
        help="leave out files that are broken, and name them",
    )


def _add_quiet(command):
    command.add_argument(
        "--quiet", action="store_true", help="show no progress"
    )


def _add_json(command):
    command.add_argument(
        "--json", action="store_true", help="print the result as JSON"
    )


def _formats(text):
    formats = tuple(text.split(","))
    unknown = [form for form in formats if form not in FORMATS]
    if unknown or len(set(formats)) < len(formats):
        raise argparse.ArgumentTypeError(
            f"must be different ones of {', '.join(FORMATS)}, not {text!r}"
        )
    return formats


def _modality(text):
    name, _, columns = text.partition("=")
    if not name or not all(columns.split(",")):
        raise argparse.ArgumentTypeError(f"must be NAME=COLUMN, not {text!r}")
    return name, columns.split(",")


def _share(text):
    try:
        share = float(text)
    except ValueError:
        share = 0.0
    if not 0 < share < 1:
        raise argparse.ArgumentTypeError(
            f"must be above 0 and below 1, not {text!r}"
        )
    return share


def _port(text):
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError(
            f"must be an integer from 0 to 65535, not {text!r}"
        )
    return int(text)


def _positive_int(text):
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(
            f"must be a positive integer, not {text!r}"
        )
    return int(text)


if __name__ == "__main__":
    sys.exit(command())
