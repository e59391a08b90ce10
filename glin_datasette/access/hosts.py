"""The names that a server answers to.

A web page of somebody else may give its own name the address of this machine, and is then
one and the same site as the server for the browser (DNS rebinding). What the browser cannot
be made to hide is the name that it was told: it stands in the header ``Host``.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass

from ..errors import UsageError

__all__ = ["ANY", "Hosts", "host_in", "is_loopback"]

#: Stands for every name there is.
ANY = "*"

#: What is always this machine, whoever answers for names.
_LOCAL = ("localhost", "*.localhost")

_LABEL = r"[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?"
_NAME = re.compile(rf"{_LABEL}(?:\.{_LABEL})*", re.ASCII)
#: A name or IPv4 address, or an IPv6 address in brackets, and maybe a port.
_HEADER = re.compile(r"(?:\[([0-9a-f:.%\w-]+)\]|([a-z0-9_.-]+))(?::\d{0,5})?", re.ASCII)
#: As DNS has it.
_LONGEST = 253


@dataclass(frozen=True, slots=True)
class Hosts:
    """Names that a server answers to besides IP addresses, which no other site can be at."""

    names: frozenset[str]

    @classmethod
    def of(cls, names: Iterable[object]) -> Hosts:
        """The names of this machine, and ``names``: ``archive.example.org``,
        ``*.example.org`` for all below it, ``*`` for any at all.

        :raises UsageError: if one is no name
        """
        return cls(frozenset((*_LOCAL, *map(_checked, names))))

    def allow(self, host: str) -> bool:
        """Whether the server answers to ``host``, as :func:`host_in` gives it."""
        if ANY in self.names or host in self.names or _is_address(host):
            return True
        labels = host.split(".")
        return any(f"*.{'.'.join(labels[i:])}" in self.names for i in range(1, len(labels)))


def host_in(header: str) -> str | None:
    """The name or address in the value of a ``Host`` header, without its port; ``None`` if
    it holds none."""
    found = _HEADER.fullmatch(header.strip().lower())
    if not found:
        return None
    if found[1] is not None:
        return found[1] if _is_address(found[1]) else None
    host = found[2].removesuffix(".")
    return host if _is_name(host) else None


def is_loopback(host: str) -> bool:
    """Whether what listens on ``host`` is reached from this machine only. A name other than
    localhost is not taken for it: what it leads to is for others to say."""
    host = host.strip().lower().removesuffix(".")
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _checked(name: object) -> str:
    said = name.strip().lower() if isinstance(name, str) else ""
    if said == ANY:
        return said
    said = said.removesuffix(".")
    if _is_name(said.removeprefix("*.")) or _is_address(said.strip("[]")):
        return said.strip("[]")
    raise UsageError(
        f"{str(name)[:100]!r} is no name of a host; give one like archive.example.org or "
        "*.example.org, without http:// and port"
    )


def _is_name(text: str) -> bool:
    return len(text) <= _LONGEST and _NAME.fullmatch(text) is not None


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
