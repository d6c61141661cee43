"""The consensus write-ahead log: what this validator has bound itself to, durable before it is sent.

One append-only file, a head and records (`write_ahead_format`). `append` returns only after the data has been
synced. A record matters while its height is undecided; once a height is decided in the store and the file is larger
than ROTATE_BYTES, the next append begins a new file beside it and renames it into place. The head's `floor` says
what was left behind: for heights up to it votes may be missing, above it the file holds every vote.

A torn last record is cut off, as nothing was sent for it. Where anything else is damaged, opening fails and names
`entente node recover` (docs/operations-recovery.md).

The identity (random, made with the file) and the sequence number of the last record make a `mark`, which the store
notes with each block. A log whose mark is behind the store's is not the log that this validator last signed with.
`standing` in the head says whether the validator may sign, and if not, why (`signing_guard`). `owner` is the
key whose votes these are: what another key has signed is unknown here.

Invariants:
    1. After `append` returns, `votes_above` of a later process yields the record. So it does once it has yielded it
       to any process: opening syncs what it reads.
    2. A record is never changed; a file is replaced only by a whole one, and only when none of its records matters.
       Where no descriptor is free to open the new one, nothing has changed yet, and the present file goes on.
    3. Sequence numbers never go back within one identity; `highest` and `floor` do so by `accept` only, which is
       the operator's word.
    4. For every height above `floor` the file holds all votes that were signed with this log; `append` takes no
       vote for another height.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from consensus.messages import VoteRecord
from genesis.durable_files import replacing, sync_folder
from node.runtime.descriptors import OUT_OF_DESCRIPTORS
from node.runtime.errors import NodeError
from node.runtime.files import SYSTEM_FILES, Files, rename_durably, write_all
from node.store import LogMark
from node.votes.write_ahead_format import (
    OWNER_BYTES,
    UNKNOWN_OWNER,
    FileHead,
    LoggedVote,
    Standing,
    WriteAheadLogError,
    frame,
    read_head,
    scan_records,
    with_true_floor,
)
from vm.primitives.codec import encode
from vm.primitives.hashing import sha256

_log = logging.getLogger(__name__)

FILE_NAME: Final = "consensus.wal"
IDENTITY_BYTES: Final = 16
ROTATE_BYTES: Final = 4 * 1024 * 1024
"""About the votes of one full block, or of some thousand empty ones: a start reads it in milliseconds."""


class SignedBefore(NodeError):
    """A vote is for a height of which this log does not hold all former votes; it must not be signed."""


class WriteAheadLog:
    """The log of one validator; one owner process, one thread.

    Args:
        files: where it is written.
        entropy: as os.urandom, which it is without: the identity of a new log.

    Attributes:
        bytes_cut_off: of a torn record, when the log was opened.
        is_new: whether there was no file.
        rotate_bytes: the size beyond which a file is replaced; the simulator sets a small one.
    """

    def __init__(
        self, folder: Path, files: Files = SYSTEM_FILES, entropy: Callable[[int], bytes] = os.urandom
    ) -> None:
        """Open or create <folder>/consensus.wal and read what it holds.

        Raises:
            WriteAheadLogDamaged: damage that is not a torn tail.
            WriteAheadLogError: the disk refuses.
        """
        self._path = folder / FILE_NAME
        self._files = files
        try:
            files.make_folder(folder)
            self.is_new = not files.exists(self._path)
            if self.is_new:
                head = FileHead(entropy(IDENTITY_BYTES), 0, 0, Standing.NEW, UNKNOWN_OWNER)
                files.close(self._replace_file(head.pack()))
            self._descriptor = files.open(self._path, os.O_RDWR)
            data = files.read(self._path)
            self._head, start = read_head(data, self._path)
            scan = scan_records(data, self._path, start)
            if scan.valid_bytes < len(data):
                files.truncate(self._descriptor, scan.valid_bytes)
            self._make_durable()
        except OSError as error:
            raise WriteAheadLogError(f"{self._path}: {error.strerror}") from None
        self.rotate_bytes = ROTATE_BYTES
        self._head = with_true_floor(self._head, scan.votes)
        self._votes = scan.votes
        self._size = scan.valid_bytes
        self._sequence = self._head.first_sequence + len(scan.votes)
        self._highest = max((vote.record.message.height for vote in scan.votes), default=self._head.floor)
        self.bytes_cut_off = len(data) - scan.valid_bytes

    # -- reading -----------------------------------------------------------------------------------

    @property
    def mark(self) -> LogMark:
        """Which log this is, and how many votes it has taken."""
        return LogMark(self._head.identity, self._sequence)

    @property
    def highest(self) -> int:
        """The greatest height that this validator is known to have signed for."""
        return max(self._highest, self._head.floor)

    @property
    def floor(self) -> int:
        """The height up to which votes may be missing; above it the log holds all that were signed."""
        return self._head.floor

    @property
    def standing(self) -> Standing:
        """Whether this log's validator may sign, and if not, why."""
        return self._head.standing

    @property
    def recovering(self) -> bool:
        """Whether the validator may have signed more than the log knows."""
        return self._head.standing is Standing.RECOVERING

    @property
    def holds_votes(self) -> bool:
        """Whether anything was ever signed with this log, or it has recovered."""
        return self._sequence > 0 or self._head.floor > 0

    def votes_above(self, height: int) -> list[LoggedVote]:
        """Return the logged votes for heights above `height`, oldest first."""
        return [vote for vote in self._votes if vote.record.message.height > height]

    # -- writing -----------------------------------------------------------------------------------

    def append(self, record: VoteRecord, transactions: Sequence[bytes] | None) -> None:
        """Write a vote and sync it.

        Raises:
            WriteAheadLogError: the disk refuses; the vote must not be sent.
            SignedBefore: the log does not hold all former votes of that height; the vote must not be sent.
        """
        vote = LoggedVote(record, None if transactions is None else tuple(transactions))
        framed = frame(encode(vote))
        height = record.message.height
        if height <= self._head.floor:
            raise SignedBefore(f"a vote for height {height}: votes up to {self._head.floor} may be missing here")
        try:
            is_full = height > self._highest and self._size + len(framed) > self.rotate_bytes and self._votes
            # A vote for `height` is signed only when all below are decided in the store.
            if not is_full or not self._rotated(framed):
                self._write(framed)
                self._files.sync_data(self._descriptor)
                self._size += len(framed)
        except OSError as error:
            self._cut_back()
            raise WriteAheadLogError(f"{self._path}: {error.strerror}") from None
        if height > self._highest:
            self._votes.clear()
        self._highest = max(self._highest, height)
        self._sequence += 1
        self._votes.append(vote)

    def begin_recovery(self, floor: int) -> None:
        """Note, durably, that votes may be missing here, the greatest known height of one being `floor`.

        Raises:
            WriteAheadLogError: the disk refuses.
        """
        self._set_standing(Standing.RECOVERING, max(floor, self.highest))

    def begin_signing(self, past: int = 0) -> None:
        """Note, durably, that this validator signs from now on, above `past` and all that is known to be signed.

        Raises:
            WriteAheadLogError: the disk refuses.
        """
        self._set_standing(Standing.SIGNS, max(past, self.highest))

    def accept(self, height: int) -> None:
        """Note, durably, that an operator answers for it that nothing above a height was signed.

        Raises:
            WriteAheadLogError: the disk refuses.
        """
        self._set_standing(Standing.SIGNS, height)

    def silence(self) -> None:
        """Note, durably, that another process signs with this key, so that this one must not.

        Raises:
            WriteAheadLogError: the disk refuses.
        """
        self._set_standing(Standing.SILENCED, self.highest)

    def claim(self, key: bytes) -> bool:
        """Note whose log this is, where that is not known; return False where it is another key's.

        Raises:
            WriteAheadLogError: the disk refuses.
        """
        owner = sha256(key)[:OWNER_BYTES]
        if self._head.owner == UNKNOWN_OWNER:
            content = b"".join(frame(encode(vote)) for vote in self._votes)
            first = self._sequence - len(self._votes)
            self._replace_head(self._head._replace(owner=owner, first_sequence=first), content)
        return self._head.owner == owner

    def give_to(self, key: bytes) -> None:
        """Note, durably, that another key signs from now on; what it has signed is not known here.

        Raises:
            WriteAheadLogError: the disk refuses.
        """
        self._head = self._head._replace(owner=sha256(key)[:OWNER_BYTES])
        self._set_standing(Standing.RECOVERING, self.highest)

    def _set_standing(self, standing: Standing, floor: int) -> None:
        """Begin a file without votes: they are for heights up to the floor, which are never signed again."""
        self._replace_head(
            self._head._replace(standing=standing, floor=floor, first_sequence=self._sequence), content=b""
        )
        self._votes.clear()
        self._highest = floor

    def _replace_head(self, head: FileHead, content: bytes) -> None:
        try:
            self._rotate(head, content)
        except OSError as error:
            raise WriteAheadLogError(f"{self._path}: {error.strerror}") from None

    def _rotated(self, framed: bytes) -> bool:
        """Begin a new file with this record; False, and nothing has changed, where no descriptor is free for it."""
        try:
            self._rotate(self._head._replace(first_sequence=self._sequence, floor=self.highest), framed)
        except _OutOfDescriptors as error:
            _log.error("%s goes on beyond its size, as no new file can be opened: %s", self._path, error.strerror)
            return False
        return True

    def _rotate(self, head: FileHead, content: bytes) -> None:
        """Replace the file by a new one, whole at any moment."""
        data = head.pack() + content
        descriptor = self._replace_file(data)
        self._files.close(self._descriptor)
        self._descriptor = descriptor
        self._head = head
        self._size = len(data)

    def _write(self, framed: bytes) -> None:
        write_all(self._files, self._descriptor, framed, self._size)

    def _cut_back(self) -> None:
        """Remove a half-written record, so that a later one does not stand behind damage."""
        try:
            self._files.truncate(self._descriptor, self._size)
        except OSError as error:
            raise WriteAheadLogError(f"{self._path}: a half-written record remains: {error.strerror}") from None

    def close(self) -> None:
        """Release the file."""
        self._files.close(self._descriptor)

    def _make_durable(self) -> None:
        """Sync what was read, and its name: a life that was killed may have written it and not synced it.

        What is read here is sent again. Were it lost in a power cut afterwards, a later life could sign otherwise.
        """
        self._files.sync(self._descriptor)
        sync_folder(self._path.parent, self._files)

    def _replace_file(self, data: bytes) -> int:
        """Put a new file in the place of the log, and return its descriptor.

        Raises:
            _OutOfDescriptors: nothing has changed: whatever is opened is opened before anything is written.
            OSError: the disk refuses.
        """
        beside = self._path.with_name(self._path.name + ".new")
        try:
            with replacing(self._path, beside, self._files) as descriptor:
                write_all(self._files, descriptor, data)
        except OSError as error:
            if error.errno in OUT_OF_DESCRIPTORS:
                raise _OutOfDescriptors(error.errno, error.strerror, str(self._path)) from None
            raise
        return descriptor


def set_aside(folder: Path) -> Path:
    """Rename the log of a folder, so that the next opening begins a new one; return its new path.

    Raises:
        WriteAheadLogError: the disk refuses.
    """
    path = folder / FILE_NAME
    count = 1
    while (aside := path.with_name(f"{FILE_NAME}.damaged-{count}")).exists():
        count += 1
    try:
        rename_durably(SYSTEM_FILES, path, aside)
    except OSError as error:
        raise WriteAheadLogError(f"{path}: {error.strerror}") from None
    return aside


class _OutOfDescriptors(OSError):
    """No file can be opened now; nothing has been written."""
