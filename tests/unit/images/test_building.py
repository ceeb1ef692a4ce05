import json

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from infra.audit import findings
from infra.images.bill_of_materials import (
    bill_text,
    debian_component,
    jar_component,
    python_component,
)
from infra.images.build import Release, build_command
from infra.images.health import port_setting
from infra.local.jars_lock import LOCK, read_lock

RELEASE = Release("1.2.3", "abc", "1700000000")


def test_the_base_and_the_mirrors_of_this_machine_reach_the_build() -> None:
    environment = {"OUTBOX_BASE_IMAGE": "mine:1", "PIP_INDEX_URL": "https://p", "PIP_CERT": ""}
    command = build_command("billing-outbox", RELEASE, environment)
    assert {"BASE=mine:1", "PIP_INDEX_URL=https://p", "SOURCE_DATE_EPOCH=1700000000"} < set(command)
    assert not [part for part in command if part.startswith("PIP_CERT") or part == "--network"]


def test_without_another_base_the_dockerfiles_own_is_used() -> None:
    command = build_command("billing-outbox-connect", RELEASE, {})
    assert not [part for part in command if part.startswith("BASE=")]


def test_a_bill_is_as_its_schema_has_it_and_the_same_each_time() -> None:
    jars = read_lock(LOCK.read_text())
    parts = [
        debian_component("libc6", "2.36-9+deb12u10", "amd64"),
        python_component("SQLAlchemy", "2.0.0"),
        *map(jar_component, jars),
    ]
    text = bill_text("billing-outbox", "1.2.3", 1_700_000_000, parts)
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    assert text == bill_text("billing-outbox", "1.2.3", 1_700_000_000, list(reversed(parts)))
    listed = json.loads(text)["components"]
    assert len(listed) == len(jars) + 2
    assert {part["hashes"][0]["content"] for part in listed if "hashes" in part} == {
        jar.sha256 for jar in jars
    }


@pytest.mark.parametrize(
    ("command", "setting"),
    [
        (["/opt/outbox/bin/python", "-m", "infra.images", "worker", ""], "OUTBOX_HEALTH_PORT"),
        (["docker-init", "--", "python", "-m", "infra.images", "console"], "OUTBOX_CONSOLE_PORT"),
        (["python", "-m", "infra.images", "outbox", "demo"], None),
    ],
)
def test_the_health_check_knows_by_the_command_line_whom_to_ask(
    command: list[str], setting: str | None
) -> None:
    assert port_setting(command) == setting


def test_the_health_check_takes_no_stranger_for_ours() -> None:
    with pytest.raises(ValueError, match="none of ours: sh"):
        port_setting(["sh"])


def test_an_audit_tells_what_is_known_from_what_nobody_could_be_asked_about() -> None:
    found = findings(
        {
            "dependencies": [
                {"name": "fine", "version": "1", "vulns": []},
                {
                    "name": "bad",
                    "version": "1",
                    "vulns": [{"id": "PYSEC-1", "fix_versions": ["2"]}],
                },
                {"name": "unknown", "skip_reason": "not found"},
            ]
        }
    )
    assert found.known == ("bad 1: PYSEC-1, mended in 2",)
    assert found.unasked == {"unknown": "not found"}
