"""Prometheus' configuration for a stack: rules as they are here, targets as the stack has them."""

import json
import shutil
from collections.abc import Iterable
from pathlib import Path

from infra.local.layout import Layout
from infra.local.programs import Endpoint, stack_endpoints
from infra.local.status import known_workers

FILES = ("prometheus.yml", "alerts.yml", "latency.yml")


def targets(endpoints: Iterable[Endpoint]) -> list[dict[str, object]]:
    """Return what Prometheus' file_sd reads: each process of ours, under its name."""
    return [
        {
            "targets": [endpoint.address.removeprefix("http://")],
            "labels": {"instance": endpoint.name},
        }
        for endpoint in endpoints
        if endpoint.metrics_url is not None
    ]


def write_configuration(layout: Layout) -> Path:
    """Write everything below the stack's home, and return the configuration's file.

    To be called again after the number of workers changed; Prometheus reads the targets anew.
    """
    directory = layout.home / "monitoring"
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name in FILES:
        shutil.copyfile(Path(__file__).with_name(name), directory / name)
    found = targets(stack_endpoints(layout, known_workers(layout)))
    written = directory / "targets.json.new"
    written.write_text(json.dumps(found, indent=2) + "\n")
    # At once: Prometheus may read it at any moment.
    written.replace(directory / "targets.json")
    return directory / "prometheus.yml"
