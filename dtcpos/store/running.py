"""Whether the process that held a link is still there."""

from __future__ import annotations

import os
import sys
from typing import Final

# The access right that only asks whether a process of Windows has ended, and what asking that returns while it runs.
_SYNCHRONIZE: Final = 0x0010_0000
_WAIT_TIMEOUT: Final = 0x0000_0102
_ACCESS_DENIED: Final = 5


def is_running(pid: int) -> bool:
    """Return whether a process of this number runs on this machine."""
    # 0 and negative numbers mean groups of processes, and what no number of a process fits into is none.
    if not 0 < pid < 1 << 31:
        return False
    if sys.platform == "win32":
        # os.kill would end the process there.
        import ctypes

        kernel = ctypes.WinDLL("kernel32", use_last_error=True)
        process = kernel.OpenProcess(_SYNCHRONIZE, False, pid)
        if not process:
            # Another user's process may not be asked, but it is there.
            return ctypes.get_last_error() == _ACCESS_DENIED
        # One that has ended can be opened as long as anybody else has it open.
        is_there = kernel.WaitForSingleObject(process, 0) == _WAIT_TIMEOUT
        kernel.CloseHandle(process)
        return bool(is_there)
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def state_now(state: str, holder_pid: int) -> str:
    """Return the state of a link, `gone` where its process is: one that was killed could not say so."""
    return state if state in ("closed", "lost") or is_running(holder_pid) else "gone"
