"""Parameters reach what they are meant for, and the environments of samconfig.toml fit them."""

import itertools
import re
import tomllib
from typing import Any

import pytest

from incentives.domain.accounts.alerts import Limits, read_limits
from incentives.domain.rate_limit import Pace
from local.settings import ACCOUNT_SECRET_PREFIX
from tests.template.needs import INVOKED_BY_OPERATORS
from tests.template.transformed import ROOT, of_type, resolve, source, transform


@pytest.fixture(scope="module")
def transformed() -> dict[str, Any]:
    return transform(source())


def _allows(name: str, value: str) -> bool:
    return re.fullmatch(source()["Parameters"][name]["AllowedPattern"], value) is not None


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
            assert (ROOT / "layers" / "targets" / f"{runtime}-{architecture}" / "Makefile").is_file()


def test_layer_is_built_for_the_runtime_that_functions_have(transformed: dict[str, Any]) -> None:
    for name in ("DependenciesLayer", "IncentivesLayer"):
        metadata = resolve(source(), source()["Resources"][name]["Metadata"], FunctionRuntime="python3.12")
        assert metadata == {"BuildMethod": "makefile", "ContextPath": "layers/targets/python3.12-arm64"}


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
        "POWERTOOLS_LOGGER_LOG_EVENT",
        "POWERTOOLS_TRACER_CAPTURE_RESPONSE",
        "POWERTOOLS_TRACER_CAPTURE_ERROR",
    }
    for function in of_type(transformed, "AWS::Lambda::Function").values():
        given = function["Properties"]["Environment"]["Variables"]
        unread = {name for name in given if f'"{name}"' not in code}
        assert unread == read_by_powertools
        asked_for = set(re.findall(r'(?:required|environment\.get|environ\.get|getenv)\(\s*"([A-Z][A-Z_]+)"', code))
        assert asked_for - given.keys() == set()


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


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("ApiCallerAccounts", "", True),
        ("ApiCallerAccounts", "111111111111", True),
        ("ApiCallerAccounts", "111111111111,222222222222", True),
        ("ApiCallerAccounts", "*", False),
        ("ApiCallerAccounts", "111111111111, 222222222222", False),
        ("ApiCallerAccounts", "111111111111,", False),
        ("ApiCallerNetworks", "", True),
        ("ApiCallerNetworks", "198.51.100.0/24,2001:db8::/32", True),
        ("ApiCallerNetworks", "198.51.100.7", False),
        ("ApiCallerNetworks", "198.51.100.0/24,", False),
    ],
)
def test_callers_are_named_without_mistakes(name: str, value: str, allowed: bool) -> None:
    assert _allows(name, value) is allowed


def test_access_logs_are_off_unless_asked_for_and_hold_no_body(transformed: dict[str, Any]) -> None:
    (stage,) = of_type(transformed, "AWS::ApiGateway::Stage").values()
    assert "AccessLogSetting" not in resolve(transformed, stage["Properties"])
    setting = resolve(transformed, stage["Properties"], ApiAccessLogs="on")["AccessLogSetting"]
    assert "body" not in setting["Format"].lower()
    assert "header" not in setting["Format"].lower()


@pytest.mark.parametrize(
    ("endpoint", "allowed"),
    [
        ("", True),
        ("https://incentives.example", True),
        ("https://incentives.example:8443", True),
        ("http://127.0.0.1:8080", True),
        ("http://localhost", True),
        ("http://incentives.example", False),
        ("http://127.0.0.1.example", False),
        ("https://incentives.example/path", False),
        ("ftp://incentives.example", False),
    ],
)
def test_plain_http_is_for_loopback_only(endpoint: str, allowed: bool) -> None:
    assert _allows("IncentivesEndpoint", endpoint) is allowed


@pytest.mark.parametrize(
    ("prefix", "allowed"),
    [("incentives-gateway/accounts", True), ("a", True), ("a/", False), ("/a", False), ("", False), ("*", False)],
)
def test_secret_prefix_cannot_widen_the_permission(prefix: str, allowed: bool) -> None:
    assert _allows("AccountSecretPrefix", prefix) is allowed


def test_pace_can_be_set_to_nothing_that_the_code_refuses() -> None:
    parameters = source()["Parameters"]
    rate, burst, share = (parameters[name] for name in ("PaceRequestsPerSecond", "PaceBurst", "PaceShareKept"))
    bounds = [(each["MinValue"], each["MaxValue"]) for each in (rate, burst, share)]
    for requests_per_second, at_once, share_kept in itertools.product(*bounds):
        Pace(requests_per_second=requests_per_second, burst=at_once, share_kept=share_kept)
    # and unless it is set, it is the code's own
    assert Pace() == Pace(requests_per_second=rate["Default"], burst=burst["Default"], share_kept=share["Default"])


@pytest.mark.parametrize(
    ("balance", "allowed"),
    [
        ("", True),
        ("500", True),
        ("500.50", True),
        ("default=500", True),
        ("default=500,japan=50000", True),
        ("500,japan=50000", True),
        ("0", False),
        ("-5", False),
        ("1e3", False),
        ("default=", False),
        ("=500", False),
        ("default=500;japan=50000", False),
        ("default=500,", False),
        ("default:500", False),
    ],
)
def test_balance_limits_that_are_allowed_are_those_that_the_code_reads(balance: str, allowed: bool) -> None:
    assert _allows("AlertBalanceBelow", balance) is allowed
    if allowed:
        read_limits(balance, "", "")


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
    assert found == {f"{name}FunctionName": {"Ref": f"{name}Function"} for name in INVOKED_BY_OPERATORS}


def test_environments_build_and_deploy_for_the_same_runtime() -> None:
    config = tomllib.loads((ROOT / "samconfig.toml").read_text(encoding="utf-8"))
    parameters = source()["Parameters"]
    for environment in ("local", "dev", "prod"):
        commands = config[environment]
        given = {
            command: dict(
                pair.split("=", 1) for pair in commands[command]["parameters"].get("parameter_overrides", "").split()
            )
            for command in ("build", "deploy")
        }
        assert given["deploy"].keys() <= parameters.keys()
        for name in ("FunctionRuntime", "FunctionArchitecture"):
            assert given["build"].get(name) == given["deploy"].get(name)
        if environment != "local":
            assert given["deploy"]["Environment"] == environment
    assert "AmazonEnvironment=production" in config["prod"]["deploy"]["parameters"]["parameter_overrides"]
