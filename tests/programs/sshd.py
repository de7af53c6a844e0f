"""A real OpenSSH server on loopback, with a configuration, a host key and a port of its own."""

import getpass
import os
import signal
import subprocess
from pathlib import Path
from typing import Self

from tests.programs.programs import free_port, wait_for


def new_key(path: Path, *, passphrase: str = "", kind: str = "ed25519") -> str:
    """Make a key pair; gives the private half."""
    command = ["ssh-keygen", "-q", "-t", kind, "-N", passphrase, "-C", "test", "-f", str(path)]
    subprocess.run(command, check=True, capture_output=True)
    return path.read_text()


class Sshd:
    """It lets in the account that runs the tests, by the keys that were authorised; ended by its own pid."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.user = getpass.getuser()
        folder.mkdir(mode=0o700, parents=True)
        self.home = folder / "home"
        self.home.mkdir(mode=0o700)
        self.authorized = folder / "authorized_keys"
        self.authorized.touch(mode=0o600)
        new_key(folder / "host_key")
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def host_key(self) -> str:
        """``type base64`` of its host key."""
        return " ".join((self.folder / "host_key.pub").read_text().split()[:2])

    @property
    def fingerprint(self) -> str:
        """``SHA256:…`` of its host key."""
        command = ["ssh-keygen", "-l", "-f", str(self.folder / "host_key.pub")]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()[1]

    def authorise(self, name: str = "key", *, passphrase: str = "") -> str:
        """Make a key that may sign in; gives its private half."""
        private = new_key(self.folder / name, passphrase=passphrase)
        with self.authorized.open("a") as file:
            file.write((self.folder / f"{name}.pub").read_text())
        return private

    def start(self) -> Self:
        """Start it, or start it again, and wait until it answers."""
        settings = {
            "ListenAddress": f"127.0.0.1:{self.port}",
            "HostKey": self.folder / "host_key",
            "PidFile": "none",
            "AuthorizedKeysFile": self.authorized,
            "StrictModes": "no",
            "UsePAM": "no",
            "PasswordAuthentication": "no",
            "PermitRootLogin": "prohibit-password",
            "Subsystem": "sftp internal-sftp",
            "MaxStartups": "100",
            # A plain account: what the tests' own has in its start-up files is not what is tested.
            "SetEnv": f"HOME={self.home} PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        }
        config = self.folder / "sshd_config"
        config.write_text("".join(f"{name} {value}\n" for name, value in settings.items()))
        if os.getuid() == 0:
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # where sshd of root confines itself
        log = (self.folder / "log").open("ab")
        with log:
            self._process = subprocess.Popen(
                ["/usr/sbin/sshd", "-D", "-e", "-f", str(config)], stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        wait_for("sshd", lambda: "listening on" in (self.folder / "log").read_text(), seconds=10)
        return self

    def stop(self) -> None:
        """End it and what it lets run."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            self._process.wait(10)

    def become_another(self) -> None:
        """Start again with another host key, as a machine that was set up anew."""
        self.stop()
        for name in ("host_key", "host_key.pub"):
            (self.folder / name).unlink()
        new_key(self.folder / "host_key")
        (self.folder / "log").unlink()
        self.start()
