"""Asks a cluster for its readers' positions as the keeper does, but without a pause."""

import sys

from operations.failures import UnreachableError
from operations.keeper.billing import Billing
from operations.reconcile.positions import KafkaPositions
from schemas.brokers import Brokers

TOLD, NOT_TOLD = "told", "not told"


def main() -> None:
    """Ask the brokers that the first argument names, and say if they told, until it is ended."""
    billing = Billing(lambda: KafkaPositions(Brokers(sys.argv[1]), timeout_seconds=10))
    while True:
        try:
            billing.look()
        except UnreachableError:
            said = NOT_TOLD
        else:
            said = TOLD
        sys.stdout.write(f"{said}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
