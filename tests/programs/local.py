"""An Engine and an agent of one machine that reach each other over loopback, where no tunnel can be between them."""

from pathlib import Path

from tests.programs.programs import AgentProgram, EngineProgram, free_port

ENTRIES = ("WIREGUARD_SHELL", "DESKTOP", "FILES", "FORWARD")


def local_settings(**more: str) -> dict[str, str]:
    """For Engine and agent both: every entry on a port of its own, so that tests at the same time never meet."""
    return {"BOREALIS_TUNNEL_LOCAL": "1", **{f"BOREALIS_{name}_PORT": str(free_port()) for name in ENTRIES}, **more}


def local_pair(root: Path) -> tuple[EngineProgram, AgentProgram]:
    """Both; the Engine runs, the agent is not enrolled yet."""
    settings = local_settings()
    engine = EngineProgram(root / "engine", environment=settings).start()
    agent = AgentProgram(root / "agent", "--installer-code", engine.enrolment_token(), environment=settings)
    return engine, agent
