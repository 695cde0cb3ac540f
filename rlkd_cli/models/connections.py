"""One transport of many small connection pools.

httpcore looks through a whole pool, connection by connection, whenever a request begins or ends: with thousands of
requests in flight that costs more than everything else together. Pools of a few connections keep it constant.
"""

from urllib.request import getproxies

import httpx2

POOL = 16  # connections


class ManyPools(httpx2.AsyncBaseTransport):
    """Sends each request through the pool that has the fewest under way; `connections` in all."""

    def __init__(self, connections: int) -> None:
        limits = httpx2.Limits(max_connections=None, max_keepalive_connections=POOL)
        trust = httpx2.create_ssl_context()  # shared: to read the certificates anew for each pool takes long
        count = -(-connections // POOL)
        self._pools = [httpx2.AsyncHTTPTransport(verify=trust, limits=limits) for _ in range(count)]
        self._busy = [0] * count

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        chosen = min(range(len(self._pools)), key=self._busy.__getitem__)
        self._busy[chosen] += 1
        try:
            return await self._pools[chosen].handle_async_request(request)
        finally:
            self._busy[chosen] -= 1

    async def aclose(self) -> None:
        for pool in self._pools:
            await pool.aclose()


def transport(connections: int) -> httpx2.AsyncBaseTransport | None:
    """What a client should send through; None, the client's own, where the environment names proxies."""
    return None if getproxies() else ManyPools(connections)
