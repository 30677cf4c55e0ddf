"""The audit fails for what it finds, for a reason that is left over, and for what it could not look at."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from local.commands.audit import FOUND, REASONS, SERVICES, UNKNOWN, Reason, audit, pinned_files
from local.settings import ROOT

PINS = [ROOT / "requirements" / "project.txt", ROOT / "requirements" / "sam.txt"]
CLEAN = {"name": "one", "version": "1.0", "vulns": []}
VULNERABLE = {"name": "two", "version": "2.0", "vulns": [{"id": "PYSEC-1", "fix_versions": ["2.1"]}]}
SKIPPED = {"name": "two", "skip_reason": "not known to this service"}
BUCKET = {"check_id": "CKV_1", "check_name": "Ensure", "resource": "AWS::S3::Bucket.One"}
BUCKETS = Reason("CKV_1", "AWS::S3::Bucket.*", "because")
PACKAGE = Reason("PYSEC-1", "two==2.0", "the part that it is about is not used")


def scanner(*failed: Mapping[str, str], passed: int = 7, broken: int = 0) -> str:
    summary = {"passed": passed, "failed": len(failed), "parsing_errors": broken}
    return json.dumps({"summary": summary, "results": {"failed_checks": failed}})


class Dependencies:
    """The scanners, which say what they are told to: pip-audit by service."""

    def __init__(self, template: str = scanner(), **packages: Sequence[Mapping[str, Any]]) -> None:
        self.template = template
        self.packages = packages
        self.asked: list[str] = []

    def run(self, command: Sequence[str]) -> tuple[int, str, str]:
        if command[0] == "checkov":
            return 0, self.template, ""
        service = command[command.index("--vulnerability-service") + 1]
        self.asked.append(f"{service} {command[command.index('-r') + 1]}")
        if service not in self.packages:
            return 1, "", "no such host"
        return 0, json.dumps({"dependencies": self.packages[service]}), ""


def outcome(dependencies: Dependencies, *reasons: Reason, files: Sequence[Path] = PINS) -> tuple[int, str]:
    said: list[str] = []
    status = audit(dependencies.run, files, reasons, said.append)
    return status, "\n".join(said)


def test_nothing_found_is_clean() -> None:
    dependencies = Dependencies(pypi=[CLEAN])
    status, said = outcome(dependencies)
    assert status == 0
    assert "template: 7 checks" in said
    assert "packages: 1 looked up" in said
    assert dependencies.asked == ["pypi requirements/project.txt", "pypi requirements/sam.txt"]


def test_findings_with_reasons_are_clean() -> None:
    status, said = outcome(Dependencies(scanner(BUCKET), pypi=[CLEAN, VULNERABLE]), BUCKETS, PACKAGE)
    assert (status, said.splitlines()[-1]) == (0, "clean: each finding has one of 2 reasons (local/commands/audit.py)")


@pytest.mark.parametrize(
    ("dependencies", "named"),
    [
        (Dependencies(scanner(BUCKET), pypi=[CLEAN]), "CKV_1 AWS::S3::Bucket.One: Ensure"),
        (Dependencies(pypi=[VULNERABLE]), "PYSEC-1 two==2.0: fixed in 2.1"),
    ],
    ids=["template", "package"],
)
def test_a_finding_without_a_reason_fails(dependencies: Dependencies, named: str) -> None:
    status, said = outcome(dependencies)
    assert status == FOUND
    assert named in said


def test_a_reason_is_for_its_own_resources_only() -> None:
    other = {**BUCKET, "resource": "AWS::SQS::Queue.One"}
    status, said = outcome(Dependencies(scanner(BUCKET, other), pypi=[CLEAN]), BUCKETS)
    assert status == FOUND
    assert "CKV_1 AWS::SQS::Queue.One" in said
    assert "Bucket.One" not in said


def test_a_reason_without_a_finding_fails() -> None:
    status, said = outcome(Dependencies(pypi=[CLEAN]), BUCKETS)
    assert status == FOUND
    assert "the reason explains nothing any more" in said


def test_a_service_that_knows_no_packages_is_not_believed() -> None:
    # given a registry that skips what it is asked about, as a mirror does
    dependencies = Dependencies(pypi=[SKIPPED, SKIPPED], osv=[CLEAN])
    # when the other service answers, then it counts
    assert outcome(dependencies)[0] == 0
    assert dependencies.asked[-1].startswith("osv")
    # and when none does, then that is no result
    status, said = outcome(Dependencies(pypi=[SKIPPED, CLEAN], osv=[SKIPPED]))
    assert status == UNKNOWN
    assert "NOT AUDITED: No service for known vulnerabilities can be reached" in said
    assert "1 of 2 packages not looked up: not known to this service" in said


def test_what_could_not_be_looked_at_excuses_nothing_found() -> None:
    status, said = outcome(Dependencies(scanner(BUCKET)), PACKAGE)
    assert status == FOUND
    assert "NOT AUDITED" in said
    assert "CKV_1 AWS::S3::Bucket.One" in said
    # and a reason for what was not looked at is not taken for left over
    assert "PYSEC-1" not in said
    assert all(f"{service}: " in said for service in SERVICES)


@pytest.mark.parametrize("template", ["", "[]", "{}", scanner(passed=0), scanner(broken=1)])
def test_a_scanner_that_did_not_scan_is_no_result(template: str) -> None:
    status, said = outcome(Dependencies(template, pypi=[CLEAN]))
    assert status == UNKNOWN
    assert "NOT AUDITED: checkov" in said


def test_an_empty_file_of_pins_is_no_result() -> None:
    assert outcome(Dependencies(pypi=[]))[0] == UNKNOWN


def test_all_pins_are_looked_at() -> None:
    files = {str(file.relative_to(ROOT)) for file in pinned_files()}
    assert "layers/dependencies/requirements.txt" in files
    assert {f"requirements/{name}.txt" for name in ("project", "sam", "ministack", "uv", "audit")} <= files


@pytest.mark.parametrize("file", pinned_files(), ids=lambda file: str(file.relative_to(ROOT)))
def test_every_package_is_pinned_to_one_version(file: Path) -> None:
    lines = [line.strip() for line in file.read_text("utf-8").splitlines()]
    packages = [line for line in lines if line and not line.startswith("#")]
    assert packages
    assert [line for line in packages if not re.fullmatch(r"[a-z0-9-]+==[0-9][A-Za-z0-9.]*( ; .+)?", line)] == []


def test_every_reason_says_why() -> None:
    assert len({(reason.check, reason.resources) for reason in REASONS}) == len(REASONS)
    assert all(len(reason.why.split()) > 4 for reason in REASONS)
