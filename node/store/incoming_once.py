"""Logs of once-records on their way in, as a part of an incoming snapshot (docs/decisions/once-records.md).

The state tells each log's size and peaks. First come the hashes of all its tiles and the leaves behind them, which
must be that log; then the leaves, tile by tile. A tile is written whole in one batch, so it is here if its last
leaf is. Logs only grow: what is here of a lower height is a part of any later one, and stays.

    m incoming_log family    IncomingLog
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Annotated, Final

import msgspec

from node.store.database import Batch, Database
from node.store.layout import read
from node.store.once import OnceRecords, key_in, leaf_key
from vm.once_log import EMPTY, LOGS, TILE, TILE_LEVELS, Appended, OnceLog, append
from vm.primitives.codec import TypedDecoder, encode

LOG_KEY: Final = b"mincoming_log"
TILES_PER_RANGE: Final = 8
"""Some 300 KiB of ordinary records."""

_PREFIX: Final = LOGS.keys.path.encode() + b"/"


class IncomingLog(msgspec.Struct, frozen=True, array_like=True):
    """A log that the state names, and whether its tiles' hashes and last leaves are here."""

    family: Annotated[str, msgspec.Meta(max_length=64)]
    log: OnceLog
    verified: bool


class MissingTiles(msgspec.Struct, frozen=True):
    """Neighbouring tiles whose leaves are not here, by their hashes."""

    family: str
    first: int
    hashes: tuple[bytes, ...]


_log_decoder = TypedDecoder(IncomingLog)
_state_decoder = TypedDecoder(OnceLog)


class IncomingLogs:
    """The logs of one unfinished store."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._records = OnceRecords(database)

    def note(self, batch: Batch, key: bytes, value: bytes) -> None:
        """Note a state value, if it is a log."""
        if key.startswith(_PREFIX):
            family = key[len(_PREFIX) :].decode()
            log = read(_state_decoder, value, key.decode())
            batch.put(LOG_KEY + family.encode(), encode(IncomingLog(family, log, False)))

    def logs(self) -> list[IncomingLog]:
        """Return the logs that the state names, as far as it is here."""
        scan = self._database.scan(LOG_KEY, LOG_KEY + b"\xff")
        return [read(_log_decoder, record, "incoming log") for _, record in scan]

    def write_log(self, family: str, log: OnceLog, tiles: Sequence[bytes], tail: Sequence[bytes]) -> None:
        """Write the hashes of a log's tiles and the leaves behind them, which have been verified together.

        Raises:
            StoreFailure: the database refuses; nothing was written.
        """
        grown = append(EMPTY, tiles, TILE_LEVELS)
        batch = self._database.batch()
        named = [(key_in(leaf), leaf) for leaf in tail]
        self._records.write(batch, Appended(family, len(tiles) * TILE, named, grown.tiles))
        batch.put(LOG_KEY + family.encode(), encode(IncomingLog(family, log, True)))
        self._database.write(batch)

    def write_tile(self, family: str, tile: int, leaves: Sequence[bytes]) -> None:
        """Write the leaves of a tile, which have been verified.

        Raises:
            StoreFailure: the database refuses; nothing was written.
        """
        batch = self._database.batch()
        named = [(key_in(leaf), leaf) for leaf in leaves]
        self._records.write(batch, Appended(family, tile * TILE, named, {}))
        self._database.write(batch)

    def missing(self, logs: Iterable[IncomingLog]) -> list[MissingTiles]:
        """Return which tiles of verified logs are not here, in ranges to be asked for."""
        found: list[MissingTiles] = []
        for known in logs:
            if not known.verified:
                continue
            count = known.log.size // TILE
            hashes = self._records.tiles(known.family, TILE_LEVELS, 0, count)
            run: list[int] = []
            for tile in range(count):
                if self._database.get(leaf_key(known.family, tile * TILE + TILE - 1)) is not None:
                    continue
                if run and (run[-1] + 1 != tile or len(run) == TILES_PER_RANGE):
                    found.append(MissingTiles(known.family, run[0], tuple(hashes[run[0] : run[-1] + 1])))
                    run = []
                run.append(tile)
            if run:
                found.append(MissingTiles(known.family, run[0], tuple(hashes[run[0] : run[-1] + 1])))
        return found

    def is_whole(self) -> bool:
        """Tell whether nothing is missing of any log."""
        logs = self.logs()
        return all(known.verified for known in logs) and not self.missing(logs)

    def forget(self, batch: Batch) -> None:
        """Delete the notes, which a finished store does not have."""
        for known in self.logs():
            batch.delete(LOG_KEY + known.family.encode())
