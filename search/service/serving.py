"""One service process: its parts put together, from the operator's options to an application that a server can run."""

from __future__ import annotations

import logging
import os
import platform
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from fastapi import FastAPI
from pitprop.addresses import is_job_server
from pitprop.errors import UserError
from pitprop.messages import _
from pitprop.service import catalogue
from pitprop.service.database import tables, tokens
from pitprop.service.database.ledger import Store
from pitprop.service.http.app import application
from pitprop.service.http.dependencies import Service
from pitprop.service.http.guard import Guard, Rate, is_loopback
from pitprop.service.lookup import Reader
from pitprop.service.notices.sending import Notifier
from pitprop.service.running.drivers import Drivers, LocalDrivers
from pitprop.service.running.places import Places
from pitprop.service.running.supervision import LEASE, Supervisor


@dataclass(frozen=True, slots=True)
class ServiceOptions:
    """What an operator says: where to listen, what is allowed, and under which ``names`` a proxy passes requests on."""

    runs: str | None = None
    host: str = "127.0.0.1"
    port: int = 8400
    catalogue: str | None = None
    tokens: bool = False
    """Each request needs a token, also on this machine."""
    names: tuple[str, ...] = ()
    lease: float = LEASE


@contextmanager
def opened_store(runs: str | None) -> Iterator[Store]:
    """The service's tables in the database of the folder of runs, or in ``STUDY_DB``."""
    store = Store(tables.opened(Places.under(runs).home.study_db))
    try:
        yield store
    finally:
        store.close()


@contextmanager
def served(options: ServiceOptions) -> Iterator[FastAPI]:
    """The application, with the queue looked after as long as this lasts; `UserError` if it may not be served so."""
    places, allowed = Places.under(options.runs), catalogue.read(options.catalogue)
    drivers = _drivers(places, allowed)
    with opened_store(options.runs) as store:
        needs_token = options.tokens or not is_loopback(options.host)
        if needs_token and not tokens.any_made(store):
            text = _("no token has been made, and each request to {host} needs one: pitprop token make OWNER --scope admin")
            raise UserError(text.format(host=options.host))
        name = f"{platform.node()[:40]}-{os.getpid()}-{secrets.token_hex(4)}"
        guard = Guard(store, Rate(allowed.limits.requests), options.host, frozenset(options.names), needs_token)
        supervisor = Supervisor(name, store, allowed, places, drivers, lease=options.lease)
        reader = Reader(places)
        app = application(Service(name, store, allowed, places, guard, reader, lambda: supervisor.silence))
        notifier = Notifier(store, allowed.notices, next((f"https://{name}" for name in options.names), ""))
        reader.prepare()
        supervisor.start()
        notifier.start()
        try:
            yield app
        finally:
            notifier.close()
            reader.close()
            logging.getLogger("pitprop.service").info("the drivers are ended; their searches wait for the service to come back")
            supervisor.close()
            drivers.close()


def _drivers(places: Places, allowed: catalogue.Catalogue) -> Drivers:
    """Jobs of the cluster where ``RAY_ADDRESS`` is its job server, else processes of this machine."""
    if is_job_server(places.home.ray) and not allowed.inline:
        from pitprop.service.running.ray_jobs import JobDrivers

        return JobDrivers(places, allowed)
    return LocalDrivers(places, inline=allowed.inline, cpus=allowed.cpus)
