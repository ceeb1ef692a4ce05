"""The services that the connector needs, once for all tests here, with the connector running."""

from collections.abc import Iterator

import pytest

from connectors.apply import apply
from connectors.plan import ActionKind
from tests.connect_services import ConnectServices, running_connect_services

BEFORE_THE_FIRST_START = "written-before-the-first-start"


@pytest.fixture(scope="package")
def services() -> Iterator[ConnectServices]:
    """Its first event was written before the connector's first start, after the slot was made."""
    with running_connect_services() as running:
        running.insert(BEFORE_THE_FIRST_START)
        assert apply(running.site).kind is ActionKind.CREATE
        yield running


@pytest.fixture
def running_connector(services: ConnectServices) -> None:
    """A connector that has its place, whatever the test before did to it."""
    name = services.definition.name
    if services.client.config(name) is None:
        services.client.create_stopped(name, services.definition.config)
    services.stop()
    services.client._demand("DELETE", f"/connectors/{name}/offsets")
    services.drop_slot()
    services.make_slot()
    apply(services.site)
    assert services.slot_exists()
    assert services.delivered(services.insert()) is not None
