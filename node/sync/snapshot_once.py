"""Fetching the once-records of a snapshot: the tiles' hashes of each log first, then the leaves of each tile.

All of a log's tiles and its last leaves come from one peer, as they can only be verified together: 6 MiB of hashes
for 50 million records. The leaves come from several at once.

A tile of long records is 20 MB, which takes more than one deadline on a slow line. So each reply of PROGRESS_BYTES
gives the request time anew, and each tile that is stored leaves its part; a peer that trickles gets neither.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from network.messages import GetOnceLeaves, GetOnceTiles
from network.peer import Peer
from network.snapshot_sync import OnceLogPart, OnceRange, Part
from node.runtime.errors import BadPart, NotOffered
from node.store.incoming_snapshot_once import IncomingLogs
from vm.once_log import TILE, OnceLog, is_made_of, tile_hashes
from vm.primitives.hashing import HASH_BYTES

PROGRESS_BYTES: Final = 256 * 1024
"""Half a reply; an honest one that does not hold all that was asked for is longer: no record has over 80 KB."""


def parts_of(incoming: IncomingLogs) -> list[Part]:
    """Return what is missing of the logs that the state names."""
    logs = incoming.logs()
    parts: list[Part] = [
        OnceLogPart(known.family, known.log.size, known.log.peaks) for known in logs if not known.verified
    ]
    return [*parts, *(OnceRange(tiles.family, tiles.first, tiles.hashes) for tiles in incoming.missing(logs))]


class OnceFetch:
    """Asks one peer for parts of logs of one height.

    Args:
        timeout: seconds for one reply.
        progress: called where a long reply has come.

    Attributes:
        bytes_fetched: of leaves and hashes.
    """

    def __init__(self, peer: Peer, height: int, timeout: float, progress: Callable[[], None]) -> None:
        self._peer = peer
        self._height = height
        self._timeout = timeout
        self._progress = progress
        self.bytes_fetched = 0

    async def log(self, part: OnceLogPart) -> tuple[list[bytes], list[bytes]]:
        """Return the hashes of a log's tiles, and the leaves behind them.

        Raises:
            NotOffered, BadPart, RequestError.
        """
        count = part.size // TILE
        joined = bytearray()
        while len(joined) < count * HASH_BYTES:
            first = len(joined) // HASH_BYTES
            question = GetOnceTiles(id=0, height=self._height, family=part.family, first=first)
            tiles = (await self._peer.request(question, self._timeout)).tiles
            if tiles is None:
                raise NotOffered("it does not offer that height")
            if not tiles or len(tiles) % HASH_BYTES:
                raise BadPart(f"the log {part.family} has {count} tiles, of which {first} came")
            joined += tiles
            self._received(len(tiles))
        # Its log may have grown since: what is behind this height's is not wanted.
        tiles_wanted = [bytes(joined[at * HASH_BYTES : (at + 1) * HASH_BYTES]) for at in range(count)]
        tail = await self._leaves(part.family, count * TILE, part.size % TILE)
        if not is_made_of(OnceLog(part.size, part.peaks), tiles_wanted, tail):
            raise BadPart(f"the log {part.family} is not the one that the state commits to")
        return tiles_wanted, tail

    async def tile(self, part: OnceRange, place: int) -> list[bytes]:
        """Return the leaves of one of a range's tiles.

        Raises:
            NotOffered, BadPart, RequestError.
        """
        first = (part.first + place) * TILE
        leaves = await self._leaves(part.family, first, TILE)
        if tile_hashes(first, leaves) != [part.hashes[place]]:
            raise BadPart(f"the leaves of the log {part.family} from {first} on are not those of their tile")
        return leaves

    async def _leaves(self, family: str, first: int, count: int) -> list[bytes]:
        found: list[bytes] = []
        while len(found) < count:
            left = count - len(found)
            question = GetOnceLeaves(id=0, height=self._height, family=family, first=first + len(found), count=left)
            leaves = (await self._peer.request(question, self._timeout)).leaves
            if leaves is None:
                raise NotOffered("it does not offer that height")
            if not 1 <= len(leaves) <= left:
                raise BadPart(f"{len(leaves)} leaves of the log {family} in place of {left}")
            found += leaves
            self._received(sum(map(len, leaves)))
        return found

    def _received(self, size: int) -> None:
        self.bytes_fetched += size
        if size >= PROGRESS_BYTES:
            self._progress()
