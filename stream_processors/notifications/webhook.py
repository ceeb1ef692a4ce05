"""Posting to a webhook: a time limit for each try, two tries, and no way to anywhere else."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import httpx

from stream_processors.notifications.notification import headers

if TYPE_CHECKING:
    from stream_processors.notifications.notification import Notification

TRIES = 2
TRY_SECONDS = 5.0
PAUSE_SECONDS = 1.0
_QUOTED_BYTES = 200
# A receiver that is busy or starting says so; whatever else it refuses, it refuses again.
_PASSING_CODES = frozenset({408, 429, *range(500, 600)})


class NotPostedError(Exception):
    """The receiver did not take a notification; the message says what it did instead."""


@dataclass(frozen=True, slots=True)
class _Refusal:
    reason: str
    passing: bool


class Webhook:
    """Posts notifications to one address. To be used, and closed, in one event loop."""

    def __init__(self, url: str, key: bytes | None) -> None:
        self._url = httpx.URL(url)
        self._key = key
        # Each try as a whole has its time: one that comes byte by byte would outlive httpx's.
        self._client = httpx.AsyncClient(timeout=None, follow_redirects=False)  # noqa: S113

    @property
    def host(self) -> str:
        """Whom it posts to; the rest of the address may be a secret."""
        return self._url.host

    async def post(self, notification: Notification) -> None:
        """Post it; raises NotPostedError where the receiver does not take it in TRIES tries."""
        body = notification.body()
        for tries_left in reversed(range(TRIES)):
            refusal = await self._try(notification.event_id, body)
            if refusal is None:
                return
            if not tries_left or not refusal.passing:
                raise NotPostedError(f"{self.host} {refusal.reason}")
            await asyncio.sleep(PAUSE_SECONDS)

    async def close(self) -> None:
        """Close what connections there are."""
        await self._client.aclose()

    async def _try(self, event_id: str, body: bytes) -> _Refusal | None:
        request = {
            "content-type": "application/json",
            "accept-encoding": "identity",
            **headers(event_id, body, int(time.time()), self._key),
        }
        try:
            async with (
                asyncio.timeout(TRY_SECONDS),
                self._client.stream("POST", self._url, content=body, headers=request) as response,
            ):
                return None if response.is_success else await _refusal(response)
        except TimeoutError:
            return _Refusal(f"did not answer within {TRY_SECONDS:.0f} s", passing=True)
        except httpx.HTTPError as error:
            return _Refusal(f"could not be asked: {type(error).__name__}: {error}", passing=True)


async def _refusal(response: httpx.Response) -> _Refusal:
    """Return why a post was not taken, with the beginning of what the receiver said of it."""
    code = response.status_code
    if response.is_redirect:
        return _Refusal(f"answered {code}: it sends elsewhere, set that address", passing=False)
    said = b""
    async for piece in response.aiter_raw():
        said += piece
        if len(said) >= _QUOTED_BYTES:
            break
    quoted = said[:_QUOTED_BYTES].decode(errors="replace")
    return _Refusal(f"answered {code}: {quoted!r}", passing=code in _PASSING_CODES)
