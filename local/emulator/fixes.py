"""What MiniStack does otherwise than AWS, and this project depends on. Each part is put right in MiniStack's own terms.

- A distributed Map's bound on its children may be read from its input.
- A request counts as sent over TLS, as all are on AWS: policies that ask for it deny everything otherwise.
- A mail is about the identity of its sender, whom policies may ask for.
- Calls of schedules and rules are asynchronous: retries, then the destination of what failed.
- Metrics embedded in log lines.
- A staging label of a secret stands at one version.
- A queue's bound on functions at work may be a parameter of the template, which are all text.
- Layers are unpacked once for all processes of all functions: a thousand files for each new process are most of what a
  local cloud would do, and leave behind.
- A process that dies while it starts fails the call that it was started for, not all calls of its function.
"""

# Everything here reaches into MiniStack, which has neither types nor another way in.
# ruff: noqa: SLF001, ANN401

from __future__ import annotations

import hashlib
import io
import json
import os
import tempfile
import threading
import zipfile
from pathlib import Path
from typing import Any

from ministack.core import iam_actions, iam_evaluator, lambda_runtime
from ministack.services import cloudwatch, eventbridge, lambda_svc, secretsmanager, stepfunctions

_KEPT_STAGES = {"AWSCURRENT", "AWSPREVIOUS"}

_distributed_map = stepfunctions._run_distributed_map
_pin_request_origin = iam_evaluator.pin_request_origin
_enforce = iam_evaluator.enforce
_ses_resource_arn = iam_actions._ses_v2_resource_arn
_emit_logs = lambda_svc._emit_lambda_logs
_put_secret_value = secretsmanager._put_secret_value
_sqs_concurrency = lambda_svc._sqs_esm_concurrency
_spawn = lambda_runtime.Worker._spawn
_invoke_worker = lambda_runtime.Worker.invoke

_unpacking = threading.Lock()


def run_distributed_map(  # noqa: PLR0917 - as there
    state: Any, given: Any, effective: Any, iterator: Any, execution: Any, ctx: Any
) -> Any:
    """Run a Map whose input says how many children there may be at a time."""
    if path := state.get("MaxConcurrencyPath"):
        state = {**state, "MaxConcurrency": stepfunctions._resolve_path_or_ctx(path, effective, ctx)}
    return _distributed_map(state, given, effective, iterator, execution, ctx)


def pin_request_origin(source_ip: Any, _secure: Any) -> Any:
    """A request's origin, as if it had come over TLS."""
    return _pin_request_origin(source_ip, True)  # noqa: FBT003 - positional there


def ses_resource_arn(method: str, path: str, body: bytes, region: str, account_id: str) -> Any:
    """What a call to SES is about."""
    if path.rstrip("/").endswith("/outbound-emails"):
        sender = json.loads(body or b"{}").get("FromEmailAddress", "")
        return f"arn:aws:ses:{region}:{account_id}:identity/{sender}"
    return _ses_resource_arn(method, path, body, region, account_id)


def enforce(  # noqa: PLR0917 - as there
    access_key_id: str, iam_action: str, service: str, region: str, resource_arn: str = "*", service_context: Any = None
) -> Any:  # fmt: skip
    """Whether a call is allowed; of a mail the sender is known."""
    if iam_action == "ses:SendEmail":
        service_context = {**(service_context or {}), "ses:FromAddress": resource_arn.rpartition("/")[2]}
    return _enforce(access_key_id, iam_action, service, region, resource_arn, service_context)


def dispatch_to_lambda(arn: str, payload: str) -> None:
    """Call a function for a schedule or a rule: asynchronously, as all such calls are."""
    func, config, _name = lambda_svc._get_func_record_for_ref(arn)
    if func and config:
        lambda_svc.invoke_async_with_retry(lambda_svc._execution_record_for_config(func, config), json.loads(payload))


def emit_lambda_logs(func: Any, request_id: Any, log_text: str | None, *args: Any, **kwargs: Any) -> None:
    """Write a function's log, in a stream that names it as on AWS, and take the metrics out of it."""
    config = func.get("config") or func
    named = {"config": {**config, "Version": f"{config['FunctionName']}[$LATEST]"}}
    _emit_logs(named, request_id, log_text, *args, **kwargs)
    embedded = [line for line in (log_text or "").splitlines() if '"_aws"' in line]
    for line in embedded:
        try:
            record = json.loads(line)
        except ValueError:
            continue
        for directive in record["_aws"]["CloudWatchMetrics"]:
            _store(directive, record)
    if embedded:
        cloudwatch._evaluate_all_alarms()


def _store(directive: Any, record: Any) -> None:
    seconds = record["_aws"]["Timestamp"] / 1000
    for names in directive["Dimensions"]:
        dimensions = {name: str(record[name]) for name in names}
        for metric in directive["Metrics"]:
            values = record[metric["Name"]]
            for value in values if isinstance(values, list) else [values]:
                cloudwatch._store_datum(
                    directive["Namespace"], metric["Name"], dimensions, seconds, metric.get("Unit", "None"), value,
                    None, None, None,
                )  # fmt: skip


def put_secret_value(data: Any) -> Any:
    """Add a version of a secret; its labels leave the versions that had them."""
    _, secret = secretsmanager._resolve(data.get("SecretId"))
    response = _put_secret_value(data)
    if response[0] == 200 and secret:  # noqa: PLR2004 - HTTP
        made = json.loads(response[2])["VersionId"]
        moved = set(data.get("VersionStages") or []) - _KEPT_STAGES
        for version, held in secret["Versions"].items():
            if version != made:
                held["Stages"] = [stage for stage in held["Stages"] if stage not in moved]
    return response


def sqs_concurrency(mapping: Any, *args: Any, **kwargs: Any) -> Any:
    """How many messages of a queue may be in hand at once."""
    if scaling := mapping.get("ScalingConfig"):
        mapping = {**mapping, "ScalingConfig": {name: int(value) for name, value in scaling.items()}}
    return _sqs_concurrency(mapping, *args, **kwargs)


def spawn(worker: Any) -> None:
    """Start a process of a function, with its layers where they are already."""
    config = worker.config
    folders = os.pathsep.join(str(_unpacked(each)) for each in config.get("Layers", []))
    variables = {**config.get("Environment", {}).get("Variables", {}), "_LAMBDA_LAYERS_DIRS": folders}
    worker.config = {**config, "Layers": [], "Environment": {"Variables": variables}}
    try:
        _spawn(worker)
    finally:
        worker.config = config


def _unpacked(layer: Any) -> Path:
    """The folder of a layer's content."""
    content = lambda_svc._resolve_layer_zip(layer)
    if content is None:
        raise RuntimeError(f"no layer {layer}")
    folder = Path(tempfile.gettempdir()) / f"layer-{hashlib.sha256(content).hexdigest()[:16]}"
    with _unpacking:
        if not folder.is_dir():
            making = folder.with_suffix(".new")
            # It was deployed by this very machine, from this project.
            zipfile.ZipFile(io.BytesIO(content)).extractall(making)
            making.rename(folder)
    return folder


def invoke_worker(worker: Any, *args: Any, **kwargs: Any) -> Any:
    """Run one call in a process. MiniStack ends all processes of a function if one of them cannot be started."""
    try:
        return _invoke_worker(worker, *args, **kwargs)
    except Exception as error:  # noqa: BLE001 - whatever it is, MiniStack would have answered it so
        # Started anew for its next call.
        process, worker._proc = worker._proc, None
        lambda_runtime._signal(process)
        return {"status": "error", "error": str(error), "log": ""}


def install() -> None:
    """Put everything in place, before MiniStack's server starts."""
    stepfunctions._run_distributed_map = run_distributed_map
    iam_evaluator.pin_request_origin = pin_request_origin
    iam_evaluator.enforce = enforce
    iam_actions._ses_v2_resource_arn = ses_resource_arn
    eventbridge._dispatch_to_lambda = dispatch_to_lambda
    lambda_svc._emit_lambda_logs = emit_lambda_logs
    secretsmanager._put_secret_value = put_secret_value
    lambda_svc._sqs_esm_concurrency = sqs_concurrency
    lambda_runtime.Worker.invoke = invoke_worker
    lambda_runtime.Worker._spawn = spawn
