"""Threat 1: nobody without credentials gets an answer from any route or socket event, over real TLS."""

import base64
import json
import re
import time
from typing import Any, Final

import aiohttp
import jwt
import pytest
from tests.attacks.attacker import Declined, RogueDevice, Stranger
from tests.attacks.people import Target
from tests.programs.web import web_session

from borealis_engine.api.access import OPT_KEY, Access
from borealis_engine.api.app import all_handlers
from borealis_engine.gateway.rules import EVENT_RULES
from borealis_wire.events import DeviceEvent, EngineEvent, OperatorEvent
from borealis_wire.keys import SigningKey

pytestmark = pytest.mark.slow

METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE")
THIEF: Final = SigningKey.from_seed(b"somebody who makes his own tokens"[:32])


def addresses() -> list[tuple[str, Access, frozenset[str]]]:
    """Path with names filled in, rule, and methods of every route there is."""
    found = []
    for handler in all_handlers():
        rule = handler.opt[OPT_KEY]
        assert isinstance(rule, Access)
        for path in handler.paths:
            filled = re.sub(r"\{[^:}]+(?::(\w+))?\}", lambda name: "1" if name.group(1) == "int" else "x", path)
            found.append((filled, rule, frozenset(str(method) for method in handler.http_methods)))
    return found


def forged_tokens(device: RogueDevice) -> list[str]:
    """Access tokens that say what a real one says, signed in every way but the Engine's."""
    claims = jwt.decode(device.access_token, options={"verify_signature": False})
    header = jwt.get_unverified_header(device.access_token)
    head, _, rest = device.access_token.partition(".")
    body, _, signature = rest.partition(".")
    none = base64.urlsafe_b64encode(json.dumps({**header, "alg": "none"}).encode()).rstrip(b"=").decode()
    longer = base64.urlsafe_b64encode(json.dumps({**claims, "exp": int(time.time()) + 10**6}).encode())
    public = device.engine.root / "Engine" / "Certificates" / "borealis-server-bundle.pem"
    return [
        f"{none}.{body}.",
        f"{none}.{body}.{signature}",
        f"{head}.{body}.",
        f"{head}.{longer.rstrip(b'=').decode()}.{signature}",
        f"{head}.{body}.{signature[:-4]}AAAA",
        _hs256(claims, header, public.read_bytes()),
        jwt.encode(claims, _private(THIEF), algorithm="EdDSA", headers={"kid": header["kid"]}),
        jwt.encode(claims, _private(device.key), algorithm="EdDSA", headers={"kid": header["kid"]}),
        device.refresh_token,
    ]


def _hs256(claims: dict[str, Any], header: dict[str, Any], secret: bytes) -> str:
    import hashlib
    import hmac

    parts = [json.dumps({**header, "alg": "HS256"}).encode(), json.dumps(claims).encode()]
    text = b".".join(base64.urlsafe_b64encode(part).rstrip(b"=") for part in parts)
    digest = base64.urlsafe_b64encode(hmac.new(secret, text, hashlib.sha256).digest()).rstrip(b"=")
    return (text + b"." + digest).decode()


def _private(key: SigningKey) -> Any:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    return Ed25519PrivateKey.from_private_bytes(key.seed)


@pytest.fixture(scope="module")
def device(target: Target) -> RogueDevice:
    """A real device, whose tokens are what forged ones are made of."""
    return target.device("nobody-device")


def state_of(target: Target) -> list[Any]:
    """What strangers must not have changed."""
    paths = ("/api/devices", "/api/runs", "/api/users", "/api/sites", "/api/admin/enrollment-codes", "/api/server/logs")
    found = [target.owner.get(path).json() for path in paths]
    found[-1] = [file["name"] for file in found[-1]["files"]]
    for listed in found[0]["devices"]:
        listed.pop("last_seen"), listed.pop("presence", None)
    return found


def test_rejects_every_route_to_who_has_no_credentials(target: Target, device: RogueDevice) -> None:
    before = state_of(target)
    credentials: list[dict[str, str]] = [
        {},
        {"Authorization": "Bearer x"},
        {"Authorization": "Basic YWRhOmFkYQ=="},
        {"Authorization": "Bearer bor_pat_" + "A" * 43},
        {"Authorization": "Bearer bor_owner_" + "A" * 43},
        {"Cookie": f"borealis_session_{target.engine.port}=" + "A" * 43, "Origin": target.engine.url},
        {"X-Forwarded-User": "ada", "X-Remote-User": "ada", "X-Borealis-Agent-Context": "SYSTEM"},
        *({"Authorization": f"Bearer {token}"} for token in forged_tokens(device)[:3]),
    ]
    closed = [(path, methods) for path, rule, methods in addresses() if rule.kind != "public"]
    assert len(closed) > 50
    for headers in credentials:
        with target.stranger().http(headers) as client:
            for path, methods in closed:
                for method in sorted(methods - {"OPTIONS"}):
                    answer = client.request(method, path, json={} if method != "GET" else None)
                    assert answer.status_code == 401, f"{method} {path} with {headers}: {answer.text}"
                    assert set(answer.json()) == {"error", "detail"}
    assert state_of(target) == before


def test_rejects_every_other_method_on_every_route(target: Target) -> None:
    before = state_of(target)
    with target.stranger().http({"X-HTTP-Method-Override": "GET", "X-Original-URL": "/health"}) as client:
        for path in {path for path, rule, _ in addresses() if rule.kind != "public"}:
            for method in METHODS:
                answer = client.request(method, path)
                assert answer.status_code in {401, 404, 405}, f"{method} {path}: {answer.status_code}"
    assert state_of(target) == before


def test_rejects_forged_access_tokens_on_every_device_route_and_on_the_socket(
    target: Target, device: RogueDevice
) -> None:
    routes = [(path, method) for path, rule, methods in addresses() if rule.kind == "device" for method in methods]
    routes = [(path, method) for path, method in routes if method in {"GET", "POST", "PUT", "PATCH", "DELETE"}]
    assert len(routes) >= 4
    for token in forged_tokens(device):
        stranger = target.stranger()
        with stranger.http({"Authorization": f"Bearer {token}"}) as client:
            for path, method in routes:
                answer = client.request(method, path, json=None if method == "GET" else {"guid": device.guid})
                assert (answer.status_code, answer.json()["error"]) == (401, "invalid_token"), f"{path}: {token}"
        with pytest.raises(Declined, match="invalid_token"):
            stranger.socket({"Authorization": f"Bearer {token}"})


def test_rejects_every_socket_event_of_who_has_no_credentials(target: Target, device: RogueDevice) -> None:
    before = state_of(target)
    names = [*EVENT_RULES, *EngineEvent, *OperatorEvent, "join", "connect", "disconnect", "message", "*", "x"]
    told = {"run_id": "x", "status": "Success", "guid": device.guid, "agent_id": f"A_{device.guid}_SYSTEM"}
    frames = ["40", f"40{json.dumps({'token': device.refresh_token})}", '40/admin,{"token":"x"}']
    frames += [f"42{number}{json.dumps([name, told])}" for number, name in enumerate(names)]
    frames += ["41", "2probe", "5", "451-[]", "40"]
    heard = target.background.run(_speak(target.stranger(), frames, "?EIO=4&transport=websocket"))
    assert any('"missing_authorization"' in text for text in heard)
    assert not [text for text in heard if text.startswith(("42", "43", "40"))], heard
    token = f"?EIO=4&transport=websocket&token={device.access_token}&Authorization=Bearer%20{device.access_token}"
    heard = target.background.run(_speak(target.stranger(), frames, token))
    assert not [text for text in heard if text.startswith(("42", "43", "40"))], heard
    assert state_of(target) == before


async def _speak(stranger: Stranger, frames: list[str], query: str) -> list[str]:
    """Send frames without waiting for anything; gives every text that came back."""
    heard: list[str] = []
    async with (
        web_session(stranger.engine.tls(), local_addr=(stranger.address, 0), force_close=True) as web,
        web.ws_connect(f"{stranger.engine.url}/socket.io/{query}") as line,
    ):
        for frame in frames:
            try:
                await line.send_str(frame)
            except (aiohttp.ClientError, ConnectionError):
                break
        async for message in line:
            if message.type is aiohttp.WSMsgType.TEXT:
                heard.append(message.data)
    return heard


def test_rejects_long_polling_and_plain_requests_at_the_socket_door(target: Target, device: RogueDevice) -> None:
    with target.stranger().http(device.bearer) as client:
        for query in ("?EIO=4&transport=polling", "?EIO=3&transport=polling&sid=x", "?transport=websocket", ""):
            for method in ("GET", "POST"):
                answer = client.request(method, f"/socket.io/{query}")
                assert (answer.status_code, answer.json()["error"]) == (400, "websocket_only")


def test_rejects_a_device_that_has_not_said_who_it_is_any_work(target: Target, device: RogueDevice) -> None:
    """Connected with a token, but without ``connect_agent``: no job leaves for it."""
    with device.online(register=False) as live:
        body = {"script_content": "true", "script_type": "bash", "guids": [device.guid]}
        run = target.owner.post("/api/scripts/quick_run", json=body).json()["results"][0]["run_id"]
        time.sleep(0.5)
        assert [event for event, _ in live.heard if event == EngineEvent.QUICK_JOB_RUN] == []
        assert target.owner.get(f"/api/runs/{run}").json()["status"] == "Pending"
        answer = live.call(DeviceEvent.QUICK_JOB_RESULT, {"run_id": run, "status": "Success", "stdout": "forged"})
        assert answer.get("ignored") or "error" in answer
        assert target.owner.get(f"/api/runs/{run}").json()["stdout"] == ""
    target.owner.post(f"/api/runs/{run}/cancel")
