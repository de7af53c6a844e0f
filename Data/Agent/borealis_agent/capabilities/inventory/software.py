"""Installed software: upstream's ``name``, ``version``, ``source``, ``metadata`` for every package source there is."""

import re
from typing import Any, Final

from borealis_agent.capabilities.inventory.dpkg import dpkg_packages
from borealis_agent.capabilities.inventory.source import LARGE, Source, whole
from borealis_agent.capabilities.inventory.system import utc_text

_RPM_DATABASES: Final = ("/var/lib/rpm", "/usr/lib/sysimage/rpm")
_RPM_FILES: Final = frozenset({"Packages", "Packages.db", "rpmdb.sqlite"})
_RPM_FIELDS: Final = (
    "NAME",
    "EPOCHNUM",
    "VERSION",
    "RELEASE",
    "ARCH",
    "SIZE",
    "INSTALLTIME",
    "VENDOR",
    "LICENSE",
    "GROUP",
    "SUMMARY",
)
_RPM_SECONDS: Final = 20.0
_PYTHON_FOLDERS: Final = ("/usr/lib", "/usr/local/lib", "/usr/lib64", "/usr/local/lib64")
_MAX_EACH: Final = 50_000
_YAML_LINE: Final = re.compile(r"^([a-z-]+):[ \t]*(.*?)[ \t]*$", re.MULTILINE)
_RELEASE_VERSION: Final = re.compile(r"""<release\b[^>]*?\bversion=["']([^"']{1,64})["']""")


def software(source: Source, notes: list[str]) -> list[dict[str, Any]]:
    """Everything installed for the whole machine; what users installed for themselves is theirs."""
    found: list[dict[str, Any]] = []
    for name, collect in (
        ("dpkg", dpkg_packages),
        ("rpm", rpm_packages),
        ("flatpak", flatpak_packages),
        ("snap", snap_packages),
        ("pip", python_packages),
    ):
        try:
            packages = collect(source)
        except OSError as error:
            notes.append(f"software from {name} could not be read: {error}")
            continue
        found += packages[:_MAX_EACH]
    return found


def rpm_packages(source: Source) -> list[dict[str, Any]]:
    """Ask ``rpm`` where there is a database of it: its format is rpm's own and changes.

    Raises:
        OSError: ``rpm`` failed or took too long.
    """
    if not any(_RPM_FILES & set(source.names(folder)) for folder in _RPM_DATABASES):
        return []
    line = "\\t".join(f"%{{{field}}}" for field in _RPM_FIELDS) + "\\n"
    answer = source.run(("rpm", "-qa", "--queryformat", line), _RPM_SECONDS)
    return [package for text in answer.decode("utf-8", "replace").splitlines() if (package := _rpm_package(text))]


def _rpm_package(text: str) -> dict[str, Any] | None:
    words = [word.replace("(none)", "") for word in text.split("\t")]
    if len(words) != len(_RPM_FIELDS) or words[0] in {"", "gpg-pubkey"}:
        return None
    name, epoch, version, release, architecture, size, installed, vendor, licence, group, summary = words
    when = whole(installed)
    metadata = {
        "architecture": architecture,
        "description": summary,
        "size": whole(size) or 0,
        "publisher": vendor,
        "licence": licence,
        "section": group.replace("Unspecified", ""),
        "installed_at": utc_text(when)[:10] if when else "",
    }
    prefix = f"{epoch}:" if epoch not in {"", "0"} else ""
    return _entry(name, f"{prefix}{version}-{release}", "rpm", metadata)


def flatpak_packages(source: Source) -> list[dict[str, Any]]:
    """System-wide Flatpak applications."""
    found = []
    for name in source.names("/var/lib/flatpak/app"):
        folder = f"/var/lib/flatpak/app/{name}/current/active"
        metadata = source.text(f"{folder}/metadata")
        if not metadata:
            continue
        information = ""
        for path in (
            f"export/share/metainfo/{name}.metainfo.xml",
            f"files/share/metainfo/{name}.metainfo.xml",
            f"files/share/appdata/{name}.appdata.xml",
        ):
            information = information or source.text(f"{folder}/{path}", 1024 * 1024)
        release = _RELEASE_VERSION.search(information)
        runtime = next((line[8:] for line in metadata.splitlines() if line.startswith("runtime=")), "")
        parts = source.link(f"/var/lib/flatpak/app/{name}/current").split("/")
        details = {"runtime": runtime, "architecture": parts[0] if len(parts) == 2 else "", "branch": parts[-1]}
        found.append(_entry(name, release.group(1) if release else parts[-1], "flatpak", details))
    return found


def snap_packages(source: Source) -> list[dict[str, Any]]:
    """Snaps, as their own description (snap.yaml) names them."""
    found = []
    base = "/snap" if source.is_folder("/snap") else "/var/lib/snapd/snap"
    for name in source.names(base):
        text = source.text(f"{base}/{name}/current/meta/snap.yaml", LARGE // 32)
        fields = {key: value.strip("'\"") for key, value in _YAML_LINE.findall(text)}
        if not fields.get("name"):
            continue
        details = {
            "description": fields.get("summary", ""),
            "revision": source.link(f"{base}/{name}/current"),
            "confinement": fields.get("confinement", ""),
            "type": fields.get("type", ""),
            "base": fields.get("base", ""),
        }
        found.append(_entry(fields["name"], fields.get("version", ""), "snap", details))
    return found


def python_packages(source: Source) -> list[dict[str, Any]]:
    """Python packages that pip or its like put beside the system's; those that came as packages are listed as such."""
    found = []
    for base in _PYTHON_FOLDERS:
        for version in source.names(base):
            if not version.startswith("python3"):
                continue
            for folder in (f"{base}/{version}/site-packages", f"{base}/{version}/dist-packages"):
                found += _distributions(source, folder)
    return found


def _distributions(source: Source, folder: str) -> list[dict[str, Any]]:
    found = []
    for name in source.names(folder):
        if not name.endswith(".dist-info"):
            continue
        installer = source.line(f"{folder}/{name}/INSTALLER")
        if installer in {"", "debian", "rpm"}:
            continue
        title, _, version = name[: -len(".dist-info")].partition("-")
        found.append(_entry(title.replace("_", "-"), version, "pip", {"installer": installer, "location": folder}))
    return found


def _entry(name: str, version: str, source: str, metadata: dict[str, Any]) -> dict[str, Any]:
    kept = {key: value for key, value in metadata.items() if value not in ("", 0, None)}
    return {"name": name, "version": version, "source": source, "metadata": kept}
