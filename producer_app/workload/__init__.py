"""A seeded workload: what an application does, and what must be in the ledger afterwards."""

from producer_app.workload.actions import (
    Action,
    ActivateContract,
    CompleteSession,
    EndSession,
    EvaluateSession,
    Plan,
    Price,
    SignContract,
    SignUpUser,
    StartSession,
    by_contract,
    by_session,
)
from producer_app.workload.driver import RunReport, WorkloadFailed, insert_prices, run
from producer_app.workload.expectation import (
    Expectation,
    ExpectedBill,
    UnpricedBill,
    WaitingPackage,
    expectation,
    expected_bills,
)
from producer_app.workload.generator import Workload

__all__ = [
    "Action",
    "ActivateContract",
    "CompleteSession",
    "EndSession",
    "EvaluateSession",
    "Expectation",
    "ExpectedBill",
    "Plan",
    "Price",
    "RunReport",
    "SignContract",
    "SignUpUser",
    "StartSession",
    "UnpricedBill",
    "WaitingPackage",
    "Workload",
    "WorkloadFailed",
    "by_contract",
    "by_session",
    "expectation",
    "expected_bills",
    "insert_prices",
    "run",
]
