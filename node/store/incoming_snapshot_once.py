"""Logs of once-records on their way in, as a part of an incoming snapshot (docs/decisions/once-records.md).

The state tells each log's size and peaks. First come the hashes of all its tiles and the leaves behind them, which
must be that log; then the leaves, tile by tile. A tile is written whole in one batch, so it is here if its last
leaf is. Logs only grow: what is here of a lower height is a part of any later one, and stays. Where the snapshot
changes to an earlier height, what lies beyond its logs is deleted.

    m incoming_log family    IncomingLog

Invariants:
    1. A tile whose last leaf is here is whole, and hashes to what is kept of it under `v`, if anything is.
    2. Of a log that is verified, nothing is here that lies beyond its size.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Annotated, Final

import msgspec

from node.store.database import Batch, Database
from node.store.errors import CommitRefused
from node.store.layout import read
from node.store.once import OnceRecords, key_in, key_of, leaf_key, name_key, tile_key
from vm.once_log import EMPTY, LOGS, TILE, TILE_LEVELS, Appended, OnceLog, append
from vm.primitives.codec import TypedDecoder, encode
from vm.primitives.units import MAX_INT

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

    @property
    def is_empty(self) -> bool:
        """Whether no log has anything here."""
        return not self._records.families()

    # -- another height ----------------------------------------------------------------------------

    def retarget(self, batch: Batch, is_kept: Callable[[str], bool]) -> None:
        """Forget the logs whose state values are fetched anew; their leaves stay.

        Args:
            is_kept: whether the value of a state key is still here.
        """
        for known in self.logs():
            if not is_kept(LOGS.keys.key((known.family,))):
                batch.delete(LOG_KEY + known.family.encode())

    def drop_foreign(self) -> None:
        """Delete the records of logs that the state, which is whole, does not have: those of a later height."""
        known = {log.family for log in self.logs()}
        for family in self._records.families():
            if family not in known:
                self._delete_from(family, 0)

    def _delete_from(self, family: str, size: int) -> None:
        """Delete what lies beyond the first `size` leaves; the leaves of one tile in one batch, by invariant 1."""
        at = size
        while leaves := self._leaves_from(family, at):
            batch = self._database.unsynced_batch()
            for index, leaf in leaves:
                batch.delete(leaf_key(family, index))
                batch.delete(key_of(key_in(leaf)))
                at = index + 1
            self._database.write(batch)
        batch = self._database.batch()
        if size == 0:
            batch.delete(name_key(family))
        for level, index in self._tiles_beyond(family, size):
            batch.delete(tile_key(family, level, index))
        self._database.write(batch)

    def _leaves_from(self, family: str, first: int) -> list[tuple[int, bytes]]:
        """Return the next leaves that are here from `first` on, of one tile only, with their places."""
        found: list[tuple[int, bytes]] = []
        scan = self._database.scan(leaf_key(family, first), leaf_key(family, MAX_INT), once=True)
        for key, leaf in scan:
            index = int.from_bytes(key[-8:], "big")
            if found and index // TILE != found[0][0] // TILE:
                break
            found.append((index, leaf))
        return found

    def _tiles_beyond(self, family: str, size: int) -> Iterator[tuple[int, int]]:
        scan = self._database.scan(tile_key(family, 0, 0), tile_key(family, 64, 0), once=True)
        for key, _ in scan:
            level, index = key[-9], int.from_bytes(key[-8:], "big")
            if (index + 1) << level > size:
                yield level, index

    # -- records -----------------------------------------------------------------------------------

    def write_log(self, family: str, log: OnceLog, tiles: Sequence[bytes], tail: Sequence[bytes]) -> None:
        """Write the hashes of a log's tiles and the leaves behind them, which have been verified together.

        Raises:
            StoreFailure: the database refuses; the log is not verified.
        """
        here = self._records.tiles(family, TILE_LEVELS, 0, len(tiles))
        # Hashes that differ are of another chain's log, and so are its leaves.
        self._delete_from(family, log.size if here == list(tiles[: len(here)]) else 0)
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

    def check_whole(self) -> None:
        """Make sure that all logs of the state are whole, and that there are no others.

        Raises:
            CommitRefused: they are not.
        """
        logs = self.logs()
        if not all(known.verified for known in logs) or self.missing(logs):
            raise CommitRefused("once-records are missing")
        if set(self._records.families()) != {known.family for known in logs}:
            raise CommitRefused("there are once-records of a log that the state does not have")

    def forget(self, batch: Batch) -> None:
        """Delete the notes, which a finished store does not have."""
        for known in self.logs():
            batch.delete(LOG_KEY + known.family.encode())
