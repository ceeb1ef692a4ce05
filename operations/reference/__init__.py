"""The reference of the command line, docs/command-line.md: `python -m operations.reference`."""
