"""The images, built once, and the system of infra/compose.yaml on them."""

import os
from collections.abc import Iterator

import pytest

from tests.containers.building import Images, build_images
from tests.containers.system import System, running_system

# testcontainers would start a container that tidies up after it, of an image from a registry.
os.environ["TESTCONTAINERS_RYUK_DISABLED"] = "true"


@pytest.fixture(scope="session")
def images(tmp_path_factory: pytest.TempPathFactory) -> Images:
    """The images, on OUTBOX_BASE_IMAGE."""
    return build_images(tmp_path_factory.mktemp("images"))


@pytest.fixture(scope="session")
def system(images: Images, tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """The whole system, healthy."""
    with running_system(images, tmp_path_factory.mktemp("system")) as running:
        yield running
