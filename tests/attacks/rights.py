"""People with a token for some things, and every way in which they lose what they have open."""

import contextlib
from collections.abc import Sequence

import httpx
from tests.attacks.people import PASSWORD
from tests.programs.programs import EngineProgram

DEEDS = ("role", "sites", "disabled", "password", "end", "quarantine")


def an_operator(
    engine: EngineProgram, name: str, role: str, scopes: Sequence[str], *, sites: list[int] | None = None
) -> str:
    """Somebody new; gives a token for these things."""
    with engine.owner() as owner:
        body = {"username": name, "password": PASSWORD, "role": role, "sites": sites}
        answer = owner.post("/api/users", json=body)
        assert answer.status_code == 201, answer.text
    headers = {"Origin": engine.url}
    with httpx.Client(base_url=engine.url, verify=engine.tls(), trust_env=False, headers=headers) as client:
        said = client.post("/api/auth/login", json={"username": name, "password": PASSWORD}).json()
        asked = {"name": "test", "scopes": list(scopes)}
        made = client.post("/api/tokens", json=asked, headers={"X-Borealis-CSRF": said["csrf"]})
        assert made.status_code == 201, made.text
        return str(made.json()["token"])


def take_away(owner: httpx.Client, deed: str, name: str, guid: str, session: str, after: contextlib.ExitStack) -> None:
    """One of ``DEEDS``: to the operator, the device, or what is open at the address ``session``; ``after`` undoes."""
    match deed:
        case "role":
            answer = owner.post(f"/api/users/{name}/role", json={"role": "Viewer"})
        case "sites":
            answer = owner.post(f"/api/users/{name}/sites", json={"sites": []})
        case "disabled":
            answer = owner.post(f"/api/users/{name}/disabled", json={"disabled": True})
        case "password":
            answer = owner.post(f"/api/users/{name}/reset_password", json={"password": f"{PASSWORD} anew"})
        case "end":
            answer = owner.delete(session)
        case "quarantine":
            answer = owner.post(f"/api/devices/{guid}/quarantine")
            after.callback(owner.post, f"/api/devices/{guid}/release")
        case _:
            raise AssertionError(deed)
    assert answer.status_code == 200, answer.text
