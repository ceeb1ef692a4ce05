"""Kafka Connect's REST interface; the only import of an HTTP library."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import httpx

from connectors.access import OPEN, ConnectSecurity
from connectors.errors import ConnectBusyError, ConnectRefusedError, ConnectUnreachableError

_REQUEST_SECONDS = 30.0
_RETRY_PAUSE_SECONDS = 0.5
_NOT_FOUND = 404
_EXISTS = "already exists"
_QUOTED_CHARACTERS = 300
_PASSING = (
    (409, ""),  # a rebalance, or a change of configuration that is still under way
    (500, "timed out"),  # the worker waited for a rebalance in vain
    (500, "IO Error trying to forward REST request"),  # to a leader that has just died
    (503, ""),  # the worker is still starting
)


@dataclass(frozen=True, slots=True)
class Task:
    """A task of a connector: its state, the worker it runs on, its error where it failed."""

    number: int
    state: str
    worker: str
    trace: str


@dataclass(frozen=True, slots=True)
class ConnectorStatus:
    """The states that Connect reports: RUNNING, PAUSED, STOPPED, FAILED, UNASSIGNED, RESTARTING."""

    state: str
    worker: str
    trace: str
    tasks: tuple[Task, ...]

    @property
    def failures(self) -> tuple[str, ...]:
        """The stack traces of whatever failed, the connector's own first."""
        parts = ((self.state, self.trace), *((task.state, task.trace) for task in self.tasks))
        return tuple(trace for state, trace in parts if state == "FAILED")

    def is_all(self, state: str) -> bool:
        """Tell whether the connector and each of its tasks, one at least, are in this state."""
        return (
            self.state == state and bool(self.tasks) and all(t.state == state for t in self.tasks)
        )


def worker_urls(url: str) -> tuple[str, ...]:
    """Return the addresses of the workers that an OUTBOX_CONNECT_URL names, one at least."""
    return tuple(part.strip() for part in url.split(",") if part.strip()) or ("",)


class ConnectClient:
    """A connection to one Kafka Connect cluster: `url` names its workers, with commas between them.

    Any worker answers for all of them; where one cannot be reached, the next is asked. Requests
    that meet a rebalance are repeated for retry_seconds. Every method raises
    ConnectUnreachableError, ConnectBusyError or ConnectRefusedError.
    """

    def __init__(
        self,
        url: str,
        retry_seconds: float = 30.0,
        transport: httpx.BaseTransport | None = None,
        *,
        request_seconds: float = _REQUEST_SECONDS,
        security: ConnectSecurity = OPEN,
    ) -> None:
        self._url = url
        self._retry_seconds = retry_seconds
        # The first is asked; one that does not do what it should goes to the end.
        self._workers = [
            httpx.Client(
                base_url=worker,
                timeout=request_seconds,
                transport=transport,
                trust_env=False,
                auth=security.basic_auth,
                # Plain HTTP has no certificates, and to load those that there are takes 40 ms.
                verify=security.tls_context() if worker.startswith("https:") else False,
            )
            for worker in worker_urls(url)
        ]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for worker in self._workers:
            worker.close()

    def config(self, name: str) -> dict[str, str] | None:
        """Return a connector's configuration, references unresolved, or None if there is none."""
        answer = self._ask("GET", f"/connectors/{name}/config")
        return None if answer.status_code == _NOT_FOUND else dict(answer.json())

    def status(self, name: str) -> ConnectorStatus | None:
        """Return a connector's state and its tasks', or None if there is no such connector."""
        answer = self._ask("GET", f"/connectors/{name}/status")
        if answer.status_code == _NOT_FOUND:
            return None
        body = answer.json()
        connector = body["connector"]
        return ConnectorStatus(
            state=connector["state"],
            worker=connector["worker_id"],
            trace=connector.get("trace", ""),
            tasks=tuple(
                Task(task["id"], task["state"], task["worker_id"], task.get("trace", ""))
                for task in body["tasks"]
            ),
        )

    def offset(self, name: str, partition: Mapping[str, str]) -> dict[str, Any] | None:
        """Return the offset that the connector has stored for this partition, or None."""
        answer = self._demand("GET", f"/connectors/{name}/offsets")
        for entry in answer.json()["offsets"]:
            if entry["partition"] == partition:
                return dict(entry["offset"])
        return None

    def set_offset(
        self, name: str, partition: Mapping[str, str], offset: Mapping[str, object]
    ) -> None:
        """Store an offset; the connector must be stopped."""
        body = {"offsets": [{"partition": dict(partition), "offset": dict(offset)}]}
        self._demand("PATCH", f"/connectors/{name}/offsets", body)

    def invalid_values(self, connector_class: str, config: Mapping[str, str]) -> tuple[str, ...]:
        """Let the connector class judge a configuration; return its objections, one a line."""
        answer = self._demand(
            "PUT", f"/connector-plugins/{connector_class}/config/validate", dict(config)
        )
        # Connect has no verdict on a setting that its definition knows and the plug-in does not.
        values = (entry["value"] for entry in answer.json()["configs"] if entry["value"])
        return tuple(f"{value['name']}: {error}" for value in values for error in value["errors"])

    def version(self) -> str:
        """Return the version of the worker that answers."""
        return str(self._demand("GET", "/").json()["version"])

    def plugin_versions(self) -> dict[str, str]:
        """Return the version of each connector class that the worker has."""
        answer = self._demand("GET", "/connector-plugins")
        return {entry["class"]: str(entry.get("version")) for entry in answer.json()}

    def create_stopped(self, name: str, config: Mapping[str, str]) -> None:
        """Create a connector that runs nothing until it is resumed."""
        body = {"name": name, "config": dict(config), "initial_state": "STOPPED"}
        self._demand("POST", "/connectors", body)

    def put_config(self, name: str, config: Mapping[str, str]) -> None:
        """Replace the configuration; the same one again changes nothing."""
        self._demand("PUT", f"/connectors/{name}/config", dict(config))

    def stop(self, name: str) -> None:
        """End the tasks, offsets stored; the connector stays defined."""
        self._demand("PUT", f"/connectors/{name}/stop")

    def pause(self, name: str) -> None:
        """Let the tasks idle; they keep their connections."""
        self._demand("PUT", f"/connectors/{name}/pause")

    def resume(self, name: str) -> None:
        """Start what was stopped or paused."""
        self._demand("PUT", f"/connectors/{name}/resume")

    def delete(self, name: str) -> None:
        """Remove the connector; its stored offset stays with Connect."""
        self._demand("DELETE", f"/connectors/{name}")

    def _demand(self, method: str, path: str, body: object = None) -> httpx.Response:
        answer = self._ask(method, path, body)
        if answer.status_code == _NOT_FOUND:
            raise ConnectRefusedError(
                f"Kafka Connect at {self._url} knows no {path} ({_message(answer)}). Run `outbox"
                " connectors apply` if the connector is missing; check the worker's plugin.path if"
                " the connector class is."
            )
        return answer

    def _ask(self, method: str, path: str, body: object = None) -> httpx.Response:
        deadline = time.monotonic() + self._retry_seconds
        while True:
            answer = self._send(method, path, body)
            if not _is_passing(answer):
                break
            if time.monotonic() >= deadline:
                raise ConnectBusyError(
                    f"Kafka Connect at {self._url} kept answering {method} {path} with"
                    f" {answer.status_code} ({_message(answer)}) for {self._retry_seconds:g} s."
                    " Look at its log, then try again."
                )
            self._turn_to_next()
            time.sleep(_RETRY_PAUSE_SECONDS)
        if answer.is_error and answer.status_code != _NOT_FOUND:
            raise ConnectRefusedError(
                f"Kafka Connect at {self._url} refused {method} {path} with"
                f" {answer.status_code}: {_message(answer)}"
            )
        return answer

    def _send(self, method: str, path: str, body: object) -> httpx.Response:
        left = len(self._workers)
        while True:
            try:
                return self._workers[0].request(method, path, json=body)
            except httpx.TransportError as error:
                self._turn_to_next()
                left -= 1
                if not left or not _may_be_repeated(method, error):
                    raise ConnectUnreachableError(
                        f"Kafka Connect cannot be reached at {self._url}: {error}."
                        " See `outbox status`."
                    ) from error

    def _turn_to_next(self) -> None:
        """Ask another worker from now on, if there is one."""
        self._workers.append(self._workers.pop(0))


def _may_be_repeated(method: str, error: httpx.TransportError) -> bool:
    """Whether another worker may be asked the same: nothing was sent, or twice is as once."""
    return method != "POST" or isinstance(error, httpx.ConnectError | httpx.ConnectTimeout)


def _is_passing(answer: httpx.Response) -> bool:
    message = _connect_message(answer)
    if message is None:
        # A worker that is still starting answers every path with its web server's own 404 page.
        return answer.status_code in {_NOT_FOUND, 503}
    return _EXISTS not in message and any(
        answer.status_code == status and part in message for status, part in _PASSING
    )


def _connect_message(answer: httpx.Response) -> str | None:
    """Return the message of an error that Connect itself gave, or None if it is no such answer."""
    try:
        return str(answer.json()["message"])
    except (ValueError, KeyError, TypeError):
        return None


def _message(answer: httpx.Response) -> str:
    message = _connect_message(answer)
    return answer.text[:_QUOTED_CHARACTERS].strip() if message is None else message
