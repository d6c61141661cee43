"""The chain_* methods: genesis, blocks, certificates, validators, transactions and receipts."""

from __future__ import annotations

from typing import Any

import orjson
from msgspec import UNSET

from consensus.types import Block, Certificate
from node.chain.errors import ValidatorsUnknown
from node.chain.indexing import ACCOUNT, BRAND, CALL
from node.chain.queries import ChainQueries
from node.chain.transaction_pages import FinalTransaction, TransactionPages
from node.gateway.backend import Backend
from node.gateway.errors import invalid_param, not_found
from node.gateway.method_table import rpc
from node.gateway.parameters import DEFAULT_PAGE, BlockName, CallName, Cursor, HashBytes, Height, Limit
from node.gateway.presentation import AT_ONCE, dumps, transaction_id, validators_json
from node.gateway.results import (
    ChainHead,
    DecidingSet,
    DecidingValidator,
    FoundTransaction,
    MembershipStep,
    ReceiptProof,
    ShownBlock,
    ShownTransaction,
    TransactionLine,
    TransactionPage,
    TransactionReceipt,
    shown_transaction,
    transaction_receipt,
)
from node.gateway.transaction_cursors import cursor_of, position_of
from node.runtime.pauses import pause_point
from vm.arguments import Address, Slug
from vm.primitives import merkle
from vm.primitives.address import address_of_key
from vm.receipt import decode_receipt
from vm.transaction import MAX_OPS, parse_transaction


class ChainMethods:
    """Answers from the stored chain."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._queries = backend.queries
        self._pages = TransactionPages(backend.queries)
        self._genesis: orjson.Fragment | None = None
        """Rendered once: with the members of a programme in it, it has megabytes."""

    @rpc("chain_genesis", "the genesis document")
    def genesis(self) -> Any:
        """The document that the chain begins with; a light client needs nothing else to start from."""
        if self._genesis is None:
            self._genesis = orjson.Fragment(dumps(self._queries.genesis.value))
        return self._genesis

    @rpc("chain_head", "{header, digest, certificate}")
    def head(self) -> ChainHead:
        """The last final block's header, digest and certificate.

        Before the first block `header` and `certificate` are null and `digest` is that of the genesis document.
        """
        height = self._queries.height
        if height == 0:
            return ChainHead(None, self._queries.genesis.digest, None)
        queries = self._queries
        return ChainHead(queries.header(height), queries.digest(height), queries.certificate(height))

    @rpc(
        "chain_block",
        "{header, digest, parent_certificate, transactions: [id, …] or [{id, hash, body, sigs, raw}, …]}",
    )
    def block(
        self, height: BlockName | None = None, full: bool = False, digest: HashBytes | None = None
    ) -> ShownBlock:
        """A block by height or by digest.

        The first parameter, by position, is either; by name it is `height` or `digest`. `full` gives decoded
        transactions in place of their ids.
        """
        if (height is None) == (digest is None):
            raise invalid_param("height", "exactly one of height and digest is needed")
        name = height if digest is None else digest
        if isinstance(name, bytes):
            block, own_digest = self._queries.block_of_digest(name), name
        else:
            block, own_digest = self._queries.block(name), self._queries.digest(name)  # type: ignore[arg-type]
        return ShownBlock(block.header, own_digest, block.parent_certificate, self._transactions(block, full))

    def _transactions(self, block: Block, full: bool) -> list[str | ShownTransaction]:
        shown: list[str | ShownTransaction] = []
        for start in range(0, len(block.transactions), AT_ONCE):
            pause_point()
            part = block.transactions[start : start + AT_ONCE]
            shown += map(_decoded if full else transaction_id, part)
        return shown

    @rpc("chain_certificate", "{height, round, digest, state_root, receipts_root, seals: [[index, signature], …]}")
    def certificate(self, height: Height) -> Certificate:
        """The commit seals of a height; below the head those that the next block embeds."""
        return self._queries.certificate(height)

    @rpc(
        "chain_validators",
        "{height, hash, quorum, validators: [{index, public_key, brand, address, last_seal, last_skip}]}",
    )
    def validators(self, height: Height | None = None) -> DecidingSet:
        """The validator set that decides a height (default: the next one), with each one's last seal and skip.

        `last_seal` and `last_skip` are heights as of the head, 0 for never.
        """
        wanted = self._queries.height + 1 if height is None else height
        if wanted > self._queries.height + 1:
            raise ValidatorsUnknown(wanted, self._queries.height)
        validators = self._queries.validators(wanted)
        entries = []
        for index, validator in enumerate(validators.validators):
            key = validator.public_key
            record = self._queries.seal_record(key)
            address = address_of_key(key)
            entries.append(DecidingValidator(index, key, validator.brand, address, record.seal, record.skip))
        return DecidingSet(wanted, validators.hash, validators.quorum, entries)

    @rpc("chain_transaction", '{transaction, status: "pending" or "committed", height, index, receipt}')
    def transaction(self, id_: HashBytes) -> FoundTransaction:
        """A transaction, pending or committed; height, index and receipt are null while it is pending."""
        position = self._queries.find(id_)
        if position is None:
            raw = self._backend.pending_transaction(id_)
            if raw is None:
                message = "no transaction has this id; it may have expired"
                raise self._queries.pruned(id_) or self._queries.unindexed() or not_found(message, id=id_.hex())
            return FoundTransaction(shown_transaction(parse_transaction(raw)), "pending", None, None, None)
        height, index = position
        transaction = shown_transaction(parse_transaction(self._queries.block(height).transactions[index]))
        receipt = transaction_receipt(decode_receipt(self._queries.receipts(height)[index]))
        return FoundTransaction(transaction, "committed", height, index, receipt)

    @rpc("chain_receipt", "the receipt; with `proof` it has a field `proof` for offline verification")
    def receipt(self, id_: HashBytes, proof: bool = False) -> TransactionReceipt:
        """The receipt of a committed transaction, with its Merkle path to the certified receipts_root if asked for.

        `proof` is {leaf, index, count, path, header, certificate, validators, headers}: `leaf` the receipt's
        canonical bytes, `path` the sibling hashes from the leaf up, in a tree of RFC 6962's shape; the rest as in
        `state_proof`.
        """
        position = self._queries.find(id_)
        if position is None:
            pending = self._backend.is_pending(id_)
            message = "the transaction is pending" if pending else "no receipt"
            kept_elsewhere = self._queries.pruned(id_) or (None if pending else self._queries.unindexed())
            raise kept_elsewhere or not_found(message, id=id_.hex(), pending=pending)
        height, index = position
        receipts = self._queries.receipts(height)
        receipt = decode_receipt(receipts[index])
        return transaction_receipt(receipt, self._receipt_proof(receipts, height, index) if proof else UNSET)

    def _receipt_proof(self, receipts: list[bytes], height: int, index: int) -> ReceiptProof:
        path = merkle.path(receipts, index)
        return ReceiptProof(receipts[index], index, len(receipts), path, **certified(self._queries, height))

    @rpc(
        "chain_transactions",
        "{items: [{id, hash, height, index, time, sender, calls, status, error}, …], "
        "next, complete_to, oldest, resume}",
    )
    def transactions(
        self,
        account: Address | None = None,
        brand: Slug | None = None,
        call: CallName | None = None,
        from_: Height | None = None,
        to: Height | None = None,
        cursor: Cursor | None = None,
        limit: Limit = DEFAULT_PAGE,
    ) -> TransactionPage:
        """Committed transactions in order of height and index, by account, brand and call, all of which must match.

        A page may hold fewer than `limit` items, or none, and still have a `next`, as the work for a page is
        bounded: go on until `next` is null.

        What is answered is complete up to the height `complete_to`; `to` may lie beyond the head, and is then not
        reached yet. `resume` is a cursor also on the last page: a later call with it goes on where this one ended.
        Without `from` and `cursor` a node begins at the first block that it keeps, `oldest`. A range that begins or
        ends below that is BLOCK_PRUNED, one that begins beyond the height after the head is NOT_FOUND (this node
        lags): both errors name both ends. A `from` above `to` is INVALID_PARAMS.
        """
        given = {ACCOUNT: account, BRAND: brand, CALL: call}
        filters = {kind: name for kind, name in given.items() if name is not None}
        after = None if cursor is None else position_of(cursor)
        page = self._pages.page(filters, (from_, to), after, limit, _summary)
        return TransactionPage(
            items=page.items,
            next=None if page.next is None else cursor_of(page.next),
            complete_to=page.complete_to,
            oldest=page.oldest,
            resume=cursor_of(page.resume),
        )


def _decoded(raw: bytes) -> ShownTransaction:
    return shown_transaction(parse_transaction(raw))


def _summary(found: FinalTransaction) -> TransactionLine:
    tx, receipt = found.transaction, found.receipt
    return TransactionLine(
        id=tx.id.hex(),
        hash=tx.hash.hex(),
        height=found.height,
        index=found.index,
        time=found.time,
        sender=tx.body.sender,
        calls=[call for call, _ in tx.body.ops[:MAX_OPS]],
        status=receipt.status,
        error=receipt.error.code if receipt.status == "failed" and receipt.error else None,
    )


def certified(queries: ChainQueries, height: int) -> dict[str, Any]:
    """Return what proves the roots of a height to somebody who holds the genesis document only."""
    return {
        "header": queries.header(height),
        "certificate": queries.certificate(height),
        "validators": validators_json(queries.validators(height)),
        "headers": [
            MembershipStep(link.header, link.certificate, validators_json(link.announced))
            for link in queries.membership_changes(height)
        ],
    }
