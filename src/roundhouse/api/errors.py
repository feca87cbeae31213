"""Every failure as one envelope: ``{"error": {code, message, hint, retryable, details, request_id}}``.

Knows nothing about why something failed; the error says it itself.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from roundhouse.core.errors import AuthError, ForbiddenError, InternalError, NotFoundError, RoundhouseError, SchemaError

#: A longer list of complaints about one body helps nobody.
_MOST_COMPLAINTS = 20


@dataclass(frozen=True, slots=True)
class Problem:
    """What went wrong, why, and what to do next."""

    code: str
    message: str
    hint: str | None
    retryable: bool
    details: dict[str, object]
    request_id: str


@dataclass(frozen=True, slots=True)
class ErrorAnswer:
    """The body of every answer that is not a success."""

    error: Problem


def answer_of(error: RoundhouseError, request_id: str, *, status: int | None = None) -> Response:
    """Make the answer that tells *error*."""
    body = {"error": {**error.to_dict(), "request_id": request_id}}
    headers = {} if error.retry_after_s is None else {"retry-after": str(max(0, math.ceil(error.retry_after_s)))}
    if isinstance(error, AuthError):
        headers["www-authenticate"] = "Bearer"
    # ASCII only: the message may quote a lone surrogate that somebody sent, and UTF-8 has no place for it.
    content = json.dumps(body, ensure_ascii=True, default=str).encode("ascii")
    return Response(content, status or error.status, headers, "application/json")


async def tell(request: Request, error: Exception) -> Response:
    """Answer with an error of ours. What FastAPI calls for all of them."""
    ours = error if isinstance(error, RoundhouseError) else InternalError()
    return answer_of(ours, request.state.request_id)


async def tell_invalid(request: Request, error: Exception) -> Response:
    """Answer to input that does not fit: which field, and why; never the value, which may be a secret."""
    found = error.errors() if isinstance(error, RequestValidationError) else []
    fields = [{"field": _field(item["loc"]), "problem": item["msg"]} for item in found[:_MOST_COMPLAINTS]]
    first = fields[0] if fields else {"field": "body", "problem": "not valid"}
    message = f"{first['field']}: {first['problem']}"
    return answer_of(SchemaError(message, details={"fields": fields}), request.state.request_id)


def _field(location: tuple[str | int, ...]) -> str:
    """Name the field as the client wrote it: ``body.ref``, ``query.since``."""
    return ".".join(str(part) for part in location)[:200]


async def tell_http(request: Request, error: Exception) -> Response:
    """Answer to a path, method or body that the framework refused."""
    if not isinstance(error, HTTPException):
        return await tell(request, error)
    status = error.status_code if error.status_code != HTTPStatus.BAD_REQUEST else None
    answer = answer_of(_ours(error, request), request.state.request_id, status=status)
    _copy(error.headers or {}, answer)
    return answer


def _ours(error: HTTPException, request: Request) -> RoundhouseError:
    if error.status_code == HTTPStatus.NOT_FOUND:
        return NotFoundError("there is nothing at this address", hint="see /api/v1/openapi.json")
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        return SchemaError(f"{request.method} is not possible here", hint="see /api/v1/openapi.json")
    if error.status_code in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
        return ForbiddenError()
    return SchemaError("the body cannot be read as JSON")


def _copy(headers: Mapping[str, str], answer: Response) -> None:
    for name, value in headers.items():
        answer.headers[name] = value
