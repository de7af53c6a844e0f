"""Figures: percentiles, memory and processor time of process trees, and the table they end in."""

import platform
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured value: ``aim`` is what we want, "" where there is none."""

    name: str
    value: float
    unit: str
    aim: str = ""
    note: str = ""

    def as_json(self) -> dict[str, Any]:
        """The figure as an object."""
        return {"name": self.name, "value": round(self.value, 3), "unit": self.unit, "aim": self.aim, "note": self.note}


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which ``share`` (0 to 1) of the values lie, by the nearest rank."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def pss_mb(pids: Iterable[int]) -> float:
    """Proportional set size of processes together, in MB; those that are gone count nothing."""
    total = 0
    for pid in pids:
        try:
            text = Path(f"/proc/{pid}/smaps_rollup").read_text()
        except OSError:
            continue
        total += next(int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:"))
    return total / 1024


def tree(pid: int) -> list[int]:
    """A process and all its descendants."""
    process = psutil.Process(pid)
    return [pid, *(child.pid for child in process.children(recursive=True))]


def core_share(pids: Iterable[int], seconds: float) -> float:
    """Percent of one core that the processes used over ``seconds`` of rest."""
    watched = [psutil.Process(pid) for pid in pids]
    before = [sum(process.cpu_times()[:4]) for process in watched]
    time.sleep(seconds)
    after = [sum(process.cpu_times()[:4]) for process in watched]
    return 100 * (sum(after) - sum(before)) / seconds


def machine() -> dict[str, Any]:
    """What the figures were measured on."""
    model = next(
        (
            line.split(":", 1)[1].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if "model name" in line
        ),
        platform.processor(),
    )
    return {
        "cores": psutil.cpu_count(),
        "processor": model,
        "memory_gb": round(psutil.virtual_memory().total / 2**30, 1),
        "system": platform.platform(),
        "python": platform.python_version(),
    }


def table(figures: Sequence[Figure]) -> str:
    """The figures as aligned text."""
    rows = [(f.name, f"{f.value:.2f} {f.unit}", f.aim, f.note) for f in figures]
    rows.insert(0, ("figure", "measured", "aim", "how"))
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    return "\n".join(
        "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[3]]).rstrip()
        for row in rows
    )
