"""The stable codes of failed receipts (SPEC section 7), with what each tells a developer."""

from __future__ import annotations

from typing import Final

CODES: Final[dict[str, str]] = {
    "UNKNOWN_CALL": "No contract has this call.",
    "INVALID_ARGS": "An argument is missing, unknown, of the wrong type or out of range; details.field names it.",
    "NOT_AUTHORISED": "The signers may not do this.",
    "NOT_FOUND": "What the arguments name does not exist.",
    "ALREADY_EXISTS": "What the arguments would create exists.",
    "CHANGED": "What the arguments say was seen is not so, or no longer.",
    "DUPLICATE_REF": "This reference has been used; details name the first transaction.",
    "INSUFFICIENT_BALANCE": "The account has fewer available points.",
    "CAP_EXCEEDED": "The program's cap on outstanding points would be passed.",
    "LIMIT_EXCEEDED": "A limit of the protocol or of an agreement would be passed.",
    "NOT_TRANSFERABLE": "The program's rule forbids this transfer.",
    "FROZEN": "The account is frozen by compliance.",
    "EXPIRED": "The time for this is over.",
    "NOT_DUE": "The time for this has not come, or it is not this step's turn.",
    "SUSPENDED": "The brand is suspended by the alliance.",
    "NOT_ELIGIBLE": "A condition is not met.",
    "CREDIT_LIMIT": "The debtor's credit with the creditor is used up.",
    "ARBITRAGE": "The treaty would close a cycle that creates value.",
    "SLIPPAGE": "The result is below the minimum asked for.",
    "BUDGET_EXHAUSTED": "The campaign's budget is used up.",
    "MEMBER_LIMIT": "The campaign has fired for this shopper as often as it does.",
    "UNDERFUNDED": "What backs the points would not cover them.",
    "OUT_OF_BUDGET": "The transaction, its sender or the block has no work units left.",
}
"""Code → meaning. Codes are public interface: they are added, never renamed."""
