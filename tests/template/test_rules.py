"""The transformed template keeps every rule, and each rule notices when it is broken."""

from typing import Any

import pytest

from tests.template import rules
from tests.template.mutations import Mutation, Template, drop, put, resource, statements
from tests.template.transformed import source, transform, transform_variant


@pytest.fixture(scope="module")
def transformed() -> Template:
    return transform(source())


@pytest.mark.parametrize("rule", rules.RULES, ids=lambda rule: rule.__name__)
def test_template_keeps(rule: rules.Rule, transformed: Template) -> None:
    assert list(rule(transformed)) == []


def _invoke_role(template: Template) -> None:
    del resource(template, "Api")["Auth"]["InvokeRole"]


def _unsigned(template: Template) -> None:
    event = resource(template, "GetAvailableFundsFunction")["Events"]["Api"]["Properties"]
    event["Auth"] = {"Authorizer": "NONE"}


def _another_route(template: Template) -> None:
    event = resource(template, "CancelGiftCardFunction")["Events"]["Api"]["Properties"]
    event["Path"] = "/gift-cards/{proxy+}"


def _published(template: Template) -> None:
    resource(template, "CreateGiftCardFunction")["AutoPublishAlias"] = "live"


def _second_stage(template: Template) -> None:
    del template["Globals"]["Api"]["OpenApiVersion"]


def _one_more_action(template: Template) -> None:
    statements(template, "GetGiftCardRole")[1]["Action"].append("dynamodb:Scan")


def _one_action_less(template: Template) -> None:
    statements(template, "CreateGiftCardRole")[1]["Action"].remove("dynamodb:GetItem")


def _everything(template: Template) -> None:
    statements(template, "CreateGiftCardRole")[1]["Resource"] = "*"


def _any_action(template: Template) -> None:
    statements(template, "CreateGiftCardRole")[1]["Action"] = ["dynamodb:*"]


def _open_trust(template: Template) -> None:
    trust = resource(template, "CreateGiftCardRole")["AssumeRolePolicyDocument"]["Statement"][0]
    trust["Principal"] = {"AWS": "*"}


def _shared_role(template: Template) -> None:
    resource(template, "GetGiftCardFunction")["Role"] = {"Fn::GetAtt": ["CreateGiftCardRole", "Arn"]}


def _one_layer(template: Template) -> None:
    template["Globals"]["Function"]["Layers"].pop()


def _other_timeout(template: Template) -> None:
    template["Globals"]["Function"]["Timeout"] = 30


def _gateway(kind: str, old: str, new: str) -> Mutation:
    def mutate(template: Template) -> None:
        templates = resource(template, "Api")["GatewayResponses"][kind]["ResponseTemplates"]
        assert old in templates["application/json"]
        templates["application/json"] = templates["application/json"].replace(old, new)

    return mutate


def _mail_always(template: Template) -> None:
    found = statements(template, "RecoverRequestRole")
    (number,) = [number for number, each in enumerate(found) if "Fn::If" in each]
    found[number] = {**found[number]["Fn::If"][1], "Resource": "arn:aws:ses:us-east-1:123456789012:identity/*"}


def _mail_statement(template: Template) -> dict[str, Any]:
    (found,) = [each["Fn::If"][1] for each in statements(template, "RecoverRequestRole") if "Fn::If" in each]
    statement: dict[str, Any] = found
    return statement


def _mail_of_anybody(template: Template) -> None:
    del _mail_statement(template)["Condition"]


def _mail_by_identity(template: Template) -> None:
    _mail_statement(template)["Resource"].pop()


def _without_context(template: Template) -> None:
    (vault,) = [each for each in statements(template, "DeactivateGiftCardRole") if each["Sid"] == "CardVault"]
    del vault["Condition"]


def _with_activity(template: Template) -> None:
    (rate_limiter,) = [each for each in statements(template, "RotateKeysRole") if each.get("Sid") == "Pacer"]
    del rate_limiter["Condition"]


def _without_topic(template: Template) -> None:
    (key,) = [each for each in statements(template, "WatchAccountRole") if each.get("Sid") == "OperatorsKey"]
    del key["Condition"]


def _lent_to_anybody(template: Template) -> None:
    lent = {"Sid": "Lent", "Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "kms:Decrypt", "Resource": "*"}
    resource(template, "CardVaultKey")["KeyPolicy"]["Statement"].append(lent)


def _secret(template: Template) -> None:
    template["Resources"]["Keys"] = {"Type": "AWS::SecretsManager::Secret", "Properties": {"SecretString": "dummy"}}


ALL_FILES = {"Fn::Sub": "${OrdersBucket.Arn}/*"}
ALLOWING_STATEMENT = {"Effect": "Allow", "Principal": "*", "Action": "execute-api:Invoke", "Resource": "*"}
ALLOWING = {"CustomStatements": [ALLOWING_STATEMENT]}
BROKEN: dict[str, tuple[rules.Rule, Mutation]] = {
    "invoked as the caller": (rules.no_invoke_credentials, _invoke_role),
    "a route unsigned": (rules.every_route_is_signed, _unsigned),
    "another route": (rules.every_route_is_signed, _another_route),
    "a wider permission": (rules.routes_reach_their_functions, _another_route),
    "a route to a version": (rules.routes_reach_their_functions, _published),
    "a version": (rules.nothing_is_published, _published),
    "a second stage": (rules.one_stage, _second_stage),
    "bodies logged": (rules.one_stage, put("Api", "MethodSettings", 0, "DataTraceEnabled", value=True)),
    "bodies logged by level": (rules.one_stage, put("Api", "MethodSettings", 0, "LoggingLevel", value="INFO")),
    "answers cached": (rules.one_stage, put("Api", "MethodSettings", 0, "CachingEnabled", value=True)),
    "a cache": (rules.one_stage, put("Api", "CacheClusterEnabled", value=True)),
    "no throttle": (rules.one_stage, drop("Api", "MethodSettings", 0, "ThrottlingRateLimit")),
    "edge endpoint": (rules.regional_over_modern_tls, put("Api", "EndpointConfiguration", "Type", value="EDGE")),
    "old TLS": (rules.regional_over_modern_tls, drop("Api", "SecurityPolicy")),
    "an allowing policy": (rules.policy_only_narrows, put("Api", "Auth", "ResourcePolicy", value=ALLOWING)),
    "no policy": (rules.policy_only_narrows, drop("Api", "Auth", "ResourcePolicy")),
    "other accounts not denied": (
        rules.policy_only_narrows,
        drop("Api", "Auth", "ResourcePolicy", "CustomStatements", 0),
    ),
    "this account allowed as another": (
        rules.policy_only_narrows,
        drop("Api", "Auth", "ResourcePolicy", "CustomStatements", 1, "Fn::If", 1, "Condition"),
    ),
    "a gateway error missing": (rules.gateway_errors_are_problems, drop("Api", "GatewayResponses", "THROTTLED")),
    "a gateway error of another status": (
        rules.gateway_errors_are_problems,
        put("Api", "GatewayResponses", "THROTTLED", "StatusCode", value=503),
    ),
    "a gateway error without a member": (
        rules.gateway_errors_are_problems,
        _gateway("THROTTLED", '"errorCode":null,', ""),
    ),
    "a gateway error that misleads": (
        rules.gateway_errors_are_problems,
        _gateway("INTEGRATION_TIMEOUT", '"retryable":true', '"retryable":false'),
    ),
    "a gateway error as plain JSON": (
        rules.gateway_errors_are_problems,
        drop("Api", "GatewayResponses", "THROTTLED", "ResponseParameters", "Headers", "Content-Type"),
    ),
    "too long a function": (rules.functions_end_in_time, _other_timeout),
    "too long for a caller": (rules.functions_end_in_time, put("ControlOrderFunction", "Timeout", value=60)),
    "too short for a batch": (rules.functions_end_in_time, drop("ProcessOrderFunction", "Timeout")),
    "a route less": (rules.routes_reach_their_functions, drop("ControlOrderFunction", "Events", "Pause")),
    "a layer missing": (rules.functions_are_known, _one_layer),
    "no log group": (rules.logs_are_kept_and_end, drop("GetGiftCardFunction", "LoggingConfig")),
    "no retention": (rules.logs_are_kept_and_end, drop("GetGiftCardLogGroup", "RetentionInDays")),
    "one action more": (rules.roles_allow_just_enough, _one_more_action),
    "one action less": (rules.roles_allow_just_enough, _one_action_less),
    "any file of any order": (
        rules.roles_allow_just_enough,
        put("CreateOrderRole", "Policies", 0, "PolicyDocument", "Statement", 2, "Resource", value=ALL_FILES),
    ),
    "mail without a sender": (rules.roles_allow_just_enough, _mail_always),
    "mail in anybody's name": (rules.roles_allow_just_enough, _mail_of_anybody),
    "mail by the identity alone": (rules.roles_allow_just_enough, _mail_by_identity),
    "a role shared": (rules.roles_allow_just_enough, _shared_role),
    "a role for everybody": (rules.roles_allow_just_enough, _open_trust),
    "every resource": (rules.stars_are_rare, _everything),
    "every action": (rules.stars_are_rare, _any_action),
    "a managed policy": (
        rules.stars_are_rare,
        put("GetGiftCardRole", "ManagedPolicyArns", value=["arn:aws:iam::aws:policy/AdministratorAccess"]),
    ),
    "an index missing": (rules.ledger_is_indexed, drop("LedgerTable", "GlobalSecondaryIndexes", 0)),
    "no recovery": (rules.kept_tables_are_safe, drop("LedgerTable", "PointInTimeRecoverySpecification")),
    "no guard in prod": (rules.kept_tables_are_safe, put("LedgerTable", "DeletionProtectionEnabled", value=False)),
    "accounts unguarded": (rules.kept_tables_are_safe, drop("AccountTable", "DeletionProtectionEnabled")),
    "claims for ever": (rules.what_has_expired_goes, drop("OrdersTable", "TimeToLiveSpecification")),
    "another key": (rules.tables_have_their_keys, drop("OrdersTable", "KeySchema", 1)),
    "no stream": (rules.ledger_is_indexed, drop("LedgerTable", "StreamSpecification")),
    "a vault without context": (rules.vault_opens_by_order, _without_context),
    "a book for everybody": (rules.book_is_kept_by_recovery, _with_activity),
    "a key for whatever one likes": (rules.operators_key_is_for_their_topic, _without_topic),
    "a key that does not rotate": (rules.keys_are_lent_by_iam, drop("CardVaultKey", "EnableKeyRotation")),
    "a vault soon gone": (rules.vault_opens_by_order, put("CardVaultKey", "PendingWindowInDays", value=7)),
    "a key lent to others": (rules.keys_are_lent_by_iam, _lent_to_anybody),
    "a key of nobody": (rules.keys_are_lent_by_iam, drop("CardVaultKey", "KeyPolicy", "Statement", 0, "Principal")),
    "not encrypted": (rules.tables_are_alike, drop("PacerTable", "SSESpecification")),
    "fixed capacity": (rules.tables_are_alike, put("LedgerTable", "BillingMode", value="PROVISIONED")),
    "a secret": (rules.no_secret_is_made, _secret),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_rule_is_noticed(name: str) -> None:
    # given the template with one rule broken
    rule, break_it = BROKEN[name]
    template = source()
    break_it(template)
    # when it is transformed and looked at
    broken = list(rule(transform_variant(template)))
    # then the rule says so
    assert broken


def test_every_rule_is_broken_once() -> None:
    assert {rule for rule, _ in BROKEN.values()} == set(rules.RULES)
