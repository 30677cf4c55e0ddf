"""The transformed template keeps every rule, and each rule notices when it is broken."""

import copy
import inspect
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest

from tests.template import rights, rules, rules_alarms, rules_books, rules_recovery, rules_roles, rules_stack
from tests.template.mutations import Mutation, Template, add, copy_of, drop, may, put, swap, without
from tests.template.rules import Rule
from tests.template.transformed import source, transform, transform_variant


def rules_of(module: ModuleType) -> list[Rule]:
    """The rules of a module: its public functions that yield what breaks them."""
    functions = [
        each for _, each in inspect.getmembers(module, inspect.isfunction) if each.__module__ == module.__name__
    ]
    return [
        each
        for each in functions
        if inspect.get_annotations(each).get("return") == Iterator[str] and not each.__name__.startswith("_")
    ]


MODULES = (rules, rules_alarms, rules_books, rules_recovery, rules_roles, rules_stack)
RULES = [each for module in MODULES for each in rules_of(module)]


@pytest.fixture(scope="module")
def transformed() -> Template:
    return transform(source())


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_template_keeps(rule: Rule, transformed: Template) -> None:
    assert list(rule(transformed)) == []


def _named(ending: str) -> dict[str, str]:
    return {"Fn::Sub": "${AWS::StackName}-" + ending}


def _schedule_to_keys(template: Template) -> None:
    events = copy.deepcopy(template["Resources"]["SweepRequestsFunction"]["Properties"]["Events"])
    template["Resources"]["RotateKeysFunction"]["Properties"]["Events"] = events


def _second_stage(template: Template) -> None:
    del template["Globals"]["Api"]["OpenApiVersion"]


def _mail_always(template: Template) -> None:
    found = template["Resources"]["RecoverRequestRole"]["Properties"]["Policies"][0]["PolicyDocument"]["Statement"]
    found[:] = [each.get("Fn::If", [0, each])[1] for each in found]


def _three_more_workers(template: Template) -> None:
    metrics = template["Resources"]["WorkersFailingAlarm"]["Properties"]["Metrics"]
    metrics += [{**metrics[1], "Id": f"more{number}"} for number in range(3)]


def _route(path: str) -> dict[str, Any]:
    return {"Type": "Api", "Properties": {"RestApiId": {"Ref": "Api"}, "Method": "post", "Path": path}}


def _route_arn(route: str) -> dict[str, str]:
    return {"Fn::Sub": rules_roles.ARN + route}


def _no_arn_told(template: Template) -> None:
    del template["Outputs"]["FinancePolicyArn"]


def _new_resource(kind: str, **properties: Any) -> Mutation:
    def mutate(template: Template) -> None:
        template["Resources"]["New"] = {"Type": f"AWS::{kind}", "Properties": properties}

    mutate.__name__ = f"another {kind}"
    return mutate


API, GATEWAY, POLICY = "Api.MethodSettings.0", "Api.GatewayResponses", "Api.Auth.ResourcePolicy"
PROBLEM = "ResponseTemplates.application/json"
STAR = {"Effect": "Allow", "Principal": "*", "Action": "execute-api:Invoke", "Resource": "*"}
LENT = {"Sid": "Lent", "Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "kms:Decrypt", "Resource": "*"}
GUARD = {"Fn::If": ["IsProd", True, False]}
TRUST = "AssumeRolePolicyDocument.Statement.0"
WORKFLOW, LIFECYCLE = "RecoverRequestStateMachine", "OrdersBucket.LifecycleConfiguration.Rules.0"
SCHEDULE, WATCH = (
    "SweepRequestsFunction.Events.EveryMinute.Properties",
    "WatchAccountFunction.Events.EveryQuarterHour.Properties",
)
DENIES = "BooksBucketPolicy.PolicyDocument.Statement"
STREAM, SPEND = (f"{name}Function.Events.Ledger.Properties" for name in ("PublishEvents", "CountSpend"))
WORKER, INVOKES = "IssueQueuedFunction.Events.Backlog.Properties", "EventInvokeConfig.MaximumRetryAttempts"
BODY, QUERY = "Dashboard.DashboardBody.Fn::Sub", "KeyAgeAlarm.Metrics.0.Expression.Fn::Sub"
SUMMED, REFUSED = "RefusalsAlarm.Metrics.0.Expression", "RefusalsAlarm.Metrics.1"
ANOTHER_ROUTE = put("CancelGiftCardFunction.Events.Api.Properties.Path", "/gift-cards/{proxy+}")
PUBLISHED = put("CreateGiftCardFunction.AutoPublishAlias", "live")

BROKEN: dict[Rule, list[Mutation]] = {
    rules.no_invoke_credentials: [drop("Api.Auth.InvokeRole")],
    rules.every_route_is_signed: [put("GetAvailableFundsFunction.Events.Api.Properties.Auth", {"Authorizer": "NONE"})],
    rules.routes_reach_their_functions: [ANOTHER_ROUTE, PUBLISHED],
    rules.nothing_is_published: [PUBLISHED],
    rules.one_stage: [_second_stage, put(f"{API}.DataTraceEnabled", True), put("Api.CacheClusterEnabled", True)],
    rules.regional_over_modern_tls: [put("Api.EndpointConfiguration.Type", "EDGE"), drop("Api.SecurityPolicy")],
    rules.policy_only_narrows: [
        put(POLICY, {"CustomStatements": [STAR]}),
        drop(POLICY),
        drop(f"{POLICY}.CustomStatements.0"),
        drop(f"{POLICY}.CustomStatements.1.Fn::If.1.Condition"),
    ],
    rules.gateway_errors_are_problems: [
        drop(f"{GATEWAY}.THROTTLED"),
        swap(f"{GATEWAY}.INTEGRATION_TIMEOUT.{PROBLEM}", '"retryable":true', '"retryable":false'),
    ],
    rules.functions_end_in_time: [
        put("Globals.Timeout", 30),
        put("RotateKeysFunction.Events", {"Api": _route("/keys")}),
    ],
    rules.functions_are_known: [
        put("GetGiftCardFunction.Role", {"Fn::GetAtt": ["CreateGiftCardRole", "Arn"]}),
        copy_of("GetGiftCardFunction", "AnotherFunction", Events={}),
    ],
    rules.logs_are_kept_and_end: [
        put("GetGiftCardFunction.LoggingConfig", {"LogGroup": {"Ref": "ApiAccessLogGroup"}}),
        put("Globals.LoggingConfig.LogFormat", "JSON"),
    ],
    rules.rights_are_agreed: [
        add(f"{may('GetGiftCardRole', 'Ledger')}.Action", "dynamodb:Scan"),
        put(f"{may('CreateOrderRole', 'Upload')}.Resource", {"Fn::Sub": "${OrdersBucket.Arn}/*"}),
        drop(f"{may('RecoverRequestRole', 'Mail')}.Resource.1"),
        put(f"CreateGiftCardRole.{TRUST}.Principal", {"AWS": "*"}),
        drop(may("ProcessOrderStateMachineRole", "Children")),
    ],
    rules.stars_are_rare: [
        put(f"{may('CreateGiftCardRole', 'Ledger')}.Resource", "*"),
        put("GetGiftCardRole.ManagedPolicyArns", ["arn:aws:iam::aws:policy/AdministratorAccess"]),
    ],
    rules.rights_have_their_conditions: [
        drop(f"{may('DeactivateGiftCardRole', 'CardVault')}.Condition"),
        drop(f"{may('RecoverRequestRole', 'Mail')}.Condition"),
        _mail_always,
    ],
    rules.tables_are_safe: [
        put("LedgerTable.DeletionProtectionEnabled", False),
        drop("OrdersTable.TimeToLiveSpecification"),
    ],
    rules.tables_have_their_keys: [drop("OrdersTable.KeySchema.1")],
    rules.ledger_is_told_of: [
        put("LedgerTable.GlobalSecondaryIndexes.1.Projection.ProjectionType", "KEYS_ONLY"),
        drop("LedgerTable.GlobalSecondaryIndexes.0.Projection.NonKeyAttributes.4"),
    ],
    rules.keys_are_lent_by_iam: [
        add("CardVaultKey.KeyPolicy.Statement", LENT),
        drop("CardVaultKey.KeyPolicy.Statement.0.Principal"),
    ],
    rules.no_secret_is_made: [_new_resource("SecretsManager::Secret", SecretString="dummy")],
    # ---- alarms and dashboard --------------------------------------------------------------------
    rules_alarms.alarms_can_ring: [
        put("RecoveryFailedAlarm.Dimensions.0.Value", {"Fn::GetAtt": [WORKFLOW, "Name"]}),
        put("FailuresQueuedAlarm.Dimensions.0.Value", {"Ref": "FailuresQueue"}),
        put("KeyRefusedAlarm.Dimensions.0.Value", "another stack"),
        drop("KeyRefusedAlarm.Dimensions"),
        put("EventsFailedAlarm.MetricName", "Errors"),
        put("KeyRefusedAlarm.MetricName", "KeysRefused"),
        put("KeyAgeAlarm@Condition", "IsProd"),
        swap(QUERY, "(AccessKeyAgeDays)", "(KeyAge)"),
        swap(QUERY, "'${AWS::StackName}'", "'another'"),
    ],
    rules_alarms.what_can_fail_is_watched: [
        *map(without, ("RecoveryAbortedAlarm", "WatchSilentAlarm", "SpendLateAlarm", "EventsFailedAlarm")),
        *map(without, ("BacklogDeadLettersAlarm", "BacklogLateAlarm", "AccountSkippedAlarm", "KeyAgeAlarm")),
        without("BooksFailedAlarm"),
        drop(REFUSED),
        drop("WorkersFailingAlarm.Metrics.1"),
    ],
    rules_alarms.alarms_ring_in_time: [
        put("SweepSilentAlarm.TreatMissingData", "notBreaching"),
        put("ApiServerErrorsAlarm.Threshold", {"Ref": "AlarmClientErrors"}),
        put("DaysRemainingAlarm.ComparisonOperator", "GreaterThanOrEqualToThreshold"),
    ],
    rules_alarms.alarms_are_heard: [
        put("EventsLateAlarm.AlarmDescription", "Events are late."),
        copy_of("KeyRefusedAlarm", "AnotherAlarm", AlarmName=_named("another")),
        without("KeyRefusedAlarm"),
    ],
    rules_alarms.calculations_are_taken: [
        swap(QUERY, '"account", service)', "account, service)"),
        swap(QUERY, 'BY "account"', "BY account"),
        swap(QUERY, "WHERE service", "WHERE Account"),
        swap(QUERY, "(AccessKeyAgeDays)", "(Threshold)"),
        swap(QUERY, "MAX() DESC", '"account" DESC'),
        swap(QUERY, "'${AWS::StackName}'", '"${AWS::StackName}"'),
        swap(QUERY, " WHERE service = '${AWS::StackName}'", ""),
        swap(QUERY, 'BY "account"', 'BY "operation"'),
        put("KeyAgeAlarm.EvaluationPeriods", 4),
        put("ThrottledAlarm.EvaluationPeriods", 300),
        put(SUMMED, "TOTAL(METRICS())"),
        drop(f"{REFUSED}.ReturnData"),
        _three_more_workers,
    ],
    rules_alarms.dashboard_shows_what_is_there: [
        swap(BODY, '"OpenUnknown"', '"OpenUnknowns"'),
        swap(BODY, "{IncentivesGateway,account,service}", "{IncentivesGateway,operation,service}"),
        swap(BODY, '"SUM(SEARCH', '"TOTAL(SEARCH'),
        swap(BODY, "${FailuresQueue.QueueName}", "${Failures.QueueName}"),
        swap(BODY, "SOURCE '${FunctionsLogGroup}'", "SOURCE '${ApiAccessLogGroup}'"),
        swap(BODY, "message = 'attempt'", "message = 'tried'"),
        swap(BODY, "-key-age", "-key-old"),
        swap(BODY, '"${RotateKeysFunction}"', '"${WatchAccountFunction}"'),
    ],
    # ---- workflows, schedules, queues, streams ---------------------------------------------------
    rules_recovery.workflows_are_known: [
        put("Globals.Environment.Variables.RECOVERY_STATE_MACHINE", {"Fn::Sub": "arn:another"}),
        put(f"{WORKFLOW}.DefinitionSubstitutions.RecoverRequestFunctionArn", {"Ref": "RecoverRequestFunction"}),
        put("ProcessOrderStateMachine.Name", "orders"),
    ],
    rules_recovery.workflows_are_quiet: [
        put(f"{WORKFLOW}.Logging.IncludeExecutionData", True),
        put(f"{WORKFLOW}.Tracing.Enabled", True),
    ],
    rules_recovery.schedules_are_kept: [
        drop("WatchAccountFunction.Events.EveryQuarterHour"),
        put(f"{WATCH}.ScheduleExpressionTimezone", "Europe/Berlin"),
        drop(f"{SCHEDULE}.RetryPolicy"),
    ],
    rules_recovery.scheduled_calls_are_heard_of: [
        drop("WatchAccountFunction.EventInvokeConfig"),
        drop("SweepRequestsFunction.EventInvokeConfig.DestinationConfig"),
    ],
    rules_recovery.queues_are_private_and_keep: [
        put("BacklogQueuePolicy.PolicyDocument.Statement.0.Effect", "Allow"),
        put("BacklogQueuePolicy.Queues", []),
    ],
    rules_recovery.backlog_is_worked_off: [
        drop("BacklogQueue.VisibilityTimeout"),
        put(f"{WORKER}.FunctionResponseTypes", ["ReportBatchItemFailures"]),
        drop("BacklogDeadLetters.RedriveAllowPolicy"),
    ],
    rules_recovery.stream_is_read_at_least_once: [
        drop(f"{STREAM}.MaximumRetryAttempts"),
        put(f"{STREAM}.MaximumRecordAgeInSeconds", -1),
        drop(f"{STREAM}.FilterCriteria"),
        put(f"{SPEND}.StartingPosition", "LATEST"),
        drop(f"{SPEND}.FilterCriteria.Filters.1"),
        drop("PublishEventsFunction.Events.Books.Properties.FilterCriteria.Filters.1"),
        drop("PublishEventsFunction.Events.Orders.Properties.FilterCriteria.Filters.1"),
        drop("PublishEventsFunction.Events.Budgets.Properties.FilterCriteria"),
        put("BooksTable.StreamSpecification.StreamViewType", "NEW_IMAGE"),
    ],
    rules_recovery.buckets_are_private: [
        put("FailedEventsBucket.PublicAccessBlockConfiguration.BlockPublicPolicy", False),
        put(f"{LIFECYCLE}.Status", "Disabled"),
        add("FailedEventsBucketPolicy.PolicyDocument.Statement", {**STAR, "Condition": {}}),
    ],
    rules_recovery.operators_can_be_reached: [
        drop("OperatorsTopicPolicy.PolicyDocument.Statement.0.Condition"),
        put("OperatorsSubscription@Condition", "IsProd"),
    ],
    rules_recovery.functions_are_called_by_one_thing: [
        _schedule_to_keys,
        put("SweepRequestsFunction.Events.Api", _route("/sweep")),
    ],
    # ---- the books -------------------------------------------------------------------------------
    rules_books.files_of_the_books_are_written_once: [
        drop("BooksBucket.VersioningConfiguration"),
        put("BooksBucket.LifecycleConfiguration", {"Rules": [{"Status": "Enabled", "ExpirationInDays": 3650}]}),
        put("BooksBucketPolicy@DeletionPolicy", "Delete"),
        drop(f"{DENIES}.NothingIsDeleted.Action.1"),
        put(f"{DENIES}.NothingIsDeleted.Condition", {"Bool": {"aws:MultiFactorAuthPresent": "false"}}),
        drop(f"{DENIES}.NothingIsOverwritten"),
    ],
    rules_books.each_writes_its_own_files: [
        add(f"{may('ControlBooksRole', 'Rows')}.Action", "s3:DeleteObject"),
        put(f"{may('CloseMonthRole', 'Closes')}.Resource", {"Fn::Sub": "${BooksBucket.Arn}/*"}),
    ],
    rules_books.who_judges_the_ledger_only_reads_it: [
        add(f"{may('ReconcileAccountRole', 'Ledger')}.Action", "dynamodb:UpdateItem")
    ],
    rules_books.who_reads_whole_days_has_a_processor: [drop("GetBooksFunction.MemorySize")],
    # ---- roles -----------------------------------------------------------------------------------
    rules_roles.each_role_has_its_routes: [
        put("IssuerPolicy.PolicyDocument.Statement.Issuer.Resource.0", _route_arn("POST/gift-cards/*")),
        add("AuditorPolicy.PolicyDocument.Statement.Look.Resource", _route_arn("GET/requests/*")),
        drop("FinancePolicy.PolicyDocument.Statement.Finance.Resource.2"),
        put("GetCaseFileFunction.Events.Api.Properties.Path", "/gift-cards/{requestId}/case-file"),
        put("GetGiftCardFunction.Events.Api.Properties.Path", "/cards/{requestId}"),
        without("AuditorPolicy"),
    ],
    rules_roles.roles_allow_no_more_than_calls: [
        add("SupportPolicy.PolicyDocument.Statement.Support.Action", "lambda:InvokeFunction"),
        put("SupportPolicy.PolicyDocument.Statement.Support.Effect", "Deny"),
        put("OperatorPolicy.PolicyDocument.Statement.Operator.Resource", "*"),
        put("OperatorPolicy.Roles", [{"Ref": "GetGiftCardRole"}]),
        put("OperatorPolicy.ManagedPolicyName", _named("operator")),
        _no_arn_told,
    ],
    # ---- the stack as a whole --------------------------------------------------------------------
    rules_stack.names_fit_a_long_stack: [
        put("BacklogDeadLetters.QueueName", _named("backlog-dead-letters")),
        put("ProcessOrderStateMachine.Name", _named("process-bulk-orders-x")),
        put(f"{SCHEDULE}.OmitName", False),
        _new_resource("Backup::BackupVault", BackupVaultName=_named("archive")),
        put("EventBus.Name", "incentives"),
        put("OperatorsTopic.TopicName", _named("op")),
    ],
    rules_stack.what_is_guarded_is_retained: [
        put("PacerTable.DeletionProtectionEnabled", GUARD),
        put("PacerTable@UpdateReplacePolicy", "Retain"),
        put("LedgerTable@DeletionPolicy", "RetainExceptOnCreate"),
    ],
    rules_stack.what_outlives_the_stack_is_told: [
        put("OrdersTable@DeletionPolicy", "Delete"),
        put("OrdersBucket@UpdateReplacePolicy", "Delete"),
        put("FunctionsLogGroup@DeletionPolicy", "Retain"),
    ],
    rules_stack.layers_go_with_their_stack: [drop("IncentivesLayer.RetentionPolicy")],
    rules_stack.loops_are_meant: [
        drop("IssueQueuedFunction.RecursiveLoop"),
        put("CreateGiftCardFunction.RecursiveLoop", "Allow"),
        drop(f"{may('IssueQueuedRole', 'Backlog')}.Action.3"),
    ],
}
CASES = [(rule, each) for rule, mutations in BROKEN.items() for each in mutations]


@pytest.mark.parametrize(("rule", "break_it"), CASES, ids=lambda each: each.__name__)
def test_broken_rule_is_noticed(rule: Rule, break_it: Mutation) -> None:
    # given the template with one rule broken
    template = source()
    break_it(template)
    # when it is transformed and looked at, then the rule says so
    assert list(rule(transform_variant(template)))


def test_every_rule_is_broken_once() -> None:
    assert BROKEN.keys() == {*RULES}


def test_rights_are_read_as_they_were_written() -> None:
    agreed = rights.agreed()
    assert agreed["GetGiftCardRole"] == {
        "${LedgerTable.Arn}": {"dynamodb:GetItem"},
        "${FunctionsLogGroup.Arn}": {"logs:CreateLogStream", "logs:PutLogEvents"},
        "taken by lambda.amazonaws.com": {"sts:AssumeRole"},
        "*": {"xray:PutTraceSegments", "xray:PutTelemetryRecords"},
    }
