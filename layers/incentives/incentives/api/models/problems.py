"""The body of an error: RFC 9457."""

from __future__ import annotations

from typing import Any

from pydantic import Field
from pydantic.json_schema import SkipJsonSchema

from incentives.api.models.base import ResponseBody
from incentives.domain.bulk_orders.bulk_order import OrderStatus
from incentives.domain.single_requests.record import Status


class FieldError(ResponseBody):
    """One thing that is wrong with a request."""

    field: str = Field(
        description="Path of the field, or name of the parameter or header, that is to blame; `body` for all of it."
    )
    message: str = Field(description="What is wrong with it.")


class Problem(ResponseBody):
    """What went wrong, as RFC 9457 has it."""

    type: str = Field(description="A URN of the kind of problem, or `about:blank` for what API Gateway itself returns.")
    title: str = Field(description="The kind of problem in words.")
    status: int = Field(description="The HTTP status again.")
    detail: str = Field(description="What happened, and what to do about it.")
    request_id: str | None = Field(
        description="The request, or the bulk order, that it is about; of what API Gateway itself returns, the id of "
        "the HTTP call."
    )
    error_code: str | None = Field(description="Amazon's F-code, if Amazon gave one.")
    error_type: str = Field(description="Amazon's errorType, or the gateway's own name of the problem.")
    retryable: bool = Field(description="Whether the same request with the same Idempotency-Key can still succeed.")
    errors: list[FieldError] | SkipJsonSchema[None] = Field(
        None, description="Which fields are to blame; absent where none is."
    )
    request_status: Status | SkipJsonSchema[None] = Field(
        None, description="The request's status, where that is the problem; absent otherwise."
    )
    order_status: OrderStatus | SkipJsonSchema[None] = Field(
        None, description="The bulk order's status, where that is the problem; absent otherwise."
    )

    def dump(self) -> dict[str, Any]:
        """As JSON, without what was not set."""
        return self.model_dump(mode="json", exclude_unset=True)
