"""W3C Trace Context: what an event's `traceparent` says (https://www.w3.org/TR/trace-context/)."""

from __future__ import annotations

import re
from dataclasses import dataclass

# version - trace id - id of the span that is the parent - flags; a later version may add more.
_FORM = re.compile(rb"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_VERSION = b"00"
_INVALID_VERSION = b"ff"
_SAMPLED = 0x01


@dataclass(frozen=True, slots=True)
class TraceContext:
    """A trace, the span of it that caused something, and whether the trace is to be recorded.

    trace_id and parent_id are hexadecimal, as on the wire.
    """

    trace_id: str
    parent_id: str
    sampled: bool


def trace_context(traceparent: bytes | None) -> TraceContext | None:
    """Return what a traceparent says; None where there is none, or it is not one."""
    form = None if traceparent is None else _FORM.fullmatch(traceparent)
    if form is None:
        return None
    version, trace_id, parent_id, flags, more = form.groups()
    if version == _INVALID_VERSION or (version == _VERSION and more is not None):
        return None
    if not int(trace_id, 16) or not int(parent_id, 16):
        return None
    return TraceContext(trace_id.decode(), parent_id.decode(), bool(int(flags, 16) & _SAMPLED))
