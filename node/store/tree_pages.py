"""The pages of the state tree: derived from the state values, cached, split ones stored.

State values lie in the database in the order of their key hashes, so the keys below a prefix are one range.
A leaf page is derived from that range when it is first needed, then lives in the cache; it is never stored, as
writing a 1 KiB page for each changed key would cost more than everything else in a commit. The cache must
therefore hold the pages in use (docs/state.md has the measurements). Of a bucket's page that has to leave the cache
its head stays, a seventh of it: with that, a change derives the few keys of one child, not the whole page. A stop
writes the heads, so that the next start need not derive all pages anew. Split
pages, which exist where more keys share a prefix than a page may hold, are stored: they save reading all the keys
below.

Invariants:
    1. At each block's end a page shows the values at the head: `applied` replaces what a block changed.
    2. No page is there both whole and as a head that differ.
    3. A derived bucket page has the hash that the tree holds for the bucket, else the data are corrupt.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256 as _sha256

from node.store.cache import LruCache
from node.store.database import Batch, Database
from node.store.errors import StoreCorrupt
from node.store.layout import PAGE_HEAD, SPLIT_PAGE, STATE
from vm.state_pages import PageId, head_of, is_head, is_split, leaf_page, page_hash
from vm.state_tree import TreeUpdate

_PAGE_BYTES = 180
"""What a cached page costs beside its bytes: name, bytes object, dict slot (sys.getsizeof)."""


_HEADS_PART = 4
"""Heads may take a quarter of what pages may, beside them: 64 MiB, and the heads of 65,536 buckets are 45."""


_HEADS_SAVED = 100_000
"""Heads that a stop writes at most: some 50 MB, in half a second."""


def _page_size(page: bytes) -> int:
    return _PAGE_BYTES + len(page)


class PageStore:
    """A PageSource over the state values in the database."""

    def __init__(self, database: Database, cache_bytes: int) -> None:
        self._database = database
        self._heads: LruCache[PageId, bytes] = LruCache(cache_bytes // _HEADS_PART, _page_size)
        self._cache: LruCache[PageId, bytes] = LruCache(cache_bytes, _page_size, self._keep_head)
        self._peek = self._cache.peek
        self._unsaved: set[PageId] = set()  # buckets whose saved head is not as they are; one name for each at most
        self._bucket_root: Callable[[PageId], bytes | None] = lambda _: None

    def check_against(self, bucket_root: Callable[[PageId], bytes | None]) -> None:
        """Compare derived bucket pages with these roots from now on (None: not a bucket)."""
        self._bucket_root = bucket_root

    def get(self, page_id: PageId, /) -> bytes:
        """Return a page, b"" if it has no keys."""
        page = self._peek(page_id)
        if page is None:
            page = self._load(page_id)
            self._cache.put(page_id, page)
        return page

    def at_hand(self, page_id: PageId, /) -> bytes | None:
        """Return a page that is in the cache, or its head, or None."""
        page = self._peek(page_id)
        if page is None:
            page = self._heads.get(page_id)
        return self._saved_head(page_id) if page is None else page

    def _saved_head(self, page_id: PageId) -> bytes | None:
        """Return the head that an earlier process left, if it is the bucket's at the head still."""
        head = self._database.get(PAGE_HEAD + page_id.encode())
        if head is None or not is_head(head) or page_hash(head) != self._bucket_root(page_id):
            return None
        if self._database.get(SPLIT_PAGE + page_id.encode()) is not None:
            # The same keys stand in a split page where the bucket had more meanwhile. The hash is the same, but a
            # change through a head would leave the stored page as it was.
            return None
        self._heads.put(page_id, head)
        return head

    def save_heads(self) -> None:
        """Leave the heads of what is in the caches to the next process, which compares them with the roots.

        Raises:
            StoreFailure: the disk refuses.
        """
        unsaved, self._unsaved = sorted(self._unsaved)[:_HEADS_SAVED], set()
        if not unsaved:
            return
        batch = self._database.unsynced_batch()
        for page_id in unsaved:
            page = self._peek(page_id) or self._heads.peek(page_id) or b""
            head = page if is_head(page) else head_of(page)
            if head is not None:
                batch.put(PAGE_HEAD + page_id.encode(), head)
        self._database.write(batch)

    def _keep_head(self, page_id: PageId, page: bytes) -> None:
        head = head_of(page)
        if head is not None and self._bucket_root(page_id) is not None:
            self._heads.put(page_id, head)

    def _load(self, page_id: PageId) -> bytes:
        page = self._database.get(SPLIT_PAGE + page_id.encode())
        if page is None:
            page = self.derive(page_id)
        expected = self._bucket_root(page_id)
        if expected is not None:
            self._unsaved.add(page_id)
        if expected is not None and page_hash(page) != expected:
            raise StoreCorrupt(f"the state values of bucket {page_id} do not have the bucket's root")
        return page

    def derive(self, page_id: PageId) -> bytes:
        """Return the leaf page of the stored values below a prefix, however many they are."""
        return leaf_page(self.entries_below(page_id), len(page_id))

    def entries_below(self, prefix: PageId, /) -> bytes:
        """Return the packed entries of the stored values below a prefix."""
        sha, entries = _sha256, []
        for name, record in self._database.scan(*hash_range(prefix)):
            # state_proof.leaf_hash written out: a record begins with what the leaf's preimage begins with.
            end = 4 + int.from_bytes(record[:4], "big")
            entries.append(name[1:])
            entries.append(sha(b"\x00" + record[:end] + sha(record[end:]).digest()).digest())
        return b"".join(entries)

    def write(self, batch: Batch, update: TreeUpdate) -> None:
        """Put the changed split pages into a batch."""
        for page_id in update.unsplit:
            batch.delete(SPLIT_PAGE + page_id.encode())
        for page_id, page in update.pages.items():
            if is_split(page):
                batch.put(SPLIT_PAGE + page_id.encode(), page)

    def applied(self, update: TreeUpdate) -> None:
        """Take over changes that have been written."""
        for page_id, page in update.pages.items():
            if self._bucket_root(page_id) is not None:
                self._unsaved.add(page_id)
            if is_head(page):
                self._cache.drop(page_id)  # a proof may have loaded the page as it was before
                self._heads.put(page_id, page)
            else:
                self._heads.drop(page_id)
                self._cache.put(page_id, page)


def hash_range(prefix: str) -> tuple[bytes, bytes]:
    """Return where the state values begin and end whose key hash has this hex prefix."""
    start = bytes.fromhex(prefix if len(prefix) % 2 == 0 else prefix + "0")
    after = int(prefix, 16) + 1 if prefix else 1
    if after == 16 ** len(prefix):
        return STATE + start, bytes([STATE[0] + 1])
    stop = f"{after:0{len(prefix)}x}"
    return STATE + start, STATE + bytes.fromhex(stop if len(stop) % 2 == 0 else stop + "0")
