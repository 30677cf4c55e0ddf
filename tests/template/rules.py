"""What must hold of the transformed template. Each rule yields what breaks it, and nothing where it is kept."""

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

from tests.template.needs import (
    FUNCTIONS,
    ROUTES,
    SECONDS_FOR_A_CALLER,
    SECRETS_ARN,
    SENDER,
    Needs,
    arn_of,
    ref,
)
from tests.template.transformed import of_type, resolve

Template = dict[str, Any]
Rule = Callable[[Template], Iterator[str]]

# API Gateway ends an integration after this time, whatever the function does.
INTEGRATION_SECONDS_MAX = 29
# The longest that KMS waits before it deletes a key for good.
KEY_WINDOW_DAYS = 30

# The only statements that may name every resource: these services know no narrower one.
TRACING = {"xray:PutTraceSegments", "xray:PutTelemetryRecords", "xray:GetSamplingRules", "xray:GetSamplingTargets"}
LOG_DELIVERY = {
    "logs:CreateLogDelivery",
    "logs:GetLogDelivery",
    "logs:UpdateLogDelivery",
    "logs:DeleteLogDelivery",
    "logs:ListLogDeliveries",
    "logs:PutResourcePolicy",
    "logs:DescribeResourcePolicies",
    "logs:DescribeLogGroups",
}
ANY_RESOURCE_ALLOWED = TRACING | LOG_DELIVERY | {"dynamodb:ListStreams"}
# Roles that services take, not functions: their rules stand with those of recovery.
SERVICE_ROLES = {
    "RecoverRequestStateMachineRole",
    "ProcessOrderStateMachineRole",
    "SweepScheduleRole",
    "WatchScheduleRole",
}
# Alarms cannot publish to a topic under the key that AWS manages for SNS.
OF_THIS_ACCOUNT = {"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}}
ALARMS_MAY_ENCRYPT = {
    "Sid": "Alarms",
    "Effect": "Allow",
    "Principal": {"Service": "cloudwatch.amazonaws.com"},
    "Action": ["kms:GenerateDataKey*", "kms:Decrypt"],
    "Resource": "*",
    "Condition": OF_THIS_ACCOUNT,
}
# Every kind of response that API Gateway itself gives, but for the two defaults.
GATEWAY_ERRORS = {
    "ACCESS_DENIED": 403,
    "API_CONFIGURATION_ERROR": 500,
    "AUTHORIZER_CONFIGURATION_ERROR": 500,
    "AUTHORIZER_FAILURE": 500,
    "BAD_REQUEST_BODY": 400,
    "BAD_REQUEST_PARAMETERS": 400,
    "EXPIRED_TOKEN": 403,
    "INTEGRATION_FAILURE": 502,
    "INTEGRATION_TIMEOUT": 504,
    "INVALID_API_KEY": 403,
    "INVALID_SIGNATURE": 403,
    "MISSING_AUTHENTICATION_TOKEN": 403,
    "QUOTA_EXCEEDED": 429,
    "REQUEST_TOO_LARGE": 413,
    "RESOURCE_NOT_FOUND": 404,
    "THROTTLED": 429,
    "UNAUTHORIZED": 401,
    "UNSUPPORTED_MEDIA_TYPE": 415,
    "WAF_FILTERED": 403,
    "DEFAULT_4XX": 400,
    "DEFAULT_5XX": 502,
}
PROBLEM_MEMBERS = {"type", "title", "status", "detail", "requestId", "errorCode", "errorType", "retryable"}


def api_document(template: Template) -> dict[str, Any]:
    """The OpenAPI document that API Gateway imports."""
    (api,) = of_type(template, "AWS::ApiGateway::RestApi").values()
    document: dict[str, Any] = api["Properties"]["Body"]
    return document


def operations(template: Template) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Every method of every path."""
    for path, methods in api_document(template)["paths"].items():
        for method, operation in methods.items():
            yield method, path, operation


def no_invoke_credentials(template: Template) -> Iterator[str]:
    """The gateway calls functions by its own permission, not with the caller's credentials."""
    for method, path, operation in operations(template):
        if "credentials" in operation["x-amazon-apigateway-integration"]:
            yield f"{method} {path} has credentials"


def every_route_is_signed(template: Template) -> Iterator[str]:
    """IAM signs every method, and the routes are the ones of the table."""
    found = set()
    for method, path, operation in operations(template):
        found.add((method, path))
        if operation.get("security") != [{"AWS_IAM": []}]:
            yield f"{method} {path} is not signed by IAM"
    if found != ROUTES.keys():
        yield f"other routes than expected: {sorted(found)}"


def routes_reach_their_functions(template: Template) -> Iterator[str]:
    """A route calls its function, of no particular version, and only its own routes may call a function."""
    for method, path, operation in operations(template):
        uri = operation["x-amazon-apigateway-integration"]["uri"]["Fn::Sub"]
        if not uri.endswith(f"functions/${{{ROUTES.get((method, path))}Function.Arn}}/invocations"):
            yield f"{method} {path} does not reach its function: {uri}"
    prefix = "arn:aws:execute-api:${AWS::Region}:${AWS::AccountId}:${__ApiId__}/${__Stage__}"
    wanted = sorted(
        (f"{name}Function", f"{prefix}/{method.upper()}{re.sub(r'{[A-Za-z]+}', '*', path)}")
        for (method, path), name in ROUTES.items()
    )
    found = sorted(
        (each["Properties"]["FunctionName"]["Ref"], each["Properties"]["SourceArn"]["Fn::Sub"][0])
        for each in of_type(template, "AWS::Lambda::Permission").values()
    )
    if found != wanted:
        yield f"functions may be called by others: {found}"


def one_stage(template: Template) -> Iterator[str]:
    """There is one stage, and nothing of a caller's data is logged, traced or cached in it."""
    stages = of_type(template, "AWS::ApiGateway::Stage")
    if len(stages) != 1:
        yield f"stages: {sorted(stages)}"
    deployments = of_type(template, "AWS::ApiGateway::Deployment")
    if len(deployments) != 1 or any("StageName" in each["Properties"] for each in deployments.values()):
        yield "a deployment makes a stage of its own"
    for stage in stages.values():
        if resolve(template, stage["Properties"].get("CacheClusterEnabled", False)):
            yield "the stage has a cache"
        settings = stage["Properties"]["MethodSettings"]
        if [(each["ResourcePath"], each["HttpMethod"]) for each in settings] != [("/*", "*")]:
            yield "settings do not hold for all methods alike"
        for each in settings:
            wanted = {"DataTraceEnabled": False, "CachingEnabled": False, "LoggingLevel": "OFF"}
            for name, value in wanted.items():
                if each.get(name) != value:
                    yield f"{name} is not {value}"
            if not {"ThrottlingRateLimit", "ThrottlingBurstLimit"} <= each.keys():
                yield "requests are not throttled"


def regional_over_modern_tls(template: Template) -> Iterator[str]:
    """The API is regional and takes TLS 1.2 or newer."""
    (api,) = of_type(template, "AWS::ApiGateway::RestApi").values()
    properties = api["Properties"]
    if properties.get("EndpointConfiguration", {}).get("Types") != ["REGIONAL"]:
        yield "not a regional endpoint"
    if not str(properties.get("SecurityPolicy", "")).startswith("SecurityPolicy_TLS13_1_2"):
        yield "older TLS is accepted"
    if "EndpointAccessMode" not in properties:
        yield "such a TLS policy needs an access mode"


def policy_only_narrows(template: Template) -> Iterator[str]:
    """The API's policy denies other accounts than this one, and what it allows is allowed to other accounts only."""
    (api,) = of_type(template, "AWS::ApiGateway::RestApi").values()
    if "Policy" in api["Properties"]:
        yield "the API has a second policy"
    written = api["Properties"]["Body"].get("x-amazon-apigateway-policy", {}).get("Statement", [])
    others = {"StringNotEquals": {"aws:PrincipalAccount": ["123456789012"]}}
    default = [statement for statement in resolve(template, written) if statement["Effect"] == "Deny"]
    if [(each["Principal"], each["Action"], each["Resource"], each["Condition"]) for each in default] != [
        ("*", "execute-api:Invoke", "execute-api:/*", others)
    ]:
        yield f"unless asked for, more or less than other accounts is denied: {default}"
    for statement in written:
        each = statement["Fn::If"][1] if "Fn::If" in statement else statement
        if each["Effect"] != "Deny" and each.get("Condition") != {
            "StringNotEquals": {"aws:PrincipalAccount": {"Ref": "AWS::AccountId"}}
        }:
            yield "the policy allows, which within one account is a union with IAM"


def gateway_errors_are_problems(template: Template) -> Iterator[str]:
    """Every error of the gateway itself is a problem+json whose status is its own."""
    responses = api_document(template)["x-amazon-apigateway-gateway-responses"]
    if set(responses) != set(GATEWAY_ERRORS):
        yield f"kinds differ: {sorted(set(responses) ^ set(GATEWAY_ERRORS))}"
    for kind, response in responses.items():
        status = GATEWAY_ERRORS.get(kind)
        problem = json.loads(response["responseTemplates"]["application/json"])
        headers = {name.lower(): value for name, value in response["responseParameters"].items()}
        if headers.get("gatewayresponse.header.content-type") != "'application/problem+json'":
            yield f"{kind} is no problem+json"
        if str(response["statusCode"]) != str(status) or problem.get("status") != status:
            yield f"{kind} has another status than {status}"
        if problem.keys() != PROBLEM_MEMBERS:
            yield f"{kind} has other members: {sorted(problem)}"
        if problem.get("requestId") != "$context.requestId":
            yield f"{kind} does not name the request"
        # Nothing was done at 429; after a 5xx nobody knows, and a repeat with the same key does no harm.
        if problem.get("retryable") is not (status is not None and (status == 429 or status >= 500)):
            yield f"{kind} says wrongly whether to try again"


def functions_end_in_time(template: Template) -> Iterator[str]:
    """A function has the time that the table says, and ends before the gateway gives up on it."""
    if SECONDS_FOR_A_CALLER >= INTEGRATION_SECONDS_MAX:
        yield "callers do not hear from their function"
    for name, function in of_type(template, "AWS::Lambda::Function").items():
        needs = FUNCTIONS.get(name.removesuffix("Function"), Needs())
        seconds = function["Properties"].get("Timeout")
        if seconds != needs.seconds or (needs.routes and seconds != SECONDS_FOR_A_CALLER):
            yield f"{name} may take {seconds} s"


def functions_are_known(template: Template) -> Iterator[str]:
    """The functions are those of the table, each with both layers."""
    functions = of_type(template, "AWS::Lambda::Function")
    if functions.keys() != {f"{name}Function" for name in FUNCTIONS}:
        yield f"functions: {sorted(functions)}"
    for name, function in functions.items():
        if len(function["Properties"].get("Layers", [])) != 2:
            yield f"{name} lacks a layer"
        if function["Properties"]["Handler"] != "handler.handler":
            yield f"{name} has another handler"


def logs_are_kept_and_end(template: Template) -> Iterator[str]:
    """Each function writes to a log group of its own, which has a retention."""
    groups = of_type(template, "AWS::Logs::LogGroup")
    used = set()
    for name, function in of_type(template, "AWS::Lambda::Function").items():
        group = function["Properties"].get("LoggingConfig", {}).get("LogGroup", {}).get("Ref")
        if group not in groups:
            yield f"{name} has no log group"
        if group in used:
            yield f"{name} shares its log group"
        used.add(group)
    for name, each in groups.items():
        if each["Properties"].get("RetentionInDays") != {"Ref": "LogRetentionDays"}:
            yield f"{name} keeps its lines for ever"


def nothing_is_published(template: Template) -> Iterator[str]:
    """There are no versions, which SAM does not publish anew for a changed parameter, and so nothing that calls one."""
    for kind in ("AWS::Lambda::Alias", "AWS::Lambda::Version"):
        for name in of_type(template, kind):
            yield f"{name} keeps the environment that it was published with"


def statements(template: Template, role: dict[str, Any], **parameters: str) -> Iterator[dict[str, Any]]:
    """The statements of all policies of a role."""
    for policy in resolve(template, role["Properties"].get("Policies", []), **parameters):
        yield from policy["PolicyDocument"]["Statement"]


def role_grants(template: Template, role: dict[str, Any], **parameters: str) -> dict[str, set[str]]:
    """What a role may do: actions by resource."""
    grants: dict[str, set[str]] = {}
    for statement in statements(template, role, **parameters):
        assert statement["Effect"] == "Allow"
        actions = statement["Action"]
        resources = statement["Resource"]
        for each in resources if isinstance(resources, list) else [resources]:
            key = each if isinstance(each, str) else json.dumps(each)
            grants.setdefault(key, set()).update([actions] if isinstance(actions, str) else actions)
    return grants


def wanted_grants(name: str, needs: Needs) -> dict[str, set[str]]:
    """What the table says that a function's role may do: actions by resource."""
    wanted = {
        arn_of(f"{name}LogGroup"): {"logs:CreateLogStream", "logs:PutLogEvents"},
        arn_of("LedgerTable"): {f"dynamodb:{action}" for action in needs.ledger},
        json.dumps({"Fn::Sub": f"${{LedgerTable.Arn}}/index/{needs.index}"}): {"dynamodb:Query"}
        if needs.index
        else set(),
        arn_of("PacerTable"): {"dynamodb:UpdateItem"} if needs.amazon else set(),
        SECRETS_ARN: {"secretsmanager:GetSecretValue"} if needs.amazon else set(),
        arn_of("CardVaultKey"): {f"kms:{action}" for action in needs.vault},
        ref("RecoverRequestStateMachine"): {"states:StartExecution"} if needs.recovery else set(),
        arn_of("BacklogQueue"): {"sqs:SendMessage"} if needs.backlog else set(),
        **{resource: set(actions) for resource, actions in needs.others.items()},
    }
    return {resource: actions for resource, actions in wanted.items() if actions}


def roles_allow_just_enough(template: Template) -> Iterator[str]:
    """Each function has a role of its own, which allows exactly what the table says."""
    roles = of_type(template, "AWS::IAM::Role")
    if roles.keys() != {f"{name}Role" for name in FUNCTIONS} | SERVICE_ROLES:
        yield f"roles: {sorted(roles)}"
    for name, needs in FUNCTIONS.items():
        function = template["Resources"].get(f"{name}Function", {}).get("Properties", {})
        if function.get("Role") != {"Fn::GetAtt": [f"{name}Role", "Arn"]}:
            yield f"{name} has not its own role"
        role = roles.get(f"{name}Role")
        if role is None:
            continue
        if (found := role_grants(template, role, MailSender=SENDER)) != wanted_grants(name, needs):
            yield f"{name} may do other things than it needs: {found}"
        trust = role["Properties"]["AssumeRolePolicyDocument"]["Statement"]
        expected = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
        if trust != [expected]:
            yield f"{name}'s role may be taken by others"
        if any("ses:" in action for actions in role_grants(template, role).values() for action in actions):
            yield f"{name} may send mail although no sender is set"
        for statement in statements(template, role, MailSender=SENDER):
            of_the_sender = {"StringEquals": {"ses:FromAddress": SENDER}}
            if "ses:SendEmail" in statement["Action"] and statement.get("Condition") != of_the_sender:
                yield f"{name} may send mail in others' names, or not in the sender's"


def stars_are_rare(template: Template) -> Iterator[str]:
    """No action has a wildcard; only what is on the allow-list names every resource; no managed policy is attached."""
    for name, role in of_type(template, "AWS::IAM::Role").items():
        if role["Properties"].get("ManagedPolicyArns"):
            yield f"{name} has managed policies"
        for resource, actions in role_grants(template, role, Tracing="on").items():
            if any("*" in action for action in actions):
                yield f"{name} may do {actions}"
            if resource == "*" and not actions <= ANY_RESOURCE_ALLOWED:
                yield f"{name} may do {actions} to everything"


def kept_tables_are_safe(template: Template) -> Iterator[str]:
    """All tables but the rate limiter's can be restored, and in prod they are guarded."""
    for name in of_type(template, "AWS::DynamoDB::Table").keys() - {"PacerTable"}:
        table = template["Resources"][name]
        if table["Properties"].get("PointInTimeRecoverySpecification") != {"PointInTimeRecoveryEnabled": True}:
            yield f"{name} has no point-in-time recovery"
        for environment, guarded in (("local", False), ("dev", False), ("prod", True)):
            protected = table["Properties"].get("DeletionProtectionEnabled")
            if resolve(template, protected, Environment=environment) is not guarded:
                yield f"deletion protection of {name} in {environment} is not {guarded}"


def tables_have_their_keys(template: Template) -> Iterator[str]:
    """Items are found by the keys that the code knows."""
    wanted = {
        "LedgerTable": ["id"],
        "PacerTable": ["id"],
        "AccountTable": ["account", "part"],
        "OrdersTable": ["orderId", "part"],
    }
    found = {
        name: [(key["AttributeName"], key["KeyType"]) for key in table["Properties"]["KeySchema"]]
        for name, table in of_type(template, "AWS::DynamoDB::Table").items()
    }
    if found != {name: list(zip(keys, ("HASH", "RANGE"), strict=False)) for name, keys in wanted.items()}:
        yield f"keys: {found}"


def what_has_expired_goes(template: Template) -> Iterator[str]:
    """Items that say when nobody needs them any more are removed, in the tables that have such."""
    expires = {"AttributeName": "expiresAt", "Enabled": True}
    for name in ("AccountTable", "OrdersTable"):
        if template["Resources"][name]["Properties"].get("TimeToLiveSpecification") != expires:
            yield f"{name} keeps what has expired"


def ledger_is_indexed(template: Template) -> Iterator[str]:
    """The ledger has its indexes and its stream."""
    properties = template["Resources"]["LedgerTable"]["Properties"]
    indexes = {
        index["IndexName"]: (
            [(key["AttributeName"], key["KeyType"]) for key in index["KeySchema"]],
            index["Projection"]["ProjectionType"],
            sorted(index["Projection"].get("NonKeyAttributes", [])),
        )
        for index in properties["GlobalSecondaryIndexes"]
    }
    if indexes != {
        "by-wake": (
            [("wakePartition", "HASH"), ("wakeAt", "RANGE")],
            "INCLUDE",
            ["account", "epoch", "operation", "phaseStartedAt", "status"],
        ),
        "by-account-day": ([("accountDay", "HASH"), ("createdKey", "RANGE")], "ALL", []),
    }:
        yield f"indexes: {indexes}"
    if properties.get("StreamSpecification") != {"StreamViewType": "NEW_AND_OLD_IMAGES"}:
        yield "no stream"


def vault_opens_by_order(template: Template) -> Iterator[str]:
    """What the card vault encrypted opens only in the name of an order; its key is hard to lose."""
    key = template["Resources"]["CardVaultKey"]
    if key["Properties"].get("PendingWindowInDays") != KEY_WINDOW_DAYS:
        yield "the vault's key is gone soon after it is deleted"
    for name, role in of_type(template, "AWS::IAM::Role").items():
        for statement in statements(template, role):
            if statement["Resource"] == {"Fn::GetAtt": ["CardVaultKey", "Arn"]} and statement.get("Condition") != {
                "Null": {"kms:EncryptionContext:order": "false"}
            }:
                yield f"{name} may open what is sealed without naming an order"


def book_is_kept_by_recovery(template: Template) -> Iterator[str]:
    """Whoever uses the rate limiter's table may not touch the page of Amazon's activity that recovery keeps there."""
    not_the_activity = {"ForAllValues:StringNotLike": {"dynamodb:LeadingKeys": "book#*"}}
    for name, role in of_type(template, "AWS::IAM::Role").items():
        for statement in statements(template, role):
            if (
                name != "RecoverRequestRole"
                and statement["Resource"] == {"Fn::GetAtt": ["PacerTable", "Arn"]}
                and statement.get("Condition") != not_the_activity
            ):
                yield f"{name} may change the page of Amazon's book"


def operators_key_is_for_their_topic(template: Template) -> Iterator[str]:
    """Roles may use the operators' key only in what SNS does for them, and nothing may use it otherwise."""
    via_sns = {"StringEquals": {"kms:ViaService": "sns.us-east-1.amazonaws.com"}}
    for name, role in of_type(template, "AWS::IAM::Role").items():
        for statement in statements(template, role):
            if (
                statement["Resource"] == {"Fn::GetAtt": ["OperatorsKey", "Arn"]}
                and statement.get("Condition") != via_sns
            ):
                yield f"{name} may use the operators' key by itself"


def keys_are_lent_by_iam(template: Template) -> Iterator[str]:
    """A key belongs to the account, which lends it by its roles; it is rotated. Alarms may use the operators' key."""
    root = {"AWS": {"Fn::Sub": "arn:${AWS::Partition}:iam::${AWS::AccountId}:root"}}
    for name, key in of_type(template, "AWS::KMS::Key").items():
        first, *others = key["Properties"]["KeyPolicy"]["Statement"]
        if first != {"Sid": "ByIam", "Effect": "Allow", "Principal": root, "Action": "kms:*", "Resource": "*"}:
            yield f"{name} cannot be lent by IAM"
        if others != ([ALARMS_MAY_ENCRYPT] if name == "OperatorsKey" else []):
            yield f"{name} is lent to others: {others}"
        if key["Properties"].get("EnableKeyRotation") is not True:
            yield f"{name} is not rotated"


def tables_are_alike(template: Template) -> Iterator[str]:
    """All tables are paid by request and encrypted by KMS."""
    for name, table in of_type(template, "AWS::DynamoDB::Table").items():
        if table["Properties"].get("BillingMode") != "PAY_PER_REQUEST":
            yield f"{name} has a fixed capacity"
        if table["Properties"].get("SSESpecification") != {"SSEEnabled": True, "SSEType": "KMS"}:
            yield f"{name} is not encrypted by KMS"


def no_secret_is_made(template: Template) -> Iterator[str]:
    """Secrets are put by a command; here they would show in the template's history."""
    for name in of_type(template, "AWS::SecretsManager::Secret"):
        yield f"{name} is in the template"


RULES: tuple[Rule, ...] = (
    no_invoke_credentials,
    every_route_is_signed,
    routes_reach_their_functions,
    one_stage,
    regional_over_modern_tls,
    policy_only_narrows,
    gateway_errors_are_problems,
    functions_end_in_time,
    functions_are_known,
    logs_are_kept_and_end,
    nothing_is_published,
    roles_allow_just_enough,
    stars_are_rare,
    kept_tables_are_safe,
    tables_have_their_keys,
    what_has_expired_goes,
    ledger_is_indexed,
    vault_opens_by_order,
    book_is_kept_by_recovery,
    operators_key_is_for_their_topic,
    keys_are_lent_by_iam,
    tables_are_alike,
    no_secret_is_made,
)
