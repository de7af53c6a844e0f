"""Whether the machine is real, virtual or a container, and whose."""

from typing import Any, Final

from borealis_agent.capabilities.inventory.hardware import Dmi
from borealis_agent.capabilities.inventory.source import LARGE, Source

_BY_MAKER: Final = (
    ("qemu", "kvm"),
    ("kvm", "kvm"),
    ("vmware", "vmware"),
    ("virtualbox", "virtualbox"),
    ("innotek", "virtualbox"),
    ("xen", "xen"),
    ("parallels", "parallels"),
    ("bhyve", "bhyve"),
    ("amazon ec2", "amazon"),
    ("google compute engine", "google"),
    ("openstack", "kvm"),
    ("ovirt", "kvm"),
    ("nutanix", "kvm"),
    ("digitalocean", "kvm"),
    ("hetzner", "kvm"),
    ("alibaba cloud", "kvm"),
    ("apple virtualization", "apple"),
)
_CLOUDS: Final = (
    ("amazon", "aws"),
    ("google", "gcp"),
    ("digitalocean", "digitalocean"),
    ("hetzner", "hetzner"),
    ("alibaba", "alibaba"),
    ("openstack", "openstack"),
    ("oraclecloud", "oracle"),
)
_BY_CLOCK: Final = (("kvm-clock", "kvm"), ("hyperv_clocksource", "hyperv"), ("xen", "xen"))
_AZURE_CHASSIS: Final = "7783-7084-3265-9085-8269-3286-77"
_CONTAINER_HINTS: Final = (("docker", "docker"), ("kubepods", "kubernetes"), ("libpod", "podman"), ("lxc", "lxc"))


def virtualisation(source: Source, dmi: Dmi, flags: list[str]) -> dict[str, Any]:
    """The section ``virtualization``: ``role`` is host, guest or none; ``container`` empty outside of one."""
    texts = [
        dmi.get(*pair)
        for pair in (
            ("system", "manufacturer"),
            ("system", "product"),
            ("bios", "vendor"),
            ("bios", "version"),
            ("chassis", "manufacturer"),
        )
    ]
    told = " ".join(texts).casefold()
    kind = _kind(source, told, dmi, flags)
    container = _container(source)
    hosts = bool({"vmx", "svm"} & set(flags))
    role = "guest" if kind or container else ("host" if source.exists("/dev/kvm") else "none")
    return {
        "role": role,
        "type": kind,
        "container": container,
        "hardware_support": hosts,
        "cloud": _cloud(told, dmi),
        "nested": bool(kind) and hosts,
    }


def _kind(source: Source, told: str, dmi: Dmi, flags: list[str]) -> str:
    for words, kind in _BY_MAKER:
        if words in told:
            # Metal machines of this maker are rented out too; they lack the processor's flag.
            return kind if kind != "amazon" or "hypervisor" in flags else ""
    if (
        dmi.get("system", "manufacturer") == "Microsoft Corporation"
        and dmi.get("system", "product") == "Virtual Machine"
    ):
        return "hyperv"
    hypervisor = source.line("/sys/hypervisor/type")
    if hypervisor:
        return hypervisor
    if "microsoft" in source.line("/proc/sys/kernel/osrelease").casefold():
        return "wsl"
    if "hypervisor" not in flags:
        return ""
    clocks = source.line("/sys/devices/system/clocksource/clocksource0/available_clocksource").split()
    return next((kind for clock, kind in _BY_CLOCK if clock in clocks), "unknown")


def _cloud(told: str, dmi: Dmi) -> str:
    if dmi.get("chassis", "asset_tag") == _AZURE_CHASSIS:
        return "azure"
    told = f"{told} {dmi.get('chassis', 'asset_tag')}".casefold()
    return next((cloud for words, cloud in _CLOUDS if words in told), "")


def _container(source: Source) -> str:
    if source.line("/proc/2/comm") == "kthreadd":
        # The kernel's own threads are seen from the machine alone: what else hints at a container is a left-over
        # of the image that the machine was made from.
        return ""
    named = source.line("/run/systemd/container")
    if named:
        return named
    if source.exists("/.dockerenv"):
        return "docker"
    if source.exists("/run/.containerenv"):
        return "podman"
    for item in source.read("/proc/1/environ").split(b"\0"):
        if item.startswith(b"container="):
            return item[10:].decode("utf-8", "replace") or "unknown"
    groups = source.text("/proc/1/cgroup", LARGE // 32)
    return next((kind for hint, kind in _CONTAINER_HINTS if f"/{hint}" in groups), "")
