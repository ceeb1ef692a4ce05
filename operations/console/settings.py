"""What the console needs to know, from OUTBOX_CONSOLE_… variables, and what it refuses to be."""

import ipaddress
import secrets
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from stream_processors.settings import DEFAULT_LOG_LEVEL, LogLevel

_LOCAL_NAME = "localhost"


class ConsoleSettings(BaseSettings):
    """Settings of this process; the addresses of the services are those of every verb."""

    model_config = SettingsConfigDict(
        env_prefix="OUTBOX_CONSOLE_", env_ignore_empty=True, use_attribute_docstrings=True
    )

    host: str = "127.0.0.1"
    """Where it listens. Without users only a loopback address is accepted."""
    port: int = Field(ge=0, le=65535)
    """On which port it listens."""
    origin: str | None = None
    """Under which address browsers reach it, as https://console.example.org; behind a proxy that
    ends TLS this is the proxy's. Default: where it listens."""
    users_file: Path | None = None
    """Who may log in: written by `outbox console users`. Without it nobody has to."""
    session_secret: str = Field(default_factory=lambda: secrets.token_urlsafe(32), min_length=16)
    """Signs the session cookies. Default: a new one at every start, which ends all sessions."""
    session_hours: float = Field(default=12, gt=0)
    """After how long everyone logs in again."""
    tls_certificate_file: Path | None = None
    """The certificate, where it ends TLS itself; with the key."""
    tls_key_file: Path | None = None
    """The key of the certificate."""
    hide_payloads: bool = False
    """Show the names of what a payload holds and none of its values."""
    log_level: LogLevel = Field(default=DEFAULT_LOG_LEVEL, validation_alias="OUTBOX_LOG_LEVEL")
    """What is less grave is not written."""

    @field_validator("origin")
    @classmethod
    def _is_an_origin(cls, origin: str | None) -> str | None:
        if origin is None:
            return None
        parts = urlsplit(origin)
        if parts.scheme not in {"http", "https"} or not parts.hostname or parts.path.strip("/"):
            raise ValueError(
                f"{origin!r} is no origin: write scheme, name and port alone, as "
                "https://console.example.org"
            )
        return f"{parts.scheme}://{parts.netloc.lower()}"

    @model_validator(mode="after")
    def _is_safe(self) -> "ConsoleSettings":
        if (self.tls_certificate_file is None) != (self.tls_key_file is None):
            raise ValueError(
                "OUTBOX_CONSOLE_TLS_CERTIFICATE_FILE and OUTBOX_CONSOLE_TLS_KEY_FILE go together: "
                "set both or none"
            )
        exposed = self._exposed
        if exposed is None:
            return self
        if self.users_file is None:
            raise ValueError(
                f"{exposed}, which others can reach, and no users are configured: whoever finds it "
                "could retry, dismiss and restart. Make users with `outbox console users add NAME "
                "--role operator` and name their file in OUTBOX_CONSOLE_USERS_FILE, or use it on "
                "127.0.0.1 alone"
            )
        if not self.behind_tls:
            raise ValueError(
                f"{exposed}, without TLS: passwords would cross the network in the clear. Set "
                "OUTBOX_CONSOLE_TLS_CERTIFICATE_FILE and OUTBOX_CONSOLE_TLS_KEY_FILE, or "
                "OUTBOX_CONSOLE_ORIGIN to the https address of the proxy in front of it"
            )
        return self

    @property
    def _exposed(self) -> str | None:
        """Which setting lets others than this machine reach it; None where none does.

        An origin elsewhere means a proxy: it listens on loopback then, and yet is everybody's.
        """
        if not is_loopback(self.host):
            return f"OUTBOX_CONSOLE_HOST is {self.host!r}"
        if self.origin is not None and not is_loopback(urlsplit(self.origin).hostname or ""):
            return f"OUTBOX_CONSOLE_ORIGIN is {self.origin!r}"
        return None

    @property
    def behind_tls(self) -> bool:
        """Whether browsers reach it by https."""
        if self.origin is not None:
            return self.origin.startswith("https://")
        return self.tls_certificate_file is not None

    @property
    def origins(self) -> frozenset[str]:
        """The origins that its own pages have; every other one is a stranger."""
        if self.origin is not None:
            return frozenset({self.origin})
        scheme = "https" if self.behind_tls else "http"
        names = {self.host, "127.0.0.1", _LOCAL_NAME, "[::1]"}
        return frozenset(f"{scheme}://{name}:{self.port}" for name in names)


def is_loopback(host: str) -> bool:
    """Whether nobody but this machine can reach a host's name or address."""
    if host == _LOCAL_NAME:
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
