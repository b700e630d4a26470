"""The folder that `kx.export.web` writes, in Chromium, beside Python."""

import base64
import contextlib
import io
import os
import re
import shutil
import subprocess
import sys
import unicodedata

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

import keras_xmodal as kx
from keras_xmodal import export
from keras_xmodal.demo import recipe
from keras_xmodal.demo.questions import read_split
from keras_xmodal.demo.run import build_index
from keras_xmodal.export import litert_js, search_script
from keras_xmodal.networks.text.text_preprocessor import _standardize
from tests.chromium import chromium
from tests.export.conftest import TEXTS as SMALL_TEXTS
from tests.export.conftest import make_model
from tests.export.test_search_script import TEXTS as STRANGE_TEXTS
from tests.export.test_search_script import TOKENIZERS

pytestmark = pytest.mark.large

# Of the model, in float16 and 8 bits, to that in float32.
TOLERANCES = {"float16": 1e-3, "int8": 5e-2}
CLEAR = ("00", "10")  # pictures that are half clear
TEXTS = [
    *["umbrella", "red apple", "a RED  apple!", "grapes", "tree", "cat face"],
    *["bottle with popping cork", "thumbs up", "nine o’clock", "don't"],
    *["Regenschirm", "roter Apfel", "GRÜNER BAUM", "Straße", "Katzengesicht"],
    *["parapluie", "pomme rouge", "éclair", "e\u0301clair", "Œuf", "forêt"],
    *["paraguas", "manzana roja", "árbol", "¿dónde?", "señal de tráfico"],
    *["зонт", "красное яблоко", "ДЕРЕВО", "кошка", "ёлка"],
    *["雨伞", "红苹果", "树", "猫脸 红", "绿色的树和红苹果", "漢字"],
    *["傘", "りんご", "ｶﾅ ｲﾇ", "Ｆｕｌｌ ｗｉｄｔｈ"],
    *[
        "  umbrella  ",
        "red\tapple\n",
        "tree\u200bcat",
        "Σίσυφος ΣΑΣ",
        "İstanbul",
    ],
    *["!!!", "🍎", "☂\ufe0f umbrella", "xyzzy qwrtz"],
]


@pytest.fixture(scope="module")
def browser():
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def package():
    """LiteRT.js, in the folder of packages."""
    try:
        return litert_js.read(None)
    except (FileNotFoundError, ConnectionError) as error:
        pytest.skip(f"needs npm and a connection: {error}")


@contextlib.contextmanager
def served(folder):
    """Address of a server of a folder."""
    command = [sys.executable, "-u", "-m", "http.server", "0"]
    process = subprocess.Popen(
        [*command, "--bind", "127.0.0.1", "--directory", folder],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        line = process.stdout.readline()
        port = re.search(r"port (\d+)", line)[1]
        yield f"http://127.0.0.1:{port}/"
    finally:
        process.kill()
        process.communicate()


@contextlib.contextmanager
def opened(browser, folder, address="", ready=True):
    """A page, which loads nothing from elsewhere."""
    with (
        served(folder) as server,
        contextlib.closing(browser.new_page()) as page,
    ):
        requests = []
        page.on("request", lambda request: requests.append(request.url))
        page.goto(server + address)
        if ready:
            page.wait_for_selector("html[data-ready]")
        yield page
        assert all(url.startswith((server, "blob:")) for url in requests)


@pytest.fixture(scope="module")
def model():
    """The demo's, before its training, of pictures as they are."""
    plain = {"image": None}
    return recipe.make(
        recipe.read_train(), quiet=True, augmentation=plain
    ).model


@pytest.fixture(scope="module")
def index(model):
    return build_index(model)


@pytest.fixture(scope="module")
def folders(model, index, package, tmp_path_factory):
    """Folders of the page, and of LiteRT files, by quantization."""
    path = tmp_path_factory.mktemp("browser")
    train = read_split("train")
    representative = {
        "image": train["image"][::2],
        "text": np.array(train["text"])[::2],
    }
    thumbnails = [
        read_split(split)["image"]
        for split in ("train+test_concept", "test_style+test_style_concept")
    ]
    for name in TOLERANCES:
        options = {
            "quantization": name,
            "representative": representative if name == "int8" else None,
        }
        export.web(
            model,
            index,
            path / name / "web",
            thumbnails={"image": np.concatenate(thumbnails)},
            **options,
        )
        # The same files as Python reads them.
        python = path / name / "python"
        rounded(index).save(python / "index")
        for file in (path / name / "web").glob("*.t*"):
            shutil.copy(file, python)
        shutil.copy(path / name / "web" / "report.json", python)
    return path


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Files of pictures: opaque, clear, grey, large, turned, of all kinds."""
    folder = tmp_path_factory.mktemp("photos")
    pictures = read_split("test_style")["image"]
    sizes = [(32, 32), (32, 32), (64, 20), (20, 64), (7, 5), (600, 400)]
    for number in range(20):
        picture = Image.fromarray(pictures[number * 7])
        size = sizes[number % len(sizes)]
        if number == 19:
            size = (4000, 3000)
        picture = picture.resize(size, Image.Resampling.BICUBIC)
        options = {}
        suffix = ("png", "jpg", "webp", "gif", "bmp")[number % 5]
        if f"{number:02}" in CLEAR:
            alpha = Image.linear_gradient("L").resize(size)
            picture.putalpha(alpha)
        if number == 5:
            picture = picture.convert("L")
        if suffix == "jpg" and number > 5:
            exif = Image.Exif()
            exif[0x0112] = 6  # turned by a quarter
            options = {"quality": 95, "exif": exif}
        if suffix == "webp":
            options = {"lossless": True}
        picture.save(folder / f"{number:02}.{suffix}", **options)
    return sorted(folder.iterdir())


def ask(page, text=None, photo=None):
    """Hits of the page, as pairs of id and score."""
    if photo is None:
        page.fill("#text", text)
        page.press("#text", "Enter")
    else:
        page.set_input_files("#file", photo)
        page.wait_for_selector("#query:not([hidden])")
    page.wait_for_selector("#hits[aria-busy=false]")
    assert page.is_hidden("#error"), page.inner_text("#error")
    return page.eval_on_selector_all(
        "#hits > li", "all => all.map(li => [li.dataset.id, +li.dataset.score])"
    )


def check(hits, index, embedding, tolerance):
    """Compare hits with those of an index, best first.

    Those whose scores differ by less than the tolerance may change places.
    """
    target = "image" if hits[0][0].endswith(")") else "text"
    (ids,), (scores,) = index.search(embedding, 2000, target)
    expected = dict(zip(ids.tolist(), scores.tolist(), strict=True))
    assert len(hits) == 10 == len({name for name, _ in hits})
    for (name, score), wanted in zip(hits, scores[:10], strict=True):
        assert abs(score - expected[name]) <= tolerance
        assert abs(expected[name] - wanted) <= tolerance


def rounded(index):
    """An index with rows as they are in the folder."""
    copy = kx.retrieval.ExactIndex()
    for name in index.modalities:
        rows = index._rows[name]
        halves = rows.embeddings.astype("float16").astype("float32")
        copy.add(halves, rows.ids, name)
    return copy


@pytest.mark.parametrize("quantization", list(TOLERANCES))
def test_hits_to_texts_are_those_of_python(
    browser, folders, model, index, quantization
):
    """Of the same files in Python, and of the model in float32."""
    assert len(set(TEXTS)) == len(TEXTS) == 50
    search = search_script.Search(folders / quantization / "python")
    with opened(browser, folders / quantization / "web") as page:
        found = {text: ask(page, text=text) for text in TEXTS}
    for text, hits in found.items():
        embedding = search.embed(search.tokenize([text], "text"), "text")
        check(hits, rounded(index), embedding, 2e-6)
        embedding = model.encode([text], "text")
        check(hits, index, embedding, TOLERANCES[quantization])


@pytest.mark.parametrize("quantization", list(TOLERANCES))
def test_hits_to_pictures_are_those_of_python(
    browser, folders, model, index, photos, quantization
):
    """Of the same files in Python, and of the model in float32."""
    size = model.preprocessors["image"].image_size
    search = search_script.Search(folders / quantization / "python")
    assert len(photos) == 20
    with opened(browser, folders / quantization / "web") as page:
        found = {photo: ask(page, photo=photo) for photo in photos}
    for photo, hits in found.items():
        # The canvas rounds what is half clear, and decoders of JPEG differ,
        # those of TensorFlow and Pillow more.
        error, further = 2e-5, 0
        if photo.stem in CLEAR:
            error = 1e-2
        elif photo.suffix == ".jpg":
            error, further = 5e-3, 3e-2
        x = search_script.read_picture(photo, size)[np.newaxis]
        check(hits, rounded(index), search.embed(x, "image"), error)
        embedding = model.encode([photo.read_bytes()], "image")
        error += further + TOLERANCES[quantization]
        check(hits, index, embedding, error)


def test_the_page_says_what_it_does(browser, folders, photos, tmp_path):
    folder = folders / "float16" / "web"
    with opened(browser, folder, "?q=umbrella") as page:
        page.wait_for_selector("#hits[aria-busy=false]")
        status = page.inner_text("#status")
        assert re.fullmatch(r"10 hits from image, in [\d.]+ ms", status)
        assert page.input_value("#text") == "umbrella"
        assert page.eval_on_selector(
            "#text", "e => e === document.activeElement"
        )
        # Every hit has its picture: the sheet is there, and the place on it.
        first = page.eval_on_selector_all(
            ".thumbnail",
            "all => all.map(e => [e.style.backgroundImage,"
            " e.style.backgroundPosition])",
        )
        assert len(first) == 10
        assert all(
            re.match(r'url\("thumbnails/0_\d\.webp"\)', url) for url, _ in first
        )
        ask(page, text="xyzzy")
        page.check("input[value=text]", force=True)
        page.wait_for_function(
            "document.querySelector('#status').textContent.includes(' text')"
        )
        ids = [name for name, _ in ask(page, text="umbrella")]
        assert ids[0] == "umbrella"
        page.check("input[value='']", force=True)
        (tmp_path / "no.png").write_bytes(b"no picture")
        page.set_input_files("#file", tmp_path / "no.png")
        page.wait_for_selector("#error:not([hidden])")
        assert page.inner_text("#error").startswith("This is no picture")
        assert page.query_selector_all("#hits > li") == []
        hits = ask(page, photo=photos[1])
        assert len(hits) == 10
        assert page.inner_text("#name") == photos[1].name
        page.click("#clear")
        assert page.is_hidden("#query")
        assert page.query_selector_all("#hits > li") == []
        assert page.inner_text("#status") == ""
        # Tab leads from the words to the pictures and on to the modalities.
        page.focus("#text")
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.id") == "file"
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.name") == "modality"


def test_a_dropped_picture_is_searched_for(browser, folders, photos):
    with opened(browser, folders / "float16" / "web") as page:
        expected = ask(page, photo=photos[3])
        page.click("#clear")
        page.evaluate(
            """([bytes, type]) => {
                const data = new DataTransfer();
                data.items.add(
                    new File([new Uint8Array(bytes)], "dropped", { type }));
                for (const kind of ["dragenter", "dragover", "drop"]) {
                    document.dispatchEvent(new DragEvent(
                        kind, { dataTransfer: data, cancelable: true }));
                }
            }""",
            [list(photos[3].read_bytes()), "image/gif"],
        )
        page.wait_for_selector("#hits > li")
        found = page.eval_on_selector_all(
            "#hits > li", "all => all.map(li => li.dataset.id)"
        )
        assert found == [name for name, _ in expected]
        assert page.inner_text("#name") == "dropped"
        assert page.is_hidden("#drop")


def test_a_browser_without_relaxed_simd(browser, folders):
    """The other build gives the same."""
    folder = folders / "float16" / "web"
    with opened(browser, folder) as page:
        expected = ask(page, text="red apple")
    with (
        served(folder) as server,
        contextlib.closing(browser.new_page()) as page,
    ):
        loaded = []
        page.on("request", lambda request: loaded.append(request.url))
        # What LiteRT.js asks whether a browser has it.
        page.add_init_script(
            "WebAssembly.instantiate = ((original) => (bytes, ...rest) =>"
            " bytes.byteLength < 200 ? Promise.reject(new Error('none'))"
            " : original(bytes, ...rest))(WebAssembly.instantiate)"
        )
        page.goto(server)
        page.wait_for_selector("html[data-ready]")
        found = ask(page, text="red apple")
    assert any("compat" in url for url in loaded)
    assert not any(url.endswith("litert_wasm_internal.wasm") for url in loaded)
    assert [name for name, _ in found] == [name for name, _ in expected]


def test_what_is_missing_is_said(browser, folders, tmp_path):
    folder = shutil.copytree(folders / "int8" / "web", tmp_path / "web")
    os.remove(folder / "text_words_vocabulary.txt")
    with opened(browser, folder, ready=False) as page:
        page.wait_for_selector("#error:not([hidden])")
        assert page.inner_text("#error") == (
            "The file text_words_vocabulary.txt cannot be loaded: 404 File not "
            "found"
        )


def test_rows_without_pictures_show_those_of_their_ids(
    browser, package, tmp_path
):
    """In float32, of fewer items than hits, with integer ids."""
    small = make_model()
    images = np.random.default_rng(0).integers(0, 256, (4, 12, 12, 3))
    images = images.astype("uint8")
    texts = np.array(SMALL_TEXTS[:4])
    index = kx.retrieval.ExactIndex(small)
    index.add({"image": images, "text": texts}, ids=[30, 10, 20, 40])
    export.web(
        small,
        index,
        tmp_path / "web",
        thumbnails={"image": images},
        quantization=None,
    )
    with opened(browser, tmp_path / "web") as page:
        page.check("input[value=text]", force=True)
        page.fill("#text", texts[2])
        page.press("#text", "Enter")
        page.wait_for_selector("#hits[aria-busy=false]")
        found = page.eval_on_selector_all(
            "#hits > li",
            """all => all.map(li => [
                +li.dataset.id,
                +li.dataset.score,
                parseFloat(li.firstChild.style.backgroundPositionX),
            ])""",
        )
    (ids,), (scores,) = index.search({"text": texts[2:3]}, 10, "text")
    assert [row[0] for row in found] == ids.tolist()
    assert ids[0] == 20
    np.testing.assert_allclose([row[1] for row in found], scores, atol=1e-6)
    # The sheet has the four pictures side by side.
    columns = {30: 0, 10: 1, 20: 2, 40: 3}
    np.testing.assert_allclose(
        [row[2] for row in found],
        [100 * columns[item] / 3 for item in ids.tolist()],
        atol=1e-3,
    )


@pytest.fixture
def small_folder(package, tmp_path):
    """A folder of a small model."""
    model = make_model()
    index = kx.retrieval.ExactIndex(model)
    texts = np.array(SMALL_TEXTS[:4])
    index.add({"text": texts}, ids=[f"{number}" for number in range(4)])
    export.web(model, index, tmp_path / "one", quantization=None)
    return tmp_path / "one"


def test_search_is_loaded_again(browser, small_folder):
    """From the same and other folders, at once too."""
    shutil.copytree(small_folder, small_folder.parent / "two")
    with opened(browser, small_folder.parent, "one/") as page:
        found = page.evaluate(
            """async (text) => {
                const own = await import("/one/search.js");
                const other = await import("/two/search.js");
                const all = await Promise.all([
                    own.Search.load(),
                    own.Search.load("../two"),
                    other.Search.load(),
                    other.Search.load(new URL("/one/", location)),
                ]);
                all.push(await own.Search.load());
                const found = [];
                for (const search of all) {
                    const { hits } = await search.findText(
                        text, { k: 1, modality: "text" });
                    found.push(hits[0].id, Math.abs(hits[0].score - 1) < 1e-6);
                }
                return found;
            }""",
            SMALL_TEXTS[1],
        )
    assert found == ["1", True] * 5


@pytest.mark.parametrize(
    "file",
    [
        "report.json",
        "text.tflite",
        "text_vocabulary.txt",
        "index/0.bin",
        "litert/litert_wasm_internal.js",
        "litert/litert_wasm_internal.wasm",
    ],
)
def test_a_failed_load_is_tried_again(browser, small_folder, file):
    """On one page, once the file is there."""
    away = small_folder.parent / "away"
    shutil.move(small_folder / file, away)
    with opened(browser, small_folder, ready=False) as page:
        page.wait_for_selector("#error:not([hidden])")
        load = """async (text) => {
            const { Search } = await import("./search.js");
            const search = await Search.load();
            return (await search.findText(text, { modality: "text" })).hits;
        }"""
        with pytest.raises(Exception, match=r"."):
            page.evaluate(load, SMALL_TEXTS[1])
        shutil.move(away, small_folder / file)
        hits = page.evaluate(load, SMALL_TEXTS[1])
    assert hits[0]["id"] == "1"


def test_k_is_a_positive_integer(browser, small_folder):
    with opened(browser, small_folder) as page:
        found = page.evaluate(
            """async (text) => {
                const { Search } = await import("./search.js");
                const search = await Search.load();
                const caught = (error) => `${error.name}: ${error.message}`;
                const found = [];
                for (const k of [0, -1, 2.5, NaN, "3"]) {
                    const options = { k, modality: "text" };
                    found.push(
                        await search.findText(text, options).catch(caught),
                        await search.findPicture(null, options).catch(caught));
                }
                for (const k of [1, 3, 9, undefined]) {
                    const options = { k, modality: "text" };
                    found.push(
                        (await search.findText(text, options)).hits.length);
                }
                return found;
            }""",
            SMALL_TEXTS[1],
        )
    rule = "RangeError: k must be a positive integer. Received: "
    refused = [0, 0, -1, -1, 2.5, 2.5, "NaN", "NaN", 3, 3]
    assert found == [*(f"{rule}{k}" for k in refused), 1, 3, 4, 4]


@pytest.fixture(scope="module")
def scripts(browser, folders):
    """A page that runs single modules."""
    with (
        served(folders / "int8" / "web") as server,
        contextlib.closing(browser.new_page()) as page,
    ):
        page.goto(server)
        page.evaluate(
            """() => {
                window.makeBlob = (content) => new Blob(
                    [Uint8Array.from(atob(content), (c) => c.charCodeAt(0))]);
            }"""
        )
        yield page


@pytest.mark.parametrize("keep_symbols", [False, True])
def test_every_character_is_standardized_as_in_tensorflow(
    scripts, keep_symbols
):
    codes = [
        code
        for code in range(0x110000)
        if unicodedata.category(chr(code)) not in ("Cn", "Cs")
    ]
    tensor = tf.constant([f"a{chr(code)}b".encode() for code in codes])
    expected = _standardize(tensor, keep_symbols).numpy()
    # Characters that only one of the two Unicode versions knows.
    known = tf.strings.regex_full_match(
        tensor, r"a[\p{L}\p{M}\p{N}\p{P}\p{S}\p{Z}\p{Cc}\p{Cf}\p{Co}]b"
    ).numpy()
    received = scripts.evaluate(
        """async ([codes, keepSymbols]) => {
            const { standardize } = await import("./text.js");
            return codes.map((code) => standardize(
                `a${String.fromCodePoint(code)}b`, keepSymbols));
        }""",
        [codes, keep_symbols],
    )
    assert known.mean() > 0.95
    wrong = [
        (hex(code), found, value.decode())
        for code, value, is_known, found in zip(
            codes, expected, known, received, strict=True
        )
        if is_known and found != value.decode()
    ]
    assert not wrong


@pytest.mark.parametrize("arguments", TOKENIZERS)
def test_tokens_are_those_of_the_preprocessor(scripts, arguments):
    length = arguments.get("sequence_length") or 40
    preprocessor = kx.networks.TextPreprocessor(
        **{**arguments, "sequence_length": length}
    )
    preprocessor.adapt(STRANGE_TEXTS[:-1])
    tokenizer = {
        key: getattr(preprocessor, key)
        for key in (
            "split",
            "ngrams",
            "sequence_length",
            "drop_unknown",
            "end_token",
            "keep_symbols",
        )
    }
    received = scripts.evaluate(
        """async ([texts, lines, tokenizer]) => {
            const { pad, readVocabulary, tokenIds } = await import("./text.js");
            const vocabulary = readVocabulary(lines);
            return texts.map((text) => pad(
                tokenIds(text, vocabulary, tokenizer),
                tokenizer.sequence_length));
        }""",
        [
            STRANGE_TEXTS,
            "\n".join(preprocessor.get_vocabulary()) + "\n",
            tokenizer,
        ],
    )
    expected = preprocessor(np.array(STRANGE_TEXTS)).numpy()
    np.testing.assert_array_equal(received, expected)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "P"])
@pytest.mark.parametrize("size", [(8, 8), (30, 17), (5, 6), (1500, 1100)])
def test_pictures_are_those_of_the_preprocessor(scripts, mode, size):
    pixels = np.random.default_rng(0).integers(0, 256, (*size, 4))
    picture = Image.fromarray(pixels.astype("uint8"), "RGBA").convert(mode)
    stream = io.BytesIO()
    picture.save(stream, "png")
    received = scripts.evaluate(
        """async ([content]) => {
            const { readPicture } = await import("./picture.js");
            const blob = await makeBlob(content);
            return [...await readPicture(blob, [8, 6], 1e9)];
        }""",
        [base64.b64encode(stream.getvalue()).decode()],
    )
    preprocessor = kx.networks.ImagePreprocessor((8, 6))
    expected = preprocessor.decode(stream.getvalue())
    # Where it is half clear, the canvas rounds to steps of 255.
    atol = 0.51 / 255 if mode in ("RGBA", "P") else 2e-6
    np.testing.assert_allclose(
        np.reshape(received, (8, 6, 3)), expected, atol=atol
    )


@pytest.mark.parametrize("suffix", ["png", "jpeg", "webp"])
@pytest.mark.parametrize("orientation", range(10))
def test_pictures_stand_upright(scripts, suffix, orientation):
    """As their tag says, of which some values mean nothing."""
    pixels = np.arange(9 * 16 * 3).reshape(9, 16, 3) // 2
    picture = Image.fromarray(pixels.astype("uint8"))
    exif = Image.Exif()
    exif[0x010F] = "a maker"
    exif[0x0112] = orientation
    stream = io.BytesIO()
    options = {"lossless": True} if suffix == "webp" else {}
    picture.save(stream, suffix, exif=exif, **options)
    received = scripts.evaluate(
        """async ([content]) => {
            const { readPicture } = await import("./picture.js");
            const blob = await makeBlob(content);
            return [...await readPicture(blob, [8, 6], 1e9)];
        }""",
        [base64.b64encode(stream.getvalue()).decode()],
    )
    preprocessor = kx.networks.ImagePreprocessor((8, 6))
    expected = preprocessor.decode(stream.getvalue())
    np.testing.assert_allclose(
        np.reshape(received, (8, 6, 3)),
        expected,
        atol=2e-2 if suffix == "jpeg" else 2e-6,
    )


def test_webp_files_with_damaged_tags_are_read(scripts):
    """Cut in the tag or behind it, or of another order of bytes."""
    picture = Image.linear_gradient("L").convert("RGB").resize((16, 9))
    exif = Image.Exif()
    exif[0x0112] = 6
    stream = io.BytesIO()
    picture.save(stream, "webp", exif=exif, lossless=True)
    content = stream.getvalue()
    place = content.index(b"EXIF")
    tag = content[place + 8 :]
    big = b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"
    turned, flat = [], []
    for changed, found in (
        (tag, turned),
        (big, turned),
        (b"Exif\0\0" + big, turned),
        (b"", flat),
        (tag[:5], flat),
        (big[:16], flat),
        (big[:4] + b"\xff" * 4 + big[8:], flat),
        (big.replace(b"\x01\x12", b"\x01\x13"), flat),
    ):
        changed += b"\0" * (len(changed) % 2)
        size = len(changed).to_bytes(4, "little")
        file = content[:place] + b"EXIF" + size + changed
        file = b"RIFF" + (len(file) - 8).to_bytes(4, "little") + file[8:]
        found.append(
            scripts.evaluate(
                """async ([content]) => {
                    const { readPicture } = await import("./picture.js");
                    const blob = await makeBlob(content);
                    return [...await readPicture(blob, [8, 6], 1e9)];
                }""",
                [base64.b64encode(file).decode()],
            )
        )
    assert all(pixels == turned[0] for pixels in turned)
    assert all(pixels == flat[0] for pixels in flat)
    # Light to the left once it is turned, and below before.
    rows = np.reshape(turned[0], (8, 6, 3))
    assert (rows[:, 0] > rows[:, -1]).all()
    rows = np.reshape(flat[0], (8, 6, 3))
    assert (rows[-1] > rows[0]).all()


def test_a_picture_may_be_too_large(scripts):
    stream = io.BytesIO()
    Image.new("RGB", (30, 20)).save(stream, "png")
    message = scripts.evaluate(
        """async ([content]) => {
            const { readPicture } = await import("./picture.js");
            const blob = await makeBlob(content);
            return readPicture(blob, [8, 8], 599).catch((e) => e.message);
        }""",
        [base64.b64encode(stream.getvalue()).decode()],
    )
    assert message == "A picture may have 599 pixels. This one has 30 × 20."


def test_neighbours_are_those_of_the_index(scripts):
    """Ids of several rows, and equal scores."""
    generator = np.random.default_rng(0)
    rows = generator.integers(-2, 3, (500, 3)).astype("float32")
    ids = generator.integers(0, 60, 500)
    index = kx.retrieval.ExactIndex()
    index.add(rows, ids=ids, modality="a")
    queries = generator.normal(size=(20, 3)).astype("float32")
    queries[0] = [1, 0, 0]
    queries /= np.linalg.norm(queries, axis=1, keepdims=True)
    received = scripts.evaluate(
        """async ([rows, ids, queries]) => {
            const { Rows } = await import("./rows.js");
            const found = new Rows(new Float32Array(rows.flat()), ids);
            return queries.map((query) => found.nearest(query, 70));
        }""",
        [
            index._rows["a"].embeddings.tolist(),
            list(map(str, ids)),
            queries.tolist(),
        ],
    )
    expected, scores = index.search(queries, k=70)
    for hits, wanted, values in zip(received, expected, scores, strict=True):
        assert [int(hit["id"]) for hit in hits] == wanted.tolist()
        np.testing.assert_allclose(
            [hit["score"] for hit in hits], values, atol=1e-6
        )


def test_halves_are_floats(scripts):
    halves = np.arange(2**16, dtype="uint16").view("float16")
    halves = halves[np.isfinite(halves)]
    received = scripts.evaluate(
        """async ([bits]) => {
            const { toFloats } = await import("./rows.js");
            return [...toFloats(Uint16Array.from(bits))];
        }""",
        [halves.view("uint16").tolist()],
    )
    np.testing.assert_array_equal(received, halves.astype("float32"))
