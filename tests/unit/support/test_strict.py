"""The tests' chains notice what a contract must not let out: each fault of a contract made for it fails a test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Annotated, Any, Final, Literal

import msgspec
import pytest

from contracts_py.registry import contracts
from tests.contract_harness import START, Chain, account_of
from tests.support.strict import fault_of_value
from vm import events
from vm.agenda import POSTPONED_MS
from vm.contract_api import (
    ADDRESS,
    HEX,
    MAX_INT,
    NUMBER,
    SLUG,
    TEXT,
    Address,
    Amount,
    Contract,
    Count,
    Meta,
    Name,
    OnceTable,
    OrderedSet,
    Page,
    Refused,
    Schedule,
    Slug,
    Table,
    call,
    due,
    event,
    view,
)
from vm.errors import InvariantBroken
from vm.runtime import Runtime
from vm.tables.schedule import SCHEDULES
from vm.tables.table import DECLARED, fault_of_key

ANN = account_of("ann")
LATER = START + 60_000


class Answer(msgspec.Struct, frozen=True):
    """A survey's question, as it is answered."""

    survey: Slug
    to: Address | None = None


class Row(msgspec.Struct, frozen=True, array_like=True):
    """A record whose parts are told apart by their place."""

    title: Name
    counts: Annotated[tuple[Count, ...], Meta(max_length=3)]


KEPT: Final[list[int]] = []
ROWS: Final[Table[Row]] = Table("strict-survey/row", (("survey", SLUG),), Row)
ALL_PARTS: Final[Table[int]] = Table(
    "strict-survey/all", (("account", ADDRESS), ("number", NUMBER), ("ref", TEXT), ("key", HEX)), Amount
)
SENT: Final[OnceTable[int]] = OnceTable("strict-survey/sent", (("ref", TEXT),), Amount)
OPEN: Final[OrderedSet[int]] = OrderedSet("strict-survey/open", (), Amount, page_items=4)
ENDS: Final = Schedule("strict-survey/end", (("survey", SLUG),))
STEPS: Final[dict[str, Callable[[Any], Any]]] = {}
"""What the duty does, by the survey."""


class Survey(Contract):
    """Does and answers what a test hands it."""

    name = "strict-survey"
    kept: Final[dict[str, int]] = {}

    def __init__(self) -> None:
        self.step: list[Callable[[Any], Any]] = []
        self.count = 0

    @call
    def do(self, ctx: Any) -> Answer:
        """Do what the test handed in."""
        result: Answer = self.step[0](ctx)
        return result

    @call
    def count_all(self, ctx: Any) -> Annotated[int, Meta(ge=0, le=9)]:
        """Answer what the test handed in as a number."""
        result: int = self.step[0](ctx)
        return result

    @view
    def shown(self, ctx: Any) -> Page[Answer]:
        """Answer what the test handed in as a page."""
        result: Page[Answer] = self.step[0](ctx)
        return result

    @due(ENDS)
    def end(self, ctx: Any, at: int, survey: str) -> bool:
        """Do what the test handed in."""
        result: bool = STEPS[survey](ctx)
        return result


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> type[msgspec.Struct]:
    """Declare an event for one test."""
    monkeypatch.setattr(events, "EVENTS", dict(events.EVENTS))
    monkeypatch.setattr(events, "_TYPES", dict(events._TYPES))

    @event("strict-survey.told")
    class Told(msgspec.Struct, frozen=True, omit_defaults=True):
        """Something was told."""

        survey: Slug
        amount: Amount
        to: Address | None = None
        kind: Literal["open", "shut"] = "open"

    return Told


@pytest.fixture
def survey() -> Iterator[Survey]:
    """Return the contract, with nothing to do yet."""
    yield Survey()
    STEPS.clear()
    KEPT.clear()
    Survey.kept.clear()


@pytest.fixture
def chain(survey: Survey) -> Chain:
    listed, authority = contracts()
    return Chain(runtime=Runtime([*listed, survey], authority))


def do(chain: Chain, survey: Survey, step: Callable[[Any], Any], call: str = "do") -> Any:
    survey.step[:] = [step]
    return chain.send("ann", f"strict-survey.{call}")


GOOD = Answer("sun", ANN)


def test_what_is_as_declared_passes(chain: Chain, survey: Survey, told: Any) -> None:
    def step(ctx: Any) -> Answer:
        ROWS.put(ctx, Row("Ä", (1, 2, 3)), "sun")
        ALL_PARTS.put(ctx, 1, ANN, MAX_INT, "a/b%", b"\xab" * 32)
        SENT.put_new(ctx, 1, "a/b")
        OPEN.add(ctx, item=7)
        ctx.emit(told("sun", 1, ANN))
        return GOOD

    assert do(chain, survey, step) == {"survey": "sun", "to": ANN}
    assert do(chain, survey, lambda ctx: 9, "count_all") == 9
    survey.step[:] = [lambda ctx: Page([GOOD], None)]
    assert chain.view("strict-survey_shown")["items"] == [{"survey": "sun", "to": ANN}]


@pytest.mark.parametrize("answer", [1.5, 2**60, b"x", {1, 2}, None, -1, 10, True, "1", object()])
def test_a_number_that_is_not_as_annotated_is_noticed(chain: Chain, survey: Survey, answer: Any) -> None:
    with pytest.raises(AssertionError, match=r"strict-survey\.count_all answers"):
        do(chain, survey, lambda ctx: answer, "count_all")


@pytest.mark.parametrize(
    "answer", [Answer("Sun"), Answer("x" * 33), Answer("sun", "nobody"), {"to": ANN}, None, "sun"]
)
def test_an_answer_that_is_not_as_annotated_is_noticed(chain: Chain, survey: Survey, answer: Any) -> None:
    with pytest.raises(AssertionError, match=r"strict-survey\.do answers"):
        do(chain, survey, lambda ctx: answer)
    survey.step[:] = [lambda ctx: Page([GOOD, answer], None)]
    with pytest.raises(AssertionError, match="strict-survey_shown answers"):
        chain.view("strict-survey_shown")


@pytest.mark.parametrize(
    "data",
    [
        {"amount": 1.5},
        {"amount": -1},
        {"amount": 2**60},
        {"amount": 2**70},
        {"amount": None},
        {"amount": {1}},
        {"survey": b"sun"},
        {"survey": "x" * 5_000},
        {"survey": "Sun"},
        {"to": "nobody"},
        {"kind": "ajar"},
    ],
)
def test_an_event_that_is_not_as_declared_is_noticed(
    chain: Chain, survey: Survey, told: Any, data: dict[str, Any]
) -> None:
    def step(ctx: Any) -> Answer:
        ctx.emit(told(**{"survey": "sun", "amount": 1, **data}))
        return GOOD

    with pytest.raises(AssertionError, match=r"strict-survey\.do told"):
        do(chain, survey, step)


def test_an_event_of_a_duty_is_looked_at_too(chain: Chain, survey: Survey, told: Any) -> None:
    STEPS["sun"] = lambda ctx: ctx.emit(told("sun", 0)) is not None
    chain.govern(lambda ctx: ENDS.put(ctx, LATER, "sun"))
    with pytest.raises(AssertionError, match="strict-survey/end told"):
        chain.until(LATER)


@pytest.mark.parametrize(
    ("refusal", "words"),
    [
        (Refused("TOO_LATE", "over"), "TOO_LATE is no code"),
        (Refused("EXPIRED", "over", at=1.5), "float"),
        (Refused("EXPIRED", "over", at=object()), "unsupported"),
        (Refused("EXPIRED", "over", at=b"x"), "bytes"),
        (Refused("EXPIRED", "over", at=2**60), "outside"),
    ],
)
def test_a_refusal_that_no_receipt_should_hold_is_noticed(
    chain: Chain, survey: Survey, refusal: Refused, words: str
) -> None:
    def step(ctx: Any) -> Answer:
        raise refusal

    survey.step[:] = [step]
    with pytest.raises(AssertionError, match=rf"strict-survey\.do: .*{words}"):
        chain.refused("ann", "strict-survey.do")


@pytest.mark.parametrize(
    "record",
    ["sun", Row(1.5, (1,)), Row((1,), "x"), Row("x", (1, None)), ("x",), object()],  # type: ignore[arg-type]
)
def test_a_record_of_a_wrong_type_is_no_mere_limit(chain: Chain, survey: Survey, record: Any) -> None:
    survey.step[:] = [lambda ctx: ROWS.put(ctx, record, "sun")]
    with pytest.raises(AssertionError, match="of a wrong type"):
        chain.refused("ann", "strict-survey.do")


@pytest.mark.parametrize(
    "record", [Row("x" * 129, ()), Row("x", (1, 2, 3, 4)), Row("x", (2**70,)), Row("x", (-1,))]
)
def test_a_record_that_is_too_large_is_refused_and_the_harness_tells_why(
    chain: Chain, survey: Survey, record: Any
) -> None:
    survey.step[:] = [lambda ctx: ROWS.put(ctx, record, "sun")]
    assert chain.refused("ann", "strict-survey.do") == "LIMIT_EXCEEDED"
    with pytest.raises(
        AssertionError, match=r"LIMIT_EXCEEDED.*beyond what may be stored \(.*(<=|>=|serialize ints)"
    ):
        do(chain, survey, survey.step[0])


@pytest.mark.parametrize(
    "key",
    [
        ("a/b", 1, "ref", b"k"),
        ("nobody", 1, "ref", b"k"),
        (ANN, "1", "ref", b"k"),
        (ANN, 2**60, "ref", b"k"),
        (ANN, True, "ref", b"k"),
        (ANN, 1, "a ref", b"k"),
        (ANN, 1, "", b"k"),
        (ANN, 1, "x" * 65, b"k"),
        (ANN, 1, "ref", b""),
        (ANN, 1, "ref", b"k" * 33),
    ],
)
@pytest.mark.parametrize("does", ["put", "get"])
def test_a_key_with_a_part_that_is_not_as_declared_is_noticed(
    chain: Chain, survey: Survey, key: tuple[Any, ...], does: str
) -> None:
    def step(ctx: Any) -> Answer:
        if does == "get":
            ALL_PARTS.get(ctx, *key)
        else:
            ALL_PARTS.put(ctx, 1, *key)
        return GOOD

    with pytest.raises((AssertionError, TypeError), match=r"strict-survey/all|str"):
        do(chain, survey, step)


@pytest.mark.parametrize("slug", ["a/b", 7, "NOT A SLUG", "", "x"])
@pytest.mark.parametrize("kind", ["table", "once", "agenda"])
def test_a_slug_that_is_none_is_noticed_in_every_kind_of_key(
    chain: Chain, survey: Survey, slug: Any, kind: str
) -> None:
    if kind == "once" and slug in (7, "x"):
        return  # a text may be one of these

    def step(ctx: Any) -> Answer:
        if kind == "table":
            ROWS.put(ctx, Row("x", ()), slug)
        elif kind == "once":
            SENT.put(ctx, 1, {"a/b": "a b", "NOT A SLUG": "ä"}.get(slug, slug))
        else:
            ENDS.put(ctx, LATER, slug)
        return GOOD

    with pytest.raises(AssertionError, match=r"strict-survey/(row|sent|end)"):
        do(chain, survey, step)


def test_a_record_with_more_than_was_declared_is_noticed_when_it_is_read(chain: Chain, survey: Survey) -> None:
    def step(ctx: Any) -> Answer:
        ROWS.put(ctx, ("x", (1,), 5), "sun")  # type: ignore[arg-type]
        return GOOD

    do(chain, survey, step)
    with pytest.raises(AssertionError, match=r"strict-survey/row/sun is more than .*Row"):
        ROWS.get(chain.context(), "sun")


def test_keys_of_pages_are_as_declared_and_others_are_not() -> None:
    assert fault_of_key("strict-survey/row/sun/12") is None
    assert fault_of_key("strict-survey/open/12") is None
    for key in (
        "strict-survey/row",
        "strict-survey/row/sun/x",
        "strict-survey/row/sun/1/2",
        "strict-survey/none/sun",
    ):
        assert fault_of_key(key) is not None
    assert DECLARED["strict-survey/row"] is ROWS.keys


def add_one(survey: Survey) -> None:
    survey.count += 1


@pytest.mark.parametrize(
    ("change", "where"),
    [
        (add_one, r"Survey\.count"),
        (lambda survey: survey.step.append(add_one), r"Survey\.step"),
        (lambda survey: setattr(survey, "seen", 1), r"Survey\.seen"),
        (lambda survey: KEPT.append(1), r"test_strict\.KEPT"),
        (lambda survey: Survey.kept.update(sun=1), r"Survey\.kept"),
    ],
)
def test_what_a_room_keeps_beside_the_state_is_noticed(
    chain: Chain, survey: Survey, change: Callable[[Survey], None], where: str
) -> None:
    def step(ctx: Any) -> Answer:
        change(survey)
        return GOOD

    with pytest.raises(AssertionError, match=rf"strict-survey\.do changed .*{where}"):
        do(chain, survey, step)


@pytest.mark.parametrize(
    ("more", "words"),
    [(None, "answers None"), (1, "answers 1"), (True, "answers True and wrote nothing: it never ends")],
)
def test_a_duty_says_whether_more_remains_and_comes_to_an_end(
    chain: Chain, survey: Survey, more: Any, words: str
) -> None:
    STEPS["sun"] = lambda ctx: more
    chain.govern(lambda ctx: ENDS.put(ctx, LATER, "sun"))
    with pytest.raises(AssertionError, match=f"strict-survey/end {words}"):
        chain.until(LATER)


def test_a_test_may_put_off_what_is_due(chain: Chain, survey: Survey) -> None:
    ran: list[int] = []
    STEPS["sun"] = lambda ctx: bool(ran.append(ctx.time))
    chain.govern(lambda ctx: ENDS.put(ctx, LATER, "sun"))
    chain.until(LATER, postponing=ENDS)
    assert chain.events == [
        (
            "chain.postponed",
            {
                "item": "strict-survey/end/sun",
                "due": LATER + POSTPONED_MS,
                "code": "NOT_ELIGIBLE",
                "message": "the test puts it off",
            },
        )
    ]
    chain.until(LATER + POSTPONED_MS - 1)
    assert ran == []
    chain.until(LATER + POSTPONED_MS)
    assert ran == [LATER + POSTPONED_MS]


def test_a_set_that_is_changed_while_it_is_iterated_says_so(chain: Chain, survey: Survey) -> None:
    def fill(ctx: Any) -> Answer:
        for number in range(1, 40):
            OPEN.add(ctx, item=number)
        return GOOD

    def empty(ctx: Any) -> Answer:
        for number in OPEN.iterate(ctx):
            OPEN.discard(ctx, item=number)
        return GOOD

    do(chain, survey, fill)
    with pytest.raises(InvariantBroken, match="was it changed while it was iterated"):
        do(chain, survey, empty)


@pytest.mark.parametrize(
    ("value", "annotation", "is_good"),
    [
        ({"sun": 1}, Annotated[dict[Slug, Count], Meta(max_length=2)], True),
        ({"Sun": 1}, Annotated[dict[Slug, Count], Meta(max_length=2)], False),
        ([["sun", 1]], list[tuple[Slug, Count]], True),
        ([["sun", 1], ["S", 1]], list[tuple[Slug, Count]], False),
        ("sun", Slug | Count, True),
        (5, Slug | Count, True),
        ("Sun", Slug | Count, False),
        (None, Slug | None, True),
        ("Sun", Slug | None, False),
    ],
)
def test_rules_are_found_wherever_they_stand(value: Any, annotation: Any, is_good: bool) -> None:
    assert (fault_of_value(value, annotation) is None) == is_good


def test_the_schedule_of_this_test_is_no_other_contracts() -> None:
    assert SCHEDULES["strict-survey/end"] is ENDS
