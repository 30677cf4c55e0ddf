"""What may stand in each field of a record."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, get_type_hints

from incentives.domain.calls import Evidence
from incentives.domain.money import Money
from incentives.domain.operations import Operation
from incentives.domain.outcomes import AmazonError, ConflictKind
from incentives.domain.single_requests.record import Record

#: Types that the record's module only names.
_NAMED: Final = {each.__name__: each for each in (AmazonError, ConflictKind, Evidence, Money, Operation)}

RECORD_TYPES: Final[Mapping[str, Any]] = get_type_hints(Record, localns=_NAMED)
