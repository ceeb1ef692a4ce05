"""A Java stack trace, condensed to what a person needs of it."""

import re

_HEADLINE = re.compile(r"^(?:Caused by: )?(?P<type>[\w.$]+?)(?:: (?P<message>.*))?$")
_LONGEST = 240
_FRAME = re.compile(r"^\s+(at |\.\.\. \d+ )")


def causes(trace: str) -> tuple[str, ...]:
    """Return one line per exception of a trace, outermost first, without packages and frames.

    A cause that only repeats what the line before it says already is left out.
    """
    found: list[str] = []
    for line in trace.splitlines():
        if _FRAME.match(line) or not line.strip():
            continue
        if line.startswith("Caused by: ") or not found:
            found.append(_condensed(line))
        else:
            found[-1] = f"{found[-1]} {line.strip()}"
    return tuple(
        _shortened(cause)
        for index, cause in enumerate(found)
        if index == 0 or cause not in found[index - 1]
    )


def _shortened(cause: str) -> str:
    """Keep both ends of a message that dumps its state in the middle."""
    if len(cause) <= _LONGEST:
        return cause
    half = _LONGEST // 2
    return f"{cause[:half].rstrip()} ... {cause[-half:].lstrip()}"


def _condensed(line: str) -> str:
    headline = _HEADLINE.match(line)
    if headline is None:
        return line.strip()
    kind = headline["type"].rsplit(".", 1)[-1].rsplit("$", 1)[-1]
    return f"{kind}: {headline['message']}" if headline["message"] else kind
