"""Guards in reading Amazon's responses, and in what is kept of them, each taken out."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any, Final

from incentives.agcod import amazon as reader
from incentives.agcod import envelope, evidence, responses, verdict
from incentives.agcod.client import SignedCall
from incentives.usecases.single_requests import issue
from tests.simulation.life import Life
from tests.simulation.mutants_amazon import (
    DONE_AND_LOST,
    NO_PAGE,
    NOT_PERMITTED,
    OPERATION,
    PAGE,
    REVERSAL,
    Fault,
    When,
    amazon,
)
from tests.simulation.mutants_cut import Mutant, cut
from tests.simulation.mutants_of_protocol import FIRST, REVERSE, SECOND, UNHEARD
from tests.simulation.mutants_scenes import ACTIVATE, LOAD, responses_crossed, staged
from tests.simulation.plan import HOUR, MINUTE, What
from tests.workflow.amazon import PARTNER_ID


def _first(fault: Fault) -> Any:
    """Amazon's first response to each order is that one, and the second would close it for good."""
    return amazon(When(OPERATION, [fault], numbers=FIRST), When(OPERATION, [NOT_PERMITTED], numbers=SECOND))


def tells_the_code(life: Life, signed: SignedCall, chance: random.Random) -> Mapping[str, Any]:
    """A reversal is refused for now, in words that hold the card's claim code."""
    code = life.shore.sandbox.world.claim_code(PARTNER_ID, signed.call.request_id)
    return {
        "kind": "refuse",
        "errorType": "CustomerAccountBlocked",
        "message": f"Card {code} belongs to a blocked account",
    }


def tells_the_number(life: Life, signed: SignedCall, chance: random.Random) -> Mapping[str, Any]:
    """The same with the number of the physical card."""
    number = signed.call.card_number
    told = number.reveal() if number else ""
    return {
        "kind": "refuse",
        "errorType": "CustomerAccountBlocked",
        "message": f"Card {told} belongs to a blocked account",
    }


#: One way to leave out what cleans an error's message.
UNCLEANED: Final = (
    cut(
        envelope.clean_text,
        "if secret.lower() in cleaned.lower():",
        "if False:",
    ),
    cut(
        envelope.clean_text,
        "for pattern in (_DIGITS, _LONG_RUN, _SPLIT_CODE, _SPACED_CODE, _GROUPS):",
        "for pattern in ():",
    ),
)

_IS_REFUSED: Final = "if kind is Kind.REFUSED:"

UNKNOWN: Final = [
    Mutant(
        "RESEND is unknown",
        "I3",
        (
            cut(
                responses.judge_failure,
                'case "RESEND":\n            return Unknown(UnknownBecause.RESEND, error)',
                'case "RESEND":\n            return Refused(error)',
            ),
        ),
        plan=staged(),
        scene=_first({"kind": "resend", "when": "after"}),
    ),
    Mutant(
        "a fault of Amazon's own is unknown",
        "I3",
        (cut(responses._judge_error, _IS_REFUSED, "if kind in {Kind.REFUSED, Kind.FAULT}:"),),
        plan=staged(),
        scene=_first({"kind": "generalError", "errorCode": "F500", "when": "after"}),
    ),
    Mutant(
        "a lost connection told as HTTP 400 is unknown",
        "I3",
        (cut(responses._judge_error, _IS_REFUSED, "if kind in {Kind.REFUSED, Kind.FAULT}:"),),
        plan=staged(),
        scene=_first({"kind": "connectionLost", "when": "after"}),
    ),
    Mutant(
        "something overloaded behind the front door is unknown",
        "I3",
        (cut(responses._judge_error, _IS_REFUSED, "if kind in {Kind.REFUSED, Kind.OVERLOADED}:"),),
        plan=staged(),
        scene=_first({"kind": "capacity", "when": "after"}),
    ),
    Mutant(
        "what nobody documented is unknown",
        "I3",
        (cut(responses._judge_error, _IS_REFUSED, "if kind in {Kind.REFUSED, Kind.UNREADABLE}:"),),
        plan=staged(),
        scene=_first({"kind": "internalFault", "errorType": "SomeException", "message": "No", "when": "after"}),
    ),
    Mutant(
        "a signature refused as F200 refuses no order",
        "all that Amazon refused was its signature",
        # Either of the two withholds the refusal.
        (
            cut(verdict.kind_of_failure, "if Kind.CREDENTIALS in told:", "if False:"),
            cut(verdict.kind_of_failure, "and not doubtful", ""),
        ),
        plan=staged(),
        scene=amazon(
            When(
                OPERATION,
                [{"kind": "wrongSignature"}, {"kind": "wrongSignature", "errorType": "GeneralError"}],
                numbers=FIRST,
            )
        ),
    ),
    Mutant(
        "a refusal from a server that has broken down is unknown",
        "I3",
        (cut(verdict.kind_of_failure, "if http_status >= _FIRST_SERVER_FAULT:", "if False:"),),
        plan=staged(),
        scene=_first({"kind": "refuse", "errorType": "CustomerAccountBlocked", "httpStatus": 500, "when": "after"}),
    ),
    Mutant(
        "a server fault without a document is unknown",
        "I3",
        (
            cut(
                responses._without_document,
                "return Unknown(UnknownBecause.AMAZON_FAULT)",
                "return Refused(AmazonError())",
            ),
        ),
        plan=staged(),
        scene=_first({"kind": "error503", "when": "after"}),
    ),
    Mutant(
        "what cannot be read is unknown",
        "I3",
        (cut(responses._without_document, "return UNREADABLE", "return Refused(AmazonError())"),),
        plan=staged(),
        scene=_first({"kind": "truncatedJson"}),
    ),
    Mutant(
        "a lost answer is unknown",
        "I3",
        (
            cut(
                reader._lost,
                "case UnknownBecause():\n            return Unknown(fault.because)",
                "case UnknownBecause():\n            return NotExecuted(NotExecutedBecause.NOT_SENT)",
            ),
        ),
        plan=staged(),
        scene=_first(DONE_AND_LOST),
    ),
    Mutant(
        "a throttled call refuses nothing",
        "I6",
        (cut(responses._judge_error, _IS_REFUSED, "if kind in {Kind.REFUSED, Kind.THROTTLED}:"),),
        plan=staged(),
        scene=_first({"kind": "throttle"}),
    ),
    Mutant(
        "a reversal that the account may not send settles nothing",
        "I3",
        (
            cut(
                responses._refused_reversal,
                "case ReversalKind.UNRESOLVED:\n            return Unresolved(error)",
                "case ReversalKind.UNRESOLVED:\n            return NoSuchRequest(error)",
            ),
        ),
        plan=staged(intents=REVERSE),
        scene=amazon(
            UNHEARD,
            When(REVERSAL, [{"kind": "refuse", "errorType": "CustomerAccountBlocked"}], ends=30 * MINUTE),
            When(PAGE, [NO_PAGE]),
        ),
    ),
    Mutant(
        "a reversal that is too late is none of what Amazon does not know",
        "I3",
        (
            cut(
                responses._refused_reversal,
                "case ReversalKind.TOO_LATE:\n            return TooLate(error)",
                "case ReversalKind.TOO_LATE:\n            return NoSuchRequest(error)",
            ),
        ),
        plan=staged(intents=REVERSE),
        scene=amazon(
            UNHEARD,
            When(REVERSAL, [{"kind": "drop"}], ends=22 * MINUTE),
            When(PAGE, [NO_PAGE]),
        ),
    ),
]

#: Amazon shows each card as refunded, expired, or as another one than was ordered.
_NOT_LIVE: Final = amazon(When(OPERATION, [{"kind": "refunded"}, {"kind": "expired"}], numbers=FIRST))
_OTHER_AMOUNT: Final = amazon(When(OPERATION, [{"kind": "wrongAmount"}], numbers=FIRST))
_OTHER_CURRENCY: Final = amazon(When(OPERATION, [{"kind": "wrongCurrency"}], numbers=FIRST))
_VALUE: Final = "if value != (call.value.amount, call.value.currency):"

CARDS: Final = [
    Mutant(
        "a card that is not Fulfilled is a conflict",
        "I3",
        # It is not taken for live either, and is asked for until its day is over.
        (
            cut(
                responses._judge_card,
                "conflict = _status_conflict(card_info.card_status, envelope)",
                "conflict = None",
            ),
        ),
        plan=staged(calm_at=20 * MINUTE),
        scene=_NOT_LIVE,
    ),
    Mutant(
        "a card that is not Fulfilled is no success",
        "I7",
        # Either of the two withholds it.
        (
            cut(
                responses._judge_card,
                "conflict = _status_conflict(card_info.card_status, envelope)\n"
                "    if conflict is not None:\n"
                "        return conflict\n",
                "pass\n",
            ),
            cut(responses._judge_card, "if card_info.card_status != _LIVE[call.name]:", "if False:"),
        ),
        plan=staged(),
        scene=_NOT_LIVE,
    ),
    Mutant(
        "a card that is not live yet is no success",
        "I7",
        (cut(responses._judge_card, "if card_info.card_status != _LIVE[call.name]:", "if False:"),),
        plan=staged(),
        scene=amazon(When(OPERATION, [{"kind": "created"}], numbers=FIRST)),
    ),
    Mutant(
        "a card of another amount or currency is no success",
        "I7",
        (cut(responses._judge_card, _VALUE, "if False:"),),
        plan=staged(orders=3),
        scene=amazon(When(OPERATION, [{"kind": "wrongAmount"}, {"kind": "wrongCurrency"}], numbers=FIRST)),
    ),
    Mutant(
        "a card of another amount is no success",
        "I7",
        (cut(responses._judge_card, _VALUE, "if value[1] != call.value.currency:"),),
        plan=staged(),
        scene=_OTHER_AMOUNT,
    ),
    Mutant(
        "a card of another currency is no success",
        "I7",
        (cut(responses._judge_card, _VALUE, "if value[0] != call.value.amount:"),),
        plan=staged(),
        scene=_OTHER_CURRENCY,
    ),
    Mutant(
        "a load of another amount is no success",
        "I7",
        (
            cut(
                responses._judge_load,
                "if any(each != (call.value.amount, call.value.currency) for each in values):",
                "if False:",
            ),
        ),
        plan=staged(operations=(LOAD,)),
        scene=_OTHER_AMOUNT,
    ),
    Mutant(
        "an answer about another request is none to this one",
        "I7",
        (cut(responses.is_ours, "return silence if named is None else named == call.request_id", "return True"),),
        plan=staged(orders=4, within=20, cents=2500),
        scene=responses_crossed,
    ),
]

KEPT: Final = [
    Mutant(
        "a message is cleaned of claim codes",
        "I4",
        UNCLEANED,
        plan=staged(later=[(What.CANCEL, 10, 30)]),
        scene=amazon(When(REVERSAL, [tells_the_code], numbers=FIRST)),
    ),
    Mutant(
        "a message is cleaned of card numbers",
        "I4",
        UNCLEANED,
        plan=staged(operations=(ACTIVATE,), later=[(What.CANCEL, 10, 30)]),
        scene=amazon(When(REVERSAL, [tells_the_number], numbers=FIRST)),
    ),
    Mutant(
        "of a body that is no document only its length and its hash are kept",
        "I4",
        (cut(evidence._facts, '"sha256": digest,', '"body": response.body.decode("latin-1"), "sha256": digest,'),),
        plan=staged(calm_at=HOUR),
        scene=amazon(When(OPERATION, [{"kind": "garbledCode", "variant": 5}], numbers=FIRST)),
    ),
    Mutant(
        "what could be spent is sealed",
        "I4",
        (
            cut(
                issue.issue,
                "record = replace(record, encrypted=dependencies.vault.encrypt(key_hash, order.members))",
                "record = replace(record, options={**order.options, **order.members})",
            ),
        ),
        plan=staged(operations=(ACTIVATE, LOAD)),
    ),
    Mutant(
        "of an order's members only fingerprints are kept",
        "I4",
        (
            cut(
                issue.issue,
                "fingerprint=fingerprint(order.key, order.fields()),",
                "fingerprint={name: text for name, text in order.fields().items() if text},",
            ),
        ),
        plan=staged(operations=(ACTIVATE, LOAD)),
    ),
]

MUTANTS: Final = [*UNKNOWN, *CARDS, *KEPT]
