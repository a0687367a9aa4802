"""Connections to the public internet alone, so that nobody reaches what only this machine can by naming it as a target.

Every address that a name stands for is looked at when it is connected to, and it is that address that is connected to: a name
that is looked up again could have become another one. Redirects are not followed, and no proxy is asked.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
PATIENCE = 10.0
"""Seconds to connect, and to wait for each part of the answer."""
NAT64 = ipaddress.ip_network("64:ff9b::/96")


class Forbidden(Exception):
    """The name stands for an address that may not be connected to."""


@dataclass(frozen=True, slots=True)
class Allowed:
    """What may be connected to beside the public internet: names, and networks."""

    names: frozenset[str] = frozenset()
    networks: tuple[Network, ...] = ()

    @classmethod
    def of(cls, words: Sequence[str]) -> Allowed:
        """Those that an operator writes: ``hooks.internal``, ``10.2.0.0/16``; ``ValueError`` if one is no network."""
        networks = [ipaddress.ip_network(word) for word in words if "/" in word or word.replace(".", "").isdigit() or ":" in word]
        names = {word.lower() for word in words if not ("/" in word or word.replace(".", "").isdigit() or ":" in word)}
        return cls(frozenset(names), tuple(networks))

    def takes(self, host: str, address: str) -> bool:
        """Whether ``host``, which stands for ``address``, may be connected to."""
        if host.lower() in self.names:
            return True
        found = ipaddress.ip_address(address.partition("%")[0])
        return public(found) or any(found in network for network in self.networks if network.version == found.version)


def public(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    """Whether an address is of the public internet, and no way to one that is not."""
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return public(address.ipv4_mapped)
        if address in NAT64:
            return public(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
        if address.sixtofour is not None or address.teredo is not None or address.is_site_local:
            return False
    return address.is_global and not (address.is_multicast or address.is_reserved)


def post(url: str, body: bytes, headers: Mapping[str, str], allowed: Allowed) -> int:
    """Sends the body to an address outside; the status of the answer, of which nothing else is read.

    `Forbidden` if the address may not be connected to; `urllib3.exceptions.HTTPError` or `OSError` if nothing answers.
    """
    with urllib3.PoolManager(num_pools=1) as pool:
        pool.pool_classes_by_scheme = _pools(allowed)
        timeout = urllib3.Timeout(connect=PATIENCE, read=PATIENCE)
        answer = pool.request(
            "POST", url, body=body, headers=dict(headers), redirect=False, retries=False, timeout=timeout, preload_content=False
        )
        status = int(answer.status)
        answer.close()
        return status


def connected(host: str, port: int, allowed: Allowed, timeout: Any = PATIENCE) -> socket.socket:
    """A connection to one of the addresses that a name stands for; `Forbidden` if any of them may not be connected to."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    if not found or not all(allowed.takes(host, str(one[4][0])) for one in found):
        raise Forbidden(host)
    wrong: OSError | None = None
    for family, kind, protocol, _name, address in found:
        one = socket.socket(family, kind, protocol)
        try:
            one.settimeout(timeout)
            one.connect(address)
            return one
        except OSError as error:
            one.close()
            wrong = error
    raise wrong or OSError(host)


def _pools(allowed: Allowed) -> dict[str, Any]:
    """How connections are made."""

    class Plain(HTTPConnection):
        def _new_conn(self) -> socket.socket:
            return connected(self._dns_host, int(self.port), allowed, self.timeout)

    class Secure(HTTPSConnection):
        def _new_conn(self) -> socket.socket:
            return connected(self._dns_host, int(self.port), allowed, self.timeout)

    class PlainPool(HTTPConnectionPool):
        ConnectionCls = Plain

    class SecurePool(HTTPSConnectionPool):
        ConnectionCls = Secure

    return {"http": PlainPool, "https": SecurePool}
