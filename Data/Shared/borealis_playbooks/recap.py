"""What became of a playbook, as a bounded JSON object, from the events of ansible-runner. Pure.

Form: ``{"hosts": {host: {"ok", "changed", "failed", "skipped", "unreachable", "rescued", "ignored"}}, "tasks":
[{"play", "name", "action", "hosts": {host: {"result", "message", "seconds", "ignored"?}}}], "text", "check",
"truncated", "ansible", "problem"?}``. ``result`` is ok, changed, failed, skipped or unreachable; counts are Ansible's
own (changed is part of ok).
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

MAX_TASKS: Final = 400
MAX_RESULTS: Final = 1000
"""Tasks times hosts; what comes later is counted and not listed."""
MAX_MESSAGE: Final = 400
MAX_NAME: Final = 200
COUNTS: Final = ("ok", "changed", "failed", "skipped", "unreachable", "rescued", "ignored")
_STATS: Final = {"failures": "failed", "dark": "unreachable"}
_RESULTS: Final = {
    "runner_on_ok": "ok",
    "runner_on_failed": "failed",
    "runner_on_skipped": "skipped",
    "runner_on_unreachable": "unreachable",
}
_SAYS_NOTHING: Final = "non-zero return code"
_MESSAGES: Final = ("msg", "stderr", "module_stderr", "reason", "skip_reason", "stdout")


class RecapKeeper:
    """Collects one playbook's recap. ``mask`` is applied to every text of the playbook's."""

    def __init__(self, *, check: bool = False, mask: Callable[[str], str] = str) -> None:
        self._mask = mask
        self._check = check
        self._hosts: dict[str, dict[str, int]] = {}
        self._tasks: list[dict[str, Any]] = []
        self._by_uuid: dict[str, dict[str, Any]] = {}
        self._listed = 0
        self._truncated = False
        self._play = ""
        self._text: list[str] = []

    def take(self, event: Mapping[str, Any], text: str) -> bool:
        """Note an event and the text that was printed for it; true where the recap changed."""
        name, data = str(event.get("event", "")), event.get("event_data")
        data = data if isinstance(data, Mapping) else {}
        if name == "playbook_on_play_start":
            self._play = self._short(data.get("name") or data.get("play"))
        elif name in {"playbook_on_task_start", "playbook_on_handler_task_start"}:
            self._begin(data)
        elif name in _RESULTS:
            self._result(_RESULTS[name], data)
        elif name == "playbook_on_stats":
            self._stats(data)
            self._text = [text.strip("\r\n")]
        else:
            return False
        return True

    def as_json(self) -> dict[str, Any]:
        """The recap until now."""
        return {
            "hosts": self._hosts,
            "tasks": [task for task in self._tasks if task["hosts"]],
            "text": "\n".join(self._text)[:8000],
            "check": self._check,
            "truncated": self._truncated,
        }

    def _begin(self, data: Mapping[str, Any]) -> None:
        uuid = str(data.get("task_uuid", ""))
        if uuid in self._by_uuid:
            return
        if len(self._tasks) >= MAX_TASKS:
            self._truncated = True
            return
        task = {
            "play": self._play,
            "name": self._short(data.get("name") or data.get("task")),
            "action": self._short(data.get("resolved_action") or data.get("task_action")),
            "hosts": {},
        }
        self._tasks.append(task)
        self._by_uuid[uuid] = task

    def _result(self, result: str, data: Mapping[str, Any]) -> None:
        host = self._short(data.get("host"))
        res = data.get("res")
        res = res if isinstance(res, Mapping) else {}
        ignored = result == "failed" and data.get("ignore_errors") is True
        counts = self._hosts.setdefault(host, dict.fromkeys(COUNTS, 0))
        changed = result == "ok" and res.get("changed") is True
        counts["ok" if ignored else result] += 1
        counts["changed"] += changed
        counts["ignored"] += ignored
        task = self._by_uuid.get(str(data.get("task_uuid", "")))
        if task is None or self._listed >= MAX_RESULTS:
            self._truncated = True
            return
        self._listed += 1
        duration = data.get("duration")
        task["hosts"][host] = {
            "result": "changed" if changed else result,
            "message": self._message(result, res),
            "seconds": round(float(duration), 2) if isinstance(duration, int | float) else None,
            **({"ignored": True} if ignored else {}),
        }

    def _stats(self, data: Mapping[str, Any]) -> None:
        """Ansible's own counts are the truth: ours stand only until they come."""
        for kind in (*COUNTS, *_STATS):
            found = data.get(kind)
            for host, count in (found if isinstance(found, Mapping) else {}).items():
                entry = self._hosts.setdefault(self._short(host), dict.fromkeys(COUNTS, 0))
                if isinstance(count, int):
                    entry[_STATS.get(kind, kind)] = count

    def _message(self, result: str, res: Mapping[str, Any]) -> str:
        if res.get("_ansible_no_log") or "censored" in res:
            return "hidden (no_log)"
        for name in _MESSAGES if result != "ok" else ("msg",):
            value = res.get(name)
            if isinstance(value, list):
                value = "\n".join(map(str, value))
            if name == "msg" and value == _SAYS_NOTHING and res.get("stderr"):
                continue
            if isinstance(value, str) and value.strip():
                return self._mask(value.strip())[:MAX_MESSAGE]
        return ""

    def _short(self, value: Any) -> str:
        return self._mask("" if value is None else str(value))[:MAX_NAME]
