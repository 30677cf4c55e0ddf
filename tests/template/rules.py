"""What must hold of the transformed template. Each rule yields what breaks it, and nothing where it is kept."""

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

from tests.template import rights
from tests.template.rights import SENDER, SET_UP, statements
from tests.template.transformed import ROOT, of_type, resolve

Template = dict[str, Any]
Rule = Callable[[Template], Iterator[str]]

# A caller's function ends before API Gateway gives up on it, after 29 s.
SECONDS_FOR_A_CALLER = 25
#: Functions that nobody waits for and that need longer; 900 s is the longest that Lambda lets a function work.
SECONDS_FOR_NOBODY = {
    "ProcessOrder": 60, "ReconcileAccount": 300, "WatchAccount": 900, "RotateKeys": 900, "RecountBudgets": 900,
}  # fmt: skip
# The longest that KMS waits before it deletes a key for good.
KEY_WINDOW_DAYS = 30
#: The only actions that may name every resource: these services know no narrower one. Log delivery's are a workflow's.
ANY_RESOURCE_ALLOWED = re.compile(
    r"xray:(Put(TraceSegments|TelemetryRecords)|GetSampling(Rules|Targets))|dynamodb:ListStreams"
    r"|logs:((Create|Get|Update|Delete)LogDelivery|ListLogDeliveries|PutResourcePolicy|Describe(ResourcePolic|LogGroup)\w+)"
)
OF_THIS_ACCOUNT = {"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}}
#: What may be used only so, by whom but these: the vault in the name of an order, the rate limiter's table without the
#: page of Amazon's activity that recovery keeps there, the operators' key in what SNS does, mail in the sender's name.
CONDITIONS: dict[str, tuple[Any, str]] = {
    "CardVaultKey": ({"Null": {"kms:EncryptionContext:order": "false"}}, ""),
    "PacerTable": ({"ForAllValues:StringNotLike": {"dynamodb:LeadingKeys": "book#*"}}, "RecoverRequestRole"),
    "OperatorsKey": ({"StringEquals": {"kms:ViaService": "sns.us-east-1.amazonaws.com"}}, ""),
    ":ses:": ({"StringEquals": {"ses:FromAddress": SENDER}}, ""),
}
#: Every kind of response that API Gateway itself gives, and the two defaults, by their statuses.
GATEWAY_ERRORS = {
    400: {"BAD_REQUEST_BODY", "BAD_REQUEST_PARAMETERS", "DEFAULT_4XX"},
    401: {"UNAUTHORIZED"},
    403: {"ACCESS_DENIED", "EXPIRED_TOKEN", "INVALID_API_KEY", "INVALID_SIGNATURE", "MISSING_AUTHENTICATION_TOKEN",
          "WAF_FILTERED"},
    404: {"RESOURCE_NOT_FOUND"},
    413: {"REQUEST_TOO_LARGE"},
    415: {"UNSUPPORTED_MEDIA_TYPE"},
    429: {"QUOTA_EXCEEDED", "THROTTLED"},
    500: {"API_CONFIGURATION_ERROR", "AUTHORIZER_CONFIGURATION_ERROR", "AUTHORIZER_FAILURE"},
    502: {"INTEGRATION_FAILURE", "DEFAULT_5XX"},
    504: {"INTEGRATION_TIMEOUT"},
}  # fmt: skip


def api_document(template: Template) -> dict[str, Any]:
    """The OpenAPI document that API Gateway imports."""
    (api,) = of_type(template, "AWS::ApiGateway::RestApi").values()
    document: dict[str, Any] = api["Properties"]["Body"]
    return document


def operations(template: Template) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Every method of every path; `tests/openapi` holds them to the routes and functions of the code."""
    for path, methods in api_document(template)["paths"].items():
        for method, operation in methods.items():
            yield method, path, operation


def called_by_routes(template: Template) -> dict[tuple[str, str], str]:
    """The function that each route calls, of no particular version."""
    found = {}
    for method, path, operation in operations(template):
        uri = operation["x-amazon-apigateway-integration"]["uri"]["Fn::Sub"]
        match = re.search(r"functions/\$\{(\w+Function)\.Arn\}/invocations$", uri)
        found[(method, path)] = match[1] if match else f"not a function: {uri}"
    return found


def workers(template: Template) -> set[str]:
    """Functions that no route calls."""
    return of_type(template, "AWS::Lambda::Function").keys() - {*called_by_routes(template).values()}


def no_invoke_credentials(template: Template) -> Iterator[str]:
    """The gateway calls functions by its own permission, not with the caller's credentials."""
    for method, path, operation in operations(template):
        if "credentials" in operation["x-amazon-apigateway-integration"]:
            yield f"{method} {path} has credentials"


def every_route_is_signed(template: Template) -> Iterator[str]:
    """IAM signs every method."""
    for method, path, operation in operations(template):
        if operation.get("security") != [{"AWS_IAM": []}]:
            yield f"{method} {path} is not signed by IAM"


def routes_reach_their_functions(template: Template) -> Iterator[str]:
    """A route calls a function of no particular version, and only its own routes may call a function."""
    prefix = "arn:aws:execute-api:${AWS::Region}:${AWS::AccountId}:${__ApiId__}/${__Stage__}"
    wanted = sorted(
        (function, f"{prefix}/{method.upper()}{re.sub(r'{[A-Za-z]+}', '*', path)}")
        for (method, path), function in called_by_routes(template).items()
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
            if {name: each.get(name) for name in wanted} != wanted:
                yield f"callers' data are logged or cached: {each}"
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
    """Every error of the gateway itself has its own status and says rightly whether to try again.

    `tests/openapi` holds each to the problem that is documented.
    """
    responses = api_document(template)["x-amazon-apigateway-gateway-responses"]
    statuses = {kind: status for status, kinds in GATEWAY_ERRORS.items() for kind in kinds}
    if {kind: int(each["statusCode"]) for kind, each in responses.items()} != statuses:
        yield f"kinds or statuses differ: {sorted(responses)}"
    for kind, response in responses.items():
        problem = json.loads(response["responseTemplates"]["application/json"])
        if problem["requestId"] != "$context.requestId":
            yield f"{kind} does not name the request"
        # Nothing was done at 429; after a 5xx nobody knows, and a repeat with the same key does no harm.
        if problem["retryable"] is not (problem["status"] == 429 or problem["status"] >= 500):
            yield f"{kind} says wrongly whether to try again"


def functions_end_in_time(template: Template) -> Iterator[str]:
    """A function that a route calls ends before the gateway gives up on it; others have the time that they need."""
    for name, function in of_type(template, "AWS::Lambda::Function").items():
        seconds = SECONDS_FOR_NOBODY.get(name.removesuffix("Function"), SECONDS_FOR_A_CALLER)
        if function["Properties"].get("Timeout") != seconds:
            yield f"{name} may take {function['Properties'].get('Timeout')} s"
        if seconds != SECONDS_FOR_A_CALLER and name not in workers(template):
            yield f"the callers of {name} do not hear from it"


def functions_are_known(template: Template) -> Iterator[str]:
    """The functions are the folders of the code, each with both layers and a role of its own."""
    functions = of_type(template, "AWS::Lambda::Function")
    folders = {file.parent.name for file in (ROOT / "functions").glob("*/handler.py")}
    if functions.keys() != {"".join(word.title() for word in name.split("_")) + "Function" for name in folders}:
        yield f"functions: {sorted(functions)}"
    for name, each in functions.items():
        properties = each["Properties"]
        if len(properties.get("Layers", [])) != 2:
            yield f"{name} lacks a layer"
        if properties["Handler"] != "handler.handler":
            yield f"{name} has another handler"
        if properties["Role"] != {"Fn::GetAtt": [f"{name.removesuffix('Function')}Role", "Arn"]}:
            yield f"{name} has not its own role"


def logs_are_kept_and_end(template: Template) -> Iterator[str]:
    """All functions write to one log group, as text; each group has a retention."""
    for name, function in of_type(template, "AWS::Lambda::Function").items():
        if function["Properties"].get("LoggingConfig") != {"LogGroup": {"Ref": "FunctionsLogGroup"}}:
            yield f"{name} writes elsewhere, or lets the libraries' loggers in"
    for name, each in of_type(template, "AWS::Logs::LogGroup").items():
        if each["Properties"].get("RetentionInDays") != {"Ref": "LogRetentionDays"}:
            yield f"{name} keeps its lines for ever"


def nothing_is_published(template: Template) -> Iterator[str]:
    """There are no versions, which SAM does not publish anew for a changed parameter, and so nothing that calls one."""
    for kind in ("AWS::Lambda::Alias", "AWS::Lambda::Version"):
        for name in of_type(template, kind):
            yield f"{name} keeps the environment that it was published with"


def rights_are_agreed(template: Template) -> Iterator[str]:
    """Roles may do what `rights.txt` says, and nothing else; `python -m tests.template.rights` writes it."""
    found, agreed = (set(text.splitlines()) for text in (rights.text_of(template), rights.FILE.read_text("utf-8")))
    if found != agreed:
        yield f"more: {sorted(found - agreed)}, less: {sorted(agreed - found)}"


def stars_are_rare(template: Template) -> Iterator[str]:
    """No action has a wildcard; only what is on the allow-list names every resource; no managed policy is attached."""
    for name, role in of_type(template, "AWS::IAM::Role").items():
        if role["Properties"].get("ManagedPolicyArns"):
            yield f"{name} has managed policies"
        for each in statements(template, role, **SET_UP):
            if any("*" in action for action in each["Action"]):
                yield f"{name} may do {each['Action']}"
            if each["Resource"] == "*" and not all(map(ANY_RESOURCE_ALLOWED.fullmatch, each["Action"])):
                yield f"{name} may do {each['Action']} to everything"


def rights_have_their_conditions(template: Template) -> Iterator[str]:
    """What is lent on a condition is lent to no role without it, and nobody may mail while no sender is set."""
    for name, role in of_type(template, "AWS::IAM::Role").items():
        for each in statements(template, role, MailSender=SENDER):
            resource = json.dumps(each["Resource"])
            for word, (condition, but_for) in CONDITIONS.items():
                if word in resource and name != but_for and each.get("Condition") != condition:
                    yield f"{name} may use {resource} at will"
        if "ses:" in json.dumps(list(statements(template, role))):
            yield f"{name} may send mail although no sender is set"


def tables_are_safe(template: Template) -> Iterator[str]:
    """Tables are paid by request and encrypted by KMS; all but the rate limiter's are guarded in prod."""
    for name, table in of_type(template, "AWS::DynamoDB::Table").items():
        properties = table["Properties"]
        if properties.get("BillingMode") != "PAY_PER_REQUEST":
            yield f"{name} has a fixed capacity"
        if properties.get("SSESpecification") != {"SSEEnabled": True, "SSEType": "KMS"}:
            yield f"{name} is not encrypted by KMS"
        if name == "PacerTable":
            continue
        if properties.get("PointInTimeRecoverySpecification") != {"PointInTimeRecoveryEnabled": True}:
            yield f"{name} has no point-in-time recovery"
        for environment, guarded in (("local", False), ("dev", False), ("prod", True)):
            if resolve(template, properties.get("DeletionProtectionEnabled"), Environment=environment) is not guarded:
                yield f"deletion protection of {name} in {environment} is not {guarded}"
        expires = {"AttributeName": "expiresAt", "Enabled": True}
        if name not in {"LedgerTable", "BudgetsTable"} and properties.get("TimeToLiveSpecification") != expires:
            yield f"{name} keeps what has expired"


def tables_have_their_keys(template: Template) -> Iterator[str]:
    """Items are found by the keys that the code knows."""
    wanted = {
        "LedgerTable": {"id": "HASH"},
        "PacerTable": {"id": "HASH"},
        "AccountTable": {"account": "HASH", "part": "RANGE"},
        "OrdersTable": {"orderId": "HASH", "part": "RANGE"},
        "BooksTable": {"account": "HASH", "part": "RANGE"},
        "BudgetsTable": {"budget": "HASH", "part": "RANGE"},
    }
    found = {
        name: {key["AttributeName"]: key["KeyType"] for key in table["Properties"]["KeySchema"]}
        for name, table in of_type(template, "AWS::DynamoDB::Table").items()
    }
    if found != wanted:
        yield f"keys: {found}"


def ledger_is_told_of(template: Template) -> Iterator[str]:
    """The ledger's indexes have what is read from them, and the stream what changed. Their keys contract tests know."""
    properties = template["Resources"]["LedgerTable"]["Properties"]
    read = {
        index["IndexName"]: {*index["Projection"].get("NonKeyAttributes", [index["Projection"]["ProjectionType"]])}
        for index in properties["GlobalSecondaryIndexes"]
    }
    by_wake = {"status", "epoch", "operation", "account", "phaseStartedAt"}
    if read != {"by-wake": by_wake, "by-account-day": {"ALL"}}:
        yield f"indexes: {read}"
    if properties.get("StreamSpecification") != {"StreamViewType": "NEW_AND_OLD_IMAGES"}:
        yield "no stream"


def keys_are_lent_by_iam(template: Template) -> Iterator[str]:
    """A key belongs to the account, which lends it by its roles; it is rotated. Alarms may use the operators' key."""
    root = {"AWS": {"Fn::Sub": "arn:${AWS::Partition}:iam::${AWS::AccountId}:root"}}
    alarms = {
        "Sid": "Alarms",
        "Effect": "Allow",
        "Principal": {"Service": "cloudwatch.amazonaws.com"},
        "Action": ["kms:GenerateDataKey*", "kms:Decrypt"],
        "Resource": "*",
        "Condition": OF_THIS_ACCOUNT,
    }
    for name, key in of_type(template, "AWS::KMS::Key").items():
        first, *others = key["Properties"]["KeyPolicy"]["Statement"]
        if first != {"Sid": "ByIam", "Effect": "Allow", "Principal": root, "Action": "kms:*", "Resource": "*"}:
            yield f"{name} cannot be lent by IAM"
        # Alarms cannot publish to a topic under the key that AWS manages for SNS.
        if others != ([alarms] if name == "OperatorsKey" else []):
            yield f"{name} is lent to others: {others}"
        if key["Properties"].get("EnableKeyRotation") is not True:
            yield f"{name} is not rotated"
        if name == "CardVaultKey" and key["Properties"].get("PendingWindowInDays") != KEY_WINDOW_DAYS:
            yield "the vault's key is gone soon after it is deleted"


def no_secret_is_made(template: Template) -> Iterator[str]:
    """Secrets are put by a command; here they would show in the template's history."""
    for name in of_type(template, "AWS::SecretsManager::Secret"):
        yield f"{name} is in the template"
