"""Makes a store of the format before this one a store of this format, when it is opened.

Format 2 kept what each block replaced under the first byte of the key hash (`u byte height`, `t height`); format 3
keeps it under the height. Everything else is the same. The history of past states is not carried over: it is as
long as `state_history_blocks`, and grows again. So an upgrade deletes it, and past states begin at the head.

Invariant: the format changes with the last batch, which is synced; a crash before it leaves a store of format 2
whose history is not whole, and the next opening deletes the rest.
"""

from __future__ import annotations

import logging
from typing import Final

from node.store.database import Database
from node.store.layout import FORMAT, FORMAT_2, FORMAT_KEY, HISTORY_FLOOR_KEY, PART_UNDO, TOP_UNDO, number

_log = logging.getLogger(__name__)

DELETED_AT_ONCE: Final = 10_000


def upgrade(database: Database, head: int) -> None:
    """Upgrade a store of format 2, whose head has this height; do nothing to any other.

    Raises:
        StoreFailure: the disk refuses; the next opening goes on.
    """
    if database.get(FORMAT_KEY) != FORMAT_2:
        return
    for letter in (PART_UNDO, TOP_UNDO):
        while _delete_some(database, letter):
            pass
    batch = database.batch()
    batch.put(HISTORY_FLOOR_KEY, number(head))
    batch.put(FORMAT_KEY, FORMAT)
    database.write(batch)
    _log.info("the store has been upgraded to format 3; states below block %d are no longer kept", head)


def _delete_some(database: Database, letter: bytes) -> bool:
    """Delete the first records of a family; tell whether there may be more."""
    batch = database.unsynced_batch()
    count = 0
    for key, _ in database.scan(letter, bytes([letter[0] + 1]), once=True):
        batch.delete(key)
        count += 1
        if count == DELETED_AT_ONCE:
            break
    database.write(batch)
    return count == DELETED_AT_ONCE
