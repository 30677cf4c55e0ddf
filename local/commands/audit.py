"""`make audit`: known vulnerabilities in every pinned package, and what a scanner says against the template.

Each finding is either none, or has its reason below. A finding without a reason fails, and so does a reason without a
finding: it would excuse the next one, too. What could not be looked up is told and fails as well: silence is no result.
"""

import fnmatch
import json
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from local.settings import ROOT, python_of
from local.template import read
from local.terminal import bar

#: What pip-audit can ask, in this order: a registry that knows no vulnerabilities answers for none of its packages.
SERVICES: Final = ("pypi", "osv")
FOUND, UNKNOWN = 1, 2

#: Runs a program of the audit's environment; gives its exit status, standard output and the end of its standard error.
Runner = Callable[[Sequence[str]], tuple[int, str, str]]


@dataclass(frozen=True, order=True)
class Finding:
    """Something that a scanner says.

    Attributes:
        check: the scanner's id, e.g. CKV_AWS_115, or the vulnerability's.
        resource: `TYPE.NAME` in the template, or `package==version`.
        what: in the scanner's words.
    """

    check: str
    resource: str
    what: str


@dataclass(frozen=True)
class Reason:
    """Why a finding is none.

    Attributes:
        check: its id.
        resources: pattern of the resources that this is true of.
        why: in our words.
    """

    check: str
    resources: str
    why: str

    def explains(self, finding: Finding) -> bool:
        """Whether it is about this finding."""
        return self.check == finding.check and fnmatch.fnmatchcase(finding.resource, self.resources)


class CannotTellError(Exception):
    """Something could not be looked at; the message says what and why."""


_FUNCTIONS: Final = "AWS::Serverless::Function.*"

REASONS: Final = (
    Reason(
        "CKV_AWS_18",
        "AWS::S3::Bucket.*",
        "Access logs of a bucket go to yet another bucket, which needs the same again. Who may reach these two is a "
        "handful of roles; a company that wants every access on record has CloudTrail's data events for that.",
    ),
    Reason(
        "CKV_AWS_21",
        "AWS::S3::Bucket.*",
        "Versions would keep what the lifecycle is there to forget after 90 days. Nothing is lost by an overwrite: "
        "checked rows are named by their content, and a result is written anew from the ledger.",
    ),
    Reason(
        "CKV_AWS_27",
        "AWS::SQS::Queue.*",
        "They are encrypted by SQS (SqsManagedSseEnabled), which the check does not look at. Messages hold request "
        "ids; a key of our own would be one more permission for each sender.",
    ),
    Reason(
        "CKV_AWS_28",
        "AWS::DynamoDB::Table.PacerTable",
        "It holds when the next call may leave. A minute later that is worth nothing, and an empty one starts over.",
    ),
    Reason(
        "CKV_AWS_73",
        "AWS::Serverless::Api.Api",
        "Tracing is a parameter, off unless asked for: it costs per request, and ids are in the log already.",
    ),
    Reason(
        "CKV_AWS_76",
        "AWS::Serverless::Api.Api",
        "Access logs are a parameter: they need a role of the whole AWS account, which no stack should own.",
    ),
    Reason(
        "CKV_AWS_115",
        _FUNCTIONS,
        "Reserved instances are taken from all other functions of the account, of which a new one may have ten. API "
        "Gateway's throttle and the pace bound what runs at once; the function that creates cards has a parameter.",
    ),
    Reason(
        "CKV_AWS_116",
        _FUNCTIONS,
        "A dead-letter queue is for asynchronous calls. Schedules have a destination for what failed, the streams' "
        "readers theirs, the backlog its own dead letters; API Gateway and Step Functions wait for the answer.",
    ),
    Reason(
        "CKV_AWS_117",
        _FUNCTIONS,
        "There is nothing in a private network that they need: they call Amazon over the internet, and AWS. In a VPC "
        "that takes a NAT gateway, and reaches no less.",
    ),
    Reason(
        "CKV_AWS_119",
        "AWS::DynamoDB::Table.*",
        "Encrypted by the key that AWS manages for DynamoDB. What readers of the table must not read is encrypted "
        "by the card vault's own key on top, and claim codes are in no table.",
    ),
    Reason("CKV_AWS_120", "AWS::Serverless::Api.Api", "A cache would keep claim codes."),
    Reason(
        "CKV_AWS_158",
        "AWS::Logs::LogGroup.*",
        "CloudWatch encrypts them by its own key. No claim code, card number or key is in a log, which the canary "
        "tests prove; a key of our own would guard nothing more, and lock operators out when they need to read.",
    ),
    Reason(
        "CKV_AWS_173",
        _FUNCTIONS,
        "Lambda encrypts environment variables by its own key. They hold names and numbers; keys are in Secrets "
        "Manager only.",
    ),
)


def unsettled(findings: Iterable[Finding], reasons: Sequence[Reason]) -> Iterator[str]:
    """What is left: findings without a reason, and reasons without a finding."""
    found = sorted(set(findings))
    for finding in found:
        if not any(reason.explains(finding) for reason in reasons):
            yield f"{finding.check} {finding.resource}: {finding.what}"
    for reason in reasons:
        if not any(reason.explains(finding) for finding in found):
            yield f"{reason.check} {reason.resources}: the reason explains nothing any more; take it out"


def template_findings(run: Runner) -> tuple[list[Finding], int]:
    """What checkov says of the template, and how many checks it has made.

    Raises:
        CannotTellError: it did not run, could not read the template, or checked nothing.
    """
    options = ["--framework", "cloudformation", "--skip-download", "--quiet", "--compact", "--soft-fail"]
    with tempfile.TemporaryDirectory() as folder:
        # Read by us: checkov takes a merged key that the template overrides for a doubled one.
        file = Path(folder) / "template.json"
        file.write_text(json.dumps(read(ROOT / "template.yaml")), encoding="utf-8")
        status, output, errors = run(["checkov", "--file", str(file), "--output", "json", *options])
    try:
        report = json.loads(output)
        summary, results = report["summary"], report["results"]
        made = summary["passed"] + summary["failed"]
        failed = [Finding(each["check_id"], each["resource"], each["check_name"]) for each in results["failed_checks"]]
    except (ValueError, LookupError, TypeError):
        raise CannotTellError(f"checkov did not answer (exit status {status}): {errors}") from None
    if summary["parsing_errors"] or not made:
        raise CannotTellError("checkov could not read template.yaml")
    return failed, made


def package_findings(files: Sequence[Path], run: Runner) -> tuple[list[Finding], int]:
    """What is known of every pinned package, and how many there are.

    Raises:
        CannotTellError: names what no service could tell of.
    """
    why = ""
    for service in SERVICES:
        try:
            found, count = _ask(service, files, run)
        except CannotTellError as error:
            why += f"\n  {service}: {error}"
        else:
            return found, count
    raise CannotTellError(f"No service for known vulnerabilities can be reached from here:{why}")


def _ask(service: str, files: Sequence[Path], run: Runner) -> tuple[list[Finding], int]:
    found: list[Finding] = []
    packages: set[str] = set()
    for file in files:
        options = ["--no-deps", "--disable-pip", "--progress-spinner", "off", "--format", "json"]
        name = str(file.relative_to(ROOT))
        status, output, errors = run(["pip-audit", "--vulnerability-service", service, "-r", name, *options])
        try:
            dependencies: list[dict[str, Any]] = json.loads(output)["dependencies"]
        except (ValueError, LookupError, TypeError):
            raise CannotTellError(f"{name}: pip-audit ended with {status}: {errors}") from None
        skipped = [each for each in dependencies if "skip_reason" in each]
        if skipped or not dependencies:
            first = skipped[0]["skip_reason"] if skipped else "it names no package"
            raise CannotTellError(f"{name}: {len(skipped)} of {len(dependencies)} packages not looked up: {first}")
        for each in dependencies:
            package = f"{each['name']}=={each['version']}"
            packages.add(package)
            found += [
                Finding(
                    vulnerability["id"], package, f"fixed in {', '.join(vulnerability['fix_versions']) or 'none yet'}"
                )
                for vulnerability in each["vulns"]
            ]
    return found, len(packages)


def pinned_files() -> list[Path]:
    """Every file of pins: the functions' own packages, and those of all tools."""
    return [ROOT / "layers" / "dependencies" / "requirements.txt", *sorted((ROOT / "requirements").glob("*.txt"))]


def run_tool(command: Sequence[str]) -> tuple[int, str, str]:
    """A `Runner`."""
    tool = python_of("audit").with_name(command[0])
    if not tool.exists():
        raise CannotTellError(f"{command[0]} is not there: make env-audit")
    done = subprocess.run([str(tool), *command[1:]], cwd=ROOT, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, (done.stderr.strip().splitlines() or ["it said nothing"])[-1]


def audit(run: Runner, files: Sequence[Path], reasons: Sequence[Reason], say: Callable[[str], None]) -> int:
    """Look at everything, tell of it, and return the exit status."""
    looks: dict[str, Callable[[], tuple[list[Finding], int]]] = {
        "template: {} checks": lambda: template_findings(run),
        "packages: {} looked up": lambda: package_findings(files, run),
    }
    findings: list[Finding] = []
    unknown = False
    for what, look in looks.items():
        try:
            found, count = look()
        except CannotTellError as error:
            unknown = True
            say(f"NOT AUDITED: {error}")
            continue
        findings += found
        say(f"{what.format(count)}, {len(found)} findings")
    left = list(_without_reason(findings, reasons) if unknown else unsettled(findings, reasons))
    for line in left:
        say(line)
    if left:
        return FOUND
    if unknown:
        return UNKNOWN
    say(f"clean: each finding has one of {len(reasons)} reasons (local/commands/audit.py)")
    return 0


def _without_reason(findings: Sequence[Finding], reasons: Sequence[Reason]) -> Iterator[str]:
    # What could not be looked at may be what a reason is for.
    return unsettled(findings, [each for each in reasons if any(each.explains(finding) for finding in findings)])


def main() -> int:
    """Look for known vulnerabilities in every pinned package, and scan the template.

    Ends with 1 if something was found or a reason is left over, with 2 if something could not be looked at.
    """
    with bar("Auditing every pinned package and the template"):
        return audit(run_tool, pinned_files(), REASONS, lambda line: print(line, flush=True))
