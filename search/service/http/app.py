"""The application: the routes with their guard, as an ASGI server runs it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import Depends, FastAPI
from fastapi.openapi.utils import get_openapi
from pitprop import __version__
from pitprop.service.http import problems, rest, searches, studies
from pitprop.service.http.dependencies import Service
from pitprop.service.http.feed import Feed
from pitprop.service.http.guard import Bounded
from pitprop.service.http.language import Speaking, spoken
from pitprop.service.models import Problem
from pitprop.service.page import routes

TITLE = "pitprop"
ABOUT = """Searches as a service: submit a space, follow its search, read the answer.

Errors are problem documents (RFC 9457) of one sentence. Where tokens are in use, send `Authorization: Bearer TOKEN`."""


def application(parts: Service) -> FastAPI:
    """The API over the parts of a service."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        app.state.feed = Feed(parts.store, parts.silence)
        yield
        await app.state.feed.close()

    # The pages that FastAPI makes of the OpenAPI document load scripts from elsewhere.
    app = FastAPI(
        title=TITLE, version=__version__, description=ABOUT, docs_url=None, redoc_url=None, openapi_url="/v1/openapi.json",
        lifespan=lifespan,
    )  # fmt: skip
    app.state.service = parts
    problems.handle(app)
    for router in (searches.router, studies.router, rest.router):
        app.include_router(router, dependencies=[Depends(spoken)])
    for router in (rest.watched, routes.router):
        app.include_router(router)
    limits = parts.catalogue.limits
    app.add_middleware(Bounded, most=limits.body, uploads=limits.upload)
    app.add_middleware(Speaking)
    app.openapi = lambda: _described(app)  # type: ignore[method-assign]
    return app


def _described(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI document, with our errors in place of FastAPI's own, and with what a token is."""
    if app.openapi_schema is None:
        found = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
        parts = found.setdefault("components", {})
        schemas = parts.setdefault("schemas", {})
        schemas["Problem"] = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
        for name in ("HTTPValidationError", "ValidationError"):
            schemas.pop(name, None)
        parts["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
        found["security"] = [{"token": []}, {}]
        app.openapi_schema = found
    return app.openapi_schema
