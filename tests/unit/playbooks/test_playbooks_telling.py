"""What a playbook's run tells: Ansible's words without colours and secrets, and the recap in figures."""

from typing import Any

from borealis_playbooks.launch import failure_of, variable_name
from borealis_playbooks.recap import MAX_RESULTS, MAX_TASKS, RecapKeeper
from borealis_playbooks.telling import MASK, Masking, text_of


def task(uuid: str, name: str = "install") -> dict[str, Any]:
    return {
        "event": "playbook_on_task_start",
        "event_data": {"task_uuid": uuid, "name": name, "resolved_action": "ansible.builtin.apt"},
    }


def ended(event: str, uuid: str, host: str = "localhost", **data: Any) -> dict[str, Any]:
    return {"event": event, "event_data": {"task_uuid": uuid, "host": host, "duration": 0.123, **data}}


def test_colours_stars_and_carriage_returns_are_taken_out() -> None:
    said = "\x1b[0;32m\r\nTASK [say] ******************\x1b[0m\r\nok: [localhost]"
    assert text_of({"stdout": said}) == "\nTASK [say]\nok: [localhost]"
    assert text_of({"stdout": ""}) == text_of({}) == text_of({"stdout": 7}) == ""


def test_secrets_are_masked_in_every_form() -> None:
    mask = Masking(['p"ass\\word', "zwölf"])
    assert mask('x p"ass\\word y') == f"x {MASK} y"
    assert mask('{"m": "p\\"ass\\\\word"}') == f'{{"m": "{MASK}"}}'
    assert mask("zw\\u00f6lf zwölf") == f"{MASK} {MASK}"
    assert Masking(["x", " "])("xx x") == "xx x"


def test_a_recap_counts_tasks_and_hosts() -> None:
    keeper = RecapKeeper(check=True, mask=Masking(["hush"]))
    keeper.take({"event": "playbook_on_play_start", "event_data": {"name": "Web"}}, "")
    keeper.take(task("1", "with hush"), "")
    assert keeper.take(ended("runner_on_ok", "1", res={"changed": True, "msg": "hush now"}), "")
    keeper.take(task("2"), "")
    keeper.take(ended("runner_on_failed", "2", ignore_errors=True, res={"msg": "no", "rc": 1}), "")
    keeper.take(task("3"), "")
    keeper.take(ended("runner_on_failed", "3", res={"msg": "non-zero return code", "stderr": "gone"}), "")
    keeper.take(task("4"), "")
    keeper.take(ended("runner_on_ok", "4", res={"censored": "x", "msg": "secret"}), "")
    assert not keeper.take({"event": "verbose"}, "words")
    found = keeper.as_json()
    first, second, third, fourth = found["tasks"]
    assert first["name"] == f"with {MASK}"
    assert first["play"] == "Web"
    assert first["hosts"]["localhost"] == {"result": "changed", "message": f"{MASK} now", "seconds": 0.12}
    assert second["hosts"]["localhost"]["ignored"] is True
    assert third["hosts"]["localhost"]["message"] == "gone"
    assert fourth["hosts"]["localhost"]["message"] == "hidden (no_log)"
    assert found["hosts"]["localhost"] == {
        **dict.fromkeys(("skipped", "unreachable", "rescued"), 0),
        "ok": 3,
        "changed": 1,
        "failed": 1,
        "ignored": 1,
    }
    assert failure_of(found) == "'install' failed on localhost: gone"
    stats = {"event": "playbook_on_stats", "event_data": {"ok": {"localhost": 9}, "dark": {"db": 1}}}
    keeper.take(stats, "\nPLAY RECAP\nlocalhost : ok=9\n")
    assert keeper.as_json()["hosts"]["localhost"]["ok"] == 9
    assert keeper.as_json()["hosts"]["db"]["unreachable"] == 1
    assert keeper.as_json()["text"].startswith("PLAY RECAP")


def test_survives_a_playbook_without_end() -> None:
    keeper = RecapKeeper()
    for number in range(MAX_TASKS + 5):
        keeper.take(task(str(number)), "")
        for host in range(4):
            keeper.take(ended("runner_on_ok", str(number), host=f"h{host}", res={"msg": "x" * 9000}), "")
    found = keeper.as_json()
    assert found["truncated"] is True
    assert sum(len(one["hosts"]) for one in found["tasks"]) == MAX_RESULTS
    assert found["hosts"]["h0"]["ok"] == MAX_TASKS + 5


def test_survives_events_of_another_shape() -> None:
    keeper = RecapKeeper()
    shapes: tuple[Any, ...] = (None, [], {"res": "text"}, {"res": {"msg": None}}, {"duration": "long"})
    for data in shapes:
        for name in ("playbook_on_play_start", "playbook_on_task_start", "runner_on_ok", "playbook_on_stats"):
            keeper.take({"event": name, "event_data": data}, "")
    assert failure_of({"tasks": "x"}) == ""
    assert failure_of({"problem": "no disk"}) == "no disk"


def test_variables_have_names_that_a_playbook_takes() -> None:
    assert [variable_name(name) for name in ("who", "Log Level", "9lives", "grün")] == [
        "who",
        "Log_Level",
        "_9lives",
        "gr_n",
    ]
