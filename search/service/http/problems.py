"""Errors as problem documents (RFC 9457): one sentence, and nothing of how the service is built."""

from __future__ import annotations

import errno
import logging
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from pitprop.errors import UserError
from pitprop.messages import _
from pitprop.service.database.ledger import Conflict
from pitprop.service.database.lifecycle import Gone
from pitprop.service.lookup import NoStudy
from pitprop.service.models import Problem
from pitprop.service.submission import Refused
from pitprop.study.database import DatabaseError
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.exceptions import HTTPException

JSON = "application/problem+json"
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
logger = logging.getLogger("pitprop.service")


class Denied(HTTPException):
    """The request may not be served: a status, one sentence, and headers."""

    def __init__(self, status: int, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(status, detail, headers)


def problem(status: int, detail: str, problems: Sequence[str] = (), headers: Mapping[str, str] | None = None) -> Response:
    """The answer that says what went wrong."""
    body = Problem(title=HTTPStatus(status).phrase, status=status, detail=detail, problems=list(problems))
    return Response(body.model_dump_json(), status, dict(headers or {}), JSON)


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """What OpenAPI says of the answers with these statuses."""
    return {
        status: {
            "description": HTTPStatus(status).phrase,
            "content": {JSON: {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
        for status in statuses
    }


def handle(app: FastAPI) -> None:
    """Has every error answered so."""

    @app.exception_handler(Gone)
    def _gone(_request: Request, _error: Gone) -> Response:
        return problem(404, _("there is no such search, or it is not yours"))

    @app.exception_handler(UserError)
    def _user_error(_request: Request, error: UserError) -> Response:
        if isinstance(error, Refused):
            said = error.problems
            return problem(422, said[0] if said else str(error), said)
        if isinstance(error, DatabaseError):
            return problem(503, _("{why}; ask again in a while").format(why=error), headers={"Retry-After": "5"})
        known = {Conflict: 409, NoStudy: 404}
        status = next((status for kind, status in known.items() if isinstance(error, kind)), 422)
        return problem(status, str(error), str(error).splitlines())

    @app.exception_handler(RequestValidationError)
    def _invalid(_request: Request, error: RequestValidationError) -> Response:
        said = [sentence(one) for one in error.errors()]
        return problem(422, said[0] if said else "", said)

    @app.exception_handler(HTTPException)
    def _http(_request: Request, error: HTTPException) -> Response:
        return problem(error.status_code, str(error.detail), headers=error.headers)

    @app.exception_handler(DBAPIError)
    @app.exception_handler(PoolTimeout)
    def _database(request: Request, error: Exception) -> Response:
        logger.warning("%s %s: the database failed: %s", request.method, request.url.path, type(error).__name__)
        if "disk is full" in str(error):  # in SQLite's words
            return _full()
        return problem(503, _("the database does not answer: ask again in a while"), headers={"Retry-After": "5"})

    @app.exception_handler(OSError)
    def _disk(request: Request, error: OSError) -> Response:
        if error.errno not in FULL:
            return _ours(request, error)
        logger.warning("%s %s: %s", request.method, request.url.path, error.strerror)
        return _full()

    @app.exception_handler(Exception)
    def _ours(_request: Request, _error: Exception) -> Response:
        return problem(500, _("an error in the service; its log has the details"))


def _full() -> Response:
    return problem(507, _("the disk of the service is full, so nothing of this was kept: tell its operator, and try again"))


def sentence(error: Mapping[str, Any]) -> str:
    """One fault of a request: where it is, and what is wrong."""
    where = ".".join(str(part) for part in error["loc"][1:]) or str(error["loc"][0] if error["loc"] else "")
    return f"{where}: {error['msg'][:1].lower()}{error['msg'][1:]}"
