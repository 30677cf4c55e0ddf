"""Find a request: by any request id of its chain, always the newest generation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from incentives.domain.errors import LedgerUnavailable, NotFound
from incentives.domain.recovery import GENERATIONS_MAX

if TYPE_CHECKING:
    from incentives.domain.ledger import Record
    from incentives.domain.operations import Operation
    from incentives.usecases.ports import Ledger


def find(request_id: str, ledger: Ledger, *, operation: Operation | None = None) -> Record:
    """Return the newest generation of the chain that a request id belongs to.

    Whoever asks for a reversed generation must not be told "reversed" while its successor is live: he would order
    again.

    Args:
        request_id: of any generation.
        ledger: where to look.
        operation: what the request must be, if the caller asks by an operation's own route.

    Raises:
        NotFound: there is no such request, or it is another operation's.
        LedgerUnavailable: the ledger cannot be read.
    """
    record = ledger.get(request_id)
    if record is None or (operation is not None and record.operation is not operation):
        raise NotFound(request_id)
    for _ in range(GENERATIONS_MAX):
        if record.replaced_by is None:
            break
        successor = ledger.get(record.replaced_by)
        if successor is None:
            # One transaction wrote both: what is missing here is not ours to guess.
            raise LedgerUnavailable(f"the successor of {record.request_id} is missing", in_doubt=False)
        record = successor
    return record
