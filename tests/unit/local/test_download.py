import errno
import hashlib
import ssl
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from infra.local import download as downloading
from infra.local.download import download, download_all
from infra.local.errors import ChecksumError, DiskFullError, DownloadError
from infra.local.jars_lock import LockedJar

CONTENT = bytes(range(256)) * 40
JAR = LockedJar(
    "kafka", "org.example", "library", "1", hashlib.sha256(CONTENT).hexdigest(), len(CONTENT)
)
REPOSITORY = "http://repository.invalid/maven"
HALF = len(CONTENT) // 2

Answer = Callable[[httpx.Request], httpx.Response]


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(downloading, "RETRY_SECONDS", 0)


def ranged(content: bytes) -> Answer:
    """A server that can resume."""

    def answer(request: httpx.Request) -> httpx.Response:
        wanted = request.headers.get("Range")
        if wanted is None:
            return httpx.Response(200, content=content)
        start = int(wanted.removeprefix("bytes=").removesuffix("-"))
        if start >= len(content):
            return httpx.Response(416)
        return httpx.Response(206, content=content[start:])

    return answer


def bring(directory: Path, answer: Answer) -> list[int]:
    """Download JAR from a server that answers so; returns the pieces that were counted."""
    pieces: list[int] = []
    with httpx.Client(transport=httpx.MockTransport(answer)) as client:
        download(client, JAR, directory, REPOSITORY, pieces.append)
    return pieces


def part_of(directory: Path) -> Path:
    return directory / "kafka" / "library-1.jar.part"


def leave_part(directory: Path, content: bytes) -> None:
    part_of(directory).parent.mkdir(parents=True)
    part_of(directory).write_bytes(content)


def test_a_jar_arrives_whole_and_leaves_no_part(tmp_path: Path) -> None:
    bring(tmp_path, ranged(CONTENT))
    assert (tmp_path / JAR.relative_path).read_bytes() == CONTENT
    assert not part_of(tmp_path).exists()


def test_a_half_finished_download_goes_on_where_it_broke_off(tmp_path: Path) -> None:
    leave_part(tmp_path, CONTENT[:HALF])
    assert sum(bring(tmp_path, ranged(CONTENT))) == len(CONTENT) - HALF
    assert (tmp_path / JAR.relative_path).read_bytes() == CONTENT


def test_a_part_that_is_complete_already_is_taken(tmp_path: Path) -> None:
    leave_part(tmp_path, CONTENT)
    assert bring(tmp_path, ranged(CONTENT)) == []
    assert (tmp_path / JAR.relative_path).exists()


def test_a_server_that_cannot_resume_is_asked_for_everything(tmp_path: Path) -> None:
    leave_part(tmp_path, CONTENT[:HALF])
    bring(tmp_path, lambda _: httpx.Response(200, content=CONTENT))
    assert (tmp_path / JAR.relative_path).read_bytes() == CONTENT


def test_a_damaged_part_is_downloaded_afresh(tmp_path: Path) -> None:
    leave_part(tmp_path, b"x" * HALF)
    bring(tmp_path, ranged(CONTENT))
    assert (tmp_path / JAR.relative_path).read_bytes() == CONTENT


def test_another_file_than_the_locked_one_is_refused_and_thrown_away(tmp_path: Path) -> None:
    with pytest.raises(ChecksumError, match=r"library-1\.jar .* jars\.lock names") as caught:
        bring(tmp_path, ranged(CONTENT[::-1]))
    assert "OUTBOX_MAVEN_REPOSITORY" in str(caught.value)
    assert list((tmp_path / "kafka").iterdir()) == []


def test_what_passes_is_tried_again(tmp_path: Path) -> None:
    answers = iter([httpx.Response(503), httpx.Response(429), httpx.Response(200, content=CONTENT)])
    bring(tmp_path, lambda _: next(answers))
    assert (tmp_path / JAR.relative_path).exists()


def test_a_jar_that_the_repository_lacks_is_not_asked_for_again(tmp_path: Path) -> None:
    asked = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return httpx.Response(404)

    with pytest.raises(DownloadError, match="answered 404"):
        bring(tmp_path, answer)
    assert len(asked) == 1


def test_no_network_is_an_error_that_says_what_to_do_and_keeps_the_part(tmp_path: Path) -> None:
    leave_part(tmp_path, CONTENT[:HALF])

    def answer(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("no route to host", request=request)

    with pytest.raises(DownloadError, match="no route to host") as caught:
        bring(tmp_path, answer)
    assert "Check the network" in str(caught.value)
    assert part_of(tmp_path).read_bytes() == CONTENT[:HALF]


def test_a_full_disk_is_named_as_that(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(downloading, "_receive", full)
    with pytest.raises(DiskFullError, match=r"No room to download library-1\.jar"):
        bring(tmp_path, ranged(CONTENT))


def test_off_a_terminal_progress_is_plain_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(downloading, "PLAIN_REPORT_SECONDS", 0)
    mocked = httpx.MockTransport(ranged(CONTENT))
    real = httpx.Client
    monkeypatch.setattr(httpx, "Client", lambda **_: real(transport=mocked))
    download_all([JAR], tmp_path, REPOSITORY)
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "Downloading 1 jars" in printed.err
    assert "\x1b" not in printed.err


def test_the_first_error_ends_a_download_of_many(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mocked = httpx.MockTransport(lambda _: httpx.Response(404))
    real = httpx.Client
    monkeypatch.setattr(httpx, "Client", lambda **_: real(transport=mocked))
    with pytest.raises(DownloadError, match="answered 404"):
        download_all([JAR], tmp_path, REPOSITORY)


def test_the_repository_can_be_a_mirror(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OUTBOX_MAVEN_REPOSITORY", "http://mirror.invalid/maven/")
    assert downloading.default_repository() == "http://mirror.invalid/maven"


def test_the_systems_own_certificates_are_trusted_too(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded: list[ssl.SSLContext] = []

    def remember(context: ssl.SSLContext) -> None:
        loaded.append(context)

    monkeypatch.setattr(ssl.SSLContext, "load_default_certs", remember)
    trusted = downloading.trusted_certificates()
    assert trusted in loaded
    assert trusted.verify_mode is ssl.CERT_REQUIRED
    assert trusted.check_hostname
