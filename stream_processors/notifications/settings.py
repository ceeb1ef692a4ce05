"""What the notifications need to know, from OUTBOX_… environment variables."""

from __future__ import annotations

import base64
import binascii
import re
from typing import Annotated, Any

import httpx
from pydantic import AfterValidator, Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from stream_processors.environment import settings_from_environment
from stream_processors.notifications.agents import AGENTS, Agent
from stream_processors.settings import ProcessSettings

# What needs no quoting where settings are written down.
_ADDRESS = re.compile(r"https?://[^\s\"'\\<>]+", re.IGNORECASE)
_PORTS = range(1, 65_536)
_SECRET_PREFIX = "whsec_"  # noqa: S105 - what every such secret begins with
_KEY_BYTES = range(24, 65)


def _address(text: str) -> str:
    try:
        url = httpx.URL(text)
        port_usable = url.port is None or url.port in _PORTS
        usable = _ADDRESS.fullmatch(text) is not None and bool(url.host) and port_usable
    except httpx.InvalidURL:
        usable = False
    if not usable:
        # The address is not repeated: for a chat it is as good as a password.
        raise ValueError("is no http:// or https:// address with a host")
    return text


def _key(secret: str) -> bytes:
    """Return the key that a secret of Standard Webhooks holds; ValueError where it is none."""
    if not secret.startswith(_SECRET_PREFIX):
        raise ValueError(secret)
    return base64.b64decode(secret.removeprefix(_SECRET_PREFIX), validate=True)


def _secret(secret: SecretStr) -> SecretStr:
    try:
        usable = len(_key(secret.get_secret_value())) in _KEY_BYTES
    except (ValueError, binascii.Error):
        usable = False
    if not usable:
        raise ValueError("is not whsec_ and 24 to 64 bytes in base64")
    return secret


class WebhookSettings(BaseSettings):
    """Where one agent posts to, and what it posts; each reads them under its own prefix."""

    model_config = SettingsConfigDict(
        env_prefix="OUTBOX_<AGENT>_WEBHOOK_", env_ignore_empty=True, use_attribute_docstrings=True
    )

    url: Annotated[str, AfterValidator(_address)] | None = None
    """Where it posts to, `http://` or `https://`; without it the agent does nothing."""
    secret: Annotated[SecretStr, AfterValidator(_secret)] | None = None
    """What posts are signed with: `whsec_` and 24 to 64 bytes in base64."""
    age_minutes_max: float = Field(default=60, gt=0)
    """An event that is older is not posted any more."""

    @property
    def key(self) -> bytes | None:
        """Return what posts are signed with, if they are."""
        return None if self.secret is None else _key(self.secret.get_secret_value())

    def as_environment(self) -> dict[str, str]:
        """Return the settings as they are read, by their names without what those begin with.

        One that is not set is empty, so that none is inherited in its place.
        """
        secret = "" if self.secret is None else self.secret.get_secret_value()
        return {
            "URL": self.url or "",
            "SECRET": secret,
            "AGE_MINUTES_MAX": str(self.age_minutes_max),
        }


class NotificationsSettings(ProcessSettings):
    """Settings of the process."""

    notifications_name: str = "notifications"
    """Its identity in the consumer groups: no two have the same."""


def chosen_agents() -> dict[Agent[Any], WebhookSettings]:
    """Return the agents that have an address to post to.

    Raises SettingsError, which names each setting that is wrong.
    """
    settings = {
        agent: settings_from_environment(WebhookSettings, agent.setting_prefix) for agent in AGENTS
    }
    return {agent: each for agent, each in settings.items() if each.url is not None}
