"""From what people call a thing to the thing: devices by hostname or GUID, sites by name or id."""

import re
from typing import Any, Final

from borealis_cli.client import EngineClient, segment
from borealis_cli.errors import CliError
from borealis_cli.text import clean

GUID: Final = re.compile(r"\{?[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\}?")


def is_guid(text: str) -> bool:
    """Whether a device is named by its GUID."""
    return GUID.fullmatch(text.strip()) is not None


def find_device(client: EngineClient, name: str) -> dict[str, Any]:
    """The device of that hostname or GUID.

    Raises:
        CliError: there is none.
    """
    if is_guid(name):
        return client.get(f"/api/devices/{segment(name.strip().strip('{}'))}")
    found: list[dict[str, Any]] = client.get("/api/devices", hostname=name.strip())["devices"] if name.strip() else []
    if not found:
        raise CliError(f"There is no device {clean(name)!r}, or you may not see it. List them: borealis devices")
    return found[0]


def find_credential(client: EngineClient, name: str) -> dict[str, Any]:
    """The stored credential of that name or id.

    Raises:
        CliError: there is none.
    """
    wanted = name.strip().casefold()
    for one in client.get("/api/credentials")["credentials"]:
        if str(one["name"]).casefold() == wanted or str(one["id"]) == wanted:
            found: dict[str, Any] = one
            return found
    raise CliError(f"There is no credential {clean(name)!r}, or you may not use it. List them: borealis credentials")


def find_site(client: EngineClient, name: str) -> dict[str, Any]:
    """The site of that name or id.

    Raises:
        CliError: there is none.
    """
    wanted = name.strip().casefold()
    for site in client.get("/api/sites")["sites"]:
        if str(site["name"]).casefold() == wanted or str(site["id"]) == wanted:
            found: dict[str, Any] = site
            return found
    raise CliError(f"There is no site {clean(name)!r}, or you may not see it. List them: borealis sites")
