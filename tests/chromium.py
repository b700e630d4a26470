"""The Chromium of the machine, for tests of pages."""

import contextlib
import shutil

import pytest

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")


@contextlib.contextmanager
def chromium(*options):
    """Give a browser that Playwright drives; skip the test without one."""
    program = next(filter(None, map(shutil.which, PROGRAMS)), None)
    if program is None:
        pytest.skip("needs Chromium: apt-get install chromium")
    api = pytest.importorskip("playwright.sync_api")
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=program, args=["--no-sandbox", *options]
        )
        yield browser
        browser.close()
