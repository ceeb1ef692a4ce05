"""The console as its people use it: in a real browser, on the real stack."""

import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from operations.console.users import Role, made_user, write_users
from tests.running_stack import RunningStack
from tests.system.conftest import Browser, second_console, wait_until
from tests.system.stories import billed, completed, exceptions, price, record, unique

MANY = 1_000
PASSWORD = "correct horse battery"


def unpriced(owner: psycopg.Connection, count: int = 1) -> tuple[str, str]:
    """Let sessions without a price be completed until each has failed; mentor and prefix."""
    mentor, prefix = unique("mentor"), unique("unpriced")
    with owner.transaction():
        for number in range(count):
            record(owner, completed(f"{prefix}-{number:04}", unique("contract"), mentor))
    wait_until(lambda: exceptions(owner, prefix) == {"failed": count}, "they never failed", 120)
    return mentor, prefix


@pytest.mark.timeout(300)
def test_the_complaint_about_nine_bills_is_answered_and_put_right_while_one_looks(
    browser: Browser, owner: psycopg.Connection
) -> None:
    contract, mentor = unique("contract"), unique("mentor")
    price(owner, mentor)
    sessions = [f"{contract}-s{number}" for number in range(1, 11)]
    for session in sessions:
        record(
            owner, completed(session, contract, mentor, requiredEvaluation=session.endswith("s7"))
        )
    wait_until(lambda: billed(owner, mentor) == 9, "nine sessions were never billed")
    browser.open("/history")
    browser.fill("search", contract)
    browser.press("Find")
    browser.wait_for("10 sessions completed, 9 bills.")
    assert "waits for its evaluation" in browser.find(f'[data-unbilled="{contract}-s7"]').text
    browser.follow(f"session {contract}-s7")
    browser.wait_for("Missing: the evaluation of session")
    browser.driver.back()
    evaluated = {"sessionId": f"{contract}-s7", "evaluatedAt": "2026-03-01T12:00:00Z"}
    record(owner, evaluated, "evaluated")
    browser.wait_for("10 sessions completed, 10 bills.")
    browser.wait_for("Every completed session is paid by a bill.")


@pytest.mark.timeout(300)
def test_an_exception_is_retried_and_seen_billed(
    browser: Browser, owner: psycopg.Connection
) -> None:
    mentor, prefix = unpriced(owner)
    browser.open(f"/exceptions?subject={prefix}-0000")
    browser.follow("Open")
    assert "has no price single in force" in browser.text()
    price(owner, mentor)
    browser.press("Retry")
    browser.wait_for("resolved")
    browser.follow(f"session {prefix}-0000")
    browser.wait_for("1 session completed, 1 bill.")
    browser.open(f"/actions?subject={prefix}-0000")
    assert "exceptions.retry" in browser.find("tbody").text


@pytest.mark.timeout(400)
def test_a_thousand_are_retried_with_one_confirmation_that_names_them(
    browser: Browser, owner: psycopg.Connection
) -> None:
    mentor, prefix = unpriced(owner, MANY)
    price(owner, mentor)
    browser.open("/exceptions?status=failed&reason=price_missing")
    count = browser.find(".acts strong").text.split()[1]
    browser.follow("Retry all…")
    assert f"Retry {count} exceptions?" in browser.find("h1").text
    browser.press(f"Retry {count} exceptions")
    browser.wait_for(f"{count} exceptions are tried again from now on.")
    wait_until(lambda: billed(owner, mentor) == MANY, "not all of them were billed", 120)
    assert exceptions(owner, prefix) == {"resolved": MANY}


@contextmanager
def strange_site(form: str) -> Iterator[str]:
    """Another site, whose page sends a form as soon as it is opened."""
    page = f"<form method=post {form}</form><script>document.forms[0].submit()</script>".encode()

    class Site(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(page)

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Site)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        # By another name: to a browser that is another site.
        yield f"http://localhost:{server.server_port}/"
    finally:
        server.shutdown()


@pytest.mark.timeout(300)
def test_a_page_of_another_site_cannot_retry_or_dismiss(
    browser: Browser, owner: psycopg.Connection
) -> None:
    _, prefix = unpriced(owner)
    [(exception,)] = owner.execute(
        "SELECT id FROM billing_exceptions WHERE subject = %s", [f"{prefix}-0000"]
    ).fetchall()
    target = f"{browser.console_url}/exceptions/{exception}/dismiss"
    with strange_site(f'action="{target}"><input name=why value=forged>') as site:
        browser.driver.get(site)
        wait_until(lambda: browser.driver.current_url == target, "the form was never sent")
        assert "Refused: the request comes from another site's page" in browser.text()
    assert exceptions(owner, prefix) == {"failed": 1}


@pytest.mark.timeout(300)
def test_a_viewer_reads_everything_and_cannot_retry(
    browser: Browser, stack: RunningStack, owner: psycopg.Connection, tmp_path: Path
) -> None:
    mentor, prefix = unpriced(owner)
    price(owner, mentor)
    users = tmp_path / "users.json"
    write_users(users, {"vic": made_user("vic", Role.VIEWER, PASSWORD)})
    settings = {"OUTBOX_CONSOLE_USERS_FILE": str(users)}
    with second_console(stack, stack.layout.port_base + 60, settings) as url:
        guarded = Browser(browser.driver, url)
        guarded.open(f"/exceptions?subject={prefix}-0000")
        guarded.fill("name", "vic")
        guarded.fill("password", PASSWORD)
        guarded.press("Log in")
        guarded.wait_for("You may read. An operator can retry, decide and dismiss.")
        assert guarded.all("tbody input[type=checkbox]") == []
        guarded.follow("Open")
        guarded.wait_for("What happened")
        path = guarded.driver.current_url.removeprefix(url)
        assert "What can be done" not in guarded.text()
        # As one who writes the form by hand.
        guarded.driver.execute_script(
            "const form = document.createElement('form'); form.method = 'post';"
            f"form.action = '{path}/retry'; document.body.append(form); form.submit();"
        )
        guarded.wait_for("vic may read and not act")
        guarded.open("/")
        guarded.press("Log out")
        guarded.wait_for("Log in")
    assert exceptions(owner, prefix) == {"failed": 1}


def test_a_refresh_can_be_paused_and_goes_on(browser: Browser) -> None:
    browser.open("/")
    seen = browser.find(".when").text
    wait_until(lambda: browser.find(".when").text != seen, "the overview never refreshed itself")
    browser.press("Pause refresh")
    paused = browser.find(".when").text
    with pytest.raises(pytest.fail.Exception):
        wait_until(lambda: browser.find(".when").text != paused, "it is paused", 8)
    browser.press("Resume refresh")
    wait_until(lambda: browser.find(".when").text != paused, "it never went on")


def test_a_refresh_that_fails_leaves_the_page_and_says_so(
    browser: Browser, stack: RunningStack
) -> None:
    port = stack.layout.port_base + 61
    with second_console(stack, port, {}) as url:
        watching = Browser(browser.driver, url)
        watching.open("/connectors")
        shown = watching.find("h2").text
    watching.wait_for("Not refreshed since")
    assert watching.find("h2").text == shown
    with second_console(stack, port, {}):
        stale = watching.find("#stale")
        wait_until(lambda: not stale.is_displayed(), "it never went on")


def test_a_page_whose_session_has_ended_leads_to_the_login(
    browser: Browser, stack: RunningStack, tmp_path: Path
) -> None:
    users = tmp_path / "users.json"
    write_users(users, {"vic": made_user("vic", Role.VIEWER, PASSWORD)})
    settings = {"OUTBOX_CONSOLE_USERS_FILE": str(users)}
    with second_console(stack, stack.layout.port_base + 60, settings) as url:
        guarded = Browser(browser.driver, url)
        guarded.open("/connectors")
        guarded.fill("name", "vic")
        guarded.fill("password", PASSWORD)
        guarded.press("Log in")
        guarded.wait_for("reads PostgreSQL's write-ahead log")
        write_users(users, {"vic": made_user("vic", Role.VIEWER, "another long password")})
        wait_until(lambda: bool(guarded.all("[name=password]")), "it stayed without a word")


def test_htmx_is_the_one_that_npm_has(node_modules: Path) -> None:
    served = Path(__file__).parents[2] / "operations" / "console" / "static" / "htmx.min.js"
    published = node_modules / "htmx.org" / "dist" / "htmx.min.js"
    assert served.read_bytes() == published.read_bytes()
