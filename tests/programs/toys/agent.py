"""A toy agent: knocks at the toy Engine by file, waits for approval, is online as long as it runs.

``toy/agent-fail`` makes it end with that exit status; ``toy/started`` counts its starts.
"""

import base64
import contextlib
import hashlib
import json
import os
import signal
import sys
import time
from pathlib import Path
from types import FrameType

ROOT = Path(os.environ["BOREALIS_ROOT"])
TOY = ROOT / "toy"
HOME = ROOT / "Agent" / "Borealis"
KEY = HOME / "Certificates" / "Agent" / "Identity" / "agent_identity_public.ed25519"
GUID = HOME / "Settings" / "Agent_GUID.txt"
SETTINGS = HOME / "Settings" / "agent_settings_SYSTEM.json"


def stop(_number: int, _frame: FrameType | None) -> None:
    """Go offline and end."""
    (TOY / "online").unlink(missing_ok=True)
    sys.exit(0)


def main() -> int:
    """Be an agent."""
    signal.signal(signal.SIGTERM, stop)
    TOY.mkdir(exist_ok=True)
    code = json.loads(SETTINGS.read_text()).get("installer_code") if SETTINGS.exists() else ""
    with (TOY / "started").open("a") as file:
        file.write(f"{'code' if code else 'no code'}\n")
    if (TOY / "agent-fail").exists():
        print("The toy agent needs a person.", file=sys.stderr, flush=True)
        return int((TOY / "agent-fail").read_text())
    if not KEY.exists():
        KEY.parent.mkdir(parents=True)
        KEY.write_text(base64.b64encode(b"toy public key").decode())
    if not GUID.exists():
        fingerprint = hashlib.sha256(base64.b64decode(KEY.read_text())).hexdigest()
        request = {"approval_reference": "ref", "ssl_key_fingerprint_claimed": fingerprint, "status": "pending"}
        (TOY / "request.new").write_text(json.dumps(request))
        (TOY / "request.new").replace(TOY / "request.json")
        while not (TOY / "approved").exists():
            time.sleep(0.02)
        GUID.parent.mkdir(parents=True, exist_ok=True)
        GUID.write_text((TOY / "approved").read_text())
        SETTINGS.write_text(json.dumps({"installer_code": ""}))
    (TOY / "online").touch()
    with contextlib.suppress(KeyboardInterrupt):
        while True:
            time.sleep(0.1)
    return 0


if __name__ == "__main__":
    sys.exit(main())
