"""Free ports for servers that bind them only seconds later."""

import random
import socket

# Below the ports that systems give to outgoing connections (Linux from 32768 on), which may take one in the meantime,
# and below those of Serve's replicas (from 30000 and from 40000 on).
_PORTS = range(20_000, 30_000)


def free_ports(count: int) -> list[int]:
    """Returns ``count`` ports that nothing listens on now, chosen at random so that two clusters rarely collide.

    Raises:
        OSError: there are not so many.
    """
    chosen: list[int] = []
    for port in random.SystemRandom().sample(_PORTS, len(_PORTS)):
        if len(chosen) == count:
            break
        try:
            socket.create_server(("", port)).close()
        except OSError:
            continue
        chosen.append(port)
    if len(chosen) < count:
        raise OSError(f"{len(chosen)} ports of {_PORTS.start} to {_PORTS.stop - 1} are free, {count} are needed")
    return chosen
