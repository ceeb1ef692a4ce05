"""Debian's browser and Prometheus at the real stack. What is missing fails: nothing is skipped."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urljoin

import httpx
import psycopg
import pytest
from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement

from tests.running_stack import RunningStack, command_environment
from tests.system.prometheus_server import Prometheus, running_prometheus

HERE = Path(__file__).parent
PATIENCE_SECONDS = 30.0
_OPTIONS = ("--headless=new", "--no-sandbox", "--disable-gpu", "--window-size=1360,1000")


def needed(*programs: str) -> str:
    """Return where one of these programs is; fails where none is installed."""
    for program in programs:
        if found := shutil.which(program):
            return found
    pytest.fail(
        f"{' or '.join(programs)} is not installed. What tests/system needs: Debian's chromium, "
        "chromium-driver and prometheus, and npm."
    )


@pytest.fixture(scope="session")
def node_modules() -> Path:
    """What package-lock.json names, from npm."""
    subprocess.run(
        [needed("npm"), "ci", "--ignore-scripts", "--no-audit", "--no-fund"],
        cwd=HERE,
        check=True,
        capture_output=True,
        timeout=120,
    )
    return HERE / "node_modules"


@dataclass(frozen=True, slots=True)
class Browser:
    """A browser and the address of the console that it is used for."""

    driver: Chrome
    console_url: str

    def open(self, address: str) -> None:
        """Go to a page of the console."""
        self.driver.get(urljoin(self.console_url, address))

    def find(self, selector: str) -> WebElement:
        """Return the first element that a CSS selector finds."""
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def all(self, selector: str) -> list[WebElement]:
        """Return all elements that a CSS selector finds."""
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def follow(self, text: str) -> None:
        """Click the link with this text."""
        self.driver.find_element(By.LINK_TEXT, text).click()

    def press(self, text: str) -> None:
        """Click the button with this text."""
        self.driver.find_element(By.XPATH, f"//button[normalize-space()='{text}']").click()

    def fill(self, name: str, text: str) -> None:
        """Type into the field of this name."""
        field = self.driver.find_element(By.NAME, name)
        field.clear()
        field.send_keys(text)

    def text(self) -> str:
        """Return what a person reads."""
        return self.find("body").text

    def wait_for(self, what: str, seconds: float = PATIENCE_SECONDS) -> None:
        """Wait until the page, which refreshes itself, says something."""
        wait_until(lambda: what in self.find("main").text, f"the page never said {what!r}", seconds)


def wait_until(is_so: Callable[[], bool], fault: str, seconds: float = PATIENCE_SECONDS) -> float:
    """Wait until something is so; return how long that took, or fail."""
    began = time.monotonic()
    last = "it was not so"
    while time.monotonic() - began < seconds:
        try:
            if is_so():
                return time.monotonic() - began
            last = "it was not so"
        except Exception as error:  # noqa: BLE001 - a page that is just being changed, a link that is down
            last = repr(error)
        time.sleep(0.1)
    pytest.fail(f"{fault} within {seconds:.0f} s; at last: {last}")


@pytest.fixture(scope="session")
def driver() -> Iterator[Chrome]:
    """Debian's chromium, driven by its own driver: nothing is downloaded."""
    options = ChromeOptions()
    options.binary_location = needed("chromium")
    for option in _OPTIONS:
        options.add_argument(option)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    browser = Chrome(options, Service(needed("chromedriver")))
    yield browser
    browser.quit()


@pytest.fixture
def browser(driver: Chrome, stack: RunningStack) -> Iterator[Browser]:
    """The browser, at the console of the stack; what its console complains of fails the test."""
    driver.delete_all_cookies()
    driver.get_log("browser")  # type: ignore[no-untyped-call]
    yield Browser(driver, stack.address("console_url"))
    complaints = [
        entry["message"]
        for entry in driver.get_log("browser")  # type: ignore[no-untyped-call]
        if "Content Security Policy" in entry["message"] or entry["source"] == "javascript"
    ]
    assert complaints == []


@pytest.fixture
def owner(stack: RunningStack) -> Iterator[psycopg.Connection]:
    """The stack's database, as its owner."""
    with psycopg.connect(stack.address("database_url"), autocommit=True) as connection:
        yield connection


@contextmanager
def second_console(stack: RunningStack, port: int, settings: Mapping[str, str]) -> Iterator[str]:
    """Another console on the same stack, with settings of its own; its address."""
    environment = {
        **command_environment(stack.layout),
        **os.environ,
        "OUTBOX_HOME": str(stack.layout.home),
        "OUTBOX_PORT_BASE": str(stack.layout.port_base),
        "OUTBOX_CONSOLE_PORT": str(port),
        **settings,
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "operations.console"], env=environment, stderr=subprocess.DEVNULL
    )
    url = f"http://127.0.0.1:{port}"
    try:
        wait_until(lambda: httpx.get(f"{url}/live").status_code == 200, "no second console")
        yield url
    finally:
        process.terminate()
        process.wait(20)


@pytest.fixture
def prometheus(stack: RunningStack, tmp_path: Path) -> Iterator[Prometheus]:
    """A Prometheus that scrapes the stack."""
    program = needed("prometheus")
    with running_prometheus(program, stack, tmp_path) as server:
        yield server
