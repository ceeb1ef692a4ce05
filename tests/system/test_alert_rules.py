"""The alert rules, by Debian's promtool: each fires when it should, and not when it nearly does."""

import json
import shlex
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from infra.local.layout import Layout
from infra.local.programs import stack_endpoints
from infra.monitoring.configuration import FILES, targets, write_configuration
from operations.main import main
from tests.system.alert_cases import CASES, Case

MONITORING = Path(__file__).parents[2] / "infra" / "monitoring"


@cache
def alerts() -> dict[str, dict[str, Any]]:
    groups = yaml.safe_load((MONITORING / "alerts.yml").read_text())["groups"]
    return {rule["alert"]: rule for group in groups for rule in group["rules"]}


def promtool(*arguments: str, directory: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["promtool", *arguments],  # noqa: S607 - Debian's, of the PATH
        cwd=directory,
        capture_output=True,
        text=True,
        check=False,
    )


def rule_test(case: Case) -> dict[str, Any]:
    selector = f'count(ALERTS{{alertname="{case.alert}",alertstate="firing"}})'
    samples = [{"labels": "{}", "value": case.firing}] if case.firing else []
    return {
        "name": f"{case.alert}: {case.series} at {case.at_seconds} s",
        "interval": "1s",
        "input_series": [
            {"series": series, "values": values} for series, values in case.series.items()
        ],
        "promql_expr_test": [
            {"expr": selector, "eval_time": f"{case.at_seconds}s", "exp_samples": samples}
        ],
    }


def written_tests(directory: Path, cases: tuple[Case, ...]) -> Path:
    rules = [str(MONITORING / name) for name in ("alerts.yml", "latency.yml")]
    document = {
        "rule_files": rules,
        "evaluation_interval": "1s",
        "tests": [rule_test(case) for case in cases],
    }
    file = directory / "alerts.test.yml"
    file.write_text(json.dumps(document))
    return file


def test_prometheus_takes_the_rules_and_the_configuration(tmp_path: Path) -> None:
    configuration = write_configuration(Layout(tmp_path, 30_000))
    checked = promtool("check", "config", str(configuration), directory=tmp_path)
    assert checked.returncode == 0, checked.stderr
    assert "WARNING" not in checked.stdout + checked.stderr


def test_each_alert_fires_when_it_should_and_not_when_it_nearly_should(tmp_path: Path) -> None:
    file = written_tests(tmp_path, CASES)
    tested = promtool("test", "rules", file.name, directory=tmp_path)
    assert tested.returncode == 0, tested.stdout + tested.stderr


def test_a_case_that_is_not_so_is_noticed(tmp_path: Path) -> None:
    wrong = Case("OutboxProcessDown", {'up{job="outbox"}': "1x60"}, 60, 1)
    file = written_tests(tmp_path, (wrong,))
    assert promtool("test", "rules", file.name, directory=tmp_path).returncode != 0


def test_there_are_cases_of_both_kinds_for_every_alert() -> None:
    assert {case.alert for case in CASES if case.firing} == alerts().keys()
    assert {case.alert for case in CASES if not case.firing} == alerts().keys()


@pytest.mark.parametrize("name", list(alerts()))
def test_an_alert_says_what_is_what_it_means_and_which_command_to_run(name: str) -> None:
    annotations = alerts()[name]["annotations"]
    assert annotations.keys() == {"summary", "description", "command"}
    assert alerts()[name]["labels"]["severity"] in {"critical", "warning"}
    command = annotations["command"].replace("{{ $labels.reason }}", "price_missing")
    program, *arguments = shlex.split(command)
    assert program == "outbox"
    # --help comes after the rest: what is unknown before it is refused.
    told = CliRunner().invoke(main, [*arguments, "--help"])
    assert told.exit_code == 0, told.output


def test_the_targets_are_the_processes_that_tell_metrics_at_the_stacks_own_ports() -> None:
    layout = Layout(Path("/nowhere"), 30_000)
    found = targets(stack_endpoints(layout, 2))
    by_name = {each["labels"]["instance"]: each["targets"] for each in found}
    assert by_name["worker-2"] == ["127.0.0.1:30011"]
    assert by_name.keys() >= {"worker-1", "ledger-writer", "connector-keeper", "scheduler"}
    assert by_name.keys().isdisjoint({"postgres", "kafka", "connect"})


def test_the_tools_of_debian_are_there() -> None:
    assert shutil.which("promtool"), "install Debian's package prometheus"
    assert set(FILES) == {path.name for path in MONITORING.glob("*.yml")}
