"""Free ports for servers that bind them only seconds later."""

import random
import socket

# Below the ports that systems give to outgoing connections (Linux from 32768 on), which may take one in the meantime.
_PORTS = range(20_000, 30_000)
_BLOCKS = range(10_000, 20_000)


def free_ports(count: int) -> list[int]:
    """Returns ``count`` ports that nothing listens on now, chosen at random so that two clusters rarely collide.

    Raises:
        OSError: there are not so many.
    """
    chosen: list[int] = []
    for port in random.SystemRandom().sample(_PORTS, len(_PORTS)):
        if len(chosen) == count:
            break
        if _is_free(port):
            chosen.append(port)
    if len(chosen) < count:
        raise OSError(f"{len(chosen)} ports of {_PORTS.start} to {_PORTS.stop - 1} are free, {count} are needed")
    return chosen


def free_block(size: int) -> range:
    """Returns ``size`` ports in a row that nothing listens on now, chosen at random.

    Raises:
        OSError: there is no such block.
    """
    firsts = range(_BLOCKS.start, _BLOCKS.stop - size + 1, size)
    for first in random.SystemRandom().sample(firsts, len(firsts)):
        block = range(first, first + size)
        if all(map(_is_free, block)):
            return block
    raise OSError(f"no {size} ports in a row of {_BLOCKS.start} to {_BLOCKS.stop - 1} are free")


def _is_free(port: int) -> bool:
    try:
        socket.create_server(("", port)).close()
    except OSError:
        return False
    return True
