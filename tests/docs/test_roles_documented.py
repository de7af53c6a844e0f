"""Every role has a page, and what the page shows is what the programs take."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.fakes.fake_machine import linux_laptop

import rolecheck
from borealis_agent.capabilities.inventory.linux import collect_linux
from borealis_agent.capabilities.remote_desktop.order import DesktopOrder, parse_order
from borealis_agent.capabilities.remote_desktop.report import SECTION, Report
from borealis_agent.roles.inspection import RoleFacts, role_files
from borealis_agent.trust.policy import verify_job
from borealis_engine.api.remote_desktop_api import DesktopReport
from borealis_engine.devices.health import clean_roles
from borealis_engine.devices.inventory import clean_details
from borealis_engine.gateway.rules import EVENT_RULES
from borealis_engine.jobs import desktop_job
from borealis_wire import strict_json
from borealis_wire.desktop import parse_desktop
from borealis_wire.events import DEVICE_RESULT_STATUSES, RunContext
from borealis_wire.files import parse_files
from borealis_wire.forward import parse_forward
from borealis_wire.macro import parse_macro
from borealis_wire.messages import Details, JobOutput, JobResult, QuickJobRun
from borealis_wire.orders import parse_job
from borealis_wire.screen import parse_screen
from borealis_wire.shell import parse_shell
from borealis_wire.tunnel import parse_tunnel
from vector_material import ENGINE, GUID, NOW

PAGES = Path(rolecheck.__file__).resolve().parents[1] / "Docs" / "roles"
EXAMPLE = re.compile(r"^```json ([^\n]+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
PARTS = ("## Contexts", "## What it does", "## Events", "## Example payload", "## Settings")


def facts_of(path: Path) -> RoleFacts:
    _, facts = rolecheck.check_role(path)
    assert facts is not None
    return facts


ROLES = {facts.name: facts for facts in map(facts_of, role_files(rolecheck.ROLES))}
EACH = pytest.mark.parametrize("name", sorted(ROLES))


def page(name: str) -> str:
    return (PAGES / f"{name}.md").read_text()


def examples() -> list[Any]:
    found = []
    for path in sorted(PAGES.glob("*.md")):
        for number, (label, text) in enumerate(EXAMPLE.findall(path.read_text())):
            found.append(pytest.param(label, text, id=f"{path.stem}-{number}-{label}"))
    return found


def read_strictly(kind: type[Any], text: str) -> Any:
    """As the program does, and without members that it would pass over."""
    message = msgspec.json.decode(text, type=kind)
    assert set(json.loads(text)) <= set(kind.__struct_fields__)
    return message


def check_job(text: str) -> None:
    job = read_strictly(QuickJobRun, text)
    trusted = {ENGINE.public.key_id: ENGINE.public}
    payload = json.loads(text)
    verified = verify_job(payload, trusted=trusted, device_guid=GUID, context=RunContext.SYSTEM, now=NOW)
    assert (verified.order.run_id, verified.order.job_id) == (job.run_id, job.job_id)


def check_order(text: str) -> None:
    payload = strict_json.canonical(json.loads(text))
    assert parse_job(payload).to_payload() == payload


def check_screen_order(text: str) -> None:
    payload = strict_json.canonical(json.loads(text))
    assert parse_screen(payload).to_payload() == payload


def check_tunnel_order(text: str) -> None:
    payload = strict_json.canonical(json.loads(text))
    assert parse_tunnel(payload).to_payload() == payload


def check_files_order(text: str) -> None:
    payload = strict_json.canonical(json.loads(text))
    assert parse_files(payload).to_payload() == payload


def check_forward_order(text: str) -> None:
    payload = strict_json.canonical(json.loads(text))
    assert parse_forward(payload).to_payload() == payload


def check_shell_order(text: str) -> None:
    payload = strict_json.canonical(json.loads(text))
    assert parse_shell(payload).to_payload() == payload


def check_desktop_entry_order(text: str) -> None:
    payload = strict_json.canonical(json.loads(text))
    assert parse_desktop(payload).to_payload() == payload


def check_output(text: str) -> None:
    read_strictly(JobOutput, text)


def check_result(text: str) -> None:
    assert read_strictly(JobResult, text).status in DEVICE_RESULT_STATUSES


def check_details(text: str, tmp_path: Path) -> None:
    message = read_strictly(Details, text)
    assert message.details is not None
    assert set(message.complete) <= set(message.details)
    assert set(clean_details(message.details, frozenset(message.complete))) == set(message.details)
    desktop = {**Report(system="linux").to_details(), "looked_at": 0}
    real = json.loads(json.dumps({**collect_linux(linux_laptop(tmp_path).source()).details, SECTION: desktop}))
    if SECTION in message.details:
        assert msgspec.convert(message.details[SECTION], DesktopReport).problems == []
        assert set(message.details[SECTION]) == set(desktop)
    assert not unknown(message.details, real, "details")


def unknown(shown: Any, real: Any, where: str) -> list[str]:
    """Members that a page shows and the program never sends."""
    if isinstance(shown, dict) and isinstance(real, dict):
        missing = [f"{where}.{name}" for name in shown if name not in real]
        return missing + [
            line for name in shown if name in real for line in unknown(shown[name], real[name], f"{where}.{name}")
        ]
    if isinstance(shown, list) and isinstance(real, list) and shown and isinstance(shown[0], dict):
        merged = {name: value for item in reversed(real) for name, value in item.items() if value not in (None, [])}
        return [line for item in shown for line in unknown(item, merged, f"{where}[]")]
    return []


def check_health(text: str) -> None:
    """Whole in the heartbeat, and whole where operators see it."""
    health = json.loads(text)
    assert clean_roles({"role": health}) == {"role": health}
    assert health["state"] in {"running", "degraded"}


def check_desktop_order(text: str) -> None:
    order = json.loads(text)
    job = desktop_job(order["action"], open_network=order["open_network"])
    assert json.loads(job.script) == order
    assert parse_order(job.script) == DesktopOrder(order["action"], order["open_network"])


def check_macro_order(text: str) -> None:
    script = strict_json.canonical(json.loads(text))
    assert parse_macro(script).to_script() == script


def check_macro_status(text: str) -> None:
    rule = EVENT_RULES["macro_status"]
    assert (rule.sender, len(text.encode()) <= rule.max_bytes) == ("device", True)
    assert set(json.loads(text)) == {"agent_id", "node_id", "success", "message"}


CHECKS: dict[str, Callable[[str], None]] = {
    "quick_job_run": check_job,
    "quick_job_output": check_output,
    "quick_job_result": check_result,
    "order": check_order,
    "screen_order": check_screen_order,
    "tunnel_order": check_tunnel_order,
    "files_order": check_files_order,
    "forward_order": check_forward_order,
    "shell_order": check_shell_order,
    "desktop_entry_order": check_desktop_entry_order,
    "health": check_health,
    "remote_desktop order": check_desktop_order,
    "macro order": check_macro_order,
    "macro_status": check_macro_status,
}


@EACH
def test_a_role_has_a_page_with_every_part(name: str) -> None:
    text = page(name)
    assert text.startswith(f"# {name}\n")
    assert [part for part in PARTS if f"\n{part}\n" not in text] == []
    assert f"`Data/Agent/Roles/{ROLES[name].file}`" in text


@EACH
def test_a_page_names_the_contexts_of_its_role(name: str) -> None:
    contexts = page(name).partition("## Contexts")[2].partition("\n## ")[0]
    named = {context for context in RunContext if f"`{context}`" in contexts}
    assert named == ROLES[name].contexts


@EACH
def test_a_page_shows_what_travels(name: str) -> None:
    assert EXAMPLE.search(page(name))


@EACH
def test_the_overview_lists_the_role(name: str) -> None:
    row = f"| `{ROLES[name].file}` | [`{name}`]({name}.md) |"
    assert row in (PAGES / "README.md").read_text()


def test_no_page_is_of_a_role_that_is_gone() -> None:
    assert {path.stem for path in PAGES.glob("*.md")} == {*ROLES, "README"}


@pytest.mark.parametrize(("label", "text"), examples())
def test_an_example_is_what_the_programs_take(label: str, text: str, tmp_path: Path) -> None:
    if label == "POST /api/agent/details":
        check_details(text, tmp_path)
        return
    assert label in CHECKS, "name an example for what it is, so that it can be checked"
    CHECKS[label](text)


def test_every_section_of_the_inventory_is_explained(tmp_path: Path) -> None:
    table = page("device_audit").partition("| Section | Holds |")[2].partition("\n\n")[0]
    explained = set(re.findall(r"`(\w+)`", "".join(line.split("|")[1] for line in table.splitlines() if "|" in line)))
    assert explained == set(collect_linux(linux_laptop(tmp_path).source()).details)
