"""Text that Java reads as properties."""

from collections.abc import Mapping

_ASCII_END = 0x80


def properties_text(settings: Mapping[str, object]) -> str:
    """Return a line for each setting, with what is Java's own in a value written so that it is not.

    A value may have any character: a password with a backslash comes back as it went in.
    """
    return "".join(f"{name}={_escaped(str(value))}\n" for name, value in settings.items())


def _escaped(value: str) -> str:
    """Return a value as java.util.Properties reads it back, which takes bytes for Latin-1."""
    escaped = value.replace("\\", "\\\\").replace("\n", "\\n").replace("\r", "\\r")
    units = escaped.encode("utf-16-be")
    escaped = "".join(
        chr(unit) if unit < _ASCII_END else f"\\u{unit:04x}"
        for unit in (int.from_bytes(units[at : at + 2]) for at in range(0, len(units), 2))
    )
    # Blanks at the beginning would be taken for the space after the sign.
    return f"\\{escaped}" if escaped[:1] in {" ", "\t", "\f"} else escaped
