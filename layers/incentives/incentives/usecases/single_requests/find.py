"""Find a request: by any request id of its chain, or by its idempotency key, always the newest generation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from incentives.domain.errors import LedgerUnavailable, NotFound
from incentives.domain.recovery.rules import GENERATIONS_MAX
from incentives.domain.single_requests.record import Status
from incentives.domain.single_requests.request_ids import hash_key

if TYPE_CHECKING:
    from incentives.domain.operations import Operation
    from incentives.domain.single_requests.record import Record
    from incentives.usecases.ports import Ledger

#: From any generation: its reissues, the jump by the key, the reissues of what it names; and once more if all of that
#: is overtaken.
STEPS_MAX: Final = 2 * (2 * GENERATIONS_MAX - 1)


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
    for _ in range(STEPS_MAX):
        if record.replaced_by is None:
            return record
        record = _later(record, record.replaced_by, ledger)
    raise LedgerUnavailable(f"the newest generation of {request_id} keeps changing", in_doubt=False)


def find_by_key(key: str, ledger: Ledger) -> Record | None:
    """Return the newest generation of an idempotency key's request; None if no request has the key.

    Raises:
        LedgerUnavailable: the ledger cannot be read.
    """
    item = ledger.key(hash_key(key))
    if item is None:
        return None
    try:
        return find(item.request_id, ledger)
    except NotFound:
        # One transaction writes both, but a read between may see one of them: this is no key that nobody has used.
        raise LedgerUnavailable("the request of this key is being written", in_doubt=False) from None


def _later(record: Record, successor_id: str, ledger: Ledger) -> Record:
    """A later generation: the successor, or the one that the key names.

    A key that Amazon refuses for an hour can leave sixty generations behind: those are not read one by one.
    """
    later_id = successor_id
    if record.status is Status.REFUSED:
        key = ledger.key(record.key_hash)
        # It may be seen a moment later than the record, although one transaction wrote both.
        if key is not None and key.request_id != record.request_id:
            later_id = key.request_id
    later = ledger.get(later_id)
    if later is None:
        # One transaction wrote both: what is missing here is not ours to guess.
        raise LedgerUnavailable(f"the successor of {record.request_id} is missing", in_doubt=False)
    return later
