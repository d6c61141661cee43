"""The contract reference (docs/contracts/) is what its stories come to, and leaves out no call and no refusal."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from contracts_py.registry import contracts
from tests.contract_harness import Chain, account_of, brand_ops, program_args
from tests.reference.build import FOLDER, GUIDE, files, stories
from tests.reference.glossary import ARGUMENTS
from tests.reference.guide import rewritten
from tests.reference.stories import STORIES
from tests.support.strict import listed_outcomes
from vm.errors import Refused
from vm.runtime import Runtime

ROOT = Path(__file__).parents[3]
RUNTIME = Runtime(*contracts())
METHODS = {**RUNTIME.calls, **RUNTIME.views}

_OF_A_RULE = "A rule comes to it: the record stands, and tells it as the reason; test_campaign_pools.py."
NOT_REACHED = {
    "contracts_py/campaign/draw_entries.py: 'EXPIRED' 'the draw takes no more entries'": _OF_A_RULE,
    "contracts_py/campaign/draw_entries.py: 'LIMIT_EXCEEDED' 'the draw has too many entries'": _OF_A_RULE,
    "contracts_py/campaign/draw_entries.py: 'LIMIT_EXCEEDED' 'too many entries at once'": _OF_A_RULE,
    "contracts_py/campaign/draw_entries.py: 'NOT_ELIGIBLE' \"the draw is another campaign's\"": _OF_A_RULE,
    "contracts_py/campaign/effects/entry.py: 'NOT_AUTHORISED' \"the draw is another brand's\"": (
        "campaign.create does, as for other effects; test_campaign_pools.py."
    ),
    "contracts_py/campaign/lists.py: 'NOT_FOUND' f'no such {_WORDS[kind]}'": _OF_A_RULE,
    "contracts_py/gov/actions.py: 'LIMIT_EXCEEDED' f'at most {MAX_VALIDATORS} validators'": (
        "The record of the set is bounded alike, and refuses first with the same code."
    ),
    "contracts_py/tier/tiers.py: 'points' 'no negative number'": "Only contracts above ask for this; "
    "test_tier_views.py does.",
    "contracts_py/tier/tiers.py: 'NOT_FOUND' 'the brand has no ladder that counts points'": "Likewise.",
    "contracts_py/tier/seats.py: 'LIMIT_EXCEEDED' 'more than a standing counts'": "Likewise.",
    "contracts_py/identity/brands.py: 'NOT_AUTHORISED' 'only the alliance does this'": (
        "Only gov asks for this, after a vote: no call leads there without. test_identity.py calls the rooms "
        "themselves."
    ),
}
"""Where a refusal is made that no story shows → why not."""


def test_the_pages_are_up_to_date() -> None:
    made = files()
    assert {path.name for path in FOLDER.iterdir()} == made.keys()
    stale = [name for name, text in made.items() if (FOLDER / name).read_text(encoding="utf-8") != text]
    assert not stale, f"{stale}: run python -m tests.reference"


def test_the_guides_examples_come_to_what_it_says() -> None:
    text = GUIDE.read_text(encoding="utf-8")
    assert rewritten(text) == text, "run: python -m tests.reference"


def test_no_block_of_the_guide_is_left_unexecuted() -> None:
    kinds = re.findall(r"^```json(.*)$", GUIDE.read_text(encoding="utf-8"), re.MULTILINE)
    assert {kind.split()[0] for kind in kinds} == {"op", "view", "receipt", "answer"}
    asked = [kind for kind in kinds if kind.split()[0] in ("op", "view")]
    assert len(asked) == len(kinds) - len(asked) > 10


def test_every_link_between_these_pages_leads_somewhere() -> None:
    pages = {path: path.read_text(encoding="utf-8") for path in [GUIDE, *FOLDER.glob("*.md")]}
    for path, text in pages.items():
        for target, _, anchor in (link.partition("#") for link in re.findall(r"\]\(([^)\s]+)\)", text)):
            found = (path.parent / target).resolve() if target else path
            assert found.exists(), f"{path.name} links to {target}"
            if anchor and found in pages:
                headings = re.findall(r"^#+ (.*)$", pages[found], re.MULTILINE)
                assert anchor in {anchor_of(heading) for heading in headings}, f"{path.name} links to #{anchor}"


def anchor_of(heading: str) -> str:
    """Return a heading's anchor as GitHub makes it."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def test_every_call_and_view_has_one_example_on_its_contracts_page() -> None:
    shown = [example.name for story in stories().values() for example in story.examples]
    assert sorted(shown) == sorted(METHODS)
    for name, story in stories().items():
        for example in story.examples:
            assert example.name.startswith((f"{name}.", f"{name}_"))


def test_every_word_of_the_glossary_is_used() -> None:
    arguments = {argument for method in METHODS.values() for argument in method.binder.fields}
    own = {f"{name}.{argument}" for name, method in METHODS.items() for argument in method.binder.fields}
    assert set(ARGUMENTS) <= arguments | own


def test_a_test_that_comes_upon_what_no_page_lists_fails() -> None:
    chain = Chain([*brand_ops("aurora"), ("token.create_program", program_args("stars", "aurora"))])
    assert "token.issued" in listed_outcomes()["token.issue"]
    chain.strict.listed = {**listed_outcomes(), "token.issue": frozenset(["NOT_AUTHORISED"])}
    issue: dict[str, Any] = {"program": "stars", "to": account_of("ann"), "amount": 1}
    try:
        assert chain.refused("ann", "token.issue", **issue) == "NOT_AUTHORISED"
        with pytest.raises(AssertionError, match=r"token\.issue comes to token\.issued: show it"):
            chain.send("aurora-issuer", "token.issue", **issue)
        with pytest.raises(AssertionError, match=r"token\.issue comes to NOT_FOUND: show it"):
            chain.refused("aurora-issuer", "token.issue", **{**issue, "program": "moons"})
    finally:
        chain.strict.listed = listed_outcomes()


# -- every refusal in the source is shown --------------------------------------------------------------


def refusals_in_source() -> Iterator[tuple[str, int, int, str]]:
    """Yield (file, first line, last line, words) of each place in the contracts where a refusal is made."""
    for path in sorted((ROOT / "contracts_py").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Name)
                and node.func.id in ("Refused", "refuse")
            ):
                words = " ".join(ast.unparse(arg) for arg in node.args)
                yield path.relative_to(ROOT).as_posix(), node.lineno, node.end_lineno or node.lineno, words


def test_every_refusal_that_contracts_make_is_shown_by_a_story(monkeypatch: pytest.MonkeyPatch) -> None:
    reached: set[tuple[str, int]] = set()
    made = Refused.__init__

    def noting(self: Refused, code: str, message: str, /, **details: Any) -> None:
        frame = sys._getframe(1)
        if frame.f_code.co_name == "refuse" and frame.f_back is not None:
            frame = frame.f_back
        reached.add((Path(frame.f_code.co_filename).as_posix(), frame.f_lineno))
        made(self, code, message, **details)

    monkeypatch.setattr(Refused, "__init__", noting)
    for tell in STORIES.values():
        tell()
    own = {(path.removeprefix(f"{ROOT.as_posix()}/"), line) for path, line in reached}
    missing = {
        f"{path}: {words}"
        for path, first, last, words in refusals_in_source()
        if not any((path, line) in own for line in range(first, last + 1))
    }
    assert missing == NOT_REACHED.keys()
