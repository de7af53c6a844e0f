"""A 200 MB file to and from a device, beside what iperf3 gets through the same tunnel: ``python -m bench.files``.

Two network namespaces with a cable between them, a real Engine, a real agent, real WireGuard; curl is the operator's
program, on the Engine's machine. Each figure is the median of several, taken in turn, so that a busy moment meets all.
Needs root, WireGuard's programs, iperf3 and curl.
"""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from tests.hosts.lan import Lan, TunnelHosts
from tests.programs.files import some_bytes

from bench.figures import Figure, machine, percentile, table

NEEDED: Final = ("ip", "wg", "nft", "wireguard-go", "iperf3", "curl")
SIZE: Final = 200_000_000
TURNS: Final = 5
IPERF_PORT: Final = 3389
"""One that every device's list of allowed ports has."""
IPERF_SECONDS: Final = 4


def missing() -> list[str]:
    """Programs that are not there."""
    return [name for name in NEEDED if not shutil.which(name)]


def figures_of(root: Path, *, turns: int = TURNS) -> list[Figure]:
    """Measure."""
    rates: dict[str, list[float]] = {name: [] for name in ("line up", "line down", "file up", "file down")}
    root.mkdir(parents=True, exist_ok=True)
    source, back = root / "source.bin", root / "back.bin"
    source.write_bytes(some_bytes(SIZE))
    with Lan() as network:
        hosts = TunnelHosts(network, root, idle_seconds=600)
        try:
            hosts.start_engine()
            guid = hosts.guids[2] = hosts.join(2)
            address = str(hosts.connect(guid)["virtual_ip"]).removesuffix("/32")
            curl = _Curl(hosts, guid)
            with _iperf_server(hosts, address):
                for _ in range(turns):
                    rates["line up"].append(_iperf(hosts, address))
                    rates["file up"].append(curl.up(source, root / "there.bin"))
                    rates["line down"].append(_iperf(hosts, address, "-R"))
                    rates["file down"].append(curl.down(root / "there.bin", back))
            same = back.read_bytes() == source.read_bytes()
        finally:
            hosts.stop()
    if not same:
        raise AssertionError("what came back is not what was sent")
    found = {name: percentile(values, 0.5) for name, values in rates.items()}
    figures = [
        Figure(f"{what} through the tunnel, {way}", found[f"{kind} {way}"], "MB/s")
        for way in ("up", "down")
        for kind, what in (("line", "iperf3"), ("file", "200 MB file"))
    ]
    return figures + [
        Figure(f"file beside iperf3, {way}", 100 * found[f"file {way}"] / found[f"line {way}"], "%", "≥ 50")
        for way in ("up", "down")
    ]


class _Curl:
    """The operator's program."""

    def __init__(self, hosts: TunnelHosts, guid: str) -> None:
        self._hosts = hosts
        self._url = f"https://127.0.0.1:5000/api/files/{guid}/content"
        self._count = 0

    def up(self, source: Path, path: Path) -> float:
        """MB/s of an upload, until the file is in its place."""
        self._count += 1
        query = f"path={path}&size={SIZE}&overwrite=true&transfer=bench{self._count}"
        return self._run("-T", str(source), f"{self._url}?{query}")

    def down(self, path: Path, target: Path) -> float:
        """MB/s of a download."""
        return self._run("-o", str(target), f"{self._url}?path={path}")

    def _run(self, *words: str) -> float:
        engine = self._hosts.engine
        token = (engine.root / "Engine" / "Data" / "Secrets" / "cli.token").read_text().strip()
        began = time.perf_counter()
        done = _in(
            self._hosts.lan.engine,
            *("curl", "-sS", "--fail-with-body", "--http1.1", "--cacert", str(engine.ca_file)),
            *("-H", f"Authorization: Bearer {token}", *words),
        )
        seconds = time.perf_counter() - began
        if done.returncode != 0:
            raise AssertionError(done.stdout + done.stderr)
        return SIZE / seconds / 1e6


def _iperf(hosts: TunnelHosts, address: str, *more: str) -> float:
    words = ("iperf3", "-c", address, "-p", str(IPERF_PORT), "-t", str(IPERF_SECONDS), "-J", *more)
    done = _in(hosts.lan.engine, *words)
    if done.returncode != 0:
        raise AssertionError(done.stdout + done.stderr)
    told: Any = json.loads(done.stdout)
    return float(told["end"]["sum_received"]["bits_per_second"]) / 8e6


@contextlib.contextmanager
def _iperf_server(hosts: TunnelHosts, address: str) -> Iterator[None]:
    words = ["ip", "netns", "exec", hosts.namespace(2), "iperf3", "-s", "-B", address, "-p", str(IPERF_PORT)]
    with subprocess.Popen(words, stdout=subprocess.DEVNULL) as process:
        try:
            time.sleep(1)
            yield
        finally:
            process.kill()


def _in(namespace: str, *command: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        ["ip", "netns", "exec", namespace, *command], capture_output=True, text=True, check=False, timeout=300
    )


def main() -> int:
    """Measure and print."""
    if os.geteuid() != 0 or missing():
        sys.stderr.write(f"needs root and {', '.join(NEEDED)}\n")
        return 1
    with tempfile.TemporaryDirectory(prefix="borealis-bench-") as folder:
        figures = figures_of(Path(folder), turns=int(sys.argv[1]) if len(sys.argv) > 1 else TURNS)
    about = machine()
    print(f"{about['processor']}, {about['cores']} cores, {about['memory_gb']} GB, {about['system']}")
    print(table(figures))
    return 0


if __name__ == "__main__":
    sys.exit(main())
