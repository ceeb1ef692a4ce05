"""The manifests for Kubernetes: what holds for each of them, without a cluster."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from infra.kubernetes.connector import PATH, kafka_connectors
from operations.reference.document import reference

HOME = PATH.parents[1]
DOCUMENTS = {
    f"{path.parent.name}/{path.name}: {document['kind']} {document['metadata']['name']}": document
    for path in sorted(HOME.rglob("*.yaml"))
    if path.name != "kustomization.yaml"
    for document in yaml.safe_load_all(path.read_text())
}
OF_THE_IMAGE_OF_CONNECT = {
    "OUTBOX_CONNECT_ADVERTISED_HOST",
    "OUTBOX_CONNECT_HEAP_MIB",
}


def pods() -> Iterator[tuple[str, dict[str, Any]]]:
    for name, document in DOCUMENTS.items():
        template = document["spec"].get("template", {}) if "spec" in document else {}
        if "containers" in template.get("spec", {}):
            yield name, template["spec"]


PODS = dict(pods())


def test_every_manifest_is_in_a_kustomization_and_every_one_named_there_exists() -> None:
    for kustomization in HOME.rglob("kustomization.yaml"):
        named = set(yaml.safe_load(kustomization.read_text())["resources"])
        assert all((kustomization.parent / name).exists() for name in named)
        beside = {path.name for path in kustomization.parent.glob("*.yaml")}
        assert beside - {"kustomization.yaml"} <= named, kustomization


def test_the_connector_is_as_its_definition_has_it() -> None:
    assert PATH.read_text() == kafka_connectors(), "run `python -m infra.kubernetes`"


def test_no_secret_is_kept_here() -> None:
    assert [name for name, document in DOCUMENTS.items() if document["kind"] == "Secret"] == []
    for path in HOME.rglob("*.yaml"):
        assert not re.search(r"postgresql://|PASSWORD: (?!\$)", path.read_text()), path


@pytest.mark.parametrize("name", PODS)
def test_a_pod_is_no_root_writes_to_its_volumes_alone_and_may_nothing(name: str) -> None:
    pod = PODS[name]
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    for container in pod["containers"]:
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert set(container["resources"]["requests"]) == {"cpu", "memory"}
        assert "memory" in container["resources"]["limits"]


@pytest.mark.parametrize("name", [name for name in PODS if "Job" not in name])
def test_a_process_is_asked_whether_it_lives_and_whether_it_works(name: str) -> None:
    for container in PODS[name]["containers"]:
        assert {"startupProbe", "livenessProbe", "readinessProbe"} <= set(container)
        assert container["readinessProbe"]["httpGet"]["path"] == "/health"


def test_a_workers_identity_in_its_consumer_group_is_its_ordinal_name_and_its_state_stays() -> None:
    [worker] = [each for name, each in DOCUMENTS.items() if "StatefulSet outbox-worker" in name]
    spec = worker["spec"]
    [told] = spec["template"]["spec"]["containers"][0]["env"]
    assert told["name"] == "OUTBOX_WORKER_NAME"
    assert told["valueFrom"]["fieldRef"]["fieldPath"] == "metadata.name"
    assert [claim["metadata"]["name"] for claim in spec["volumeClaimTemplates"]] == ["state"]


def test_every_setting_that_is_named_is_one() -> None:
    named = {
        name
        for path in HOME.rglob("*.yaml")
        for name in re.findall(r"OUTBOX(?:_[A-Z]+)+", path.read_text())
    }
    page = reference()
    assert {each for each in named if f"`{each}`" not in page} <= OF_THE_IMAGE_OF_CONNECT


def test_whoever_asks_connect_is_let_through_to_it() -> None:
    [policy] = [each for name, each in DOCUMENTS.items() if "NetworkPolicy outbox-connect" in name]
    [rule] = policy["spec"]["ingress"]
    [expression] = rule["from"][0]["podSelector"]["matchExpressions"]
    labels = {
        document["spec"]["template"]["metadata"]["labels"]["app.kubernetes.io/name"]
        for name, document in DOCUMENTS.items()
        if name in PODS
    }
    assert set(expression["values"]) <= labels
