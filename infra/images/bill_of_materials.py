"""Software bills of materials of the images, as CycloneDX: what truly is in them.

Python's packages and Debian's are asked of the image itself; the jars are those of jars.lock, which
the build has verified.
"""

import json
import subprocess
import uuid
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

from cyclonedx.model import HashAlgorithm, HashType
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output import make_outputter
from cyclonedx.schema import OutputFormat, SchemaVersion
from packageurl import PackageURL

from infra.local.jars_lock import LOCK, LockedJar, read_lock

CONNECT = "billing-outbox-connect"
_NAMESPACE = uuid.UUID("5b8e6c53-0b0e-4a57-9d5c-6f1d1f0e6a11")
_PYTHON_PACKAGES = """
import importlib.metadata, json
found = {(each.metadata["Name"], each.version) for each in importlib.metadata.distributions()}
print(json.dumps(sorted(found)))
"""
_JAVA_VERSION = 'sed -n \'s/^JAVA_VERSION="\\(.*\\)"$/\\1/p\' "$JAVA_HOME/release"'
_DEBIAN_PACKAGES = (
    "if command -v dpkg-query > /dev/null; then "
    "dpkg-query --show --showformat '${Package} ${Version} ${Architecture}\\n'; fi"
)


def python_component(name: str, version: str) -> Component:
    """Return a package of PyPI's."""
    return _library(name, version, PackageURL("pypi", name=name.lower(), version=version))


def debian_component(name: str, version: str, architecture: str) -> Component:
    """Return a package of Debian's."""
    qualifiers = {"arch": architecture}
    return _library(name, version, PackageURL("deb", "debian", name, version, qualifiers))


def jar_component(jar: LockedJar) -> Component:
    """Return a jar, with the hash it was locked by."""
    return Component(
        type=ComponentType.LIBRARY,
        group=jar.group,
        name=jar.artifact,
        version=jar.version,
        bom_ref=f"pkg:maven/{jar.group}/{jar.artifact}@{jar.version}#{jar.class_path}",
        purl=PackageURL("maven", jar.group, jar.artifact, jar.version),
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=jar.sha256)],
    )


def _library(name: str, version: str, url: PackageURL) -> Component:
    return Component(
        type=ComponentType.LIBRARY, name=name, version=version, purl=url, bom_ref=url.to_string()
    )


def bill_text(name: str, version: str, epoch: int, components: Iterable[Component]) -> str:
    """Return a bill as JSON; the same image gives the same text."""
    parts = list(components)
    bill = Bom(
        components=parts,
        serial_number=uuid.uuid5(_NAMESPACE, f"{name}:{version}:{epoch}"),
    )
    bill.metadata.timestamp = datetime.fromtimestamp(epoch, UTC)
    bill.metadata.component = Component(
        type=ComponentType.CONTAINER, name=name, version=version, bom_ref=name
    )
    bill.register_dependency(bill.metadata.component, parts)
    return make_outputter(bill, OutputFormat.JSON, SchemaVersion.V1_6).output_as_string(indent=2)


def write_bill(path: Path, image: str, name: str, version: str, epoch: int) -> None:
    """Write what is in an image; raises subprocess.CalledProcessError where it cannot be run."""
    components = [
        debian_component(*line.split())
        for line in _asked(image, "sh", "-c", _DEBIAN_PACKAGES).splitlines()
    ]
    if name == CONNECT:
        java = _asked(image, "sh", "-c", _JAVA_VERSION).strip()
        components.append(
            _library("openjdk", java, PackageURL("generic", name="openjdk", version=java))
        )
        components += map(jar_component, read_lock(LOCK.read_text(encoding="utf-8")))
    listed = json.loads(_asked(image, "python3", "-c", _PYTHON_PACKAGES))
    components += [python_component(*package) for package in listed]
    path.write_text(bill_text(name, version, epoch, components) + "\n", encoding="utf-8")


def _asked(image: str, *command: str) -> str:
    entry, *arguments = command
    run = ["docker", "run", "--rm", "--network", "none", "--entrypoint", entry, image, *arguments]
    return subprocess.run(run, check=True, capture_output=True, text=True).stdout
