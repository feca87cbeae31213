"""Who works on a partial file, told to other processes. Knows nothing about the file.

A lock alone will not do: network file systems exist on which every lock succeeds. So the owner leaves its name too, and
is believed to live while either the lock or the process table says so. Whoever comes second works under a name of
its own: the same bytes may then come twice, but never into the same file.
"""

from __future__ import annotations

import fcntl
import os
import socket
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

#: What tells this start of the machine from others: numbers of processes begin anew with each.
BOOT = Path("/proc/sys/kernel/random/boot_id")


class Claim:
    """A claim on the name *key*. Blocks; give it back with `release`."""

    def __init__(self, folder: Path, key: str) -> None:
        self._path = folder / f"{key}.owner"
        self._descriptor = self._take()
        #: Whether the name itself is ours, and not one beside it.
        self.exclusive = self._descriptor is not None
        self.name = key if self.exclusive else f"{key}@{_name_of(os.getpid())} {uuid4().hex}".replace(" ", ",")
        if self.exclusive:
            self._sweep(folder, key)

    @staticmethod
    def _sweep(folder: Path, key: str) -> None:
        """Remove what those left who came second, here, and were killed, and names that never came to their place."""
        for path in folder.glob(f"{key}.owner.*"):
            with suppress(FileNotFoundError):
                if not _lives(path.read_text(encoding="utf-8", errors="replace")):
                    path.unlink()
        here = f"{socket.gethostname()} "
        for path in folder.glob(f"{key}@*"):
            name = path.name.partition("@")[2].replace(",", " ").rpartition(" ")[0]
            if name.startswith(here) and not _lives(name):
                path.unlink(missing_ok=True)

    def _take(self) -> int | None:
        """The descriptor of our own owner file; ``None`` while somebody else lives."""
        for _ in range(3):
            with suppress(FileExistsError):
                return self._write()
            if not self._put_aside():
                return None
        return None

    def _write(self) -> int:
        """Leave our name, whole from the first moment that it can be seen. Raises FileExistsError."""
        draft = self._path.with_name(f"{self._path.name}.{uuid4().hex}")
        descriptor = _named(draft)
        try:
            os.link(draft, self._path)
        except FileExistsError:
            os.close(descriptor)
            raise
        except OSError:  # a file system without hard links
            os.close(descriptor)
            return _named(self._path)
        finally:
            draft.unlink(missing_ok=True)  # the owner sweeps drafts that are still empty
        return descriptor

    def _put_aside(self) -> bool:
        """Whether the owner was dead, and its file is out of the way; of several who try, one can."""
        try:
            descriptor = os.open(self._path, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return True
        aside = self._path.with_name(f"{self._path.name}.{uuid4().hex}")
        try:
            if _lives(os.read(descriptor, 400).decode(errors="replace")) or not _locked(descriptor):
                return False
            if not os.path.samestat(os.fstat(descriptor), self._path.stat()):
                return False  # somebody was quicker, and lives
            self._path.rename(aside)
            aside.unlink(missing_ok=True)
        except FileNotFoundError:
            return True
        finally:
            os.close(descriptor)
        return True

    def release(self) -> None:
        """Let others have the name."""
        if self._descriptor is not None:
            self._path.unlink(missing_ok=True)
            os.close(self._descriptor)
            self._descriptor = None


def _named(path: Path) -> int:
    """A new file at *path* that holds our name, locked. Raises FileExistsError."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        os.write(descriptor, _name_of(os.getpid()).encode())
    except OSError:
        os.close(descriptor)
        path.unlink()
        raise
    _locked(descriptor)
    return descriptor


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _name_of(pid: int) -> str:
    """Host, process, and when that began: numbers of processes come back."""
    return f"{socket.gethostname()} {pid} {_begun(pid)}"


def _begun(pid: int) -> str:
    """When a process began, as the kernel counts; empty where the kernel does not tell."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        return f"{stat.rpartition(')')[2].split()[19]}@{BOOT.read_text(encoding='ascii').strip()}"
    except (OSError, IndexError):
        return ""


def _lives(name: str) -> bool:
    """Whether the process of that *name* runs on this machine."""
    host, _, rest = name.partition(" ")
    pid = rest.partition(" ")[0]
    return host == socket.gethostname() and pid.isdecimal() and bool(_begun(int(pid))) and name == _name_of(int(pid))
