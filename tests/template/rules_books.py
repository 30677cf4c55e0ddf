"""What must hold of the books in the transformed template, rules as in `rules.py`."""

from collections.abc import Iterator
from typing import Any

from tests.template.rights import SET_UP, statements
from tests.template.rules import Template
from tests.template.rules_recovery import bucket_policy
from tests.template.transformed import of_type

FILES = "${BooksBucket.Arn}/*"
#: What every administrator, too, is denied while the policy stands, by the name of the statement.
DENIED = {
    "NothingIsDeleted": {"s3:DeleteObject", "s3:DeleteObjectVersion", "s3:PutLifecycleConfiguration"},
    "NothingIsOverwritten": {"s3:PutObject"},
}
#: The files that each role may write.
WRITTEN = {
    "ReconcileAccountRole": {"*/rows-*", "*/judged-*", "*/transactions-*"},
    "ControlBooksRole": {"*/rows-*"},
    "CloseMonthRole": {"*/closes/*"},
}
#: Who reads what was judged within one call of the API.
RESPONDS = ("GetBooksFunction", "ControlBooksFunction", "CloseMonthFunction")
#: Megabytes to which AWS gives one.
PROCESSOR = 1769
READS = {"dynamodb:GetItem", "dynamodb:BatchGetItem", "dynamodb:Query"}


def files_of_the_books_are_written_once(template: Template) -> Iterator[str]:
    """The bucket keeps each file and version, and its policy lets nobody delete, let expire or overwrite one."""
    bucket = template["Resources"]["BooksBucket"]["Properties"]
    # A bucket that is made without it would be replaced for it, and the books stay in the old one.
    if bucket.get("VersioningConfiguration") != {"Status": "Enabled"} or bucket.get("ObjectLockEnabled") is not True:
        yield "what is overwritten is lost, or nothing can be locked"
    if bucket.get("LifecycleConfiguration"):
        yield "files expire"
    if template["Resources"]["BooksBucketPolicy"].get("DeletionPolicy") != "RetainExceptOnCreate":
        yield "the policy goes with the stack, and the files stay without it"
    _, *denied = bucket_policy(template, "BooksBucket")
    if {each["Sid"]: {*_list(each["Action"])} for each in denied} != DENIED:
        yield f"more or less is denied: {denied}"
    for each in denied:
        if (each["Effect"], each["Principal"]) != ("Deny", "*") or {"Fn::Sub": FILES} not in _list(each["Resource"]):
            yield f"it is denied to some, or of some files: {each}"
        conditional = {"Null": {"s3:if-none-match": "true"}} if each["Sid"] == "NothingIsOverwritten" else None
        if each.get("Condition") != conditional:
            yield f"it is denied on another condition: {each}"


def each_writes_its_own_files(template: Template) -> Iterator[str]:
    """Who reconciles writes no closes, who closes no days; nobody may delete, and locks are only made longer."""
    for name, role in of_type(template, "AWS::IAM::Role").items():
        written = set()
        for each in statements(template, role, **SET_UP):
            files = {str(one) for one in _list(each["Resource"]) if "BooksBucket" in str(one)}
            actions = {*each["Action"]}
            if files and actions - {"s3:GetObject", "s3:PutObject", "s3:PutObjectRetention", "s3:ListBucket"}:
                yield f"{name} may do {sorted(actions)} to the books"
            if files and "s3:PutObject" in actions:
                written |= {one["Fn::Sub"].removeprefix("${BooksBucket.Arn}/") for one in _list(each["Resource"])}
        if written != WRITTEN.get(name, set()):
            yield f"{name} writes other files: {sorted(written)}"


def who_judges_the_ledger_only_reads_it(template: Template) -> Iterator[str]:
    """Who reconciles, resolves or closes cannot bring the ledger in line with Amazon's rows."""
    for name in ("ReconcileAccountRole", "GetBooksRole", "ControlBooksRole", "CloseMonthRole"):
        for each in statements(template, template["Resources"][name], **SET_UP):
            if "LedgerTable" in str(each["Resource"]) and {*each["Action"]} - READS:
                yield f"{name} may do {each['Action']} to the ledger"


def who_reads_whole_days_has_a_processor(template: Template) -> Iterator[str]:
    """A day of 100,000 differences takes half a gigabyte to read, and a month of days seconds of a whole processor."""
    for name in RESPONDS:
        if template["Resources"][name]["Properties"].get("MemorySize", 0) < PROCESSOR:
            yield f"{name} has less than a processor"


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
