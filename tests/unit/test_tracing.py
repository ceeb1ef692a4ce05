"""OpenTelemetry is imported where spans are asked for, and nowhere else."""

import json
import os
import subprocess
import sys

import pytest

ENDPOINT = "http://127.0.0.1:9"
WITHOUT_OPENTELEMETRY = """
import sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "opentelemetry":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Missing())
"""
MAKE_A_TRACER = """
from stream_processors.engine.logs import set_up_logs
from stream_processors.engine.tracing import tracer_from_environment
import stream_processors.ledger.__main__, stream_processors.worker
set_up_logs("INFO")
tracer = tracer_from_environment("worker")
import sys
print(tracer is not None, "opentelemetry" in sys.modules)
"""


def _run(code: str, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
    return subprocess.run(
        [sys.executable, "-c", code],
        env={**inherited, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": ""},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": ENDPOINT, "OTEL_SDK_DISABLED": "true"},
    ],
)
def test_without_a_collector_no_process_imports_opentelemetry(
    environment: dict[str, str],
) -> None:
    ended = _run(WITHOUT_OPENTELEMETRY + MAKE_A_TRACER, environment)

    assert ended.stdout == "False False\n", ended.stderr


@pytest.mark.parametrize(
    "setting", ["OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"]
)
def test_the_address_of_a_collector_is_enough_for_spans(setting: str) -> None:
    ended = _run(MAKE_A_TRACER, {setting: ENDPOINT})

    assert ended.stdout == "True True\n", ended.stderr


def test_a_process_that_is_to_export_and_can_not_ends_and_says_what_to_install() -> None:
    ended = _run(
        WITHOUT_OPENTELEMETRY + MAKE_A_TRACER, {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": ENDPOINT}
    )

    assert (ended.returncode, ended.stdout) == (2, "")
    [line] = [json.loads(line) for line in ended.stderr.splitlines()]
    assert line["setting"] == "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"
    assert "opentelemetry is not installed" in line["error"]
    assert "billing-outbox[tracing]" in line["error"]
