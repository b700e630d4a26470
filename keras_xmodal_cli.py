"""The command `keras-xmodal`: parses, calls, prints, and returns codes.

It lies beside the package, because importing anything of the package loads
TensorFlow: help, the version and wrong usage are answered without.
"""

import argparse
import contextlib
import faulthandler
import importlib.metadata
import json
import logging
import os
import sys
import tempfile

# Of `keras_xmodal`, which the help must not import.
EPOCHS = 40
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
    and LiteRT always greets. Who sets the variable sees everything.
    """
    if "TF_CPP_MIN_LOG_LEVEL" in os.environ:
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
    _add_json(command)
    command.set_defaults(run=_run_demo)

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
    return parser


def _run_demo(arguments):
    from keras_xmodal.demo import run

    report = run.run(
        arguments.output,
        epochs=arguments.epochs,
        seed=arguments.seed,
        overwrite=arguments.overwrite,
        quiet=arguments.json,
    )
    return _tell(arguments, report, run.format_report(report))


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
    command.add_argument(
        "--modality",
        type=_modality,
        action="append",
        default=[],
        metavar="NAME=COLUMN",
        help="column of the CSV file that holds a modality, or several of "
        "numbers with commas between; once for each modality (default: the "
        "column of its name)",
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


def _positive_int(text):
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(
            f"must be a positive integer, not {text!r}"
        )
    return int(text)


if __name__ == "__main__":
    sys.exit(command())
