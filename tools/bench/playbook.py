"""How soon a playbook's events are on the page: a real agent, real Ansible, a real Chromium that shows the run.

Each task says the time at which it speaks; the page notes when a line with such a time is painted. The clocks are the
same one. What a task says reaches the page as an event of Ansible's, by way of agent and Engine.
"""

import contextlib
import statistics
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import psutil
from playwright.sync_api import Page
from tests.browser.browsing import Window, desk_at, page_engine, set_up
from tests.programs.ansible_env import lend_ansible
from tests.programs.programs import AgentProgram, enrol, wait_for

from bench.figures import Figure, percentile

ROUNDS: Final = 5
TASKS: Final = 12
_SAY: Final = "said {{ lookup('pipe', 'sleep 0.3; date +%s.%N') }} end"
_PLAYBOOK: Final = "- name: Bench\n  hosts: all\n  gather_facts: false\n  tasks:\n" + "".join(
    f'    - name: speak {number}\n      debug: {{msg: "{_SAY}"}}\n' for number in range(TASKS)
)
_WATCH: Final = """
(() => {
  const seen = { first: 0, said: {} };
  window.__said = seen;
  const painted = (done) => requestAnimationFrame(() => requestAnimationFrame(() => done(Date.now() / 1000)));
  new MutationObserver(() => {
    const text = document.querySelector("main")?.textContent ?? "";
    if (!seen.first && text.includes("PLAY [Bench]")) { seen.first = -1; painted((at) => { seen.first = at; }); }
    for (const [, time] of text.matchAll(/said (\\d+\\.\\d+) end/g)) {
      if (time in seen.said) continue;
      seen.said[time] = 0;
      painted((at) => { seen.said[time] = at; });
    }
  }).observe(document, { childList: true, subtree: true, characterData: true });
})();
"""
_EVERYTHING: Final = f"""() => {{
  const times = Object.values(__said.said);
  return __said.first > 0 && times.length === {TASKS} && times.every((at) => at > 0);
}}"""


def playbook_figures(root: Path, built: Path) -> list[Figure]:
    """From the beginning of Ansible to its first event on the page, and from each event to its line there.

    Args:
        root: a folder for Engine and agent.
        built: the built page, as the Engine serves it.
    """
    first: list[float] = []
    each: list[float] = []
    with window_and_agent(root, built) as (window, agent):
        for _ in range(ROUNDS):
            page = launch(window, agent)
            began = ansible_began(agent)
            page.wait_for_function(_EVERYTHING, timeout=120_000, polling=100)
            seen = page.evaluate("() => __said")
            first.append(1000 * (float(seen["first"]) - began))
            each += [1000 * (float(at) - float(said)) for said, at in seen["said"].items()]
            wait_for("Ansible to end", lambda: not plays(agent), seconds=60)
    how = f"{len(each)} events of {ROUNDS} runs"
    return [
        Figure("playbook: Ansible's start to its first event on the page", statistics.median(first), "ms", "<= 1500"),
        Figure("playbook: the same, longest", max(first), "ms", "<= 1500", f"{ROUNDS} runs"),
        Figure("playbook: an event to its line painted, p50", statistics.median(each), "ms", "", how),
        Figure("playbook: an event to its line painted, p95", percentile(each, 0.95), "ms", "<= 200", how),
        Figure("playbook: the same, longest", max(each), "ms", "<= 200", how),
    ]


@contextmanager
def window_and_agent(root: Path, built: Path) -> Iterator[tuple[Window, AgentProgram]]:
    """An Engine with its page open, and an agent that has Ansible."""
    engine = page_engine(root / "engine", built).start()
    agent = AgentProgram(root / "agent", "--installer-code", engine.enrolment_token())
    lend_ansible(agent.root)
    try:
        set_up(engine)
        enrol(engine, agent)
        with desk_at(engine) as desk, desk.window() as window:
            window.context.add_init_script(_WATCH)
            window.sign_in("ada")
            yield window, agent
    finally:
        agent.stop()
        engine.stop()


def launch(window: Window, agent: AgentProgram) -> Page:
    """As an operator does it: written into the form, and Run pressed; ends on the page that shows the run."""
    page = window.open(f"/run?devices={agent.guid}")
    page.get_by_label("Name").first.fill("Bench")
    page.get_by_role("combobox", name="Type").click()
    page.get_by_role("option", name="Playbook", exact=True).click()
    page.get_by_role("textbox", name="The script").click()
    page.keyboard.insert_text(_PLAYBOOK)
    page.evaluate("() => { __said.first = 0; __said.said = {}; }")
    page.get_by_role("button", name="Run", exact=False).last.click()
    return page


def ansible_began(agent: AgentProgram) -> float:
    """When the process of ``ansible-playbook`` began, in seconds since 1970; waits for it."""
    return float(wait_for("ansible-playbook", lambda: min(plays(agent), default=0.0), seconds=60))


def plays(agent: AgentProgram) -> list[float]:
    """When each process of Ansible's below the agent began."""
    found = []
    for process in psutil.Process(agent.pid).children(recursive=True):
        with contextlib.suppress(psutil.Error):
            if any("ansible-playbook" in word for word in process.cmdline()[:3]):
                found.append(process.create_time())
    return found
