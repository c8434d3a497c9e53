"""The links to all servers, each opened once and closed when the last generation that uses it is gone."""

import asyncio
from dataclasses import dataclass

from coordinator.cluster.server_credentials import server_credentials
from coordinator.cluster.server_link import ServerLink
from coordinator.cluster.settings import ClusterSettings


@dataclass(slots=True)
class _Shared:
    link: ServerLink
    num_users: int


class LinkPool:
    """Links by address. So a reload keeps the connections, and what was learnt over them."""

    def __init__(self, settings: ClusterSettings):
        """Opens nothing yet.

        Raises:
            ConfigurationError: a file of TLS is missing or wrong.
        """
        self._settings = settings
        self._credentials = server_credentials(settings)
        self._links: dict[str, _Shared] = {}

    def acquire(self, address: str) -> ServerLink:
        """Returns the link to a server, opened and watched; give it back with `release`."""
        shared = self._links.get(address)
        if shared is None:
            shared = self._links[address] = _Shared(ServerLink(address, self._settings, self._credentials), 0)
            shared.link.start()
        shared.num_users += 1
        return shared.link

    async def release(self, link: ServerLink) -> None:
        """Gives a link back; closes it if nobody else uses it."""
        shared = self._links[link.address]
        shared.num_users -= 1
        if shared.num_users == 0:
            del self._links[link.address]
            await link.close()

    def look_again(self) -> None:
        """Asks every server soon what it holds."""
        for shared in self._links.values():
            shared.link.look_again()

    async def renew(self) -> None:
        """Has the links go over to the certificates that the files hold now, if they have changed."""
        if self._credentials is None:
            return
        await asyncio.to_thread(self._credentials.refresh)
        await asyncio.gather(*(shared.link.renew() for shared in list(self._links.values())))
