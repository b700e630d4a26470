"""Search the index of this folder with words or pictures.

It needs NumPy and ai-edge-litert, and Pillow for pictures; no TensorFlow:

    python search.py "a red apple" photo.jpg
"""

import argparse
import contextlib
import functools
import json
import pathlib
import re
import sys
import unicodedata
import zipfile
import zlib

import numpy as np

_PICTURES = {".png", ".jpg", ".jpeg", ".gif", ".bmp", ".webp"}
# Scripts that are written without spaces: the ideographs of Unicode 15.
_HAN = re.compile(
    "[\u2e80-\u2e99\u2e9b-\u2ef3\u2f00-\u2fd5\u3005\u3007\u3021-\u3029"
    "\u3038-\u303b\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufa6d\ufa70-\ufad9"
    "\U00016fe2-\U00016fe3\U00016ff0-\U00016ff1\U00020000-\U0002a6df"
    "\U0002a700-\U0002b739\U0002b740-\U0002b81d\U0002b820-\U0002cea1"
    "\U0002ceb0-\U0002ebe0\U0002f800-\U0002fa1d\U00030000-\U0003134a"
    "\U00031350-\U000323af]"
)
# Capitals of Unicode 14, which TensorFlow leaves as they are.
_CAPITALS = {"\u2c2f", "\ua7c0", "\ua7d0", "\ua7d6", "\ua7d8"}
_CAPITALS |= {chr(code) for code in range(0x10570, 0x10596)}


def main(arguments=None):
    """Run the command line; returns the exit code."""
    parser = argparse.ArgumentParser(
        description="Search the index of this folder with words or pictures."
    )
    parser.add_argument(
        "query",
        nargs="*",
        metavar="QUERY",
        help="words, or a picture file; those that begin with - after --",
    )
    parser.add_argument("-k", type=int, default=10, help="hits (default: 10)")
    parser.add_argument(
        "--modality", help="what to find (default: another than the query's)"
    )
    parser.add_argument(
        "--query-modality", help="what the query is, where it is not clear"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    given = sys.argv[1:] if arguments is None else list(arguments)
    end = given.index("--") if "--" in given else len(given)
    options = parser.parse_intermixed_args(given[:end])
    options.query += given[end + 1 :]
    if not options.query:
        parser.error("the following arguments are required: QUERY")
    if options.k < 1:
        parser.error(f"-k must be at least 1, not {options.k}")
    try:
        search = Search(pathlib.Path(__file__).parent)
        results = [
            search.search(
                query, options.k, options.modality, options.query_modality
            )
            for query in options.query
        ]
    except (ImportError, OSError, ValueError) as error:
        sys.stderr.write(f"search.py: error: {error}\n")
        return 1
    if options.json:
        text = json.dumps(results, ensure_ascii=False)
        _print(text if _printable(text) == text else json.dumps(results))
        return 0
    for result in results:
        _print(result["query"])
        for hit in result["hits"]:
            _print(f"{hit['score']:7.3f}  {hit['id']}")
    return 0


def _print(text):
    sys.stdout.write(_printable(text) + "\n")


def _printable(text):
    """A text with escapes for what the encoding of stdout lacks."""
    encoding = sys.stdout.encoding or "utf-8"
    return text.encode(encoding, "backslashreplace").decode(encoding)


class Search:
    """The files of an export, and the index beside them.

    Args:
        folder: Path of the folder.
    """

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        file = self.folder / "report.json"
        with _whole(file):
            report = json.loads(file.read_text("utf-8"))
            self.endpoints = {
                endpoint["input"]["name"]: {"name": name, **endpoint}
                for name, endpoint in report["endpoints"].items()
                if name.startswith("embed")
            }
        file = self.folder / "index" / "index.npz"
        with (
            _whole(file),
            file.open("rb") as stream,
            np.load(stream, allow_pickle=False) as arrays,
        ):
            self.rows = {
                str(name): (arrays[f"embeddings_{i}"], arrays[f"ids_{i}"])
                for i, name in enumerate(arrays["modalities"])
            }
        self._runners = {}

    def search(self, query, k=10, modality=None, query_modality=None):
        """Find what is nearest to words or to the picture of a path.

        Args:
            query: String.
            k: Number of hits.
            modality: What to find. Defaults to another than the query's.
            query_modality: What the query is, where it is not clear.

        Returns:
            Dict of `query`, `query_modality`, `modality` and `hits`, a list
            of dicts of `id` and `score`, best first.
        """
        if not query.strip():
            raise ValueError(f"a query must hold a word. Received: {query!r}")
        path = pathlib.Path(query)
        is_picture = path.suffix.lower() in _PICTURES
        able = [
            name
            for name, endpoint in self.endpoints.items()
            if (
                image_size(endpoint) if is_picture else "tokenizers" in endpoint
            )
        ]
        source = _choose("--query-modality", query_modality, able)
        others = [name for name in self.rows if name != source]
        target = _choose(
            "--modality", modality, list(self.rows), others or [source]
        )
        if is_picture:
            size = image_size(self.endpoints[source])
            x = read_picture(path, size)[np.newaxis]
        else:
            x = self.tokenize([query], source)
        ids, scores = self.find(self.embed(x, source)[0], k, target)
        return {
            "query": query,
            "query_modality": source,
            "modality": target,
            "hits": [
                {"id": id_text(found), "score": float(score)}
                for found, score in zip(ids, scores, strict=True)
            ],
        }

    def tokenize(self, texts, modality):
        """Token ids of texts, those of all tokenizers side by side."""
        parts = []
        for tokenizer in self.endpoints[modality]["tokenizers"]:
            vocabulary = self._vocabulary(tokenizer["vocabulary"])
            rows = [token_ids(text, vocabulary, tokenizer) for text in texts]
            parts.append(pad(rows, tokenizer["sequence_length"]))
        dtype = self.endpoints[modality]["input"]["dtype"]
        return np.concatenate(parts, axis=1).astype(dtype)

    def embed(self, x, modality):
        """Embeddings of preprocessed examples, of length 1."""
        if modality not in self._runners:
            from ai_edge_litert.interpreter import Interpreter

            endpoint = self.endpoints[modality]
            interpreter = Interpreter(str(self.folder / endpoint["file"]))
            runner = interpreter.get_signature_runner(endpoint["name"])
            self._runners[modality] = interpreter, runner
        embeddings = self._runners[modality][1](**{modality: x})["embedding"]
        if not np.isfinite(embeddings).all():
            raise ValueError("the model knows nothing of the query: it is NaN")
        largest = np.abs(embeddings).max(axis=1, keepdims=True)
        embeddings = embeddings / np.where(largest > 0, largest, 1)
        norm = np.sqrt(np.sum(np.square(embeddings), axis=1, keepdims=True))
        return embeddings / np.where(norm > 0, norm, 1)

    def find(self, embedding, k, modality):
        """Ids of the nearest rows and their cosines, each id once."""
        rows, ids = self.rows[modality]
        if embedding.shape != rows.shape[1:]:
            raise ValueError(
                f"the index must have rows of dim {len(embedding)}. Received: "
                f"rows of dim {rows.shape[1]}"
            )
        codes, num_items = self._codes(modality)
        near = rows @ embedding.astype("float32")
        best = np.full(num_items, -2, "float32")
        np.maximum.at(best, codes, near)
        k = min(k, num_items)
        last = np.partition(best, num_items - k)[num_items - k]
        # Summed in float64, so that equal rows have equal scores.
        margin = rows.shape[1] * 2**-22 + 1e-5
        places = np.flatnonzero(near >= last - margin)
        scores = rows[places].astype("float64") @ embedding.astype("float64")
        scores = np.clip(scores, -1, 1).astype("float32")
        order = np.argsort(-scores, kind="stable")
        _, first = np.unique(codes[places[order]], return_index=True)
        order = order[np.sort(first)[:k]]
        return ids[places[order]], scores[order]

    @functools.cache  # noqa: B019
    def _codes(self, modality):
        """Integers that are equal where ids are, and how many there are."""
        found, codes = np.unique(self.rows[modality][1], return_inverse=True)
        return codes.reshape(-1), len(found)

    @functools.cache  # noqa: B019
    def _vocabulary(self, file):
        text = (self.folder / file).read_bytes().decode()
        return {token: i for i, token in enumerate(text.split("\n")[:-1])}


def id_text(item_id):
    """An id as it is printed."""
    if isinstance(item_id, bytes):
        return item_id.decode(errors="replace")
    return str(item_id)


@contextlib.contextmanager
def _whole(file):
    """Say which file it is that cannot be read."""
    try:
        yield
    except (
        AttributeError,
        EOFError,
        LookupError,
        TypeError,
        ValueError,
        zipfile.BadZipFile,
        zlib.error,
    ) as error:
        raise ValueError(
            f"{file} must be as it was exported. Received: "
            f"{type(error).__name__}: {error}"
        ) from error


def _choose(option, name, possible, default=None):
    """A modality by its name, or the only one that is possible."""
    default = possible if default is None else default
    if name is None and len(default) == 1:
        return default[0]
    if name not in possible:
        raise ValueError(
            f"{option} must be one of {possible}, whose queries or rows this "
            f"folder holds. Received: {name!r}"
        )
    return name


def standardize(text, keep_symbols=False):
    """Lower case, usual width, and words with single spaces between."""
    text = text.replace("\0", " ")
    text = "".join(_usual_width(char) for char in text)
    parts, start = [], 0
    for place, char in enumerate(text):
        if char in _CAPITALS:
            parts += [text[start:place].lower(), char]
            start = place + 1
    text = "".join([*parts, text[start:].lower()])
    text = text.replace("i\u0307", "i").replace("\u200b", " ")
    text = "".join(
        char if _is_kept(char, keep_symbols) else " "
        for char in text
        if not _is_hidden(char)
    )
    return " ".join(text.split())


def split(text, tokenizer):
    """Tokens of a standardized text, as n-grams if they are asked for."""
    if not text:
        return []
    end = tokenizer["end_token"]
    if tokenizer["split"] == "character":
        tokens, separator = [*("" if end else "<"), *text, ">"], ""
    else:
        spaced, mark_follows = "", False
        for char in text:
            if mark_follows and _category(char) == "M":
                spaced = f"{spaced[:-1]}{char} "
                continue
            mark_follows = _category(char) == "S"
            alone = mark_follows or _HAN.match(char)
            spaced += f" {char} " if alone else char
        tokens, separator = spaced.split(), " "
        tokens += [">"] if end else []
    widths = tokenizer["ngrams"]
    if widths is None:
        return tokens
    if isinstance(widths, int):
        widths = range(1, widths + 1)
    ngrams = [
        separator.join(tokens[start : start + width])
        for width in dict.fromkeys(widths)
        for start in range(len(tokens) - width + 1)
    ]
    return ngrams or [separator.join(tokens)]


def token_ids(text, vocabulary, tokenizer):
    """Ids of the tokens of a text; 1 is a token outside the vocabulary."""
    tokens = split(standardize(text, tokenizer["keep_symbols"]), tokenizer)
    ids = [vocabulary.get(token, 1) for token in tokens]
    if tokenizer["drop_unknown"]:
        ids = [i for i in ids if i != 1]
    if not tokenizer["end_token"]:
        return ids
    if len(ids) < 2:  # The end may be all that is left.
        return []
    length = tokenizer["sequence_length"]
    return [*ids[:-1][: None if length is None else length - 1], ids[-1]]


def pad(rows, length=None):
    """Rows of ids as an array, padded with 0, at least one wide."""
    if length is None:
        length = max(1, *map(len, rows))
    ids = np.zeros((len(rows), length), "int32")
    for row, values in zip(ids, rows, strict=True):
        row[: len(values)] = values[:length]
    return ids


def image_size(endpoint):
    """Height and width of the pictures of an endpoint, None without."""
    preprocessor = endpoint.get("preprocessor", {})
    if preprocessor.get("class_name") != "ImagePreprocessor":
        return None
    return preprocessor["config"]["image_size"]


def read_picture(path, size):
    """A picture over white as floats in [0, 1], resized with antialiasing."""
    try:
        from PIL import Image
    except ImportError as error:
        raise ImportError("pictures need Pillow: pip install pillow") from error
    try:
        with Image.open(path) as opened:
            picture = to_rgba(opened)
    except (SyntaxError, Image.DecompressionBombError) as error:
        raise ValueError(f"{path}: {error}") from error
    pixels = np.asarray(picture, "float32")
    opacity = pixels[..., 3:] / np.float32(255)
    pixels = pixels[..., :3] * opacity + 255 * (1 - opacity)
    height, width = size
    if pixels.shape[:2] != (height, width):
        channels = [
            Image.fromarray(np.ascontiguousarray(pixels[..., channel]))
            for channel in range(3)
        ]
        pixels = np.stack(
            [
                np.asarray(c.resize((width, height), Image.Resampling.BILINEAR))
                for c in channels
            ],
            axis=-1,
        )
    return np.clip(pixels / np.float32(255), 0, 1).astype("float32")


def to_rgba(picture):
    """An upright picture of 8 bits; of 16 the high ones, as in TensorFlow."""
    from PIL import Image, ImageOps

    picture = ImageOps.exif_transpose(picture)
    if not picture.mode.startswith("I"):
        return picture.convert("RGBA")
    values = np.asarray(picture)
    grey = np.clip(values >> 8, 0, 255).astype("uint8")
    clear = picture.info.get("transparency")
    picture = Image.fromarray(grey).convert("RGBA")
    if clear is not None:
        picture.putalpha(Image.fromarray((values != clear) * np.uint8(255)))
    return picture


def _category(char):
    return unicodedata.category(char)[0]


def _is_kept(char, keep_symbols):
    kind = _category(char)
    return kind in "LMN" or (keep_symbols and kind == "S" and char not in "<>")


def _is_hidden(char):
    return (
        char in "'’"
        or unicodedata.category(char) == "Cf"
        or "\ufe00" <= char <= "\ufe0f"
    )


def _usual_width(char):
    """Full and half width forms become what they are a form of."""
    if not "\uff00" <= char < "\ufff0":
        return char
    parts = unicodedata.decomposition(char).split()
    return chr(int(parts[1], 16)) if len(parts) == 2 else char


if __name__ == "__main__":
    sys.exit(main())
