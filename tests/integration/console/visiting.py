"""The console as a person meets it: what its pages say, and where they lead."""

from collections.abc import Iterator
from contextlib import contextmanager
from html.parser import HTMLParser

from starlette.testclient import TestClient

from operations.console.application import make_application
from operations.console.observing import Observer
from operations.console.services import Services
from operations.console.settings import ConsoleSettings

PORT = 8000
FROM_ITS_OWN_PAGE = {"Sec-Fetch-Site": "same-origin"}


@contextmanager
def visiting(services: Services) -> Iterator[TestClient]:
    """Visit a console with these services, without a login; redirects are followed."""
    application = make_application(ConsoleSettings(port=PORT), services, Observer(services, list))
    with TestClient(
        application, base_url=f"http://127.0.0.1:{PORT}", headers=FROM_ITS_OWN_PAGE
    ) as client:
        yield client


class _Text(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.words: list[str] = []
        self.targets: list[str] = []

    def handle_data(self, data: str) -> None:
        self.words += data.split()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        name = {"a": "href", "form": "action"}.get(tag)
        self.targets += [value for key, value in attrs if key == name and value]


def read(html: str) -> str:
    """Return what a page says, its words parted by single spaces."""
    return " ".join(_parsed(html).words)


def targets(html: str) -> list[str]:
    """Return where its links and forms lead."""
    return _parsed(html).targets


def _parsed(html: str) -> _Text:
    parser = _Text()
    parser.feed(html)
    return parser
