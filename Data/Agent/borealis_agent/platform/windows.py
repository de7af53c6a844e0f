"""Windows: figures and DPAPI by ctypes, without a package of its own. Typed, and tried under emulation only."""

import getpass
import os
import sys

if sys.platform == "win32":
    import ctypes
    from ctypes import wintypes

    _UI_FORBIDDEN = 0x1
    _LOCAL_MACHINE = 0x4
    _QUERY_LIMITED = 0x1000
    _STILL_ACTIVE = 259

    class _Blob(ctypes.Structure):
        _fields_ = [("size", wintypes.DWORD), ("data", ctypes.POINTER(ctypes.c_char))]

    class _MemoryStatus(ctypes.Structure):
        _fields_ = [
            ("length", wintypes.DWORD),
            ("load", wintypes.DWORD),
            *[(name, ctypes.c_ulonglong) for name in ("phys", "phys_free", "page", "page_free", "virt", "virt_free")],
            ("extended", ctypes.c_ulonglong),
        ]

    class _ProcessMemory(ctypes.Structure):
        """``PROCESS_MEMORY_COUNTERS`` of psapi.h."""

        _fields_ = [
            ("size", wintypes.DWORD),
            ("page_faults", wintypes.DWORD),
            ("peak_resident", ctypes.c_size_t),
            ("resident", ctypes.c_size_t),
            *[(name, ctypes.c_size_t) for name in ("paged_peak", "paged", "other_peak", "other", "file", "file_peak")],
        ]

    def _blob(data: bytes) -> _Blob:
        buffer = ctypes.create_string_buffer(data, len(data))
        return _Blob(len(data), ctypes.cast(buffer, ctypes.POINTER(ctypes.c_char)))

    def dpapi_protect(data: bytes, *, machine: bool) -> bytes:
        """Encrypt with a key that Windows keeps for this machine, or for this user.

        Raises:
            OSError: Windows refused; its message says why.
        """
        flags = _UI_FORBIDDEN | (_LOCAL_MACHINE if machine else 0)
        source, target = _blob(data), _Blob()
        if not ctypes.windll.crypt32.CryptProtectData(
            ctypes.byref(source), None, None, None, None, flags, ctypes.byref(target)
        ):
            raise ctypes.WinError()
        return _take(target)

    def dpapi_unprotect(data: bytes) -> bytes:
        """Decrypt what :func:`dpapi_protect` gave; the blob itself says for whom it was made.

        Raises:
            OSError: another machine's, another user's, or torn.
        """
        source, target = _blob(data), _Blob()
        if not ctypes.windll.crypt32.CryptUnprotectData(
            ctypes.byref(source), None, None, None, None, _UI_FORBIDDEN, ctypes.byref(target)
        ):
            raise ctypes.WinError()
        return _take(target)

    def _take(target: _Blob) -> bytes:
        try:
            return ctypes.string_at(target.data, target.size)
        finally:
            ctypes.windll.kernel32.LocalFree(target.data)

    def is_privileged() -> bool:
        """Whether we run with administrator's rights."""
        return bool(ctypes.windll.shell32.IsUserAnAdmin())

    def uptime_seconds() -> float | None:
        """Seconds since the machine started."""
        count = ctypes.windll.kernel32.GetTickCount64
        count.restype = ctypes.c_ulonglong
        return float(count()) / 1000

    def memory_percent() -> float | None:
        """How much of the memory is in use, 0 to 100."""
        status = _MemoryStatus()
        status.length = ctypes.sizeof(_MemoryStatus)
        if not ctypes.windll.kernel32.GlobalMemoryStatusEx(ctypes.byref(status)):
            return None
        return float(status.load)

    def own_memory() -> int | None:
        """Resident bytes of this process."""
        counters = _ProcessMemory()
        counters.size = ctypes.sizeof(_ProcessMemory)
        kernel = ctypes.windll.kernel32
        kernel.GetCurrentProcess.restype = wintypes.HANDLE
        ask = kernel.K32GetProcessMemoryInfo
        ask.argtypes = [wintypes.HANDLE, ctypes.POINTER(_ProcessMemory), wintypes.DWORD]
        if not ask(kernel.GetCurrentProcess(), ctypes.byref(counters), counters.size):
            return None
        return int(counters.resident)

    def operating_system() -> str:
        """What the system calls itself, such as ``Windows 10.0.19045``."""
        version = sys.getwindowsversion()
        return f"Windows {version.major}.{version.minor}.{version.build}"

    def process_exists(pid: int) -> bool:
        """Whether a process has this number and has not ended."""
        handle = ctypes.windll.kernel32.OpenProcess(_QUERY_LIMITED, False, pid)
        if not handle:
            return False
        try:
            code = wintypes.DWORD()
            known = ctypes.windll.kernel32.GetExitCodeProcess(handle, ctypes.byref(code))
            return bool(known) and code.value == _STILL_ACTIVE
        finally:
            ctypes.windll.kernel32.CloseHandle(handle)

    def _system_times() -> tuple[int, int] | None:
        idle, kernel, user = (wintypes.FILETIME() for _ in range(3))
        if not ctypes.windll.kernel32.GetSystemTimes(ctypes.byref(idle), ctypes.byref(kernel), ctypes.byref(user)):
            return None
        idle_ticks, kernel_ticks, user_ticks = (
            (time.dwHighDateTime << 32) + time.dwLowDateTime for time in (idle, kernel, user)
        )
        return kernel_ticks + user_ticks, idle_ticks  # kernel time includes idle time

    class CpuMeter:
        """Load of all processors between two calls."""

        def __init__(self) -> None:
            self._last = _system_times()

        def percent(self) -> float | None:
            """How busy the processors were since the last call, 0 to 100; None where that cannot be told."""
            before, self._last = self._last, _system_times()
            if before is None or self._last is None:
                return None
            total = self._last[0] - before[0]
            idle = self._last[1] - before[1]
            return round(min(100.0, max(0.0, 100.0 * (1 - idle / total))), 1) if total > 0 else None


def active_user() -> str:
    """Who sits at the machine's own screen; not known here."""
    return ""


def current_user() -> str:
    """``DOMAIN\\user`` of the account we run as."""
    domain = os.environ.get("USERDOMAIN", "")
    return f"{domain}\\{getpass.getuser()}" if domain else getpass.getuser()
