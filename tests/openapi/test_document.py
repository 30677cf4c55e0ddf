"""The document itself: valid, committed as the code makes it, and of the same routes as the template."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from typing import Any, Final

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator
from pydantic import BaseModel

from docs import tables
from incentives.api import openapi
from incentives.api.routes import ROUTES
from local.template import gateway_responses, read
from tests.openapi.contract import FILE, ROOT, Contract, closed, committed, operations, resolved

TEMPLATE: Final[dict[str, Any]] = read(ROOT / "template.yaml")
FORGOTTEN: Final = "docs/ is not what the code makes: run `make openapi` and commit the result"


def template_routes() -> dict[tuple[str, str], str]:
    """Method and path of every route of the template, with the folder of its function."""
    found = {}
    for name, resource in TEMPLATE["Resources"].items():
        if resource["Type"] != "AWS::Serverless::Function":
            continue
        folder = re.sub(r"(?<!^)(?=[A-Z])", "_", name.removesuffix("Function")).lower()
        for event in resource["Properties"].get("Events", {}).values():
            if event["Type"] == "Api":
                found[(event["Properties"]["Method"].upper(), event["Properties"]["Path"])] = folder
    return found


#: Ends of the names of functions whose routes have names of their own.
_NAMED: Final = ("_books", "_month", "_budgets", "get_order")


def document_routes() -> dict[tuple[str, str], str]:
    return {(method, path): operation["operationId"] for method, path, operation in operations(committed())}


# ---- committed ----------------------------------------------------------------------------------


def test_the_committed_document_is_the_codes() -> None:
    assert FILE.read_text(encoding="utf-8") == openapi.text(), FORGOTTEN


@pytest.mark.parametrize("name", tables.PAGES)
def test_the_committed_tables_are_the_codes(name: str) -> None:
    assert (ROOT / "docs" / name).read_text(encoding="utf-8") == tables.PAGES[name](), FORGOTTEN


def test_the_command_writes_the_document() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "incentives.api.openapi"],
        env={"PYTHONPATH": str(ROOT / "layers" / "incentives")},
        capture_output=True,
        check=True,
        timeout=60,
    )
    assert done.stdout == FILE.read_bytes()


def test_it_is_valid_openapi_3_1() -> None:
    document = committed()
    assert document["openapi"].startswith("3.1.")
    OpenAPIV31SpecValidator(document).validate()


# ---- the same routes ----------------------------------------------------------------------------


def test_its_routes_are_the_templates() -> None:
    assert document_routes().keys() == template_routes().keys()


def test_operations_are_named_as_their_functions() -> None:
    # given the routes of each function
    folders = template_routes()
    assert {(route.method.upper(), route.path): route.function for route in ROUTES} == folders
    several = {folder for folder in folders.values() if [*folders.values()].count(folder) > 1}
    # then one that has a single route gives it its name; one of a verb for each route, the last part of its path; and
    # those of books, budgets and the list of orders are named one by one
    expected = {
        (method, path): openapi.operation_id(
            re.sub("^[a-z]+", path.rpartition("/")[2], folder) if folder in several else folder
        )
        for (method, path), folder in folders.items()
        if not folder.endswith(_NAMED)
    }
    named = {(method, path) for (method, path), folder in folders.items() if folder.endswith(_NAMED)}
    assert {each: name for each, name in document_routes().items() if each not in named} == expected
    assert len(set(document_routes().values())) == len(document_routes())


def test_what_api_gateway_answers_by_itself_is_on_every_route() -> None:
    statuses = {response["statusCode"] for response in gateway_responses(TEMPLATE).values()}
    assert statuses == {str(status) for status in openapi.GATEWAY_STATUSES}
    for method, path, operation in operations(committed()):
        assert statuses <= operation["responses"].keys(), f"{method} {path}"


@pytest.mark.parametrize("name", gateway_responses(TEMPLATE))
def test_what_api_gateway_answers_by_itself_is_as_documented(name: str) -> None:
    # given its template as API Gateway fills it in
    response = gateway_responses(TEMPLATE)[name]
    (template,) = response["responseTemplates"].values()
    body = json.loads(template.replace("$context.requestId", "00000000-0000-4000-8000-000000000001"))
    headers = {
        name.removeprefix("gatewayresponse.header."): value.strip("'")
        for name, value in response["responseParameters"].items()
    }
    # then it is one of the documented responses, of any route
    judge = Contract(closed(committed()))
    judge.check_response("GET", "/funds", status=int(response["statusCode"]), headers=headers, body=body)
    assert body["status"] == int(response["statusCode"])


# ---- what it says -------------------------------------------------------------------------------


def test_every_problem_is_a_problem() -> None:
    document = committed()
    for method, path, operation in operations(document):
        for status, reference in operation["responses"].items():
            response = resolved(document, reference)
            (media_type,) = response["content"]
            assert (int(status) >= 400) == (media_type == "application/problem+json"), f"{method} {path} {status}"
            assert "Cache-Control" in response["headers"]


def test_what_moves_money_needs_a_key_and_what_looks_for_a_request_may_have_one() -> None:
    document = committed()
    keyed = {
        path: parameter["required"]
        for _, path, operation in operations(document)
        for parameter in (resolved(document, each) for each in operation.get("parameters", []))
        if parameter["name"] == "Idempotency-Key"
    }
    needed = dict.fromkeys(("/gift-cards", "/activations", "/balance-loads", "/orders"), True)
    assert keyed == needed | {"/requests": False}


def test_what_moves_money_at_once_may_be_asked_for_without_waiting() -> None:
    document = committed()
    preferring = {
        path: operation["responses"]["202"]["headers"]
        for _, path, operation in operations(document)
        for parameter in operation.get("parameters", [])
        if resolved(document, parameter)["name"] == "Prefer"
    }
    assert preferring.keys() == {"/gift-cards", "/activations", "/balance-loads"}
    assert all("Preference-Applied" in headers for headers in preferring.values())


def test_every_202_says_where_and_when_to_ask() -> None:
    for method, path, operation in operations(committed()):
        if "202" in operation["responses"]:
            assert {"Location", "Retry-After"} <= operation["responses"]["202"]["headers"].keys(), f"{method} {path}"


def test_requests_are_signed() -> None:
    document = committed()
    (scheme,) = document["components"]["securitySchemes"].values()
    assert scheme["x-amazon-apigateway-authtype"] == "awsSigv4"
    assert document["security"] == [{"sigv4": []}]
    assert not [path for _, path, operation in operations(document) if "security" in operation]


def test_claim_codes_come_from_two_routes_only() -> None:
    document = committed()
    with_code = {
        path
        for _, path, operation in operations(document)
        for response in operation["responses"].values()
        for content in resolved(document, response)["content"].values()
        if "gcClaimCode" in resolved(document, content["schema"]).get("properties", {})
    }
    assert with_code == {"/gift-cards", "/gift-cards/{requestId}/claim-code"}


def test_members_are_described_and_carry_no_titles() -> None:
    schemas = committed()["components"]["schemas"]
    for name, schema in schemas.items():
        assert "title" not in schema, name
        assert name == "Operation" or name in {"Intent", "Cause", "ConflictKind"} or schema["description"], name
        for member, definition in schema.get("properties", {}).items():
            assert "description" in definition, f"{name}.{member}"
            assert "title" not in definition, f"{name}.{member}"


def test_requests_are_closed_and_answers_are_open() -> None:
    schemas = committed()["components"]["schemas"]
    for name, schema in schemas.items():
        if "properties" in schema:
            taken = name.endswith("Body") or name in {"TransactionSource", "CustomerAccount"}
            assert (schema.get("additionalProperties") is False) == taken, name


@pytest.mark.parametrize("model", dict.fromkeys(openapi.models()), ids=lambda model: model.__name__)
def test_the_examples_of_its_fields_make_a_body(model: type[BaseModel]) -> None:
    judge = Contract(closed(committed()))
    judge._check({"$ref": f"#/components/schemas/{model.__name__}"}, openapi.example(model, {}))


def test_examples_are_as_documented() -> None:
    judge = Contract(closed(committed()))
    for _, _, operation in operations(judge.document):
        for reference in operation["responses"].values():
            for content in resolved(judge.document, reference)["content"].values():
                for each in content.get("examples", {}).values():
                    judge._check(content["schema"], each["value"])
                if "example" in content:
                    judge._check(content["schema"], content["example"])


def test_what_waits_for_its_turn_is_shown() -> None:
    responses = committed()["paths"]["/gift-cards"]["post"]["responses"]
    shown = responses["202"]["content"]["application/json"]["examples"]
    assert shown["waiting"]["value"]["dueAt"] is not None
    assert shown["unknown"]["value"]["dueAt"] is None
    assert shown["waiting"]["value"].keys() == shown["unknown"]["value"].keys()


def test_every_component_is_used() -> None:
    document = committed()
    text = json.dumps(document)
    for kind, components in document["components"].items():
        for name in components:
            used = f'"#/components/{kind}/{name}"' in text or kind == "securitySchemes"
            assert used, f"{kind}/{name}"


def test_no_function_loads_it_at_run_time() -> None:
    # given a process that has loaded every function
    load = (
        "import sys, runpy, pathlib\n"
        "for file in pathlib.Path('functions').glob('*/handler.py'): runpy.run_path(str(file))\n"
        "print(*sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", load],
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT / "layers" / "incentives"), "AWS_DEFAULT_REGION": "us-east-1"},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    loaded = set(done.stdout.split())
    assert "incentives.api.single_requests" in loaded
    assert not loaded & {f"incentives.api.{name}" for name in ("openapi", "routes", "models.case_files")}
