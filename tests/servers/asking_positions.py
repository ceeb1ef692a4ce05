"""Asks a cluster for its readers' positions as the keeper does, but without a pause."""

import sys

from operations.failures import UnreachableError
from operations.keeper.billing import Billing
from operations.reconcile.positions import KafkaPositions
from operations.settings import load_settings

TOLD = "told"


def main() -> None:
    """Ask the brokers of the environment, and say if they told, until it is ended."""
    brokers = load_settings().brokers()
    billing = Billing(lambda: KafkaPositions(brokers, timeout_seconds=10))
    while True:
        try:
            billing.look()
        except UnreachableError:
            said = f"not {TOLD}"
        else:
            said = TOLD
        sys.stdout.write(f"{said}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
