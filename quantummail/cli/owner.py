"""Who owns the data: root's commands must not leave files there that the server cannot write."""

from __future__ import annotations

import os
import pwd
from pathlib import Path


def become_owner(data_dir: Path) -> None:
    """If we are root and the data directory is somebody else's, be somebody else from here on."""
    # Files of ours are for nobody else's eyes
    os.umask(0o077)
    if os.geteuid() != 0 or not data_dir.is_dir():
        return
    status = data_dir.stat()
    if status.st_uid == 0:
        return
    try:
        os.initgroups(pwd.getpwuid(status.st_uid).pw_name, status.st_gid)
    except KeyError:  # a user without a name, as containers have them
        os.setgroups([])
    os.setgid(status.st_gid)
    os.setuid(status.st_uid)
