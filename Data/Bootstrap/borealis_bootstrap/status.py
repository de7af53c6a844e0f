"""``status``: what Engine and agent of this installation do now.

Owns the JSON of ``status --json``. May be called by app. Changes nothing.
"""

import json
from collections.abc import Mapping
from typing import Any

from borealis_bootstrap.engine_client import EngineClient, EngineSilent
from borealis_bootstrap.errors import CannotGoOn
from borealis_bootstrap.launch import engine_address
from borealis_bootstrap.layout import Layout
from borealis_bootstrap.services import ServiceState, service_state
from borealis_bootstrap.supervision import ProgramState, Supervision, last_words
from borealis_bootstrap.up import read_fingerprint, read_guid

_WORDS = {
    "running": "running",
    "restarting": "ended, will be started again",
    "attention": "needs you",
    "unsupervised": "running, but nothing restarts it (run up again)",
    "stopped": "stopped",
}


def status(layout: Layout, environ: Mapping[str, str]) -> dict[str, Any]:
    """Look at processes, ask the Engine, and describe both programs.

    Raises:
        OSError: the files cannot be read.
    """
    engine, agent = Supervision(layout.engine), Supervision(layout.agent)
    engine_state, agent_state = engine.state(), agent.state()
    engine_service, agent_service = service_state(layout, "engine"), service_state(layout, "agent")
    url = engine_address(layout, engine_state.started).url
    client = EngineClient(layout, url)
    engine_pid = engine_service.pid or engine_state.pid
    health = client.healthy() if engine_pid else None
    guid = read_guid(layout)
    return {
        "root": str(layout.root),
        "engine": {
            **_common(engine_state, engine_service),
            "url": environ.get("BOREALIS_PUBLIC_URL") or url,
            "healthy": health is not None,
            "version": _version(layout) if engine_pid else "",
            "code": engine_state.started.version if engine_state.started else "",
            "detail": last_words(layout.engine) if engine_state.state == "attention" else "",
        },
        "agent": {
            **_common(agent_state, agent_service),
            "guid": guid,
            "fingerprint": read_fingerprint(layout),
            "connected": _connected(client, guid) if health is not None else None,
            "code": agent_state.started.version if agent_state.started else "",
            "detail": last_words(layout.agent) if agent_state.state == "attention" else "",
        },
    }


def _common(state: ProgramState, service: ServiceState) -> dict[str, Any]:
    if service.installed:
        return {"state": "running" if service.pid else "stopped", "pid": service.pid, "supervisor": "systemd"}
    return {"state": state.state, "pid": state.pid, "supervisor": "borealis"}


def _version(layout: Layout) -> str:
    """What the running Engine says of itself; empty while it starts."""
    try:
        note: Any = json.loads(layout.engine_note.read_text(encoding="utf-8"))
        return str(note["version"])
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return ""


def _connected(client: EngineClient, guid: str) -> bool | None:
    """Whether the local Engine has a live session of the local agent; None where it cannot tell."""
    if not guid:
        return False
    try:
        device = client.device(guid)
    except (EngineSilent, CannotGoOn, OSError):
        return None
    return bool(device["presence"]["online"]) if device and "presence" in device else None


def as_text(report: Mapping[str, Any]) -> str:
    """For people."""
    engine, agent = report["engine"], report["agent"]
    lines = [f"Borealis in {report['root']}", f"  Engine  {_line(engine)}"]
    if engine["pid"]:
        health = "answers" if engine["healthy"] else "does not answer yet"
        lines.append(f"          {engine['url']} {health}")
    lines.append(f"  Agent   {_line(agent)}")
    if agent["guid"]:
        connected = {True: "connected", False: "not connected", None: "connection unknown"}[agent["connected"]]
        lines.append(f"          {agent['guid']} {connected if agent['pid'] else ''}".rstrip())
    elif agent["fingerprint"] and agent["pid"]:
        lines.append(f"          waits for its approval, key {agent['fingerprint']}")
    return "\n".join(lines)


def _line(program: Mapping[str, Any]) -> str:
    words = _WORDS[program["state"]]
    pid = f", pid {program['pid']}" if program["pid"] else ""
    how = ", as a service" if program["supervisor"] == "systemd" else ""
    detail = f": {program['detail']}" if program["detail"] else ""
    return f"{words}{pid}{how}{detail}"


def as_json(report: Mapping[str, Any]) -> str:
    """For programs."""
    return json.dumps(report, indent=2)
