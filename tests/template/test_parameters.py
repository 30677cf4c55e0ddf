"""Parameters reach what they are meant for, and the environments of samconfig.toml fit them."""

import itertools
import re
import tomllib
from typing import Any

import pytest

from incentives.domain.accounts.alerts import Limits, read_limits
from incentives.domain.rate_limit import Pace
from incentives.settings import Settings
from local.settings import ACCOUNT_SECRET_PREFIX
from tests.template.rules_recovery import INVOKED_BY_OPERATORS
from tests.template.transformed import ROOT, of_type, resolve, source, transform


@pytest.fixture(scope="module")
def transformed() -> dict[str, Any]:
    return transform(source())


@pytest.mark.parametrize(("runtime", "architecture"), [("python3.13", "arm64"), ("python3.11", "x86_64")])
def test_runtime_and_architecture_are_parameters(transformed: dict[str, Any], runtime: str, architecture: str) -> None:
    given = {"FunctionRuntime": runtime, "FunctionArchitecture": architecture}
    for function in of_type(transformed, "AWS::Lambda::Function").values():
        properties = resolve(transformed, function["Properties"], **given)
        assert (properties["Runtime"], properties["Architectures"]) == (runtime, [architecture])
    for layer in of_type(transformed, "AWS::Lambda::LayerVersion").values():
        properties = resolve(transformed, layer["Properties"], **given)
        assert properties["CompatibleRuntimes"] == [runtime]
        assert properties["CompatibleArchitectures"] == [architecture]


def test_cloud_default_is_python_3_13_on_arm64() -> None:
    parameters = source()["Parameters"]
    assert parameters["FunctionRuntime"]["Default"] == "python3.13"
    assert parameters["FunctionArchitecture"]["Default"] == "arm64"


def test_layers_can_be_built_for_every_runtime_and_architecture() -> None:
    parameters = source()["Parameters"]
    for runtime in parameters["FunctionRuntime"]["AllowedValues"]:
        for architecture in parameters["FunctionArchitecture"]["AllowedValues"]:
            given = {"FunctionRuntime": runtime, "FunctionArchitecture": architecture}
            for name in ("DependenciesLayer", "IncentivesLayer"):
                metadata = resolve(source(), source()["Resources"][name]["Metadata"], **given)
                assert metadata["BuildMethod"] == "makefile"
                assert (ROOT / metadata["ContextPath"] / "Makefile").is_file()
                assert metadata["ContextPath"].endswith(f"/{runtime}-{architecture}")


def test_backlog_and_bulk_orders_leave_a_new_account_instances_for_callers(transformed: dict[str, Any]) -> None:
    # given an AWS account that may run ten functions at once
    mapping = transformed["Resources"]["IssueQueuedFunctionBacklog"]["Properties"]["ScalingConfig"]
    workflow = transformed["Resources"]["ProcessOrderStateMachine"]["Properties"]["DefinitionSubstitutions"]
    # then each takes two of them, unless asked for more
    assert resolve(transformed, mapping) == {"MaximumConcurrency": "2"}
    assert resolve(transformed, workflow)["BulkConcurrency"] == "2"
    assert resolve(transformed, workflow, BulkConcurrency="8")["BulkConcurrency"] == "8"


def test_environment_variables_are_those_that_the_code_reads(transformed: dict[str, Any]) -> None:
    code = "\n".join(
        file.read_text(encoding="utf-8")
        for folder in ("layers/incentives/incentives", "functions")
        for file in sorted((ROOT / folder).rglob("*.py"))
    )
    read_by_powertools = {
        "POWERTOOLS_LOG_LEVEL",
        "PYDANTIC_DISABLE_PLUGINS",
        "POWERTOOLS_LOGGER_LOG_EVENT",
        "POWERTOOLS_TRACER_CAPTURE_RESPONSE",
        "POWERTOOLS_TRACER_CAPTURE_ERROR",
    }
    settings = {str(field.alias) for field in Settings.model_fields.values()}
    for function in of_type(transformed, "AWS::Lambda::Function").values():
        given = function["Properties"]["Environment"]["Variables"]
        unread = {name for name in given.keys() - settings if f'"{name}"' not in code}
        assert unread == read_by_powertools
        asked_for = set(re.findall(r'(?:environ\.get|getenv)\(\s*"([A-Z][A-Z_]+)"', code))
        assert (asked_for | settings) - given.keys() == set()


@pytest.mark.parametrize(("tracing", "mode"), [("off", "PassThrough"), ("on", "Active")])
def test_tracing_is_a_parameter(transformed: dict[str, Any], tracing: str, mode: str) -> None:
    for function in of_type(transformed, "AWS::Lambda::Function").values():
        assert resolve(transformed, function["Properties"], Tracing=tracing)["TracingConfig"] == {"Mode": mode}
    (stage,) = of_type(transformed, "AWS::ApiGateway::Stage").values()
    assert resolve(transformed, stage["Properties"], Tracing=tracing)["TracingEnabled"] is (tracing == "on")


def test_concurrency_is_not_reserved_unless_asked_for(transformed: dict[str, Any]) -> None:
    function = of_type(transformed, "AWS::Lambda::Function")["CreateGiftCardFunction"]["Properties"]
    assert "ReservedConcurrentExecutions" not in resolve(transformed, function)
    assert resolve(transformed, function, ReservedConcurrency="7")["ReservedConcurrentExecutions"] == "7"


def test_nothing_of_events_or_answers_is_logged(transformed: dict[str, Any]) -> None:
    for function in of_type(transformed, "AWS::Lambda::Function").values():
        given = function["Properties"]["Environment"]["Variables"]
        for name in ("LOGGER_LOG_EVENT", "TRACER_CAPTURE_RESPONSE", "TRACER_CAPTURE_ERROR"):
            assert given[f"POWERTOOLS_{name}"] == "false"


def _policy(**given: str) -> tuple[dict[str, dict[str, Any]], set[str]]:
    """The API's policy, statements by their names, and the deployment that brings it into force."""
    template = source()
    for name, value in given.items():
        template["Parameters"][name]["Default"] = value
    transformed = transform(template)
    (api,) = of_type(transformed, "AWS::ApiGateway::RestApi").values()
    policy = resolve({**transformed, **template}, api["Properties"]["Body"]["x-amazon-apigateway-policy"])
    deployments = set(of_type(transformed, "AWS::ApiGateway::Deployment"))
    return {each["Sid"]: each for each in policy["Statement"]}, deployments


def test_callers_are_this_accounts_unless_others_are_named() -> None:
    ours, before = _policy()
    assert ours.keys() == {"OfNoOtherAccount"}
    # when two accounts may call, and from one network only
    policy, after = _policy(ApiCallerAccounts="111111111111,222222222222", ApiCallerNetworks="198.51.100.0/24")
    # then they are let in beside this one, and nobody is from elsewhere
    assert policy["OfNoOtherAccount"]["Condition"]["StringNotEquals"]["aws:PrincipalAccount"] == {
        "Fn::Split": [",", "123456789012,111111111111,222222222222"]
    }
    assert policy["OfCallersAccounts"]["Principal"] == {"AWS": {"Fn::Split": [",", "111111111111,222222222222"]}}
    assert policy["FromNowhereElse"]["Condition"] == {
        "NotIpAddress": {"aws:SourceIp": {"Fn::Split": [",", "198.51.100.0/24"]}}
    }
    # and the new policy comes into force: API Gateway holds to the one that was deployed
    assert not before & after


def test_access_logs_are_off_unless_asked_for_and_hold_no_body(transformed: dict[str, Any]) -> None:
    (stage,) = of_type(transformed, "AWS::ApiGateway::Stage").values()
    assert "AccessLogSetting" not in resolve(transformed, stage["Properties"])
    setting = resolve(transformed, stage["Properties"], ApiAccessLogs="on")["AccessLogSetting"]
    assert "body" not in setting["Format"].lower()
    assert "header" not in setting["Format"].lower()


#: Values by parameter: those that are taken, and those that are not.
PATTERNS = {
    "ApiCallerAccounts": (
        ["", "111111111111", "111111111111,222222222222"],
        ["*", "111111111111, 222222222222", "111111111111,"],
    ),
    "ApiCallerNetworks": (["", "198.51.100.0/24,2001:db8::/32"], ["198.51.100.7", "198.51.100.0/24,"]),
    # Plain http is for loopback only.
    "IncentivesEndpoint": (
        [
            "", "https://incentives.example", "https://incentives.example:8443", "http://127.0.0.1:8080",
            "http://localhost",
        ],
        ["http://incentives.example", "http://127.0.0.1.example", "https://incentives.example/path", "ftp://a.example"],
    ),
    # None can widen the permission.
    "AccountSecretPrefix": (["incentives-gateway/accounts", "a"], ["a/", "/a", "", "*"]),
    "AlertBalanceBelow": (
        ["", "500", "500.50", "default=500", "default=500,japan=50000", "500,japan=50000"],
        ["0", "-5", "1e3", "default=", "=500", "default=500;japan=50000", "default=500,", "default:500"],
    ),
    "ApprovalAbove": (["", "500", "default=500,japan=50000", "500,japan=50000"], ["0", "-5", "default=", "=500", "5,"]),
    "BooksTimeZone": (["UTC", "America/Argentina/Ushuaia", "Etc/GMT+5"], ["", "+01:00", "/etc", "a/../b"]),
    "BooksBegin": (["", "2026-11-01"], ["2026-11", "01.11.2026", "2026-13-01", "20261101"]),
    "ActivityTypes": (["GCCreation=charge", "A=refund,B_2=nothing"], ["", "GCCreation", "A=charge, B=refund", "A=pay"]),
    "AccountsWithoutBalance": (["", "invoiced", "invoiced,japan-2"], ["Invoiced", "one, two", "one,", "*"]),
    "BooksLockYears": (["", "1", "10"], ["0", "11", "seven", "7.5"]),
}  # fmt: skip


@pytest.mark.parametrize("name", PATTERNS)
def test_a_parameter_takes_what_makes_sense_and_nothing_else(name: str) -> None:
    pattern = source()["Parameters"][name]["AllowedPattern"]
    taken, refused = PATTERNS[name]
    assert [value for value in (*taken, *refused) if re.fullmatch(pattern, value)] == taken


def test_amounts_by_account_that_are_taken_are_those_that_the_code_reads() -> None:
    for balance in PATTERNS["AlertBalanceBelow"][0]:
        read_limits(balance, "", "")
    for above in PATTERNS["ApprovalAbove"][0]:
        read_limits(above, "", "")


@pytest.mark.parametrize(
    ("parameter", "field", "read"),
    [
        ("BooksTimeZone", "books_time_zone", "zone"),
        ("BooksBegin", "books_begin", "first_booking_day"),
        ("ActivityTypes", "activity_types", "effects"),
        ("AccountsWithoutBalance", "accounts_without_balance", "without_balance"),
        ("BooksLockYears", "books_lock_years", "lock_years"),
    ],
)
def test_what_the_books_can_be_set_to_is_what_the_code_reads(parameter: str, field: str, read: str) -> None:
    # given what is taken, and what is set by default
    for text in (*PATTERNS[parameter][0], source()["Parameters"][parameter]["Default"]):
        getattr(Settings.model_construct(**{field: text}), read)


def test_pace_can_be_set_to_nothing_that_the_code_refuses() -> None:
    parameters = source()["Parameters"]
    rate, burst, share = (parameters[name] for name in ("PaceRequestsPerSecond", "PaceBurst", "PaceShareKept"))
    bounds = [(each["MinValue"], each["MaxValue"]) for each in (rate, burst, share)]
    for requests_per_second, at_once, share_kept in itertools.product(*bounds):
        Pace(requests_per_second=requests_per_second, burst=at_once, share_kept=share_kept)
    # and unless it is set, it is the code's own
    assert Pace() == Pace(requests_per_second=rate["Default"], burst=burst["Default"], share_kept=share["Default"])


def test_alert_limits_can_be_set_to_nothing_that_the_code_refuses() -> None:
    parameters = source()["Parameters"]
    days, multiple = parameters["AlertDaysBelow"], parameters["AlertSpendMultiple"]
    for bound in ("MinValue", "MaxValue"):
        read_limits("", str(days[bound]), str(multiple[bound]))
    # and unless they are set, they are the code's own
    set_by_default = read_limits(
        parameters["AlertBalanceBelow"]["Default"], str(days["Default"]), str(multiple["Default"])
    )
    assert set_by_default == Limits()


def test_local_tools_know_the_default_prefix() -> None:
    assert source()["Parameters"]["AccountSecretPrefix"]["Default"] == ACCOUNT_SECRET_PREFIX


def test_every_parameter_is_described_grouped_and_used() -> None:
    template = source()
    parameters = template.pop("Parameters")
    groups = template.pop("Metadata")["AWS::CloudFormation::Interface"]["ParameterGroups"]
    assert sorted(name for group in groups for name in group["Parameters"]) == sorted(parameters)
    text = repr(template)
    for name, parameter in parameters.items():
        assert parameter["Description"]
        assert f"'Ref': '{name}'" in text or f"${{{name}}}" in text


def test_operators_find_what_they_invoke_by_an_output() -> None:
    outputs = source()["Outputs"]
    found = {name: each["Value"] for name, each in outputs.items() if name.endswith("FunctionName")}
    assert found == {f"{name}Name": {"Ref": name} for name in INVOKED_BY_OPERATORS}


# ---- what samconfig.toml, README and docs say of stacks ------------------------------------------


CONFIG = tomllib.loads((ROOT / "samconfig.toml").read_text(encoding="utf-8"))


def _given(environment: str, command: str) -> dict[str, str]:
    pairs = CONFIG[environment][command]["parameters"].get("parameter_overrides", "").split()
    return dict(pair.split("=", 1) for pair in pairs)


def test_environments_build_and_deploy_for_the_same_runtime() -> None:
    for environment in ("local", "dev", "prod"):
        deployed = _given(environment, "deploy")
        assert deployed.keys() <= source()["Parameters"].keys()
        for name in ("FunctionRuntime", "FunctionArchitecture"):
            assert _given(environment, "build").get(name) == deployed.get(name)
        assert deployed.get("Environment", "local") == environment
    assert _given("prod", "deploy")["AmazonEnvironment"] == "production"


def _stack_and_parameters() -> dict[str, tuple[str, dict[str, str]]]:
    """Of each environment that is deployed into AWS: its stack's name and what it is deployed with."""
    defaults = {name: str(each.get("Default", "")) for name, each in source()["Parameters"].items()}
    return {
        name: (CONFIG[name]["global"]["parameters"]["stack_name"], defaults | _given(name, "deploy"))
        for name in CONFIG.keys() - {"version", "local"}
    }


def test_no_two_stacks_read_each_others_keys() -> None:
    for one, other in itertools.combinations(_stack_and_parameters().items(), 2):
        (name, (stack, given)), (name_2, (stack_2, given_2)) = one, other
        if stack == stack_2:
            # Then a deployment without --config-env must not turn it into something else.
            assert given == given_2, f"{name} and {name_2} are one stack with two sets of parameters"
        else:
            assert given["AccountSecretPrefix"] != given_2["AccountSecretPrefix"], f"{name} and {name_2} share keys"


def test_stacks_have_the_same_names_everywhere() -> None:
    stacks = {stack for stack, _ in _stack_and_parameters().values()}
    named = {
        (file.name, name)
        for file in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
        for name in re.findall(r"(?:STACK=|--stack |--stack-name )([\w-]+)", file.read_text(encoding="utf-8"))
    }
    assert {name for _, name in named} & stacks
    # `name` stands for whatever a stack is called, `ID` for the id of a deleted one.
    assert {(file, name) for file, name in named if name not in stacks | {"name", "ID"}} == set()
