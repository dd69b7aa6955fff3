"""What a service manager is told of the server (sd_notify(3)); nothing where there is none."""

from __future__ import annotations

import os
import socket


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
