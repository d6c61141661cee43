"""Makes a decided block of a peer's final here: verified, executed, compared with what a quorum sealed.

A block is imported only if a quorum of the height's validators sealed it and the roots that we compute ourselves;
other roots than a quorum's mean that this node is broken, and halt it.
"""

from __future__ import annotations

from consensus.trust import NotCertified
from consensus.types import Candidate, Certificate
from consensus.validation import candidate_fault
from consensus.verification import Verifier
from node.chain.ledger import Ledger
from node.light_client.canonical_reading import read_block, read_certificate
from node.light_client.chain import TrustedChain
from node.runtime.supervisor import Supervisor
from node.validator.block_processor import BlockProcessor
from node.validator.finalizer import Finalizer
from vm.transaction import TransactionError, parse_transaction


class BadBlock(Exception):
    """What a peer sent is not the certified block of that height."""


class BlockImporter:
    """Imports blocks one by one."""

    def __init__(
        self,
        ledger: Ledger,
        verifier: Verifier,
        processor: BlockProcessor,
        finalizer: Finalizer,
        supervisor: Supervisor,
    ) -> None:
        self._ledger = ledger
        self._verifier = verifier
        self._processor = processor
        self._finalizer = finalizer
        self._supervisor = supervisor

    @property
    def is_executing(self) -> bool:
        """Whether consensus executes a block of the height in progress itself."""
        return self._processor.is_executing

    async def import_block(self, height: int, block_bytes: bytes, certificate_bytes: bytes) -> None:
        """Verify, execute and commit the block of a height; a height that is here already is passed over.

        Raises:
            BadBlock: it is not the certified block of that height.
        """
        if height <= self._ledger.height:
            return
        try:
            block, certificate = read_block(block_bytes), read_certificate(certificate_bytes)
            if block.header.height != height:
                # Were an old block passed over here, the plan would take this height for imported.
                raise BadBlock(f"height {block.header.height}, asked for {height}")
            transactions = [parse_transaction(raw) for raw in block.transactions]
        except (NotCertified, TransactionError) as error:
            raise BadBlock(str(error)) from None
        candidate = Candidate(block.header, block.parent_certificate, tuple(tx.hash for tx in transactions))
        self._check(candidate, certificate)
        executed = self._processor.executed(certificate.digest)
        if executed is None:
            executed = await self._processor.execute_body(candidate, transactions)
        if executed is None or self._ledger.height != block.header.height - 1:
            return  # consensus has decided this height meanwhile
        if executed.roots != certificate.roots:
            self._supervisor.halt(
                "a quorum has sealed other roots than ours",
                {
                    "height": str(block.header.height),
                    "ours": f"{executed.roots.state_root.hex()} {executed.roots.receipts_root.hex()}",
                    "certified": f"{certificate.state_root.hex()} {certificate.receipts_root.hex()}",
                },
            )
            return
        self._finalizer.finalize(executed, certificate)

    def _check(self, candidate: Candidate, certificate: Certificate) -> None:
        """Check that a block is certified and follows the head; the sets are those of this node's own state."""
        context = self._ledger.height_context()
        if candidate.header.height != context.height:
            raise BadBlock(f"height {candidate.header.height}, expected {context.height}")
        try:
            TrustedChain(context.chain, context.validators, self._verifier).require_block(candidate, certificate)
        except NotCertified as error:
            raise BadBlock(str(error)) from None
        fault = candidate_fault(candidate, context, None)
        if fault is not None:
            raise BadBlock(fault)
