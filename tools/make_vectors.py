"""Writes the wire's test vectors, so that another implementation can check itself.

    PYTHONPATH=Data/Shared python tools/make_vectors.py            write Data/Shared/borealis_wire/vectors/*.json
    PYTHONPATH=Data/Shared python tools/make_vectors.py --check    exit 1 if a file there differs

Every key and nonce is the SHA-256 of a label: the same bytes come out on every machine, for ever. A change of these
files is a change of the protocol.
"""

import hashlib
import json
import sys
from pathlib import Path
from typing import Any, Final

from borealis_wire import base64s
from borealis_wire.enrolment_token import parse_enrolment_token
from borealis_wire.envelope import (
    CANCEL_TYPE,
    JOB_TYPE,
    KEYS_TYPE,
    SCREEN_TYPE,
    SHELL_TYPE,
    TUNNEL_TYPE,
    UPDATE_TYPE,
    pre_authentication_encoding,
    seal,
)
from borealis_wire.events import RunContext
from borealis_wire.keys import SigningKey
from borealis_wire.orders import CancelOrder, KeysStatement
from borealis_wire.proof import proof_message, proof_v2_message
from borealis_wire.shell import ShellOrder
from borealis_wire.tunnel import TunnelStart, TunnelStop
from borealis_wire.updates import UpdateOrder
from vector_entries import entries
from vector_macros import macros
from vector_material import DEVICE, ENGINE, GUID, NEXT, NOW, RUN_ID, STRANGER, octets, order
from vector_refusals import refusals
from vector_screens import look, screens

FOLDER: Final = Path(__file__).resolve().parents[1] / "Data" / "Shared" / "borealis_wire" / "vectors"


def keys() -> dict[str, Any]:
    """Private keys with all that follows from them, and encodings that are no Ed25519 key."""
    good = DEVICE.public.spki
    return {
        "valid": [
            {
                "seed": key.seed.hex(),
                "pkcs8_pem": key.to_pkcs8_pem(),
                "public_raw": key.public.raw.hex(),
                "spki_base64": key.public.spki_base64,
                "fingerprint": key.public.fingerprint,
                "key_id": key.public.key_id,
                "message": message.hex(),
                "signature": base64s.encode(key.sign(message)),
            }
            for key, message in (
                (DEVICE, b""),
                (ENGINE, b"message"),
                (NEXT, bytes(range(256))),
                (SigningKey.from_seed(bytes(32)), "grüße".encode()),
            )
        ],
        "invalid_spki_base64": [
            {"why": why, "text": text}
            for why, text in (
                ("empty", ""),
                ("raw key without SPKI", base64s.encode(DEVICE.public.raw)),
                ("cut short", base64s.encode(good[:-1])),
                ("a byte too many", base64s.encode(good + b"\0")),
                ("X25519", base64s.encode(good[:8] + b"\x6e" + good[9:])),
                ("without padding", base64s.encode(good).rstrip("=")),
                ("with a line break", base64s.encode(good) + "\n"),
                ("URL-safe base64", base64s.encode(_with_plus()).replace("+", "-").replace("/", "_")),
                ("PEM", f"-----BEGIN PUBLIC KEY-----\n{base64s.encode(good)}\n-----END PUBLIC KEY-----\n"),
            )
        ],
    }


def _with_plus() -> bytes:
    """SPKI bytes whose standard base64 has a character that URL-safe base64 writes otherwise."""
    found = (SigningKey.from_seed(octets(f"plus {n}")).public.spki for n in range(1000))
    return next(spki for spki in found if "+" in base64s.encode(spki) or "/" in base64s.encode(spki))


def enrolment_tokens() -> dict[str, Any]:
    """Enrolment tokens and what they say; texts that are none."""
    code, pin = "0123-4567-89AB-CDEF-0123-4567-89AB-CDEF", octets("pin").hex()
    valid = [
        f"https://engine.example:5000#{code}.{pin}",
        f"https://engine.example#{code}.{pin}",
        f"https://192.0.2.1:5000/#{code}.{pin}",
        f"https://[2001:db8::1]:5000#{code}.{pin}",
        f"  https://engine.example:5000#{code.lower()}.{pin.upper()}\n",
    ]
    invalid = [
        ("empty", ""),
        ("a bare code", code),
        ("no fingerprint", f"https://engine.example#{code}"),
        ("an empty fingerprint", f"https://engine.example#{code}."),
        ("a fingerprint cut short", f"https://engine.example#{code}.{pin[:-1]}"),
        ("a fingerprint too long", f"https://engine.example#{code}.{pin}0"),
        ("a fingerprint with a stray letter", f"https://engine.example#{code}.{pin[:-1]}g"),
        ("a code cut short", f"https://engine.example#{code[:-1]}.{pin}"),
        ("a code without dashes", f"https://engine.example#{code.replace('-', '')}.{pin}"),
        ("http", f"http://engine.example#{code}.{pin}"),
        ("no scheme", f"engine.example:5000#{code}.{pin}"),
        ("no host", f"https://#{code}.{pin}"),
        ("credentials", f"https://user:pw@engine.example#{code}.{pin}"),
        ("a password alone", f"https://:pw@engine.example#{code}.{pin}"),
        ("a path", f"https://engine.example/path#{code}.{pin}"),
        ("a query", f"https://engine.example?x=1#{code}.{pin}"),
        ("a port beyond 65535", f"https://engine.example:65536#{code}.{pin}"),
        ("a port that is a word", f"https://engine.example:https#{code}.{pin}"),
        ("port 0", f"https://engine.example:0#{code}.{pin}"),
        ("a line break in the address", f"https://engine.exa\nmple#{code}.{pin}"),
        ("a backslash", f"https://engine.example\\evil#{code}.{pin}"),
        ("a blank", f"https://engine example#{code}.{pin}"),
        ("two fragments", f"https://engine.example#{code}.{pin}#{code}.{pin}"),
        ("half an IPv6 address", f"https://[2001:db8::1#{code}.{pin}"),
    ]
    parsed = [(text, parse_enrolment_token(text)) for text in valid]
    return {
        "valid": [{"text": text, "url": item.url, "code": item.code, "ca_pin": item.ca_pin} for text, item in parsed],
        "invalid": [{"why": why, "text": text} for why, text in invalid],
    }


def proofs() -> dict[str, Any]:
    """Enrolment proofs, upstream's and ours, and which of them must be refused."""
    leaf, server_nonce, client_nonce = (
        b"leaf certificate " + octets("leaf"),
        octets("server nonce"),
        octets("client nonce"),
    )
    reference = "1b671a64-40d5-491e-99b0-da01ff1f3341"
    first, second = (
        proof_message(server_nonce, reference, client_nonce),
        proof_v2_message(server_nonce, reference, client_nonce, leaf),
    )
    shifted = proof_v2_message(server_nonce, reference[:-1], reference[-1:].encode() + client_nonce, leaf)
    man_in_the_middle = proof_v2_message(server_nonce, reference, client_nonce, b"another leaf")
    return {
        "agent_pubkey": DEVICE.public.spki_base64,
        "approval_reference": reference,
        "server_nonce": base64s.encode(server_nonce),
        "client_nonce": base64s.encode(client_nonce),
        "leaf_certificate_der": base64s.encode(leaf),
        "leaf_sha256": hashlib.sha256(leaf).hexdigest(),
        "proof_message": first.hex(),
        "proof_sig": base64s.encode(DEVICE.sign(first)),
        "proof_v2_message": second.hex(),
        "proof_v2": base64s.encode(DEVICE.sign(second)),
        "refused_proof_v2": [
            {"why": "another leaf certificate", "proof_v2": base64s.encode(DEVICE.sign(man_in_the_middle))},
            {"why": "parts shifted against each other", "proof_v2": base64s.encode(DEVICE.sign(shifted))},
            {"why": "upstream's message", "proof_v2": base64s.encode(DEVICE.sign(first))},
            {"why": "another device's key", "proof_v2": base64s.encode(STRANGER.sign(second))},
        ],
    }


def envelopes() -> dict[str, Any]:
    """DSSE's encoding, and envelopes of every type around canonical bytes."""
    cancel = CancelOrder(RUN_ID, GUID, NOW, NOW + 86400)
    statement = KeysStatement((ENGINE.public, NEXT.public), (STRANGER.public.key_id,), NOW)
    agent, tunnel = f"LAB-7_{GUID}_SYSTEM", octets("tunnel").hex()[:32]
    start = TunnelStart(
        order_id=RUN_ID,
        device_guid=GUID,
        agent_id=agent,
        tunnel_id=tunnel,
        virtual_ip="10.255.0.2/32",
        engine_virtual_ip="10.255.0.1",
        allowed_ips="10.255.0.1/32",
        endpoint="engine.example:30000",
        server_public_key=base64s.encode(octets("a WireGuard key")),
        client_public_key=base64s.encode(octets("another WireGuard key")),
        allowed_ports=(3389, 47002),
        idle_seconds=900,
        issued_at=NOW,
        expires_at=NOW + 60,
    )
    stop = TunnelStop(RUN_ID, GUID, agent, tunnel, "operator_stop", NOW, NOW + 60)
    small = order(files=(), environment={}, variables=(), timeout_seconds=0, job_id="a text", issued_at=NOW + 0.25)
    shell = ShellOrder(
        order_id=RUN_ID,
        session_id="0b8e5a1c-3d17-4c59-8a3e-5f0f4f8f7a21",
        device_guid=GUID,
        asked_by="Zoë",
        columns=120,
        rows=40,
        user="",
        seen=-1,
        issued_at=NOW,
        expires_at=NOW + 60,
    )
    update = UpdateOrder(
        request_id=RUN_ID,
        device_guid=GUID,
        build_id=octets("a build").hex()[:16],
        release="1.4.2",
        sha256=octets("a package").hex(),
        size=362_000,
        allow_older=False,
        issued_at=NOW,
        expires_at=NOW + 600,
    )
    for_user = order(context=RunContext.INTERACTIVE, user="zoë")
    return {
        "pae": [
            {"type": kind, "payload": payload.hex(), "pae": pre_authentication_encoding(kind, payload).hex()}
            for kind, payload in (
                ("http://example.com/HelloWorld", b"hello world"),
                ("", b""),
                (JOB_TYPE, bytes(range(256))),
                ("größe", "größe".encode()),
            )
        ],
        "signing_key": ENGINE.public.spki_base64,
        "sealed": [
            {
                "name": name,
                "payload_text": payload.decode(),
                "payload_sha256": hashlib.sha256(payload).hexdigest(),
                "envelope": seal(kind, payload, ENGINE),
            }
            for name, kind, payload in (
                ("job", JOB_TYPE, order().to_payload()),
                ("job with nothing optional", JOB_TYPE, small.to_payload()),
                ("job for one signed-in user", JOB_TYPE, for_user.to_payload()),
                ("cancel", CANCEL_TYPE, cancel.to_payload()),
                ("keys", KEYS_TYPE, statement.to_payload()),
                ("screen", SCREEN_TYPE, look().to_payload()),
                ("tunnel start", TUNNEL_TYPE, start.to_payload()),
                ("tunnel stop", TUNNEL_TYPE, stop.to_payload()),
                ("shell", SHELL_TYPE, shell.to_payload()),
                ("update", UPDATE_TYPE, update.to_payload()),
            )
        ],
    }


FILES: Final = {
    "keys.json": keys,
    "enrolment_tokens.json": enrolment_tokens,
    "proofs.json": proofs,
    "envelopes.json": envelopes,
    "orders.json": refusals,
    "screens.json": screens,
    "macros.json": macros,
    "entries.json": entries,
}


def render(value: Any) -> bytes:
    """Stable, readable, ASCII: hostile text is visible and no editor changes it."""
    return (json.dumps(value, indent=1, ensure_ascii=True) + "\n").encode("ascii")


def main(arguments: list[str]) -> int:
    """Write or compare. Gives the exit status."""
    differing = []
    for name, make in FILES.items():
        path, content = FOLDER / name, render(make())
        if path.is_file() and path.read_bytes() == content:
            continue
        differing.append(name)
        if "--check" not in arguments:
            FOLDER.mkdir(exist_ok=True)
            path.write_bytes(content)
    verb = "differ" if "--check" in arguments else "written"
    sys.stdout.write(f"{verb}: {', '.join(differing) or 'none'}\n")
    return 1 if differing and "--check" in arguments else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
