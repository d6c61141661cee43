"""docs/state-layout.md follows the declarations."""

from __future__ import annotations

from pathlib import Path

import pytest

from node.reference.generated_parts import BEGIN
from node.reference.state_layout import declarations, layout_text, rewritten

DOCUMENT = Path(__file__).parents[4] / "docs" / "state-layout.md"


def test_the_page_is_up_to_date() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    assert rewritten(text) == text, "run: python -m node.reference.state_layout docs/state-layout.md"


def test_every_declaration_has_its_row_once_and_says_what_it_is() -> None:
    lines = layout_text().splitlines()
    for declaration in declarations():
        assert declaration.words, declaration.keys.path
        assert len([line for line in lines if line.startswith(f"| `{declaration.keys.pattern}` |")]) == 1


def test_every_record_that_is_named_is_written_out() -> None:
    text = layout_text()
    assert "failure?: Failure" in text
    assert "* `Failure` = `{action: 0…max, code: code ≤64, message: text ≤1,024}`." in text
    # Named by a record below the table, not by the table itself.
    assert "* `ParamChanges` = " in text


@pytest.mark.parametrize("document", ["# nothing", f"{BEGIN.format('layout')}\n\nand no end"])
def test_a_document_without_the_marks_is_refused(document: str) -> None:
    with pytest.raises(ValueError, match="layout"):
        rewritten(document)
