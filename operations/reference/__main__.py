"""Writes docs/command-line.md."""

from operations.output import say
from operations.reference.document import PATH, reference

if __name__ == "__main__":
    PATH.write_text(reference(), encoding="utf-8")
    say(f"{PATH} is written.")
