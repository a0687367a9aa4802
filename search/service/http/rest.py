"""Routes of what is no search: the catalogue, uploaded files, tokens, the audit log, and whether the service works."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.responses import PlainTextResponse
from pitprop import __version__
from pitprop.errors import hint
from pitprop.messages import _
from pitprop.service import bodies, inventory, models
from pitprop.service.database import tokens
from pitprop.service.http.dependencies import Administers, Limit, Parts, Reads, Submits
from pitprop.service.http.problems import Denied, documented
from pitprop.service.prometheus import Metrics
from pitprop.service.uploads import Uploads
from pitprop.space.schema import yaml_text
from pitprop.space.schema.editors import FILE

watched = APIRouter(include_in_schema=False)
router = APIRouter(prefix="/v1", responses=documented(401, 403, 421, 422, 429, 503))
FileName = Annotated[str, Path(pattern=models.FILE, description="name of a file", examples=["rows.csv"])]
BINARY = {
    "requestBody": {"required": True, "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}}
}


@router.get("/health", tags=["service"], summary="whether it works")
def health(parts: Parts, request: Request) -> inventory.Health:
    """Whether the service, its database and its disk work: 503 with the reason if not.

    Needs no token; how many searches there are is told where none is needed, and why a cluster does not answer to who may read.
    """
    known = parts.store.counts()
    try:
        parts.places.try_disk()
    except OSError as error:
        text = _("the disk of the service takes no files ({why}), so no search goes on: tell its operator, and ask again later")
        raise Denied(503, text.format(why=error.strerror or error), {"Retry-After": "30"}) from error
    silence = parts.silence()
    said = silence.told(fully=_may_read(parts, request)) if silence is not None else ""
    return inventory.Health(
        ok=True,
        version=__version__,
        service=parts.name,
        cpus=parts.catalogue.cpus,
        gpus=parts.catalogue.gpus,
        searches={} if parts.guard.locked() else known,
        silence=inventory.Silence(since=silence.since, said=said) if silence is not None else None,
    )


def _may_read(parts: Parts, request: Request) -> bool:
    with suppress(Denied):
        return parts.guard.caller(request) is not None
    return False


@watched.get("/metrics")
def metrics(request: Request, parts: Parts, _caller: Reads) -> Response:
    """What Prometheus reads."""
    if not hasattr(request.app.state, "metrics"):
        request.app.state.metrics = Metrics(parts.store, parts.catalogue, parts.silence)
    found: Metrics = request.app.state.metrics
    return Response(found.text(), media_type="text/plain; version=0.0.4; charset=utf-8")


@router.get("/whoami", tags=["service"], summary="who you are here")
def whoami(caller: Reads) -> models.Caller:
    """Whose token was sent, and what it allows."""
    return caller


@router.get("/catalogue", tags=["catalogue"], summary="what can be submitted")
def catalogue(parts: Parts, _caller: Reads) -> inventory.Catalogue:
    """The spaces, trainers and signatures there are here, and the limits."""
    return parts.catalogue.told


@router.get(
    "/catalogue/spaces/{name}",
    tags=["catalogue"],
    summary="a space as YAML",
    response_class=PlainTextResponse,
    responses=documented(404),
)
def catalogue_space(parts: Parts, _caller: Reads, name: Annotated[str, Path(max_length=200)]) -> PlainTextResponse:
    """The text of a space of the catalogue, to begin one of your own with."""
    path = parts.catalogue.spaces.get(name)
    if path is None:
        text = _("there is no space {name} in the catalogue").format(name=repr(name))
        raise Denied(404, text + hint(name, parts.catalogue.spaces))
    return PlainTextResponse(path.read_text(encoding="utf-8"), media_type="text/yaml; charset=utf-8")


@router.get("/schema", tags=["catalogue"], summary="the JSON Schema of a space")
def schema(_caller: Reads) -> dict[str, Any]:
    """The JSON Schema of a space, for editors."""
    found: dict[str, Any] = json.loads((yaml_text.FOLDER / FILE).read_text(encoding="utf-8"))
    return found


@router.get("/uploads", tags=["uploads"], summary="your files")
def uploads(parts: Parts, caller: Reads) -> list[inventory.Upload]:
    """The files that you have uploaded."""
    return Uploads(parts.store, parts.places, parts.catalogue.limits).listed(caller.owner)


@router.put("/uploads/{name}", tags=["uploads"], summary="upload a file", openapi_extra=BINARY, responses=documented(413))
async def upload(parts: Parts, caller: Submits, name: FileName, request: Request) -> inventory.Upload:
    """Keeps the body as a file, which a space names as `upload:NAME`; a file of this name is replaced."""
    return await Uploads(parts.store, parts.places, parts.catalogue.limits).keep(caller.owner, name, request.stream())


@router.delete("/uploads/{name}", tags=["uploads"], status_code=204, summary="delete a file", responses=documented(404))
def remove_upload(parts: Parts, caller: Submits, name: FileName) -> None:
    """Removes a file of yours. A search that reads it still fails then."""
    if not Uploads(parts.store, parts.places, parts.catalogue.limits).remove(caller.owner, name):
        raise Denied(404, _("there is no uploaded file {name}").format(name=repr(name)))


@router.get("/tokens", tags=["tokens"], summary="all tokens")
def all_tokens(parts: Parts, _caller: Administers) -> list[inventory.Token]:
    """The tokens there are, without what they are."""
    return [_token(one) for one in tokens.listed(parts.store)]


@router.post("/tokens", tags=["tokens"], status_code=201, summary="make a token")
def make_token(parts: Parts, caller: Administers, request: bodies.MakeToken) -> inventory.MadeToken:
    """Makes a token; its secret is told in this answer alone."""
    known, secret = tokens.make(parts.store, request.owner, request.scope, request.days, caller.owner)
    return inventory.MadeToken(**_token(known).model_dump(), secret=secret)


@router.delete("/tokens/{token}", tags=["tokens"], status_code=204, summary="revoke a token")
def revoke_token(parts: Parts, caller: Administers, token: Annotated[str, Path(pattern="^[0-9a-f]{1,16}$")]) -> None:
    """Takes a token back, at once."""
    tokens.revoke(parts.store, token, caller.owner)


@router.get("/audit", tags=["service"], summary="who did what")
def audit(
    parts: Parts,
    _caller: Administers,
    after: Annotated[int | None, Query(ge=0, le=models.MOST, description="before the line with this id")] = None,
    limit: Limit = 100,
) -> models.Listing[inventory.AuditRow]:
    """Who did what, the newest first."""
    rows = [inventory.AuditRow(**row) for row in parts.store.audit(after, limit)]
    return models.Listing[inventory.AuditRow](items=rows, next=str(rows[-1].id) if len(rows) == limit else None)


def _token(one: tokens.Known) -> inventory.Token:
    return inventory.Token(
        id=one.id, owner=one.owner, scope=one.scope, created=one.created, expires=one.expires, revoked=one.revoked
    )
