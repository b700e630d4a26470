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
        result, text = arguments.run(arguments)
    except (ValueError, TypeError, OSError, ImportError, RuntimeError) as error:
        print(f"keras-xmodal: error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("keras-xmodal: interrupted", file=sys.stderr)
        return 1
    if arguments.json:
        print(json.dumps(result, indent=2, ensure_ascii=False))
    else:
        print(text)
    return int(bool(result.get("errors")))


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
        help="search a run folder with words or a picture",
        description="Find the pictures that fit some words, or the names that "
        "fit a picture, in the run folder of `keras-xmodal demo`.",
    )
    command.add_argument("folder", metavar="RUN", help="run folder of a demo")
    command.add_argument(
        "query", metavar="QUERY", help="words, or the path of a picture file"
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
    return report, run.format_report(report)


def _run_search(arguments):
    from keras_xmodal.demo import search

    result = search.run(arguments.folder, arguments.query, k=arguments.k)
    return result, search.format_hits(result)


def _run_export(arguments):
    from keras_xmodal.demo import export

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
    return result, export.format_exports(result)


def _run_verify(arguments):
    from keras_xmodal.demo import export

    result = export.verify(
        arguments.path,
        arguments.model,
        data=arguments.data,
        modalities=dict(arguments.modality),
    )
    return result, export.format_exports(result)


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
