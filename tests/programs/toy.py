"""A small checkout with toy programs and no dependencies, so that the bootstrap itself can be tried quickly."""

import datetime
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Self

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from tests.programs.programs import REPOSITORY, base_environment, free_port

from borealis_bootstrap.layout import Layout, layout_from
from borealis_bootstrap.status import status
from borealis_bootstrap.supervision import Supervision

TOYS = Path(__file__).parent / "toys"


class Toy:
    """An installation of toy programs in a root with spaces in its name."""

    def __init__(self, folder: Path, *, root: str = "a root") -> None:
        self.checkout = folder / "the checkout"
        self.root = folder / root
        self.port = free_port()
        self.environ = {**base_environment(), "BOREALIS_ROOT": str(self.root), "BOREALIS_ENGINE_PORT": str(self.port)}
        self.environ["PIP_NO_INDEX"] = "1"
        if not self.checkout.exists():
            self._make_checkout()

    def _make_checkout(self) -> None:
        data = self.checkout / "Data"
        shutil.copytree(
            REPOSITORY / "Data" / "Bootstrap", data / "Bootstrap", ignore=shutil.ignore_patterns("__pycache__")
        )
        shutil.copytree(REPOSITORY / "Data" / "Shared", data / "Shared", ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(REPOSITORY / "Borealis.sh", self.checkout)
        for program, entry in (("engine", "Engine/server.py"), ("agent", "Agent/agent.py")):
            (data / entry).parent.mkdir(parents=True)
            shutil.copy(TOYS / f"{program}.py", data / entry)
            lock = self.checkout / "requirements" / f"{program}.txt"
            lock.parent.mkdir(exist_ok=True)
            lock.write_text(f"# nothing is needed by the toy {program}\n")
        for name in ("ansible", "ansible-windows"):
            (self.checkout / "requirements" / f"{name}.txt").write_text("# the toys run no playbooks\n")

    def certify(self) -> None:
        """Give the toy Engine a certificate."""
        folder = self.root / "Engine" / "Certificates"
        folder.mkdir(parents=True, exist_ok=True)
        certificate, key = self_signed()
        for name, content in (("cert", certificate), ("bundle", certificate), ("key", key)):
            (folder / f"borealis-server-{name}.pem").write_bytes(content)

    @property
    def layout(self) -> Layout:
        """Where everything lies."""
        return layout_from(self.environ, checkout=self.checkout, here=Path("/"))

    @property
    def toy(self) -> Path:
        """Where the toys meet."""
        folder = self.root / "toy"
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def borealis(self, *arguments: str, environ: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        """Run ``Borealis.sh`` to its end."""
        return subprocess.run(
            [str(self.checkout / "Borealis.sh"), *arguments],
            env={**self.environ, "BOREALIS_PYTHON": sys.executable, **(environ or {})},
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
            cwd="/",
        )

    def popen(self, *arguments: str) -> subprocess.Popen[str]:
        """Run ``Borealis.sh`` beside the test, in a process group of its own like a shell's job."""
        heard = signal.signal(signal.SIGHUP, signal.SIG_DFL)  # what nohup has us ignore, a child would ignore too
        try:
            return subprocess.Popen(
                [str(self.checkout / "Borealis.sh"), *arguments],
                env={**self.environ, "BOREALIS_PYTHON": sys.executable},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                cwd="/",
                start_new_session=True,
            )
        finally:
            signal.signal(signal.SIGHUP, heard)

    def status(self) -> dict[str, Any]:
        """What ``status --json`` says."""
        return status(self.layout, self.environ)

    def starts(self) -> list[str]:
        """A line for each start of the toy agent: with a code or without."""
        return (self.toy / "started").read_text().splitlines()

    def stop(self) -> None:
        """Leave nothing behind."""
        for runtime in (self.layout.agent, self.layout.engine):
            Supervision(runtime).stop(seconds=5)


def self_signed() -> tuple[bytes, bytes]:
    """A certificate for localhost and its key, as PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "toy")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(
            x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.IPAddress(ip_address("127.0.0.1"))]),
            critical=False,
        )
        .sign(key, hashes.SHA256())
    )
    return (
        certificate.public_bytes(serialization.Encoding.PEM),
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()),
    )


def processes_with(text: str) -> list[int]:
    """Pids of processes whose command line has ``text``."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            except OSError:
                continue
            if text in line:
                found.append(int(entry.name))
    return found


def kill(pid: int | None) -> None:
    """``kill -9``."""
    assert pid is not None
    os.kill(pid, signal.SIGKILL)


class Disk:
    """A small disk of its own; needs root."""

    def __init__(self, folder: Path, options: str) -> None:
        self.folder = folder
        self.options = options

    def __enter__(self) -> Self:
        if os.geteuid() != 0:
            pytest.skip("needs root to mount a small disk")
        self.folder.mkdir(exist_ok=True)
        command = ["mount", "-t", "tmpfs", "-o", self.options, "tmpfs", str(self.folder)]
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        if done.returncode != 0:
            pytest.skip(f"mounting is not allowed here: {done.stderr.strip()}")
        return self

    def remount(self, options: str) -> None:
        subprocess.run(["mount", "-o", f"remount,{options}", str(self.folder)], check=True)

    def __exit__(self, *_: object) -> None:
        subprocess.run(["umount", "-l", str(self.folder)], check=True)


def children_of(pid: int) -> list[int]:
    """Pids of the direct children of a process."""
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
