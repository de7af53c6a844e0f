"""Options of playbooks and secrets inside sealed orders."""

import dataclasses
from typing import Any

import pytest

from borealis_wire import strict_json
from borealis_wire.events import RefusalCode, ScriptType
from borealis_wire.keys import SigningKey
from borealis_wire.orders import parse_job
from borealis_wire.playbooks import PlaybookOptions, parse_options
from borealis_wire.refusal import Refused
from borealis_wire.secrets import MAX_SECRET_BYTES, open_secret, seal_secret
from vector_material import order

KEY = SigningKey.from_seed(b"\x07" * 32)


def test_an_order_with_options_and_secrets_reads_back() -> None:
    told = dataclasses.replace(
        order(script_type=ScriptType.ANSIBLE),
        playbook=PlaybookOptions(check=True, diff=True, tags=("a", "b"), skip_tags=("c",), limit="web*"),
        secrets={"vault_password": seal_secret("open", KEY.public)},
    )
    again = parse_job(told.to_payload())
    assert again.playbook == told.playbook
    assert open_secret(again.secrets["vault_password"], KEY) == "open"


def test_an_order_without_them_is_the_same_bytes_as_ever() -> None:
    members = strict_json.loads(order().to_payload(), max_bytes=10**6)
    assert not {"playbook", "secrets"} & set(members)


@pytest.mark.parametrize(
    "value",
    [
        [],
        {"check": 1},
        {"tags": "a"},
        {"tags": ["a,b"]},
        {"tags": ["--limit"]},
        {"tags": [""]},
        {"skip_tags": ["a\nb"]},
        {"skip_tags": ['a"b']},
        {"limit": "@/etc/shadow"},
        {"limit": "-x"},
        {"limit": 3},
        {"forks": 5},
    ],
)
def test_rejects_options_that_are_none(value: Any) -> None:
    with pytest.raises(Refused) as caught:
        parse_options(value)
    assert caught.value.code is RefusalCode.MALFORMED


@pytest.mark.parametrize(
    ("script_type", "members"),
    [
        ("bash", {"playbook": {}}),
        ("ansible", {"playbook": None}),
        ("ansible", {"secrets": []}),
        ("ansible", {"secrets": {"": "x"}}),
        ("ansible", {"secrets": {"a": ""}}),
        ("ansible", {"secrets": {"a": 1}}),
        ("ansible", {"secrets": {f"s{n}": "x" for n in range(17)}}),
    ],
)
def test_rejects_orders_with_wrong_members(script_type: str, members: dict[str, Any]) -> None:
    payload = strict_json.loads(order(script_type=ScriptType(script_type)).to_payload(), max_bytes=10**6)
    with pytest.raises(Refused):
        parse_job(strict_json.canonical({**payload, **members}))


def test_rejects_a_secret_of_another_device_or_an_altered_one() -> None:
    sealed = seal_secret("open", KEY.public)
    assert seal_secret("open", KEY.public) != sealed
    with pytest.raises(ValueError, match="another key"):
        open_secret(sealed, SigningKey.from_seed(b"\x08" * 32))
    for wrong in ("", "AAAA", "?", sealed[:-8] + "AAAAAAA="):
        with pytest.raises(ValueError):
            open_secret(wrong, KEY)
    with pytest.raises(ValueError, match="at most"):
        seal_secret("x" * (MAX_SECRET_BYTES + 1), KEY.public)
