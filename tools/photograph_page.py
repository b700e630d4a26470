"""Take the README's picture of the page that `keras-xmodal play` serves.

    keras-xmodal demo
    python tools/photograph_page.py keras-xmodal-demo \
        --file keras-xmodal-demo/pictures/75.png --words red --weight 0.35

It needs Chromium and Playwright, asks for what looks like this picture, a green
apple, but is red, and writes `docs/play.png`.
"""

import argparse
import pathlib
import re
import shutil
import signal
import subprocess
import sys

from playwright.sync_api import sync_playwright

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
PICTURE = pathlib.Path(__file__).parent.parent / "docs" / "play.png"


def main():
    """Serve a run, take the picture, and end the server."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", help="run folder")
    parser.add_argument("--file", required=True, help="picture to ask with")
    parser.add_argument("--words", required=True, help="words to ask with")
    parser.add_argument("--weight", default="0.5", help="of the picture")
    parser.add_argument("--output", default=PICTURE, help="picture to write")
    arguments = parser.parse_args()
    command = [sys.executable, "-m", "keras_xmodal_cli", "play", arguments.run]
    server = subprocess.Popen(
        [*command, "--port", "0"], stderr=subprocess.PIPE, text=True
    )
    try:
        address = re.match(r"http://\S+", server.stderr.readline())[0]
        photograph(address, arguments)
    finally:
        server.send_signal(signal.SIGINT)
        server.communicate()


def photograph(address, arguments):
    """Ask with a picture and words, and take a picture of what is found."""
    program = next(filter(None, map(shutil.which, PROGRAMS)))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=program, args=["--no-sandbox"]
        )
        page = browser.new_page(viewport={"width": 1000, "height": 760})
        page.goto(address)
        page.wait_for_selector("#query textarea[aria-label]")
        page.set_input_files("#query input[type=file]", arguments.file)
        page.wait_for_selector("#found .cards")
        page.fill("#query textarea", arguments.words)
        page.press("#query textarea", "Enter")
        slider = page.locator("#weight input[type=range]")
        slider.fill(arguments.weight)
        slider.dispatch_event("pointerup")
        slider.blur()
        page.wait_for_selector("#found .cards img")
        page.wait_for_load_state("load")
        page.wait_for_timeout(1000)
        page.screenshot(path=arguments.output)
        browser.close()


if __name__ == "__main__":
    main()
