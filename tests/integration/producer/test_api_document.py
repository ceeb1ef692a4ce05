"""The API against its own OpenAPI document, by schemathesis: all its checks, in all its phases."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.producer_api import running_api

if TYPE_CHECKING:
    from psycopg import Connection

ROOT = Path(__file__).parents[3]
EXAMPLES = 10
LIMIT_SECONDS = 300


def schemathesis(url: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Test the API at `url` with random requests, the same in each run."""
    program = Path(sys.executable).with_name("schemathesis")
    choices = ["--checks", "all", "--max-examples", str(EXAMPLES), "--generation-deterministic"]
    return subprocess.run(
        [program, "run", f"{url}/openapi.json", *choices],
        cwd=folder,
        env={
            **os.environ,
            "SCHEMATHESIS_HOOKS": "tests.integration.producer.schemathesis_hooks",
            "PYTHONPATH": str(ROOT),
            "NO_COLOR": "1",
        },
        capture_output=True,
        text=True,
        timeout=LIMIT_SECONDS,
        check=False,
    )


@pytest.mark.timeout(LIMIT_SECONDS + 60)
def test_the_api_keeps_what_its_openapi_document_says(
    postgres_server: Any, application: Connection, tmp_path: Path
) -> None:
    url = postgres_server.url("outbox_application", application.info.dbname)
    with running_api(url, tmp_path / "api.log") as api:
        found = schemathesis(api.url, tmp_path)
        assert found.returncode == 0, found.stdout + found.stderr + api.log.read_text()
        assert "Traceback" not in api.log.read_text()
    assert "12 selected / 12 total" in found.stdout
    # It is no proof if every request was refused: each use case was carried out.
    carried_out = application.execute(
        "SELECT (SELECT count(*) FROM mentoring.users),"
        " (SELECT count(activated_at) FROM mentoring.contracts),"
        " (SELECT count(ended_at) FROM mentoring.sessions),"
        " (SELECT count(completed_at) FROM mentoring.sessions),"
        " (SELECT count(evaluated_at) FROM mentoring.sessions),"
        " (SELECT count(*) FROM mentoring.idempotency_keys)"
    ).fetchone()
    assert carried_out is not None
    assert all(count > 0 for count in carried_out), carried_out
