"""The child process: looks at the machine, prints one JSON object, ends.

    python -m borealis_agent.capabilities.inventory [--root FOLDER] [--known] [--external-ip-url URL]

The object is a :class:`child.Report`.
With ``--known``, standard input holds ``{"fingerprint", "external_ip"}`` of the last inventory sent, and ``details``
is null where nothing worth sending changed: the agent then never holds it.
"""

import json
import sys
import time
from typing import Any, BinaryIO

from borealis_agent.capabilities.inventory import changes, clean
from borealis_agent.capabilities.inventory.source import Source


def report(source: Source, known: Any = None, external_ip_url: str = "") -> dict[str, Any]:
    """Collect and compare.

    Args:
        source: the machine.
        known: ``{"fingerprint", "external_ip"}`` as the agent remembers them, or anything.
        external_ip_url: asked unless ``known`` brings an address that is fresh enough for the agent.
    """
    began = time.perf_counter()
    known = known if isinstance(known, dict) else {}
    external, failed = _external(known, external_ip_url)
    if sys.platform == "win32":
        from borealis_agent.capabilities.inventory.windows import collect_windows

        found = collect_windows(external)
    else:
        from borealis_agent.capabilities.inventory.linux import collect_linux

        found = collect_linux(source, external)
    notes = found.notes + failed
    details = clean.fit(clean.clean(found.details), notes)
    now, before = changes.fingerprint(details), changes.read_fingerprint(known.get("fingerprint"))
    changed = before is None or before.differs(now)
    return {
        "changed": changed,
        "fingerprint": now._asdict(),
        "facts": clean.count_facts(details),
        "milliseconds": round(1000 * (time.perf_counter() - began), 1),
        "notes": clean.clean(notes),
        "complete": [name for name in found.complete if name in details],
        "external_ip": external,
        "hostname": str(details.get("summary", {}).get("hostname", "")),
        "details": details if changed else None,
    }


def _external(known: dict[str, Any], url: str) -> tuple[str, list[str]]:
    remembered = known.get("external_ip")
    if remembered or not url:
        return (remembered if isinstance(remembered, str) else ""), []
    from borealis_agent.capabilities.inventory.external_address import fetch_external_address

    try:
        return fetch_external_address(url), []
    except (OSError, ValueError) as error:
        return "", [f"the external address could not be looked up: {error}"]


def main(arguments: list[str], standard_input: BinaryIO, standard_output: BinaryIO) -> int:
    """The command. Gives the exit status: 0, or 2 where the arguments are wrong."""
    options = {"--root": "/", "--external-ip-url": ""}
    known = None
    words = iter(arguments)
    for word in words:
        if word == "--known":
            try:
                known = json.loads(standard_input.read(1024 * 1024))
            except ValueError:
                known = None
        elif word in options:
            options[word] = next(words, "")
        else:
            sys.stderr.write(f"unknown argument {word!r}; see the module's docstring\n")
            return 2
    found = report(Source(options["--root"]), known, options["--external-ip-url"])
    standard_output.write(clean.encode(found) + b"\n")
    standard_output.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], sys.stdin.buffer, sys.stdout.buffer))
