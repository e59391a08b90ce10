"""Running a command as somebody whom file permissions concern, root or not."""

from __future__ import annotations

import ctypes
import os
import subprocess
from typing import Any

import pytest

_PR_CAPBSET_DROP = 24
#: CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH: what lets root open every file.
_OF_ROOT = (1, 2)


def run_unprivileged(*command: object, **settings: Any) -> subprocess.CompletedProcess[str]:
    """Like ``subprocess.run``, without root's way around file permissions."""
    if not hasattr(os, "geteuid"):
        pytest.skip("Windows has other permissions")
    settings = {"capture_output": True, "text": True, "timeout": 120, **settings}
    if os.geteuid() == 0:
        libc = ctypes.CDLL(None, use_errno=True)
        if not hasattr(libc, "prctl"):
            pytest.skip("root may write everything here")

        def drop() -> None:
            for capability in _OF_ROOT:
                if libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0):
                    raise OSError(ctypes.get_errno(), "prctl")

        settings["preexec_fn"] = drop
    return subprocess.run([str(part) for part in command], check=False, **settings)
