"""No page has what axe-core calls a violation, in light and in dark; and a keyboard reaches all."""

from pathlib import Path
from typing import Any

import psycopg
import pytest
from selenium.webdriver.common.keys import Keys

from tests.system.conftest import Browser, wait_until
from tests.system.stories import completed, exceptions, price, record, unique

PAGES = (
    "/",
    "/history",
    "/history?contract={contract}",
    "/history?search=nobody-has-this",
    "/exceptions",
    "/exceptions?status=dismissed&reason=timeout",
    "/exceptions/{exception}",
    "/exceptions/confirm?act=retry&status=failed",
    "/exceptions/confirm?act=dismiss&status=failed",
    "/ledger",
    "/ledger/{entry}",
    "/connectors",
    "/reconciliation",
    "/actions",
    "/login",
    "/nowhere",
)


@pytest.fixture(scope="module")
def axe(node_modules: Path) -> str:
    return (node_modules / "axe-core" / "axe.min.js").read_text(encoding="utf-8")


@pytest.fixture
def places(owner: psycopg.Connection) -> dict[str, str]:
    """Something to see on each page: a contract, a failed exception, an entry."""
    contract, mentor, unpriced = unique("contract"), unique("mentor"), unique("unpriced")
    price(owner, mentor)
    record(owner, completed(f"{contract}-1", contract, mentor))
    record(owner, completed(f"{contract}-2", contract, mentor, requiredEvaluation=True))
    record(owner, completed(unpriced, contract, unpriced))
    wait_until(lambda: exceptions(owner, unpriced) == {"failed": 1}, "it never failed", 60)
    [(exception,)] = owner.execute(
        "SELECT id FROM billing_exceptions WHERE subject = %s", [unpriced]
    ).fetchall()
    [(entry,)] = owner.execute(
        "SELECT id FROM mentor_payable_ledgers WHERE contract_id = %s", [contract]
    ).fetchall()
    return {"contract": contract, "exception": str(exception), "entry": str(entry)}


def violations(browser: Browser, axe: str) -> list[str]:
    """What axe-core finds on the page that is open, each with the element."""
    browser.driver.execute_script(axe)
    found: dict[str, Any] = browser.driver.execute_async_script(
        "axe.run(document, {}).then(arguments[arguments.length - 1])"
    )
    return [
        f"{violation['id']}: {node['target']} {node.get('failureSummary', '')}"
        for violation in found["violations"]
        for node in violation["nodes"]
    ]


@pytest.mark.timeout(300)
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_no_violation_on_any_page(
    browser: Browser, axe: str, places: dict[str, str], theme: str
) -> None:
    browser.driver.execute_cdp_cmd(
        "Emulation.setEmulatedMedia",
        {"features": [{"name": "prefers-color-scheme", "value": theme}]},
    )
    found = {}
    for page in PAGES:
        browser.open(page.format(**places))
        for details in browser.all("details > summary"):
            details.click()
        found[page] = violations(browser, axe)
    told = [f"{page} {fault}" for page, faults in found.items() for fault in faults]
    assert not told, "\n".join(told)


def test_the_check_finds_a_picture_without_a_text(browser: Browser, axe: str) -> None:
    browser.open("/history")
    browser.driver.execute_script(
        "const picture = document.createElement('img'); picture.src = '/static/icon.svg';"
        "document.querySelector('main').append(picture);"
    )
    assert any(fault.startswith("image-alt") for fault in violations(browser, axe))


def test_a_keyboard_alone_reaches_the_search_and_its_answer(
    browser: Browser, places: dict[str, str]
) -> None:
    browser.open("/actions")
    focused = browser.driver.switch_to.active_element
    for _ in range(6):
        focused.send_keys(Keys.TAB)
        focused = browser.driver.switch_to.active_element
        if focused.text == "History":
            break
    focused.send_keys(Keys.ENTER)
    wait_until(
        lambda: browser.driver.switch_to.active_element.get_attribute("name") == "search",
        "the search is not where one types",
    )
    browser.driver.switch_to.active_element.send_keys(places["contract"], Keys.ENTER)
    browser.wait_for("sessions completed")
