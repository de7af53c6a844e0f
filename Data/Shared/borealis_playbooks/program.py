"""The beginning of a playbook run, in the run's own process: see to Ansible, then become the player.

Runs under the agent's interpreter with nothing but the standard library.
"""

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NoReturn

from borealis_playbooks import environment
from borealis_playbooks.launch import REQUEST_FILE, keep_recap

assert sys.platform != "win32"  # so that the other platform's type check passes over this file

NOT_INSTALLED: Final = 69
"""Exit code: Ansible is not there and could not be had (sysexits: EX_UNAVAILABLE)."""
_CODE: Final = (
    "import sys; sys.path.insert(0, sys.argv.pop(1));"
    " from borealis_playbooks.play import main; sys.exit(main(sys.argv[1:]))"
)
_CODE_ROOT: Final = Path(__file__).resolve().parents[1]


def main(arguments: Sequence[str]) -> int:
    """Run the playbook that is named; comes back, with an exit code, only where it could not begin."""
    playbook = Path(arguments[0])
    request = json.loads((playbook.parent / REQUEST_FILE).read_bytes())
    try:
        ansible = environment.ensure_environment(Path(request["environments"]), environment.lock_file(), say=_say)
    except (environment.CannotInstall, OSError) as error:
        sentence = (
            str(error) if isinstance(error, environment.CannotInstall) else f"Ansible cannot be installed: {error}."
        )
        print(sentence, file=sys.stderr, flush=True)
        keep_recap(Path(request["recap"]), {"hosts": {}, "tasks": [], "problem": sentence})
        return NOT_INSTALLED
    os.environ["PATH"] = f"{ansible / 'bin'}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    command = [str(ansible / "bin" / "python"), "-P", "-s", "-u", "-X", "utf8", "-c", _CODE, str(_CODE_ROOT)]
    return _become([*command, str(playbook), str(ansible)])


def _become(command: list[str]) -> NoReturn:
    """Go on as another program in the same process: whoever ends the run ends it."""
    os.execv(command[0], command)  # noqa: S606


def _say(text: str) -> None:
    print(text, flush=True)
