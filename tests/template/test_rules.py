"""The transformed template keeps every rule, and each rule notices when it is broken."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.template import rules
from tests.template.transformed import source, transform

Template = dict[str, Any]


@pytest.fixture(scope="module")
def transformed() -> Template:
    return transform(source())


@pytest.mark.parametrize("rule", rules.RULES, ids=lambda rule: rule.__name__)
def test_template_keeps(rule: rules.Rule, transformed: Template) -> None:
    assert list(rule(transformed)) == []


def _resource(template: Template, name: str) -> dict[str, Any]:
    properties: dict[str, Any] = template["Resources"][name]["Properties"]
    return properties


def _invoke_role(template: Template) -> None:
    del _resource(template, "Api")["Auth"]["InvokeRole"]


def _unsigned(template: Template) -> None:
    event = _resource(template, "GetAvailableFundsFunction")["Events"]["Api"]["Properties"]
    event["Auth"] = {"Authorizer": "NONE"}


def _another_route(template: Template) -> None:
    event = _resource(template, "CancelGiftCardFunction")["Events"]["Api"]["Properties"]
    event["Path"] = "/gift-cards/{proxy+}"


def _no_alias(template: Template) -> None:
    del template["Globals"]["Function"]["AutoPublishAlias"]
    for name in rules.FUNCTIONS:
        del _resource(template, f"{name}Function")["AutoPublishAliasAllProperties"]


def _second_stage(template: Template) -> None:
    del template["Globals"]["Api"]["OpenApiVersion"]


def _set(resource: str, *path: str | int, value: Any) -> Callable[[Template], None]:
    """A mutation that sets one property."""

    def mutate(template: Template) -> None:
        node: Any = _resource(template, resource)
        for step in path[:-1]:
            node = node[step]
        node[path[-1]] = value

    return mutate


def _drop(resource: str, *path: str | int) -> Callable[[Template], None]:
    """A mutation that takes one property away."""

    def mutate(template: Template) -> None:
        node: Any = _resource(template, resource)
        for step in path[:-1]:
            node = node[step]
        del node[path[-1]]

    return mutate


def _of_resource(resource: str, name: str, value: str) -> Callable[[Template], None]:
    def mutate(template: Template) -> None:
        template["Resources"][resource][name] = value

    return mutate


def _statements(template: Template, role: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = _resource(template, role)["Policies"][0]["PolicyDocument"]["Statement"]
    return found


def _one_more_action(template: Template) -> None:
    _statements(template, "GetGiftCardRole")[1]["Action"].append("dynamodb:Scan")


def _one_action_less(template: Template) -> None:
    _statements(template, "CreateGiftCardRole")[1]["Action"].remove("dynamodb:GetItem")


def _everything(template: Template) -> None:
    _statements(template, "CreateGiftCardRole")[1]["Resource"] = "*"


def _any_action(template: Template) -> None:
    _statements(template, "CreateGiftCardRole")[1]["Action"] = ["dynamodb:*"]


def _open_trust(template: Template) -> None:
    trust = _resource(template, "CreateGiftCardRole")["AssumeRolePolicyDocument"]["Statement"][0]
    trust["Principal"] = {"AWS": "*"}


def _shared_role(template: Template) -> None:
    _resource(template, "GetGiftCardFunction")["Role"] = {"Fn::GetAtt": ["CreateGiftCardRole", "Arn"]}


def _one_layer(template: Template) -> None:
    template["Globals"]["Function"]["Layers"].pop()


def _other_timeout(template: Template) -> None:
    template["Globals"]["Function"]["Timeout"] = 30


def _gateway(kind: str, old: str, new: str) -> Callable[[Template], None]:
    def mutate(template: Template) -> None:
        templates = _resource(template, "Api")["GatewayResponses"][kind]["ResponseTemplates"]
        assert old in templates["application/json"]
        templates["application/json"] = templates["application/json"].replace(old, new)

    return mutate


def _secret(template: Template) -> None:
    template["Resources"]["Keys"] = {"Type": "AWS::SecretsManager::Secret", "Properties": {"SecretString": "dummy"}}


ALLOWING_STATEMENT = {"Effect": "Allow", "Principal": "*", "Action": "execute-api:Invoke", "Resource": "*"}
ALLOWING = {"CustomStatements": [ALLOWING_STATEMENT]}
BROKEN: dict[str, tuple[rules.Rule, Callable[[Template], None]]] = {
    "invoked as the caller": (rules.no_invoke_credentials, _invoke_role),
    "a route unsigned": (rules.every_route_is_signed, _unsigned),
    "another route": (rules.every_route_is_signed, _another_route),
    "a wider permission": (rules.routes_reach_the_alias, _another_route),
    "no alias to reach": (rules.routes_reach_the_alias, _no_alias),
    "no alias": (rules.versions_are_published, _no_alias),
    "a second stage": (rules.one_stage, _second_stage),
    "bodies logged": (rules.one_stage, _set("Api", "MethodSettings", 0, "DataTraceEnabled", value=True)),
    "bodies logged by level": (rules.one_stage, _set("Api", "MethodSettings", 0, "LoggingLevel", value="INFO")),
    "answers cached": (rules.one_stage, _set("Api", "MethodSettings", 0, "CachingEnabled", value=True)),
    "a cache": (rules.one_stage, _set("Api", "CacheClusterEnabled", value=True)),
    "no throttle": (rules.one_stage, _drop("Api", "MethodSettings", 0, "ThrottlingRateLimit")),
    "edge endpoint": (rules.regional_over_modern_tls, _set("Api", "EndpointConfiguration", "Type", value="EDGE")),
    "old TLS": (rules.regional_over_modern_tls, _drop("Api", "SecurityPolicy")),
    "an allowing policy": (rules.regional_over_modern_tls, _set("Api", "Auth", "ResourcePolicy", value=ALLOWING)),
    "a gateway error missing": (rules.gateway_errors_are_problems, _drop("Api", "GatewayResponses", "THROTTLED")),
    "a gateway error of another status": (
        rules.gateway_errors_are_problems,
        _set("Api", "GatewayResponses", "THROTTLED", "StatusCode", value=503),
    ),
    "a gateway error without a member": (
        rules.gateway_errors_are_problems,
        _gateway("THROTTLED", '"errorCode":"Throttled",', ""),
    ),
    "a gateway error that misleads": (
        rules.gateway_errors_are_problems,
        _gateway("INTEGRATION_TIMEOUT", '"retryable":true', '"retryable":false'),
    ),
    "a gateway error as plain JSON": (
        rules.gateway_errors_are_problems,
        _drop("Api", "GatewayResponses", "THROTTLED", "ResponseParameters", "Headers", "Content-Type"),
    ),
    "too long a function": (rules.functions_end_in_time, _other_timeout),
    "a layer missing": (rules.functions_are_known, _one_layer),
    "no log group": (rules.logs_are_kept_and_end, _drop("GetGiftCardFunction", "LoggingConfig")),
    "no retention": (rules.logs_are_kept_and_end, _drop("GetGiftCardLogGroup", "RetentionInDays")),
    "a layer deleted": (rules.versions_are_published, _set("IncentivesLayer", "RetentionPolicy", value="Delete")),
    "one action more": (rules.roles_allow_just_enough, _one_more_action),
    "one action less": (rules.roles_allow_just_enough, _one_action_less),
    "a role shared": (rules.roles_allow_just_enough, _shared_role),
    "a role for everybody": (rules.roles_allow_just_enough, _open_trust),
    "every resource": (rules.stars_are_rare, _everything),
    "every action": (rules.stars_are_rare, _any_action),
    "a managed policy": (
        rules.stars_are_rare,
        _set("GetGiftCardRole", "ManagedPolicyArns", value=["arn:aws:iam::aws:policy/AdministratorAccess"]),
    ),
    "an index missing": (rules.ledger_is_safe, _drop("LedgerTable", "GlobalSecondaryIndexes", 0)),
    "a ledger deleted": (rules.ledger_is_safe, _of_resource("LedgerTable", "DeletionPolicy", "Delete")),
    "a ledger replaced": (rules.ledger_is_safe, _of_resource("LedgerTable", "UpdateReplacePolicy", "Delete")),
    "no recovery": (rules.ledger_is_safe, _drop("LedgerTable", "PointInTimeRecoverySpecification")),
    "no guard in prod": (rules.ledger_is_safe, _set("LedgerTable", "DeletionProtectionEnabled", value=False)),
    "no stream": (rules.ledger_is_safe, _drop("LedgerTable", "StreamSpecification")),
    "not encrypted": (rules.tables_are_alike, _drop("PacerTable", "SSESpecification")),
    "fixed capacity": (rules.tables_are_alike, _set("LedgerTable", "BillingMode", value="PROVISIONED")),
    "a secret": (rules.no_secret_is_made, _secret),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_rule_is_noticed(name: str) -> None:
    # given the template with one rule broken
    rule, break_it = BROKEN[name]
    template = source()
    break_it(template)
    # when it is transformed and looked at
    broken = list(rule(transform(template)))
    # then the rule says so
    assert broken


def test_every_rule_is_broken_once() -> None:
    assert {rule for rule, _ in BROKEN.values()} == set(rules.RULES)
