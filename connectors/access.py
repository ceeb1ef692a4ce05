"""How Kafka Connect's REST interface is reached where it is not open to everyone."""

import ssl
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class ConnectSecurity:
    """A name and a password, and TLS; files are PEM.

    Without `ca_file` the system's authorities are trusted; `certificate_file` and `key_file` are
    the client's own, for workers that ask for one.
    """

    username: str | None = None
    password: str | None = field(default=None, repr=False)
    ca_file: Path | None = None
    certificate_file: Path | None = None
    key_file: Path | None = None

    @property
    def basic_auth(self) -> tuple[str, str] | None:
        """Return name and password, if there is a name."""
        return None if self.username is None else (self.username, self.password or "")

    def tls_context(self) -> ssl.SSLContext:
        """Return what checks the worker's certificate, its host name included."""
        context = ssl.create_default_context(cafile=self.ca_file)
        if self.certificate_file is not None:
            context.load_cert_chain(self.certificate_file, self.key_file)
        return context


OPEN = ConnectSecurity()
