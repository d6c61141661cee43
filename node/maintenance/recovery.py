"""Looking after a stopped node's vote log: what `entente node recover` does (docs/operations-recovery.md).

A damaged log is set aside, never deleted, and the new one says that the validator recovers: it follows the
chain without signing until it is past everything that it can have signed (node/votes/signing_guard.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from node.runtime.config import NodeConfig
from node.runtime.errors import ConfigError
from node.store import Store, StoreCorrupt, StoreError, StoreOptions, advice
from node.votes.signing_guard import compare_with_store
from node.votes.write_ahead_format import Standing, WriteAheadLogDamaged, WriteAheadLogError
from node.votes.write_ahead_log import WriteAheadLog, set_aside


@dataclass(frozen=True, slots=True)
class Finding:
    """The state of a node's vote log, after what was done about it.

    Attributes:
        height: the store's head.
        log: what was found and done, in words.
        recovering: whether the validator will follow without signing when it is started.
        signed: the greatest height that it is known to have signed for.
    """

    height: int
    log: str
    recovering: bool
    signed: int


def recover_log(home: Path, config: NodeConfig, *, copied: bool = False, accept: bool = False) -> Finding:
    """Inspect the log of a node that does not run, and set aside a damaged one.

    Args:
        copied: the home was copied, or its disk restored: recover even though the log looks whole.
        accept: end the recovery here and now; the operator answers for it.

    Raises:
        ConfigError: the node runs, or its folder cannot be used; in one sentence.
    """
    if not (home / "data").is_dir():
        raise ConfigError(f"{home} holds no data; a node that has never run has nothing to recover")
    try:
        store = Store.open(home / "data", StoreOptions(state_history_blocks=config.state_history_blocks))
    except StoreCorrupt as error:
        raise ConfigError(f"the store is damaged: {error}. {advice(str(home))}") from None
    except StoreError as error:
        raise ConfigError(str(error)) from None
    try:
        if not store.is_initialised:
            raise ConfigError(f"{home / 'data'} is empty")
        return _recover(home / "wal", store, copied=copied, accept=accept)
    except (StoreError, WriteAheadLogError) as error:
        raise ConfigError(str(error)) from None
    finally:
        store.close()


def _recover(folder: Path, store: Store, *, copied: bool, accept: bool) -> Finding:
    floor = store.head.height + 1
    try:
        wal = WriteAheadLog(folder)
        log = "it was missing; a new one has been made" if wal.is_new else "whole"
    except WriteAheadLogDamaged as damage:
        aside = set_aside(folder)
        wal = WriteAheadLog(folder)
        wal.begin_recovery(max(floor, damage.highest))
        log = f"damaged ({damage.what}); it has been set aside as {aside.name}"
    try:
        compare_with_store(wal, store)
        if wal.recovering and log == "whole":
            log = "whole, but votes are missing in it"
        if wal.standing is Standing.SILENCED:
            wal.begin_recovery(floor)
            log = "another process has signed with this key; make sure that it has ended"
        if copied and not wal.recovering:
            wal.begin_recovery(floor)
            log = f"{log}, and taken for a copy as you say"
        if accept and wal.standing is not Standing.SIGNS:
            wal.accept(store.head.height)
            log = f"{log}; accepted by the operator"
        return Finding(store.head.height, log, wal.standing is not Standing.SIGNS, wal.highest)
    finally:
        wal.close()
