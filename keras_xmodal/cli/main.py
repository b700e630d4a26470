"""The command `keras-xmodal`: parses, calls, and turns errors into codes."""

import argparse
import json
import sys

from keras_xmodal._version import __version__
from keras_xmodal.cli import demo, search


def main(argv: list[str] | None = None) -> int:
    """Run the command line.

    Args:
        argv: Arguments without the program's name. Defaults to those of the
            process.

    Returns:
        0 for success, 1 for an error that is told in one line. Wrong usage
        exits with 2, as `argparse` does.

    Example:
        ```python
        from keras_xmodal.cli import main

        try:
            main(["--version"])
        except SystemExit as exit:
            print(exit.code)  # 0
        ```
    """
    arguments = _parser().parse_args(argv)
    try:
        result = arguments.run(arguments)
    except (ValueError, TypeError, OSError) as error:
        print(f"keras-xmodal: error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("keras-xmodal: interrupted", file=sys.stderr)
        return 1
    if arguments.json:
        print(json.dumps(result, indent=2, ensure_ascii=False))
    else:
        print(arguments.show(result))
    return 0


def _parser():
    parser = argparse.ArgumentParser(
        prog="keras-xmodal", description="Cross-modal learning in Keras."
    )
    parser.add_argument(
        "--version", action="version", version=f"%(prog)s {__version__}"
    )
    commands = parser.add_subparsers(title="commands", required=True)

    command = commands.add_parser(
        "demo",
        help="train, evaluate and export a model on the bundled pictures",
        description="Train an EmbeddingModel on the bundled emoji pictures and "
        "names, measure it on five kinds of unseen data, and write a run "
        "folder: model.keras, index.npz, saved_model/, litert/, report.json, "
        "retrieval.png and training.png. About three minutes on two cores.",
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
        default=demo.EPOCHS,
        help="training epochs (default: %(default)s)",
    )
    command.add_argument(
        "--seed", type=int, default=0, help="random seed (default: %(default)s)"
    )
    _add_json(command)
    command.set_defaults(run=_run_demo, show=demo.format_report)

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
    command.set_defaults(run=_run_search, show=search.format_hits)
    return parser


def _run_demo(arguments):
    return demo.run(
        arguments.output,
        epochs=arguments.epochs,
        seed=arguments.seed,
        overwrite=arguments.overwrite,
        quiet=arguments.json,
    )


def _run_search(arguments):
    return search.run(arguments.folder, arguments.query, k=arguments.k)


def _add_json(command):
    command.add_argument(
        "--json", action="store_true", help="print the result as JSON"
    )


def _positive_int(text):
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, not {value}")
    return value


if __name__ == "__main__":
    sys.exit(main())
