"""HTTP requests to the application end in the ledger."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx

from tests.end_to_end.books import PACKAGE_MINOR, SINGLE_MINOR, Books
from tests.producer_api import running_api

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def _hold(books: Books, client: httpx.Client, noun: str, session_type: str) -> None:
    """Start, end and complete a session; the completion is sent three times at once."""
    session = {
        "sessionId": books.id(noun),
        "mentorId": books.mentor,
        "sessionType": session_type,
        "requiredEvaluation": session_type == "single",
    }
    started = client.post(f"/contracts/{books.contract}/sessions", json=session)
    assert started.status_code == 201, started.text
    path = f"/sessions/{books.id(noun)}"
    assert client.post(f"{path}/end").status_code == 200
    headers = {"Idempotency-Key": f'"{books.id(noun)}"', "traceparent": TRACE}
    with ThreadPoolExecutor() as threads:
        sent = [threads.submit(client.post, f"{path}/completion", headers=headers) for _ in "123"]
        assert {request.result().status_code for request in sent} <= {200, 409}
    assert client.post(f"{path}/completion", headers=headers).status_code == 200


def test_sessions_and_a_package_completed_over_http_are_billed_once(
    books: Books, tmp_path: Path
) -> None:
    package = {
        "servicePackageId": books.id("package"),
        "packageCode": "course",
        "mentorId": books.mentor,
    }
    contract = {
        "contractId": books.contract,
        "studentId": books.id("student"),
        "services": [
            {"sessionType": "single", "quantity": 2},
            {"sessionType": "lesson", "quantity": 3, "package": package},
        ],
    }
    database_url = books.stack.address("app_database_url")
    with (
        running_api(database_url, tmp_path / "api.log") as api,
        httpx.Client(base_url=api.url, timeout=60) as client,
    ):
        assert client.post("/contracts", json=contract).status_code == 201
        assert client.post(f"/contracts/{books.contract}/activation").status_code == 200
        for noun in ("s1", "s2"):
            _hold(books, client, noun, "single")
        for noun in ("l1", "l2", "l3"):
            _hold(books, client, noun, "lesson")
        evaluated = client.post(f"/sessions/{books.id('s1')}/evaluation", json={"rating": 5})
        assert evaluated.status_code == 200

    bills = {bill["kind"]: bill for bill in books.wait_for_bills(2)}
    assert bills["session"]["session_id"] == books.id("s1")
    assert bills["session"]["amount_minor"] == SINGLE_MINOR
    assert bills["package"]["amount_minor"] == PACKAGE_MINOR
    assert bills["package"]["session_ids"] == [books.id(noun) for noun in ("l1", "l2", "l3")]
    completions = books.rows(
        "SELECT traceparent FROM domain_events WHERE event_type = 'services.session.completed'"
        " AND payload ->> 'contractId' = %s",
        books.contract,
    )
    assert [row["traceparent"] for row in completions] == [TRACE] * 5
    # The second single session waits for its evaluation, rightly.
    assert len(books.bills()) == 2
