"""What a batch of billing.payables comes to: of each bill what was said of it last."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from schemas.records import Payable, PayableWithdrawn

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


@dataclass(frozen=True, slots=True)
class Batch:
    """The payables that hold, in the order in which they were said, and what is owed no more."""

    payables: Sequence[Payable] = field(default_factory=list)
    withdrawn: Sequence[PayableWithdrawn] = field(default_factory=list)

    @classmethod
    def of(cls, said: Iterable[Payable | PayableWithdrawn]) -> Batch:
        """Take one bill's records in their order: a payable that was taken back is not posted."""
        owed: dict[str, list[Payable]] = {}
        withdrawn: dict[str, PayableWithdrawn] = {}
        for each in said:
            if isinstance(each, PayableWithdrawn):
                owed.pop(each.ledger_id, None)
                withdrawn[each.ledger_id] = each
            else:
                withdrawn.pop(each.ledger_id, None)
                owed.setdefault(each.ledger_id, []).append(each)
        payables = [payable for of_one_bill in owed.values() for payable in of_one_bill]
        return cls(payables, list(withdrawn.values()))
