"""Who may do what at the console, as an attacker on the network or on a web page would try it."""

from pathlib import Path

import psycopg
import pytest
from starlette.testclient import TestClient

from operations.console.users import Role, User, made_user, read_users, write_users
from tests.integration.console.conftest import MakeConsole
from tests.integration.database_rows import insert_exception

PASSWORD = "correct horse battery"
PAGES = ("/", "/history", "/exceptions", "/actions", "/login", "/nowhere")


@pytest.fixture(scope="module")
def users() -> dict[str, User]:
    """Made once: a hash is meant to take long."""
    roles = {"ana": Role.OPERATOR, "vic": Role.VIEWER}
    return {name: made_user(name, role, PASSWORD) for name, role in roles.items()}


@pytest.fixture
def users_file(tmp_path: Path, users: dict[str, User]) -> Path:
    path = tmp_path / "users.json"
    write_users(path, users)
    return path


@pytest.fixture
def guarded(make_console: MakeConsole, users_file: Path) -> TestClient:
    return make_console(users_file=users_file)


def log_in(console: TestClient, name: str, password: str = PASSWORD) -> int:
    return console.post("/login", data={"name": name, "password": password}).status_code


@pytest.mark.parametrize("page", PAGES)
def test_every_page_forbids_scripts_and_frames_of_others(console: TestClient, page: str) -> None:
    headers = console.get(page).headers
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://elsewhere.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:25406"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "none", "Origin": "https://elsewhere.example"},
    ],
)
def test_a_write_from_another_sites_page_is_refused(
    console: TestClient, owner: psycopg.Connection, headers: dict[str, str]
) -> None:
    exception = insert_exception(owner)
    answer = console.post(f"/exceptions/{exception}/dismiss", data={"why": "x"}, headers=headers)
    assert answer.status_code == 403
    assert "Nothing was done" in answer.text
    assert _status(owner) == "failed"


def test_a_write_that_does_not_say_where_it_comes_from_is_refused(
    console: TestClient, owner: psycopg.Connection
) -> None:
    exception = insert_exception(owner)
    del console.headers["Origin"]
    answer = console.post(f"/exceptions/{exception}/dismiss", data={"why": "x"})
    assert answer.status_code == 403
    assert _status(owner) == "failed"


def test_a_write_from_its_own_page_is_taken(console: TestClient, owner: psycopg.Connection) -> None:
    exception = insert_exception(owner)
    answer = console.post(f"/exceptions/{exception}/dismiss", data={"why": "a gift"})
    assert answer.status_code == 303
    assert _status(owner) == "dismissed"


def test_a_strangers_name_that_points_to_loopback_is_not_answered(console: TestClient) -> None:
    answer = console.get("/exceptions", headers={"Host": "rebound.example:25405"})
    assert answer.status_code == 403
    assert "rebound.example" in answer.text


def test_without_a_login_pages_lead_to_it_and_writes_are_refused(guarded: TestClient) -> None:
    page = guarded.get("/exceptions?status=failed")
    assert page.status_code == 303
    assert page.headers["Location"] == "/login?next=%2Fexceptions%3Fstatus%3Dfailed"
    assert guarded.post("/exceptions/act", data={}).status_code == 401


def test_programs_that_watch_need_no_login(guarded: TestClient) -> None:
    assert guarded.get("/health", headers={"Host": "10.0.0.7:25405"}).status_code == 200
    assert guarded.get("/live", headers={"Host": "10.0.0.7:25405"}).status_code == 200


def test_a_wrong_password_and_an_unknown_name_are_refused_alike(guarded: TestClient) -> None:
    wrong = guarded.post("/login", data={"name": "ana", "password": "x"})
    unknown = guarded.post("/login", data={"name": "bob", "password": "x"})
    assert (wrong.status_code, unknown.status_code) == (403, 403)
    assert wrong.text.replace("ana", "") == unknown.text.replace("bob", "")


def test_after_some_wrong_passwords_the_right_one_must_wait_as_well(guarded: TestClient) -> None:
    for _ in range(5):
        assert log_in(guarded, "vic", "wrong") == 403
    assert log_in(guarded, "vic") == 403
    assert log_in(guarded, "ana") == 303


def test_an_operator_acts_under_their_own_name(
    guarded: TestClient, owner: psycopg.Connection
) -> None:
    exception = insert_exception(owner)
    assert log_in(guarded, "ana") == 303
    guarded.post(f"/exceptions/{exception}/dismiss", data={"why": "a gift"})
    acts = owner.execute("SELECT actor, action, reason FROM operator_actions").fetchall()
    assert acts == [("ana", "exceptions.dismiss", "a gift")]


@pytest.mark.parametrize("act", ["retry", "dismiss", "void", "bill-singly"])
def test_a_viewer_reads_and_cannot_act(
    guarded: TestClient, owner: psycopg.Connection, act: str
) -> None:
    exception = insert_exception(owner)
    assert log_in(guarded, "vic") == 303
    page = guarded.get(f"/exceptions/{exception}")
    assert page.status_code == 200
    assert f'action="/exceptions/{exception}' not in page.text
    answer = guarded.post(f"/exceptions/{exception}/{act}", data={"why": "x"})
    assert answer.status_code == 403
    assert "vic may read and not act" in answer.text
    assert _status(owner) == "failed"


def test_a_viewer_cannot_act_on_all_that_match(
    guarded: TestClient, owner: psycopg.Connection
) -> None:
    insert_exception(owner)
    assert log_in(guarded, "vic") == 303
    form = {"act": "retry", "status": "failed", "confirmed": "1-0"}
    assert guarded.post("/exceptions/act", data=form).status_code == 403
    assert _status(owner) == "failed"


def test_a_new_password_ends_the_sessions_of_the_old_one(
    guarded: TestClient, users_file: Path
) -> None:
    assert log_in(guarded, "ana") == 303
    assert guarded.get("/actions").status_code == 200
    users = read_users(users_file)
    write_users(users_file, {**users, "ana": made_user("ana", Role.OPERATOR, "another password")})
    assert guarded.get("/actions").status_code == 303


def test_a_user_who_was_removed_is_out(guarded: TestClient, users_file: Path) -> None:
    assert log_in(guarded, "ana") == 303
    users = read_users(users_file)
    write_users(users_file, {"vic": users["vic"]})
    assert guarded.get("/actions").status_code == 303


def test_a_file_of_users_that_broke_lets_nobody_in_and_says_so(
    guarded: TestClient, users_file: Path
) -> None:
    assert log_in(guarded, "ana") == 303
    users_file.write_text("{")
    answer = guarded.get("/actions")
    assert answer.status_code == 503
    assert "cannot be read" in answer.text


def test_a_session_that_was_tampered_with_is_none(guarded: TestClient) -> None:
    assert log_in(guarded, "vic") == 303
    cookie = guarded.cookies["outbox"]
    guarded.cookies.clear()
    guarded.cookies.set("outbox", "A" + cookie[1:])
    assert guarded.get("/actions").status_code == 303


@pytest.mark.parametrize(
    "target", ["https://elsewhere.example", "//elsewhere.example", "/\\elsewhere.example", ""]
)
def test_a_login_never_leads_elsewhere(guarded: TestClient, target: str) -> None:
    form = {"name": "ana", "password": PASSWORD, "next": target}
    assert guarded.post("/login", data=form).headers["Location"] == "/"


def test_logging_out_ends_the_session(guarded: TestClient) -> None:
    assert log_in(guarded, "ana") == 303
    assert guarded.post("/logout").status_code == 303
    assert guarded.get("/actions").status_code == 303


def test_behind_tls_the_session_travels_by_tls_alone(
    make_console: MakeConsole, users_file: Path
) -> None:
    console = make_console(users_file=users_file, origin="https://console.example.org")
    answer = console.post("/login", data={"name": "ana", "password": PASSWORD})
    cookie = answer.headers["Set-Cookie"].lower()
    assert cookie.startswith("__host-outbox=")
    assert all(part in cookie for part in ("secure", "httponly", "samesite=lax", "path=/"))
    assert "max-age" in answer.headers["Strict-Transport-Security"]


def _status(owner: psycopg.Connection) -> str:
    [(status,)] = owner.execute("SELECT status FROM billing_exceptions").fetchall()
    return str(status)


def test_a_stranger_cannot_have_a_long_form_read(guarded: TestClient) -> None:
    answer = guarded.post("/login", data={"name": "x" * 20_000, "password": "y"})
    assert answer.status_code == 413
    assert "The form is too long" in answer.text


def test_a_part_of_a_page_is_not_answered_with_the_login(guarded: TestClient) -> None:
    assert guarded.get("/exceptions", headers={"HX-Request": "true"}).status_code == 401
    assert guarded.get("/exceptions").status_code == 303
