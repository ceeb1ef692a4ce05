"""Downloading jars: in parallel, resumed where it broke off, verified before it counts."""

import errno
import os
import ssl
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from infra.local.errors import ChecksumError, DiskFullError, DownloadError, StackError
from infra.local.jars_lock import LockedJar, sha256_of

PARALLEL_DOWNLOADS = 6
ATTEMPTS = 4
RETRY_SECONDS = 0.5
TIMEOUT_SECONDS = 30.0
CHUNK_BYTES = 1 << 16
PLAIN_REPORT_SECONDS = 2.0
OVERRIDE = "set OUTBOX_MAVEN_REPOSITORY to a mirror's root if you use one"

Advance = Callable[[int], None]
"""Told of each piece of bytes that arrived; negative when a piece was thrown away."""


def default_repository() -> str:
    """Return the Maven repository's root, without a slash at its end."""
    from jgo.constants import MAVEN_CENTRAL_URL  # noqa: PLC0415 - jgo is slow to import

    return (os.environ.get("OUTBOX_MAVEN_REPOSITORY") or MAVEN_CENTRAL_URL).rstrip("/")


def _receive(client: httpx.Client, url: str, part: Path, advance: Advance) -> None:
    """Append the rest of ``url`` to ``part``; start afresh if the server cannot resume."""
    have = part.stat().st_size if part.exists() else 0
    headers = {"Accept-Encoding": "identity"}
    if have:
        headers["Range"] = f"bytes={have}-"
    with client.stream("GET", url, headers=headers) as response:
        if response.status_code == httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE:
            return
        response.raise_for_status()
        resumed = response.status_code == httpx.codes.PARTIAL_CONTENT
        if have and not resumed:
            advance(-have)
        with part.open("ab" if resumed else "wb") as file:
            for chunk in response.iter_bytes(CHUNK_BYTES):
                file.write(chunk)
                advance(len(chunk))


def _verify(jar: LockedJar, part: Path, url: str) -> None:
    """Raise ChecksumError, and throw the file away, if it is not what the lock names."""
    actual = sha256_of(part)
    if actual != jar.sha256:
        part.unlink()
        raise ChecksumError(
            f"{jar.file_name} from {url} has SHA-256 {actual}, but jars.lock names {jar.sha256}. "
            "The download was thrown away. Try again; if it stays so, the repository serves "
            f"another file: {OVERRIDE}."
        )


def _explain(jar: LockedJar, url: str, error: Exception) -> StackError:
    """Return what a person can do about a download that failed."""
    if isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return DiskFullError(f"No room to download {jar.file_name}: {error}. Free some and retry.")
    if isinstance(error, httpx.HTTPStatusError):
        return DownloadError(
            f"{url} answered {error.response.status_code}: the repository does not serve "
            f"{jar.file_name}. {OVERRIDE.capitalize()}."
        )
    return DownloadError(
        f"Cannot download {url}: {error!s} ({type(error).__name__}). Check the network (a proxy is "
        f"taken from HTTPS_PROXY), or {OVERRIDE}. What has arrived is kept; run it again to go on."
    )


def _is_passing(error: Exception) -> bool:
    """Whether the same request may succeed a moment later."""
    if isinstance(error, httpx.HTTPStatusError):
        status = error.response.status_code
        return status == httpx.codes.TOO_MANY_REQUESTS or httpx.codes.is_server_error(status)
    return isinstance(error, httpx.TransportError)


def _bring(client: httpx.Client, jar: LockedJar, url: str, part: Path, advance: Advance) -> None:
    """Receive and verify one jar as ``part``, trying again after what may pass."""
    for attempt in range(1, ATTEMPTS + 1):
        resumed = part.exists()
        try:
            _receive(client, url, part, advance)
            _verify(jar, part, url)
        except ChecksumError:
            # What an earlier run left may be damaged: the whole file decides.
            if not resumed:
                raise
            advance(-jar.size_bytes)
        except (httpx.HTTPError, OSError) as error:
            if attempt == ATTEMPTS or not _is_passing(error):
                raise _explain(jar, url, error) from error
            time.sleep(RETRY_SECONDS * 2**attempt)
        else:
            return
    raise DownloadError(f"{url} was broken off {ATTEMPTS} times. Run it again to go on.")


def download(
    client: httpx.Client, jar: LockedJar, directory: Path, repository: str, advance: Advance
) -> None:
    """Bring one jar; it appears under its name only once whole and verified."""
    target = directory / jar.relative_path
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_suffix(".jar.part")
    _bring(client, jar, f"{repository}/{jar.repository_path}", part, advance)
    part.replace(target)


def _already_there(jars: list[LockedJar], directory: Path) -> int:
    """Bytes that earlier, broken-off downloads have left."""
    parts = [(directory / jar.relative_path).with_suffix(".jar.part") for jar in jars]
    return sum(part.stat().st_size for part in parts if part.exists())


class _PlainReport:
    """Progress for a log file: a line now and then in place of a bar."""

    def __init__(self, console: Console, total_bytes: int, done_bytes: int) -> None:
        self._console = console
        self._total = total_bytes
        self._done = done_bytes
        self._next = time.monotonic() + PLAIN_REPORT_SECONDS

    def advance(self, count: int) -> None:
        self._done += count
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + PLAIN_REPORT_SECONDS
            self._console.print(f"  {self._done / 1e6:.0f} of {self._total / 1e6:.0f} MB")


def trusted_certificates() -> ssl.SSLContext:
    """Return whom to trust: httpx's own list, or SSL_CERT_FILE's, and the system's store.

    The store is where a company adds the authority of its proxy or mirror.
    """
    context = httpx.create_ssl_context()
    context.load_default_certs()
    return context


def _run(jars: list[LockedJar], directory: Path, repository: str, advance: Advance) -> None:
    """Download all; the first error ends the rest."""
    limits = httpx.Limits(max_connections=PARALLEL_DOWNLOADS)
    with (
        httpx.Client(
            verify=trusted_certificates(),
            timeout=TIMEOUT_SECONDS,
            limits=limits,
            follow_redirects=True,
        ) as client,
        ThreadPoolExecutor(PARALLEL_DOWNLOADS) as pool,
    ):
        # The largest first, so that no straggler is left for the end.
        ordered = sorted(jars, key=lambda jar: -jar.size_bytes)
        futures = [
            pool.submit(download, client, jar, directory, repository, advance) for jar in ordered
        ]
        try:
            for future in futures:
                future.result()
        except BaseException:
            pool.shutdown(cancel_futures=True, wait=False)
            client.close()
            raise


def download_all(jars: list[LockedJar], directory: Path, repository: str | None = None) -> None:
    """Bring all of ``jars`` under ``directory``, with progress on standard error.

    Raises DownloadError, ChecksumError or DiskFullError; finished files and parts stay.
    """
    if not jars:
        return
    repository = (repository or default_repository()).rstrip("/")
    total = sum(jar.size_bytes for jar in jars)
    console = Console(file=sys.stderr)
    console.print(f"Downloading {len(jars)} jars, {total / 1e6:.0f} MB (once per installation)")
    done = _already_there(jars, directory)
    if not console.is_terminal:
        _run(jars, directory, repository, _PlainReport(console, total, done).advance)
        return
    columns = (TextColumn("jars"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("jars", total=total, completed=done)
        _run(jars, directory, repository, lambda count: progress.advance(task, count))
