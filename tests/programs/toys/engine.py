"""A toy Engine: as much REST over TLS as the bootstrap asks for, with the toy agent's files as its database.

``<root>/toy/`` is where both meet: ``request.json`` (the agent knocks), ``approved``, ``online``, ``known``.
``conflict`` and ``deaf`` make it refuse or overlook the request; ``fail`` makes the Engine end with that status.
"""

import json
import os
import ssl
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

ROOT = Path(os.environ["BOREALIS_ROOT"])
TOY = ROOT / "toy"
SECRETS = ROOT / "Engine" / "Data" / "Secrets"
GUID = "11111111-2222-3333-4444-555555555555"


class Handler(BaseHTTPRequestHandler):
    """All routes."""

    def log_message(self, *_: Any) -> None:
        """Be silent."""

    def do_GET(self) -> None:
        """Answer a question."""
        path = self.path.partition("?")[0]
        if path == "/health":
            self._say(200, {"status": "ok", "version": "toy"})
        elif path == "/api/admin/device-approvals":
            hidden = (TOY / "approved").exists() or (TOY / "deaf").exists()
            waiting = (TOY / "request.json").exists() and not hidden
            self._say(200, {"approvals": [json.loads((TOY / "request.json").read_text())] if waiting else []})
        elif path == f"/api/devices/{GUID}" and (TOY / "known").exists():
            contexts = ["system"] if (TOY / "online").exists() else []
            status = (TOY / "status").read_text() if (TOY / "status").exists() else "active"
            presence = {"online": bool(contexts), "contexts": contexts}
            self._say(200, {"guid": GUID, "status": status, "presence": presence})
        elif path.startswith("/api/runs/"):
            self._say(200, {"status": "Success", "exit_code": 0, "stdout": "the true output\n"})
        else:
            self._say(404, {"error": "not_found", "detail": "No such thing."})

    def do_POST(self) -> None:
        """Do something."""
        self.rfile.read(int(self.headers.get("Content-Length", "0")))
        if self.headers.get("Authorization") != f"Bearer {(SECRETS / 'cli.token').read_text().strip()}":
            self._say(401, {"error": "unauthorized", "detail": "Who are you?"})
        elif self.path == "/api/admin/enrollment-codes":
            self._say(201, {"token": "https://localhost:1#toy-code.pin"})
        elif self.path.endswith("/approve") and (TOY / "conflict").exists():
            self._say(409, {"error": "conflict_resolution_required", "detail": "Two of one name."})
        elif self.path.endswith("/approve"):
            (TOY / "known").touch()
            (TOY / "approved").write_text(GUID)
            self._say(200, {"status": "approved"})
        else:
            self._say(200, {"results": [{"run_id": "1"}]})

    def _say(self, status: int, body: object) -> None:
        raw = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)


def main() -> int:
    """Serve until SIGTERM."""
    if (TOY / "fail").exists():
        print("The toy is broken. Mend it.", file=sys.stderr, flush=True)
        return int((TOY / "fail").read_text())
    SECRETS.mkdir(parents=True, exist_ok=True)
    (SECRETS / "cli.token").write_text("owner\n")
    (SECRETS / "setup.link").write_text("https://localhost/setup#once\n")
    server = ThreadingHTTPServer(("127.0.0.1", int(os.environ["BOREALIS_ENGINE_PORT"])), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificates = ROOT / "Engine" / "Certificates"
    context.load_cert_chain(certificates / "borealis-server-cert.pem", certificates / "borealis-server-key.pem")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.serve_forever()
    return 0


if __name__ == "__main__":
    sys.exit(main())
