"""The page in Chromium: by pointer, by keyboard, on a phone, in the dark."""

import contextlib
import os
import re
import signal
import subprocess
import sys

import pytest

from tests.chromium import chromium
from tests.play.conftest import KINDS, NAMES

pytestmark = pytest.mark.large
pytest.importorskip("gradio")

# A microphone that beeps, and no question whether it may be used.
OPTIONS = [
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
]


@pytest.fixture(scope="module")
def server(run):
    """Address of the page; the command says nothing but that."""
    command = [sys.executable, "-m", "keras_xmodal_cli", "play", str(run.path)]
    hidden = ("TF_CPP_MIN_LOG_LEVEL",)
    process = subprocess.Popen(
        [*command, "--port", "0"],
        stderr=subprocess.PIPE,
        text=True,
        env={k: v for k, v in os.environ.items() if k not in hidden},
    )
    try:
        line = process.stderr.readline()
        found = re.fullmatch(r"(http://.*/) \(Ctrl\+C ends it\)\n", line)
        assert found, line
        yield found[1]
    finally:
        process.send_signal(signal.SIGINT)
        try:
            _, said = process.communicate(timeout=60)
        finally:
            process.kill()
    assert (process.returncode, said) == (0, "")


@pytest.fixture(scope="module")
def browser():
    with chromium(*OPTIONS) as browser:
        yield browser


@contextlib.contextmanager
def opened(browser, server, **options):
    """A page, which loads nothing from elsewhere and has no errors."""
    with contextlib.closing(browser.new_context(**options)) as context:
        page = context.new_page()
        page.set_default_timeout(20_000)
        requests, wrong = [], []
        page.on("request", lambda request: requests.append(request.url))
        page.on(
            "pageerror",
            # Gradio's own player throws when it is replaced while it loads.
            lambda error: (
                "MinimalAudioPlayer" in (error.stack or "")
                or wrong.append(str(error))
            ),
        )
        page.on(
            "console",
            lambda message: (
                message.type == "error" and wrong.append(message.text)
            ),
        )
        page.goto(server)
        page.wait_for_selector("#query textarea[aria-label]")
        yield page
        own = (server, "data:", "blob:")
        assert [url for url in requests if not url.startswith(own)] == []
        # By going elsewhere while the page listens.
        assert set(wrong) <= {"The user aborted a request."}


@pytest.fixture(scope="module")
def shared(browser, server):
    """One page for what needs no page of its own."""
    with opened(browser, server, permissions=["microphone"]) as page:
        yield page


@pytest.fixture
def page(shared, server):
    """The page as it is when it is opened."""
    shared.goto(server)
    shared.wait_for_selector("#query textarea[aria-label]")
    return shared


def answer(page, place="#found"):
    """Names of the cards of an answer, once there is another than before."""
    page.wait_for_selector(f"{place} .cards, {place} .wrong")
    return page.eval_on_selector_all(
        f"{place} .cards > li",
        "all => all.map(li => li.querySelector('img')?.alt"
        " ?? li.querySelector('audio')?.getAttribute('aria-label')"
        " ?? li.querySelector('.text').innerText)",
    )


def forget(page, place="#found"):
    """Take the answer away, so that the next one is waited for."""
    page.eval_on_selector_all(
        f"{place} :is(.cards, .wrong, .status)",
        "all => all.map(e => e.remove())",
    )


def ask(page, text):
    forget(page)
    page.fill("#query textarea", text)
    page.press("#query textarea", "Enter")
    # A late answer to what was asked before may come first.
    page.wait_for_selector("#found .status:text-matches('[)] to .*text')")
    return answer(page)


def drop(page, *files):
    forget(page)
    page.set_input_files("#query input[type=file]", list(files))
    return answer(page)


def pictures_are_shown(page, place):
    """Whether all pictures have been loaded and decoded."""
    return page.eval_on_selector_all(
        f"{place} img",
        "all => Promise.all(all.map(img => { img.loading = 'eager';"
        " return img.decode().then(() => img.naturalWidth > 0,"
        " () => false); })).then(each => each.every(Boolean))",
    )


def test_words_find_pictures(page):
    assert ask(page, "green square")[0] == "green square"
    assert len(page.query_selector_all("#found .cards img")) == len(NAMES)
    assert pictures_are_shown(page, "#found")
    status = page.inner_text("#found .status")
    assert re.fullmatch(
        r"The nearest 12 of 12 \(image\) to text, \d+ ms", status
    )
    assert page.is_hidden("#weight")


def test_another_modality_can_be_asked_for(page):
    ask(page, "blue bar")
    forget(page)
    page.get_by_label("speech", exact=True).check(force=True)
    assert answer(page)[0] == "blue bar"
    seconds = page.eval_on_selector(
        "#found audio",
        "audio => new Promise(done => { audio.onloadedmetadata = () =>"
        " done(audio.duration); audio.load(); audio.preload = 'auto'; })",
    )
    assert seconds == pytest.approx(0.25, abs=0.01)
    forget(page)
    page.get_by_label("automatic", exact=True).check(force=True)
    answer(page)


def test_a_dropped_picture_and_a_recording_find_their_names(page, dropped):
    assert drop(page, dropped["red circle.png"])[0] == "red circle"
    assert "(text) to image" in page.inner_text("#found .status")


def test_a_recording_finds_its_name(page, dropped):
    assert drop(page, dropped["blue bar.wav"])[0] == "blue bar"
    assert "(text) to speech" in page.inner_text("#found .status")


def test_two_at_once_by_weight(page, dropped):
    """This picture, but green."""
    drop(page, dropped["red circle.png"])
    assert ask(page, "green")[0] == "green circle"
    slider = page.locator("#weight input[type=range]")
    slider.wait_for()
    forget(page)
    slider.focus()
    for _ in range(10):
        page.keyboard.press("ArrowRight")
    slider.dispatch_event("pointerup")
    assert answer(page)[0] == "red circle"
    forget(page)
    slider.fill("0.5")
    slider.dispatch_event("pointerup")
    assert answer(page)[0] == "green circle"


def test_what_is_spoken_is_searched_for(page):
    forget(page)
    page.get_by_role("button", name="Record audio").first.click()
    page.get_by_role("button", name="Start recording").click()
    page.wait_for_timeout(800)
    page.get_by_role("button", name="Stop").first.click()
    page.get_by_role("button", name="Attach audio").click()
    assert len(answer(page)) == len(NAMES)
    assert "to speech" in page.inner_text("#found .status")


@pytest.mark.parametrize(
    ("file", "message"),
    [
        ("notes.png", "A file must be a picture"),
        ("empty.png", "A file must hold at least 1 byte"),
        ("cut.png", "must be a whole"),
        ("clip.gif", None),
    ],
)
def test_a_wrong_upload_is_said_in_the_page(page, dropped, file, message):
    """And is no trap: the next one works. A clip stands still here."""
    found = drop(page, dropped[file])
    if message is None:
        assert found[0] == "green square"
        return
    assert found == []
    said = page.inner_text("#found [role=alert]")
    assert message in said
    assert file in said
    assert "Traceback" not in page.content()
    page.get_by_role("button", name="Remove file").first.click()
    page.wait_for_selector("#found .hint")
    assert ask(page, "red bar")[0] == "red bar"


def test_a_huge_upload_is_said_in_the_page(page, tmp_path):
    with open(tmp_path / "huge.png", "wb") as file:
        file.truncate(20 * 2**20 + 1)
    page.set_input_files("#query input[type=file]", tmp_path / "huge.png")
    toast = page.get_by_text("exceed the maximum allowed size")
    toast.wait_for()
    assert "huge.png" in toast.inner_text()


def drawn(page, button="#draw"):
    forget(page, "#made")
    page.click(button)
    answer(page, "#made")
    return page.eval_on_selector_all(
        "#made img", "all => all.map(img => img.src)"
    )


def test_a_seed_decides_what_is_drawn(page):
    page.get_by_role("tab", name="Draw").click()
    page.fill("#start textarea", "red circle")
    first = drawn(page)
    assert len(set(first)) == len(first) == 6
    other = drawn(page, "#other-seed")
    assert page.input_value("#seed input") == "6"
    assert not set(other) & set(first)
    page.fill("#seed input", "0")
    assert drawn(page) == first
    assert pictures_are_shown(page, "#made")
    page.fill("#end textarea", "blue bar")
    way = drawn(page)
    assert len(set(way)) == len(way) == 7
    page.fill("#end textarea", "")
    page.fill("#start textarea", "")
    assert drawn(page) == []
    assert "must be given text" in page.inner_text("#made [role=alert]")


def test_points_of_the_map_show_their_items(page):
    page.get_by_role("tab", name="Map").click()
    page.wait_for_selector("#map [data-ready], #map[data-ready]")
    points = page.locator("#map .point")
    assert points.count() == len(KINDS) * len(NAMES)
    # By pointer: the picture of an item, its name, and who is near.
    fifth, seventh = (page.locator(f".point[data-index='{i}']") for i in (5, 7))
    fifth.dispatch_event("pointermove", {"bubbles": True})
    chosen = page.locator("#map .chosen")
    assert NAMES[5] in chosen.inner_text()
    assert pictures_are_shown(page, "#map .chosen")
    assert chosen.locator("button").first.inner_text() == NAMES[5]
    assert page.locator("#map .partners line").count() == 2
    # A click keeps it.
    fifth.dispatch_event("click", {"bubbles": True})
    seventh.dispatch_event("pointermove", {"bubbles": True})
    assert NAMES[5] in chosen.inner_text()
    # The table, and a recording.
    page.fill("#map .filter", "blue bar")
    rows = page.locator("#map tbody tr")
    assert rows.count() == len(KINDS)
    assert "blue bar" in rows.nth(0).locator("td").nth(1).inner_text()
    rows.nth(2).locator("button").click()
    assert chosen.locator("audio").get_attribute("aria-label") == "blue bar"


def test_the_keyboard_is_enough(browser, server):
    with opened(browser, server) as page:

        def go_to(selector, text=""):
            for _ in range(40):
                page.keyboard.press("Tab")
                if page.evaluate(
                    "([selector, text]) => document.activeElement.matches("
                    "selector) && document.activeElement.textContent"
                    ".includes(text)",
                    [selector, text],
                ):
                    return
            pytest.fail(f"Tab does not lead to {selector} {text}")

        go_to("#query textarea")
        page.keyboard.type("yellow bar")
        page.keyboard.press("Enter")
        assert answer(page)[0] == "yellow bar"
        forget(page)
        go_to("input[type=radio][value=speech]")
        page.keyboard.press("Space")
        assert answer(page)[0] == "yellow bar"
        assert page.locator("#found audio").count() == len(NAMES)
        page.evaluate("document.activeElement.blur()")
        page.evaluate("getSelection().removeAllRanges()")
        page.focus("[role=tab]")
        go_to("[role=tab]", "Map")
        page.keyboard.press("Enter")
        page.wait_for_selector("#map [data-ready], #map[data-ready]")
        go_to("#map .plane")
        labels = set()
        for key in ("ArrowRight", "ArrowUp", "ArrowLeft", "ArrowDown"):
            page.keyboard.press(key)
            labels.add(page.get_attribute("#map .plane", "aria-label"))
        assert len(labels) > 1
        assert all("Chosen: " in label for label in labels)
        page.keyboard.press("Enter")
        name = page.inner_text("#map .chosen .label")
        assert name in NAMES
        go_to("#map .chosen button")
        page.keyboard.press("Enter")
        assert page.inner_text("#map .chosen .label") == name


def test_a_phone_in_the_dark(browser, server):
    """Nothing is wider than the screen, and the page follows the system."""
    options = {
        "viewport": {"width": 375, "height": 812},
        "color_scheme": "dark",
        "has_touch": True,
    }
    with opened(browser, server, **options) as page:
        ask(page, "red square")
        assert page.evaluate("getComputedStyle(document.body).colorScheme")
        assert page.evaluate("document.body.classList.contains('dark')")
        for tab in ("Search", "Draw", "Map", "About"):
            page.get_by_role("tab", name=tab).click(force=True)
            if tab == "Map":
                page.wait_for_selector("#map [data-ready], #map[data-ready]")
            assert page.evaluate("document.documentElement.scrollWidth") == 375
        # Light letters on a dark ground.
        ground, letters = (
            page.evaluate(
                "name => getComputedStyle(document.querySelector("
                "'.gradio-container'))[name].match(/\\d+/g).slice(0, 3)"
                ".map(Number).reduce((a, b) => a + b)",
                name,
            )
            for name in ("backgroundColor", "color")
        )
        assert ground < 150 < 500 < letters


def test_the_page_says_how_good_the_run_is(page):
    page.get_by_role("tab", name="About").click()
    text = page.inner_text(".about")
    assert "0.083" in text
    assert "picture tower" in text
    assert "shapes.csv" in text
