"""What a folder that searches holds beside the model."""

import base64
import hashlib
import html
import json
import pathlib
import shutil
import string

import numpy as np

from keras_xmodal.export import litert_js, search_script

LICENCES = ("LICENSE", "README.txt")
_TEMPLATES = pathlib.Path(__file__).parent / "templates" / "web"
_PAGE = "index.html"
_SCRIPTS = (
    "page.js",
    "picture.js",
    "rows.js",
    "search.js",
    "style.css",
    "text.js",
)
_INDEX = "index"


def write_index(written, dtype, folder):
    """Write embeddings as bytes and ids as JSON.

    Returns:
        Dict by modality of the number of `rows`, their `dim` and `dtype`, and
        the files of `embeddings` and `ids`.
    """
    (folder / _INDEX).mkdir()
    facts = {}
    for number, (name, (embeddings, ids)) in enumerate(written.rows.items()):
        # Ids that are equal look alike, such as 0.0 and -0.0.
        found, codes = np.unique(ids, return_inverse=True)
        texts = [search_script.id_text(item) for item in found]
        rows = [texts[code] for code in codes.reshape(-1)]
        facts[name] = {
            "rows": len(rows),
            "dim": embeddings.shape[1],
            "dtype": dtype,
            "embeddings": f"{_INDEX}/{number}.bin",
            "ids": f"{_INDEX}/{number}.json",
        }
        content = embeddings.astype(np.dtype(dtype).newbyteorder("<"))
        (folder / facts[name]["embeddings"]).write_bytes(content.tobytes())
        (folder / facts[name]["ids"]).write_text(
            json.dumps(rows, ensure_ascii=False), "utf-8"
        )
    return facts


def write_package(package, folder):
    """Write LiteRT.js, with its licence."""
    (folder / litert_js.FOLDER).mkdir()
    for name, content in package.items():
        (folder / litert_js.FOLDER / name).write_bytes(content)
    for name in LICENCES:
        text = (_TEMPLATES / name).read_text("utf-8")
        (folder / litert_js.FOLDER / name).write_text(
            string.Template(text).safe_substitute(version=litert_js.VERSION),
            "utf-8",
        )


def write_page(title, folder):
    """Write the page, which runs no script but those beside it."""
    for name in _SCRIPTS:
        shutil.copyfile(_TEMPLATES / name, folder / name)
    import_map = json.dumps({"imports": litert_js.MODULES})
    digest = hashlib.sha256(import_map.encode()).digest()
    page = string.Template((_TEMPLATES / _PAGE).read_text("utf-8"))
    text = page.substitute(
        title=html.escape(title),
        import_map=import_map,
        import_map_hash=f"sha256-{base64.b64encode(digest).decode()}",
    )
    (folder / _PAGE).write_text(text, "utf-8")
