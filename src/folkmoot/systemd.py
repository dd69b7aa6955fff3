"""What a service manager is told of the server (sd_notify(3)), and the sockets that it passes (sd_listen_fds(3)).

Where there is no service manager that is nothing.
"""

from __future__ import annotations

import os
import socket
from typing import Final

_FIRST: Final = 3  # SD_LISTEN_FDS_START


def notify(state: str) -> None:
    """Tell the service manager, if the environment names one, a state such as READY=1 or STOPPING=1."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    # A leading @ stands for a name in the abstract namespace (unix(7)).
    name = "\0" + address[1:] if address.startswith("@") else address
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as manager:
            manager.connect(name)
            manager.sendall(state.encode())
    except OSError:
        # A manager that does not listen must not keep the server from serving.
        return


def sockets() -> list[socket.socket]:
    """The sockets that the service manager passes to this process. It keeps them: who connects while no server runs is
    answered by the next one."""
    mine = os.environ.get("LISTEN_PID") == str(os.getpid())
    count = os.environ.get("LISTEN_FDS", "0")
    # They are meant for this process, and not for those that it starts.
    for name in ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"):
        os.environ.pop(name, None)
    if not mine or not count.isdecimal():
        return []
    found = [socket.socket(fileno=number) for number in range(_FIRST, _FIRST + int(count))]
    for each in found:
        each.set_inheritable(False)
    return found
