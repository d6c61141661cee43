"""A story: calls and views of one contract, executed one after the other on a chain in memory.

    story = Story("token", "Aurora's program and its shoppers.", [*alliance_ops("aurora"), …])
    story.call(
        "token.issue", "aurora-issuer", "Ann buys for 500 cents.", "an `issuer` of the program's brand",
        [no("NOT_FOUND", "There is no such program.", program="moons")],
        program="stars", to=ANN, amount=500, ref="order-1",
    )

Each refusal is executed on a fork of the chain that stands where its example begins: the example with some
arguments or signers changed, after what `before` does. So the page shows what has happened, and the refusals of a
call are those that were shown.

Invariants:
    1. An example succeeds, and each of its refusals is refused with its code; what is not so is among the faults.
    2. The roles that the words on who signs name are exactly those that may stand in a signer's place.
    3. Nothing depends on the clock or on chance: a story told twice is the same.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal, get_args

from contracts_py.identity.records import Role
from tests.contract_harness import Chain, Op, account_of, as_read, brand_ops
from vm.chain_records import ValidatorEntry
from vm.contract_api import Context
from vm.errors import Refused
from vm.params import Params
from vm.receipt import Event
from vm.runtime import Runtime

ROLES: Final[tuple[str, ...]] = get_args(Role)

Deed = Callable[[Chain], None]
"""What is done to a chain before something is refused."""

ALLIANCE: Final = ""
"""In the place of signers: the operation stands in genesis, or in an action that the alliance has voted for."""

SAME_SIGNERS: Final = "the same"


@dataclass(frozen=True, slots=True)
class Refusal:
    """A variation of an example that is refused.

    Attributes:
        code: with which.
        when: what is the matter, as a sentence.
        by: who signs; SAME_SIGNERS: as the example.
        before: what is done to the chain first.
        args: arguments that differ from the example's; None leaves one out.
    """

    code: str
    when: str
    by: str
    before: tuple[Deed, ...]
    args: dict[str, Any]


def no(code: str, when: str, /, *before: Deed, by: str = SAME_SIGNERS, **args: Any) -> Refusal:
    """Return a refusal; `from_` and `by_` stand for the arguments `from` and `by`."""
    return Refusal(code, when, by, before, {name.removesuffix("_"): value for name, value in args.items()})


@dataclass(frozen=True, slots=True)
class Sent:
    """An operation that was executed on the way: who signed it, its call and its arguments."""

    by: str
    call: str
    args: dict[str, Any]


@dataclass(slots=True)
class Example:
    """A call or view as it was executed.

    Attributes:
        name: of the call or the view.
        kind: which of the two.
        says: what must exist, and what is done.
        who: who may call it, in words; empty for a view.
        first: what was executed since the example before it.
        refused: (refusal, names of its details), as they were shown.
        cost: work units of the whole transaction, 0 for a view.
    """

    name: str
    kind: Literal["call", "view"]
    by: str
    args: dict[str, Any]
    says: str
    who: str
    first: list[Sent | str]
    refused: list[tuple[Refusal, tuple[str, ...]]] = field(default_factory=list)
    result: Any = None
    events: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    cost: int = 0


class Story:
    """A contract's story.

    Attributes:
        contract: whose calls and views it shows.
        intro: what the chain begins with, in words.
        chain: where it has come to.
        examples: in the order in which they were executed.
        names: address → whose it is, for the page's legend.
        failures: (action of gov, code, when) of those that the alliance votes for in vain.
        faults: refusals that were none, or others; and words on who signs that are not so.
    """

    def __init__(
        self,
        contract: str,
        intro: str,
        ops: Sequence[Op],
        params: Params | None = None,
        validators: Sequence[ValidatorEntry] = (),
        runtime: Runtime | None = None,
    ) -> None:
        self.contract = contract
        self.intro = intro
        self.genesis = list(ops)
        self.chain = Chain(ops, params, validators, runtime)
        self.chain.strict.listed = None  # What is listed is made here.
        self.examples: list[Example] = []
        self.names: dict[str, str] = {}
        self.failures: list[tuple[dict[str, Any], str, str]] = []
        self.faults: list[str] = []
        self._since: list[Sent | str] = []

    # -- telling -----------------------------------------------------------------------------------

    def does(self, by: str, call: str, /, **args: Any) -> Any:
        """Execute an operation that the next example needs; return its result."""
        sent = Sent(by, call, _named(args))
        self._since.append(sent)
        return self._executed(self.chain, sent)[0]

    def then(self, words: str, *deeds: Deed) -> None:
        """Do something that is no operation, such as to let time pass."""
        for deed in deeds:
            deed(self.chain)
        self._since.append(words)

    def call(self, name: str, by: str, says: str, who: str, refused: Sequence[Refusal] = (), /, **args: Any) -> Any:
        """Show a call, after its refusals; return its result."""
        example = Example(name, "call", by, _named(args), says, who, self._taken())
        self._show_roles(example)
        for refusal in refused:
            example.refused.append((refusal, self._refused(example, refusal)))
        result, events, cost = self._executed(self.chain, Sent(by, name, example.args))
        example.result, example.events, example.cost = result, events, cost
        self.examples.append(example)
        return result

    def view(self, name: str, says: str, refused: Sequence[Refusal] = (), /, **args: Any) -> Any:
        """Show a view, after its refusals; return its answer."""
        example = Example(name, "view", "", _named(args), says, "", self._taken())
        paged = "cursor" in self.chain.runtime.views[name].binder.fields
        bad_cursor = no("INVALID_ARGS", "The cursor is none that this view has given.", cursor="no-cursor/")
        for refusal in [*refused, *([bad_cursor] if paged else [])]:
            example.refused.append((refusal, self._refused(example, refusal)))
        example.result = self.chain.view(name, **example.args)
        self.examples.append(example)
        return example.result

    def fails(self, code: str, when: str, action: dict[str, Any], /, *before: Deed) -> None:
        """Show an action of gov that cannot be done when the alliance has voted for it, on a fork."""
        fork = self.chain.fork()
        for deed in before:
            deed(fork)
        made = {"proposal": "in-vain", "title": "In vain", "actions": [action]}
        fork.send_ops("aurora-admin", [("gov.propose", made)])
        voters = [f"{brand}-admin" for brand in ("aurora", "borea", "cielo")]
        fork.send(voters[0], "gov.vote", voters, proposal="in-vain", choice="yes")
        failure = fork.view("gov_proposal", proposal="in-vain").get("failure") or {}
        if failure.get("code") != code:
            self.faults.append(f"{action}: {when} not {code}, but {failure or 'done'}")
        self.failures.append((action, code, when))

    def joined(self, other: Story) -> None:
        """Go on with a story of the same contract that was told on a chain of its own."""
        first = other.examples[0]
        first.first = [f"Another chain: {other.intro}", *first.first]
        self.examples += other.examples
        self.faults += other.faults
        self.names.update(other.names)
        for name, came_to in other.chain.strict.found.items():
            self.chain.strict.found.setdefault(name, set()).update(came_to)

    # -- executing ---------------------------------------------------------------------------------

    def _executed(self, chain: Chain, sent: Sent) -> tuple[Any, list[tuple[str, dict[str, Any]]], int]:
        if sent.by == ALLIANCE:
            result, told, cost = as_alliance(chain, sent.call, sent.args)
        else:
            signers = sent.by.split("+")
            receipt = chain.send_ops(signers[0], [(sent.call, sent.args)], signers)
            assert not receipt.error, f"{sent.call} by {sent.by}: {receipt.error}"
            result, told, cost = as_read(receipt.results[0]), receipt.events, receipt.cost
        events = [(event.type, as_read(event.data)) for event in told]
        return result, events, cost

    def _refused(self, example: Example, refusal: Refusal) -> tuple[str, ...]:
        """Execute a refusal on a fork; return the names of its details."""
        fork = self.chain.fork()
        for deed in refusal.before:
            deed(fork)
        by = example.by if refusal.by == SAME_SIGNERS else refusal.by
        args = {name: value for name, value in {**example.args, **refusal.args}.items() if value is not None}
        caught = refusal_of(fork, example.kind, by, example.name, args)
        where = f"{example.name}: {refusal.when}"
        if caught is None or caught[0] != refusal.code:
            self.faults.append(f"{where} not {refusal.code}, but {caught or 'done'}")
            return ()
        return tuple(caught[2])

    def _show_roles(self, example: Example) -> None:
        """Hold the words on who signs against who may sign."""
        named = {word for word in re.findall(r"`([a-z]+)`", example.who) if word in ROLES}
        may: set[str] = set()
        signers = example.by.split("+")
        for place, signer in enumerate(signers):
            brand, _, role = signer.rpartition("-")
            if role in ROLES and brand:
                for other in ROLES:
                    signing = [*signers[:place], f"{brand}-{other}", *signers[place + 1 :]]
                    if refusal_of(self.chain.fork(), "call", "+".join(signing), example.name, example.args) is None:
                        may.add(other)
        if may != named:
            self.faults.append(f"{example.name}: its words name {sorted(named)}, and {sorted(may)} may sign")

    def _taken(self) -> list[Sent | str]:
        since, self._since = self._since, []
        return since


def refusal_of(
    chain: Chain, kind: str, by: str, name: str, args: dict[str, Any]
) -> tuple[str, str, dict[str, Any]] | None:
    """Execute a call or view; return (code, message, details) of its refusal, None where there is none."""
    if kind == "view" or by == ALLIANCE:
        try:
            if kind == "view":
                chain.view(name, **args)
            else:
                as_alliance(chain, name, args)
        except Refused as refusal:
            return refusal.code, refusal.message, refusal.details
        return None
    signers = by.split("+")
    error = chain.send_ops(signers[0], [(name, args)], signers).error
    if not error:
        return None
    return error.code, error.message, error.details or {}


def as_alliance(chain: Chain, call: str, args: dict[str, Any]) -> tuple[Any, list[Event], int]:
    """Execute an operation with the authority of the alliance; return result, events and cost."""
    found: list[tuple[Any, list[Event], int]] = []

    def act(ctx: Context) -> None:
        result = as_read(chain.runtime.invoke_call(ctx, call, args))
        found.append((result, ctx.events, ctx.cost))

    chain.govern(act)
    return found[0]


def _named(args: dict[str, Any]) -> dict[str, Any]:
    return {name.removesuffix("_"): value for name, value in args.items()}


# -- what a chain begins with, and what is done to it ------------------------------------------------


def alliance_ops(*brands: str) -> list[Op]:
    """Return genesis operations for brands whose roles are held, each by one person, named `<brand>-<role>`."""
    ops: list[Op] = []
    for brand in brands:
        ops += brand_ops(brand)
        for role in sorted(set(ROLES) - {"admin", "issuer", "cashier", "compliance"}):
            account = account_of(f"{brand}-{role}")
            ops.append(("identity.grant_role", {"brand": brand, "role": role, "account": account}))
    return ops


def sent(by: str, call: str, /, **args: Any) -> Deed:
    """Return a deed: an operation that succeeds."""

    def deed(chain: Chain) -> None:
        if by == ALLIANCE:
            as_alliance(chain, call, _named(args))
        else:
            signers = by.split("+")
            chain.send(signers[0], call, signers, **args)

    return deed


def many(deeds: Iterator[Deed]) -> Deed:
    """Return a deed that does several."""
    listed = list(deeds)

    def deed(chain: Chain) -> None:
        for one in listed:
            one(chain)

    return deed


def waited(ms: int) -> Deed:
    """Return a deed: so much time passes, and what falls due is done."""
    return lambda chain: chain.until(chain.time + ms)


def suspended(brand: str) -> Deed:
    """Return a deed: the alliance suspends a brand."""
    return lambda chain: chain.suspend(brand)


def leaving(brand: str, custodian: str, run_off_ms: int = 86_400_000) -> Deed:
    """Return a deed: a brand's run-off begins."""

    def deed(chain: Chain) -> None:
        room = next(room for room in chain.runtime.contracts if type(room).__name__ == "Exits")
        chain.govern(lambda ctx: room.begin(ctx, brand, ctx.time + run_off_ms, custodian))  # type: ignore[attr-defined]

    return deed


def left(brand: str, custodian: str) -> tuple[Deed, Deed]:
    """Return deeds: a brand's run-off begins, and is over."""
    return leaving(brand, custodian), waited(86_400_000)


def wrote(table: Any, value: Any, *key: Any) -> Deed:
    """Return a deed: a record of the state has a value that would take too many operations to come to."""
    return lambda chain: chain.govern(lambda ctx: table.put(ctx, value, *key))
