"""Software that Windows lists under "Apps": the registry's uninstall keys of the whole machine, of 64 and 32 bits.

What users installed for themselves is theirs, as on Linux. The choice is pure; reading is Windows' own.
"""

import sys
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

UNINSTALL: Final = r"SOFTWARE\Microsoft\Windows\CurrentVersion\Uninstall"
_MAX: Final = 20_000
_MAX_TEXT: Final = 512
_KIB: Final = 1024

Values = Mapping[str, Any]


def software_of(keys: Iterable[tuple[str, str, Values]]) -> list[dict[str, Any]]:
    """The software that uninstall keys stand for; pure.

    Args:
        keys: the key's name, the programs' architecture (``x86_64`` or ``x86``), the key's values.

    Returns:
        What a person would see in the list: no parts of Windows, no updates, no key without a name. A program that
        stands in both views under one key is there once.
    """
    found: dict[tuple[str, str, str], dict[str, Any]] = {}
    for key, architecture, values in keys:
        name, version = _text(values.get("DisplayName")), _text(values.get("DisplayVersion"))
        if not name or values.get("SystemComponent") == 1 or _text(values.get("ParentKeyName")):
            continue
        kilobytes = values.get("EstimatedSize")
        metadata = {
            "architecture": architecture,
            "publisher": _text(values.get("Publisher")),
            "size": kilobytes * _KIB if isinstance(kilobytes, int) and kilobytes > 0 else 0,
            "installed_at": _date(values.get("InstallDate")),
            "location": _text(values.get("InstallLocation")),
            "description": _text(values.get("Comments")),
            "source_package": key if values.get("WindowsInstaller") == 1 else "",
        }
        kept = {label: value for label, value in metadata.items() if value}
        source = "msi" if values.get("WindowsInstaller") == 1 else "registry"
        found.setdefault(
            (key.casefold(), name, version), {"name": name, "version": version, "source": source, "metadata": kept}
        )
    return sorted(found.values(), key=lambda entry: (str(entry["name"]).casefold(), str(entry["version"])))


def _text(value: Any) -> str:
    return " ".join(value.replace("\0", " ").split())[:_MAX_TEXT] if isinstance(value, str) else ""


def _date(value: Any) -> str:
    """``20240131`` as ``2024-01-31``; what installers of other habits write is left out."""
    text = _text(value)
    return f"{text[:4]}-{text[4:6]}-{text[6:]}" if len(text) == 8 and text.isascii() and text.isdecimal() else ""


if sys.platform == "win32":
    import winreg

    _VIEWS: Final = (("x86_64", winreg.KEY_WOW64_64KEY), ("x86", winreg.KEY_WOW64_32KEY))

    def installed_software() -> list[dict[str, Any]]:
        """Everything that is installed for the whole machine; what may not be read is left out."""
        return software_of(_keys())

    def _keys() -> Iterator[tuple[str, str, Values]]:
        for architecture, view in _VIEWS:
            access = winreg.KEY_READ | view
            try:
                with winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, UNINSTALL, 0, access) as parent:
                    names = [winreg.EnumKey(parent, number) for number in range(winreg.QueryInfoKey(parent)[0])]
            except OSError:
                continue
            for name in names[:_MAX]:
                try:
                    with winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, f"{UNINSTALL}\\{name}", 0, access) as key:
                        count = winreg.QueryInfoKey(key)[1]
                        values = dict(winreg.EnumValue(key, number)[:2] for number in range(count))
                except OSError:
                    continue  # removed meanwhile, or not for us
                yield name, architecture, values

else:

    def installed_software() -> list[dict[str, Any]]:
        """Nothing on other systems."""
        return []
