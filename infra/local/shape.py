"""How many brokers, Connect workers and stream processors a stack has: kept with its data."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from infra.local.errors import StackError
from infra.local.files import write_private

MAXIMUM_BROKERS = 5
MAXIMUM_CONNECT_WORKERS = 3
MAXIMUM_WORKERS = 40


@dataclass(frozen=True, slots=True)
class Shape:
    """How many of each; what a stack is that was asked for nothing else."""

    brokers: int = 1
    connect_workers: int = 1
    workers: int = 1

    def check(self) -> None:
        """Raise StackError if there can be no such stack."""
        bounds = {
            "brokers": (self.brokers, MAXIMUM_BROKERS),
            "Connect workers": (self.connect_workers, MAXIMUM_CONNECT_WORKERS),
            "workers": (self.workers, MAXIMUM_WORKERS),
        }
        for name, (number, most) in bounds.items():
            if not 1 <= number <= most:
                raise StackError(f"{number} {name} cannot be had: choose from 1 to {most}.")
        if self.brokers % 2 == 0:
            raise StackError(
                f"{self.brokers} brokers cannot be had: they elect a controller by majority, and "
                f"of {self.brokers} no more may fail than of {self.brokers - 1}. Choose 1, 3 or 5."
            )


def shape_file(home: Path) -> Path:
    """Return where the shape of the last `outbox up` is kept."""
    return home / "shape.json"


def known_shape(home: Path) -> Shape:
    """Return what the last `outbox up` was asked for; raises StackError if the file is damaged."""
    file = shape_file(home)
    if not file.exists():
        return Shape()
    try:
        return Shape(**{name: int(number) for name, number in json.loads(file.read_text()).items()})
    except (ValueError, TypeError, AttributeError) as error:
        raise StackError(
            f"{file} is damaged ({error}). It says how many brokers and workers the stack has: "
            "delete it, then give `outbox up` the numbers again."
        ) from error


def keep_shape(home: Path, shape: Shape) -> None:
    """Keep it for the commands that follow."""
    write_private(shape_file(home), json.dumps(asdict(shape)) + "\n")
