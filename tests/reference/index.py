"""The index of the reference: every call and view in one table, and what all calls have in common."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Final

from tests.reference.story import Story
from vm.error_codes import CODES

_HEAD: Final = """# Contract reference

<!-- made by: python -m tests.reference -->

One page for each contract: [identity](identity.md), [token](token.md), [swap](swap.md), [clearing](clearing.md),
[tier](tier.md), [nft](nft.md), [campaign](campaign.md),
[gov](gov.md). How they work together is told in [the guide](../contracts.md).
[outcomes.json](outcomes.json) has, for programs, the codes with which each call and view refuses and the events
that a call tells.

Each page tells a story, executed on a chain in memory when the page is made. Each refusal in its tables was
executed too: the example with some arguments or signers changed, on a copy of the chain as it stands before the
example. The tests' chains fail for any code and any event that is not on a page
([why](../decisions/contract-reference.md)).

## What every call may refuse

Beside what stands at a call, whatever a contract has:

| refused with | when |
|---|---|
| `UNKNOWN_CALL` | No contract has the call. |
| `INVALID_ARGS` | An argument is missing, unknown, of a wrong type or out of bounds; `details.field` names it. |
| `NOT_AUTHORISED` | The keys that have signed may not act for the sender (`op` is −1). |
| `OUT_OF_BUDGET` | The transaction, its sender or the block has no work units left; it may succeed later. |
| `LIMIT_EXCEEDED` | A result, an event or a value to be stored is beyond what one may hold. |

A refused operation fails its whole transaction: nothing of it happens.
"""


def index(stories: Mapping[str, Story]) -> str:
    """Return the index."""
    lines = [_HEAD, "## Codes", "", "| code | meaning | calls and views |", "|---|---|---|"]
    for code, words in CODES.items():
        names = [
            f"[`{example.name}`]({story.contract}.md#{example.name.replace('.', '')})"
            for story in stories.values()
            for example in story.examples
            if any(refusal.code == code for refusal, _ in example.refused)
        ]
        lines.append(f"| `{code}` | {words} | {' '.join(names)} |")
    lines.append("")
    for kind in ("call", "view"):
        lines += [f"## {kind.title()}s", "", "| | |", "|---|---|"]
        for story in stories.values():
            runtime = story.chain.runtime
            methods = runtime.calls if kind == "call" else runtime.views
            for example in story.examples:
                if example.kind == kind:
                    text = inspect.getdoc(methods[example.name].function) or ""
                    first = " ".join(text.split("\n\n")[0].split())
                    link = f"[`{example.name}`]({story.contract}.md#{example.name.replace('.', '')})"
                    lines.append(f"| {link} | {first} |")
        lines.append("")
    return "\n".join(lines).rstrip() + "\n"
