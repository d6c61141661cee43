"""Makes a decided block of a peer's final here: verified, executed, compared with what a quorum sealed.

A block is imported only if a quorum of the height's validators sealed it and the roots that we compute ourselves;
other roots than a quorum's mean that this node is broken, and halt it.
"""

from __future__ import annotations

from consensus.types import Block, Candidate, Certificate, decode_block, decode_certificate, header_digest
from consensus.validation import candidate_fault
from consensus.verification import Verifier, candidate_is_whole
from node.chain.ledger import Ledger
from node.runtime.supervisor import Supervisor
from node.validator.block_processor import BlockProcessor
from node.validator.finalizer import Finalizer
from vm.primitives.codec import CodecError
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
            block, certificate = decode_block(block_bytes), decode_certificate(certificate_bytes)
            if block.header.height != height:
                # Were an old block passed over here, the plan would take this height for imported.
                raise BadBlock(f"height {block.header.height}, asked for {height}")
            transactions = [parse_transaction(raw) for raw in block.transactions]
        except (CodecError, TransactionError) as error:
            raise BadBlock(str(error)) from None
        candidate = Candidate(block.header, block.parent_certificate, tuple(tx.hash for tx in transactions))
        self._check(block, candidate, certificate)
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

    def _check(self, block: Block, candidate: Candidate, certificate: Certificate) -> None:
        context = self._ledger.height_context()
        header = block.header
        if header.height != context.height:
            raise BadBlock(f"height {header.height}, expected {context.height}")
        if certificate.height != header.height or certificate.digest != header_digest(header):
            raise BadBlock("the certificate is another block's")
        if not self._verifier.certificate_is_valid(certificate, context.validators):
            raise BadBlock("the certificate holds no quorum of valid seals")
        if not candidate_is_whole(candidate):
            raise BadBlock("the header does not bind the block")
        fault = candidate_fault(candidate, context, None)
        if fault is not None:
            raise BadBlock(fault)
