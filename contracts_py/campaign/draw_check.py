"""Checking a draw without the chain's state: everything is computed again from seed material and entries.

It is written differently from the contract (one list of tickets, no pages of sums), so that a mistake of one shows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import isqrt
from typing import Any

from contracts_py.campaign.draw_records import MAX_PASSED
from contracts_py.campaign.draw_seed import commitment_of, number_below, seed_of


def problems(proof: dict[str, Any], entries: Sequence[Sequence[int | str]]) -> Iterator[str]:
    """Yield what is wrong with a draw; nothing where it is as it should be.

    Args:
        proof: what `campaign_draw_proof` answers.
        entries: (account, tickets) by slot, from `campaign_draw_entries`.
    """
    yield from _problems_of_seed(proof)
    tickets = [int(count) for _, count in entries]
    if sum(tickets) != proof["total"]:
        yield f"the entries have {sum(tickets)} tickets, the draw {proof['total']}"
        return
    if proof.get("seed") is not None:
        yield from _problems_of_numbers(proof, [str(account) for account, _ in entries], tickets)


def _problems_of_seed(proof: dict[str, Any]) -> Iterator[str]:
    chain, draw, seed = proof["chain"], proof["draw"], proof.get("seed")
    for witness in proof["witnesses"]:
        secret = witness.get("secret")
        if secret is None:
            if seed is not None:
                yield f"there is a seed, but {witness['brand']} has not shown its secret"
        elif commitment_of(chain, draw, witness["brand"], bytes.fromhex(secret)) != witness["commitment"]:
            yield f"{witness['brand']} has committed to another secret"
    if seed is None:
        return
    entropy = proof.get("entropy")
    if entropy is None:
        yield "there is a seed, but no block"
        return
    secrets = sorted((w["brand"], w["secret"]) for w in proof["witnesses"] if w.get("secret") is not None)
    if seed_of(chain, draw, entropy["height"], bytes.fromhex(entropy["digest"]), secrets).hex() != seed:
        yield "the seed does not follow from the block and the secrets"


def _problems_of_numbers(proof: dict[str, Any], accounts: list[str], tickets: list[int]) -> Iterator[str]:
    urn, seed, place, winners = _Urn(tickets), bytes.fromhex(proof["seed"]), 0, set[str]()
    prizes = [prize["name"] for prize in proof["prizes"] for _ in range(prize["count"])]
    for number, told in enumerate(proof["numbers"]):
        if not urn.total or place == len(prizes):
            yield f"number {number}: there is nothing left to draw"
            return
        ticket = number_below(seed, number, urn.total)
        slot = urn.slot_of(ticket)
        if (told["number"], told["ticket"], told["slot"], told["account"]) != (
            number,
            ticket,
            slot,
            accounts[slot],
        ):
            yield f"number {number} is ticket {ticket}, which is {accounts[slot]}'s at slot {slot}"
            return
        won = told.get("place") is not None
        if won and (told["place"], told["prize"]) != (place, prizes[place]):
            yield f"number {number} wins the prize {prizes[place]}, at place {place}"
        if won and proof["once"] and told["winner"] in winners:
            yield f"number {number}: {told['winner']} wins twice"
        taken = 1 if won and not proof["once"] else tickets[slot]
        if told["taken"] != taken:
            yield f"number {number} takes {taken} tickets out of the draw"
        urn.take(slot, taken)
        place += won
        if won:
            winners.add(told["winner"])
    passed = len(proof["numbers"]) - place
    if proof["status"] == "done" and place < len(prizes) and urn.total and passed < MAX_PASSED:
        yield f"{len(prizes) - place} prizes were not drawn, though {urn.total} tickets are left"


class _Urn:
    """Tickets by slot, with sums over stretches of about the square root of their number."""

    def __init__(self, tickets: list[int]) -> None:
        self._tickets = tickets
        self._width = isqrt(len(tickets)) + 1
        self._sums = [sum(tickets[at : at + self._width]) for at in range(0, len(tickets), self._width)]
        self.total = sum(tickets)

    def slot_of(self, ticket: int) -> int:
        """Return the slot that holds a ticket."""
        stretch = 0
        while ticket >= self._sums[stretch]:
            ticket -= self._sums[stretch]
            stretch += 1
        slot = stretch * self._width
        while ticket >= self._tickets[slot]:
            ticket -= self._tickets[slot]
            slot += 1
        return slot

    def take(self, slot: int, count: int) -> None:
        """Take tickets of a slot out."""
        self._tickets[slot] -= count
        self._sums[slot // self._width] -= count
        self.total -= count
