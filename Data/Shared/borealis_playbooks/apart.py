"""Sets a process apart from the machine it runs on: namespaces of its own, a file system of what it needs, no rights.

Used for playbooks, and by the Engine for what speaks RDP to devices.

What a playbook says may run on the machine that plays it (``delegate_to: localhost``, lookups). On the Engine that is
where the keys of everything lie, so there nothing of it is in reach: no file but the system's programs and Ansible, all
read-only; no process but its own; an account without rights; no way to gain any. What it writes lies in memory and is
gone with it, whoever ends it and however. The network is the machine's: machines have to be reached.

Linux. Source: namespaces(7), mount_namespaces(7), pid_namespaces(7), pivot_root(2), PR_SET_NO_NEW_PRIVS(2const).
"""

import ctypes
import os
import pwd
import resource
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

assert sys.platform != "win32"  # so that the other platform's type check passes over this file

ROOM: Final = Path("/run/play")
"""Where, in the file system of the set-apart process, it may write; its own and nobody else's."""
MOST_BYTES: Final = 256 * 1024 * 1024
MOST_FILES: Final = 4096
MOST_PROCESSES: Final = 1024
"""Of the account, in all plays together."""
_NEW_USER, _NEW_MOUNTS, _NEW_PIDS, _NEW_IPC, _NEW_NET = 0x10000000, 0x00020000, 0x20000000, 0x08000000, 0x40000000
_RDONLY, _NOSUID, _NODEV, _NOEXEC = 1, 2, 4, 8
_REMOUNT, _BIND, _REC, _PRIVATE = 32, 4096, 16384, 1 << 18
_KEPT_FLAGS: Final = _NOSUID | _NODEV | _NOEXEC | 1024 | 2048 | (1 << 21)  # noatime, nodiratime, relatime
_ST_RELATIME: Final = 4096
_DETACH: Final = 2
_PDEATHSIG, _DUMPABLE, _NO_NEW_PRIVS = 1, 4, 38
_SYSTEM: Final = ("usr", "bin", "sbin", "lib", "lib32", "lib64", "libx32", "etc", "nix", "gnu")
_RESOLVERS: Final = ("run/systemd/resolve", "run/resolvconf", "run/NetworkManager")
_libc = ctypes.CDLL(None, use_errno=True)


class CannotSetApart(Exception):
    """The machine does not allow it. The text says why and what to do."""


def die_with_parent() -> None:
    """Be killed as soon as the process that started this one is gone."""
    _prctl(_PDEATHSIG, signal.SIGKILL)


def keep_to_oneself() -> None:
    """Let no other process of this account look into this one's memory."""
    _prctl(_DUMPABLE, 0)


def enter_namespaces(*, own_network: bool = False) -> None:
    """Give this process's next child process and mount namespaces of its own.

    Without root that takes a user namespace, in which the account stays what it is.

    Args:
        own_network: one that has no way out either, not even to this machine.

    Raises:
        CannotSetApart: the machine does not allow it.
    """
    uid, gid = os.getuid(), os.getgid()
    wanted = _NEW_MOUNTS | _NEW_PIDS | _NEW_IPC | (_NEW_USER if uid else 0) | (_NEW_NET if own_network else 0)
    if _libc.unshare(wanted) != 0:
        raise CannotSetApart(
            "This machine does not let the Engine set programs apart from its own files and keys"
            f" ({os.strerror(ctypes.get_errno())}), so it runs none of them. Run the Engine as a service of root, or"
            " allow user namespaces (sysctl kernel.apparmor_restrict_unprivileged_userns=0, user.max_user_namespaces)."
        )
    if uid:
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"{uid} {uid} 1")
        Path("/proc/self/gid_map").write_text(f"{gid} {gid} 1")


def move_in(mountpoint: Path, needed: Sequence[Path], account: tuple[int, int] | None = None) -> None:
    """Change into a file system of the system's programs and ``needed``, read-only, and an empty room to write in.

    Args:
        mountpoint: an empty folder; nothing of what is mounted there is seen from outside.
        needed: absolute paths that are to be there under the same names.
        account: uid and gid whose room it is; ``nobody``'s where root gives none.

    Raises:
        CannotSetApart: the machine does not allow it.
        OSError: a path is not there.
    """
    _mount(None, "/", None, _REC | _PRIVATE)
    new = str(mountpoint)
    _mount("tmpfs", new, "tmpfs", _NOSUID | _NODEV, f"size={MOST_BYTES},nr_inodes=65536,mode=0755")
    for name in _SYSTEM:
        source = Path("/") / name
        if source.is_symlink():
            (mountpoint / name).symlink_to(source.readlink())
        elif source.is_dir():
            _lend(source, mountpoint)
    for name in _RESOLVERS:
        if (Path("/") / name).is_dir():
            _lend(Path("/") / name, mountpoint)
    for path in needed:
        if not any(path.is_relative_to(f"/{name}") for name in _SYSTEM):
            _lend(path, mountpoint)
    _make(mountpoint / "dev")
    _mount("/dev", f"{new}/dev", None, _BIND | _REC)
    _mount("tmpfs", f"{new}/dev/shm", "tmpfs", _NOSUID | _NODEV, f"size={MOST_BYTES // 4},mode=1777")  # noqa: S108
    _make(mountpoint / "proc")
    _mount("proc", f"{new}/proc", "proc", _NOSUID | _NODEV | _NOEXEC)
    for name in ("tmp", "var/tmp"):
        _make(mountpoint / name)
        (mountpoint / name).chmod(0o1777)
    room = mountpoint / ROOM.relative_to("/")
    _make(room)
    room.chmod(0o700)
    if os.getuid() == 0:
        os.chown(room, *(account or _nobody()))
    os.chdir(new)
    if _libc.pivot_root(b".", b".") != 0:
        raise _refused("pivot_root")
    if _libc.umount2(b".", _DETACH) != 0:
        raise _refused("umount")
    os.chdir(ROOM)


def drop_rights(account: tuple[int, int] | None = None, *, processes: int = MOST_PROCESSES) -> None:
    """Become an account that owns nothing, for good. Without root the account stays, in a world where it owns nothing.

    Args:
        account: uid and gid to become; ``nobody``'s where none is given.
        processes: so many the account may have, threads included.

    Raises:
        CannotSetApart: there is no such account.
        OSError: this machine does not know such numbers.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (MOST_FILES, MOST_FILES))
    resource.setrlimit(resource.RLIMIT_FSIZE, (MOST_BYTES, MOST_BYTES))
    if os.getuid() == 0:
        # The account that it becomes runs little else; one that it stays may run anything.
        resource.setrlimit(resource.RLIMIT_NPROC, (processes, processes))
    _prctl(_NO_NEW_PRIVS, 1)
    if os.getuid() == 0:
        uid, gid = account or _nobody()
        os.setgroups([])
        os.setresgid(gid, gid, gid)
        os.setresuid(uid, uid, uid)
    os.umask(0o077)


def _nobody() -> tuple[int, int]:
    try:
        found = pwd.getpwnam("nobody")
    except KeyError as error:
        raise CannotSetApart("This machine has no account 'nobody', as which playbooks run here. Add it.") from error
    if found.pw_uid == 0:
        raise CannotSetApart("The account 'nobody' of this machine is root's. Give it a number of its own.")
    return found.pw_uid, found.pw_gid


def _lend(source: Path, root: Path) -> None:
    target = root / source.relative_to("/")
    _make(target if source.is_dir() else target.parent)
    if not source.is_dir():
        target.touch()
    _mount(str(source), str(target), None, _BIND | _REC)
    found = os.statvfs(target).f_flag
    kept = found & (_KEPT_FLAGS & ~(1 << 21)) | ((1 << 21) if found & _ST_RELATIME else 0)
    _mount(None, str(target), None, _REMOUNT | _BIND | _RDONLY | _NOSUID | _NODEV | kept)


def _make(folder: Path) -> None:
    """Make a folder and those above it, for all to enter."""
    for path in (*reversed(folder.parents), folder):
        if not path.exists():
            path.mkdir()
            path.chmod(0o755)


def _mount(source: str | None, target: str, kind: str | None, flags: int, data: str | None = None) -> None:
    def raw(text: str | None) -> bytes | None:
        return None if text is None else os.fsencode(text)

    if _libc.mount(raw(source), raw(target), raw(kind), ctypes.c_ulong(flags), raw(data)) != 0:
        raise _refused(f"mount {source or target}")


def _prctl(option: int, value: int) -> None:
    if _libc.prctl(option, ctypes.c_ulong(value), 0, 0, 0) != 0:
        raise _refused("prctl")


def _refused(what: str) -> CannotSetApart:
    return CannotSetApart(
        f"The Engine's machine does not let it set programs apart ({what}: {os.strerror(ctypes.get_errno())}), so it"
        " runs none of them. In a container, the Engine needs the right to make namespaces and mounts."
    )
