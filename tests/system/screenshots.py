"""Takes the pictures of docs/images: `python -m tests.system.screenshots`, on the stack that is up.

Run `outbox demo` on it first: the pictures show what an application did. What a person has to
decide is added here: a complaint, a missing price, two events that contradict each other.
"""

import time
from pathlib import Path

import psycopg
from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service

from operations.settings import load_settings
from tests.system.conftest import needed
from tests.system.stories import completed, exceptions, price, record, unique

IMAGES = Path(__file__).parents[2] / "docs" / "images"
WIDTH, HEIGHT_MAX = 1280, 1100
PAGES = {
    "overview": "/",
    "history": "/history?contract={contract}",
    "exceptions": "/exceptions",
    "exception": "/exceptions/{exception}",
    "exceptions-confirm": "/exceptions/confirm?act=retry&status=failed",
    "ledger": "/ledger",
    "connectors": "/connectors",
    "reconciliation": "/reconciliation",
    "actions": "/actions",
}
_SETTLE_SECONDS = 90


def tell_stories(owner: psycopg.Connection) -> dict[str, str]:
    """Let happen what the pages are to show; return where."""
    contract, mentor, unpriced = unique("contract"), unique("mentor"), unique("session")
    price(owner, mentor)
    for number in range(1, 11):
        session = f"{contract}-session-{number}"
        record(owner, completed(session, contract, mentor, requiredEvaluation=number == 7))
    record(owner, completed(unpriced, unique("contract"), unique("mentor")))
    twice = unique("session")
    record(owner, completed(twice, f"{contract}-other", mentor))
    record(owner, completed(twice, f"{contract}-other", unique("mentor")))
    deadline = time.monotonic() + _SETTLE_SECONDS
    while exceptions(owner, unpriced) != {"failed": 1} and time.monotonic() < deadline:
        time.sleep(1)
    [(exception,)] = owner.execute(
        "SELECT id FROM billing_exceptions WHERE subject = %s", [unpriced]
    ).fetchall()
    return {"contract": contract, "exception": str(exception)}


def take(driver: Chrome, address: str, path: Path) -> None:
    """Take a picture of a page, as high as it is, within bounds."""
    driver.set_window_size(WIDTH, 700)
    driver.get(address)
    # Twice, so that the rates of the overview are known.
    time.sleep(5)
    height = driver.execute_script("return document.documentElement.scrollHeight")
    driver.set_window_size(WIDTH, min(height + 120, HEIGHT_MAX))
    driver.save_screenshot(str(path))


def main() -> None:
    """Take every page in light, and the overview in dark as well."""
    settings = load_settings()
    IMAGES.mkdir(exist_ok=True)
    options = ChromeOptions()
    options.binary_location = needed("chromium")
    for option in ("--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"):
        options.add_argument(option)
    with psycopg.connect(settings.need("database_url"), autocommit=True) as owner:
        places = tell_stories(owner)
    console = settings.need("console_url")
    with Chrome(options, Service(needed("chromedriver"))) as driver:
        for name, page in PAGES.items():
            take(driver, console + page.format(**places), IMAGES / f"{name}.png")
        dark = {"features": [{"name": "prefers-color-scheme", "value": "dark"}]}
        driver.execute_cdp_cmd("Emulation.setEmulatedMedia", dark)
        take(driver, console, IMAGES / "overview-dark.png")


if __name__ == "__main__":
    main()
