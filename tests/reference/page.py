"""A contract's page of the reference: made of its declarations and of its story."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, get_type_hints

from tests.contract_harness import account_of
from tests.reference.glossary import meaning, meaning_of_field
from tests.reference.story import ALLIANCE, ROLES, Example, Sent, Story
from tests.reference.words import fields_of, pretty, records_in, type_words
from vm.arguments.shapes import optional_of
from vm.events import EVENTS
from vm.runtime import BoundMethod

_ADDRESS: Final = re.compile(r"ent1[a-z0-9]{38}")

_HEAD: Final = """# {contract}

<!-- made by: python -m tests.reference -->

Every call and view of the contract `{contract}`, with an example that was executed: the story below runs on a chain
in memory when this page is made, and a test runs it again. How to send a call, who signs, and what all calls have
in common is in [the guide](../contracts.md); the other contracts are in [the index](README.md).

**The story.** {intro}
"""


def events_told(stories: Iterable[Story]) -> dict[str, list[str]]:
    """Return the events of each call, as it told them in any story: in an example, or on the way to a refusal."""
    found: dict[str, set[str]] = {}
    for story in stories:
        for name, came_to in story.chain.strict.found.items():
            found.setdefault(name, set()).update(outcome for outcome in came_to if outcome in EVENTS)
    return {name: sorted(events) for name, events in found.items()}


def page(story: Story, told: Mapping[str, list[str]]) -> str:
    """Return a contract's page; `told` has the events of its calls."""
    calls = [example for example in story.examples if example.kind == "call"]
    views = [example for example in story.examples if example.kind == "view"]
    lines = [_HEAD.format(contract=story.contract, intro=story.intro)]
    lines += ["Calls: " + " · ".join(_link(example.name) for example in calls), ""]
    lines += ["Views: " + " · ".join(_link(example.name) for example in views), ""]
    for example in story.examples:
        lines += _example_lines(story, example, told.get(example.name, []))
    lines += _actions_lines(story)
    lines += _duty_lines(story)
    lines += _event_lines(story)
    lines += _record_lines(story)
    text = "\n".join(lines).rstrip() + "\n"
    return text.replace("\n\n\n", "\n\n") + _legend(story, text)


def outcomes(stories: Iterable[Story], told: Mapping[str, list[str]]) -> dict[str, dict[str, Any]]:
    """Return what each call and view may come to: code → when, and names of events."""
    found: dict[str, dict[str, Any]] = {}
    for story in stories:
        for example in story.examples:
            errors: dict[str, list[str]] = {}
            for refusal, _ in example.refused:
                errors.setdefault(refusal.code, []).append(refusal.when)
            events = told.get(example.name, [])
            found[example.name] = {"errors": dict(sorted(errors.items())), "events": events}
    return dict(sorted(found.items()))


def _link(name: str) -> str:
    return f"[`{name}`](#{name.replace('.', '')})"


def _method(story: Story, example: Example) -> BoundMethod:
    runtime = story.chain.runtime
    return (runtime.calls if example.kind == "call" else runtime.views)[example.name]


def _example_lines(story: Story, example: Example, told: list[str]) -> Iterator[str]:
    method = _method(story, example)
    yield f"## `{example.name}`"
    yield ""
    yield _text_of(method)
    yield ""
    if example.kind == "call":
        yield f"Signed by {example.who}."
        yield ""
        yield f"Costs {method.units} work units before anything is looked up; all of the example {example.cost}."
    else:
        yield "A view: any node answers it by JSON-RPC; nothing is signed."
    yield ""
    yield from _argument_lines(example.name, method)
    yield f"Result: {type_words(method.result)}." + _fields_inline(method.result)
    yield ""
    if example.kind == "call":
        yield "Events: " + (", ".join(f"`{name}`" for name in told) if told else "none") + "."
        yield ""
    yield from _refusal_lines(example)
    yield from _shown_lines(example)


def _text_of(method: BoundMethod) -> str:
    text = inspect.getdoc(method.function) or ""
    return text.partition("\nArgs:")[0].strip()


def _argument_lines(name: str, method: BoundMethod) -> Iterator[str]:
    if not method.binder.fields:
        yield "No arguments."
        yield ""
        return
    hints = get_type_hints(method.function, include_extras=True)
    yield "| argument | type | | meaning |"
    yield "|---|---|---|---|"
    for argument, field in method.binder.fields.items():
        words = meaning(name, argument)
        assert words, f"say in tests/reference/glossary.py what {name}.{argument} means"
        need = "required" if field.required else "optional"
        yield f"| `{argument}` | {type_words(optional_of(hints[field.parameter]))} | {need} | {words} |"
    yield ""


def _fields_inline(hint: Any) -> str:
    records = list(records_in(hint))
    if not records:
        return ""
    names = ", ".join(f"`{name}`" for name, _, _ in fields_of(records[0]))
    return f" Fields: {names} ([types](#records))."


def _refusal_lines(example: Example) -> Iterator[str]:
    if not example.refused:
        yield "It refuses nothing but [what every call may refuse](README.md#what-every-call-may-refuse)."
        yield ""
        return
    yield "| refused with | when | details |"
    yield "|---|---|---|"
    for refusal, details in sorted(example.refused, key=lambda pair: pair[0].code):
        yield f"| `{refusal.code}` | {refusal.when} | {', '.join(f'`{name}`' for name in details)} |"
    yield ""


def _shown_lines(example: Example) -> Iterator[str]:
    yield f"**Example.** {example.says}"
    yield ""
    if example.first:
        yield "Before it:"
        yield ""
        for step in example.first:
            yield f"* {_sent_words(step)}"
        yield ""
    yield "```json"
    if example.kind == "view":
        yield pretty({"method": example.name, "params": example.args})
    else:
        yield pretty([example.name, example.args])
    yield "```"
    yield ""
    if example.kind == "call":
        yield f"Signed by {_signers(example.by)}. The receipt:"
        yield ""
        answer: Any = {"status": "ok", "results": [example.result]}
        answer["events"] = [{"op": 0, "type": type_, "data": data} for type_, data in example.events]
    else:
        yield "The answer:"
        yield ""
        answer = {"result": example.result}
    yield "```json"
    yield pretty(answer)
    yield "```"
    yield ""


def _sent_words(step: Sent | str) -> str:
    if isinstance(step, str):
        return step
    return f"{_signers(step.by)}: `{pretty([step.call, step.args]).replace(chr(10), ' ')}`"


def _signers(by: str) -> str:
    if by == ALLIANCE:
        return "no one: the alliance has voted for it"
    return " and ".join(f"`{name}`" for name in by.split("+"))


def _actions_lines(story: Story) -> Iterator[str]:
    if not story.failures:
        return
    yield "## Actions"
    yield ""
    yield "What a proposal asks for. They happen with the vote that decides, all or none; the proposal is `failed`"
    yield "where one cannot be done:"
    yield ""
    yield "| action | fails with | when |"
    yield "|---|---|---|"
    for action, code, when in story.failures:
        yield f"| `{action['action']}` | `{code}` | {when} |"
    yield ""


def _duty_lines(story: Story) -> Iterator[str]:
    duties = {
        path: duty
        for path, duty in story.chain.runtime.duties.by_path.items()
        if path.partition("/")[0] == story.contract
    }
    if not duties:
        return
    yield "## What happens by itself"
    yield ""
    for path, duty in sorted(duties.items()):
        yield f"* {duty.schedule.words[0].upper()}{duty.schedule.words[1:]} (`{path}`)."
    yield ""


def _event_lines(story: Story) -> Iterator[str]:
    yield "## Events"
    yield ""
    yield "Transactions are found by the accounts and brands in their events (`chain_transactions`)."
    yield ""
    for name, kind in sorted(EVENTS.items()):
        if name.partition(".")[0] == story.contract:
            fields = ", ".join(_field_words(*field) for field in fields_of(kind.record))
            yield f"* `{name}`: {' '.join((inspect.getdoc(kind.record) or '').split())} {fields}."
    yield ""


def _record_lines(story: Story) -> Iterator[str]:
    """Yield the records that arguments and answers are made of, each once."""
    waiting: list[Any] = []
    for example in story.examples:
        method = _method(story, example)
        hints = get_type_hints(method.function, include_extras=True)
        for hint in hints.values():
            waiting += records_in(hint)
    written: dict[str, str] = {}
    while waiting:
        record = waiting.pop(0)
        class_ = getattr(record, "__origin__", record)
        if class_.__name__ in written:
            continue
        fields = list(fields_of(record))
        words = " ".join((inspect.getdoc(class_) or "").split())
        written[class_.__name__] = (
            f"* `{class_.__name__}`: {words} " + ", ".join(_field_words(*f) for f in fields) + "."
        )
        for _, hint, _ in fields:
            waiting += records_in(hint)
    yield "## Records"
    yield ""
    yield "What arguments and answers are made of; a field marked `?` may be missing."
    yield ""
    yield from (written[name] for name in sorted(written))
    yield ""


def _field_words(name: str, hint: Any, required: bool) -> str:
    more = meaning_of_field(name)
    said = f": {more[0].lower()}{more[1:].rstrip('.')}" if more else ""
    return f"`{name}`{'' if required else '?'} ({type_words(hint)}{said})"


def _legend(story: Story, text: str) -> str:
    """Return whose the addresses are that a page shows."""
    names = dict(story.names)
    people = {"ann", "bob", "cat", "dan", *(f"{brand}-{role}" for brand in _brands(story) for role in ROLES)}
    names.update({account_of(person): f"`{person}`" for person in people})
    used = sorted(set(_ADDRESS.findall(text)) & names.keys(), key=lambda address: names[address])
    if not used:
        return ""
    rows = "\n".join(f"| `{address}` | {names[address]} |" for address in used)
    return f"\n## Whose addresses these are\n\n| address | |\n|---|---|\n{rows}\n"


def _brands(story: Story) -> list[str]:
    return [args["brand"] for call, args in story.genesis if call == "identity.register_brand"]
