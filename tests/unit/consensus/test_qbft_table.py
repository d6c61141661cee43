"""docs/consensus.md's table of rules names functions, predicates and tests that are there."""

from __future__ import annotations

import importlib
import inspect
import re
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs/consensus.md").read_text()

DAFNY_NAMES = frozenset(
    re.findall(
        r"\w+",
        """
        NodeInit NodeNext NodeNextSubStep UponBlockTimeout UponProposal UponPrepare UponCommit UponNewBlock
        UponRoundTimeout UponRoundChange getCommitSealsFromCommitMessages

        digest signProposal recoverSignedProposalAuthor signPrepare recoverSignedPrepareAuthor signCommit
        recoverSignedCommitAuthor signRoundChange recoverSignedRoundChangeAuthor signHash recoverSignedHashAuthor
        validateRawEthereumBlock validatorsOnRawBlockchain minSet getNewBlock validators validateEthereumBlock f
        quorum roundTimeout replaceRoundInBlock hashBlockForCommitSeal proposer Multicast digestOptionalBlock
        receivedPrepares extractSignedPrepares receivedRoundChanges
        receivedSignedRoundChangesForCurrentHeightAndFutureRounds extractSignedRoundChanges
        getSetOfRoundChangeSenders receivedBlocksInRoundChanges validateNonPreparedBlock validRoundChange
        isHighestPrepared isProposalJustification isValidProposal isReceivedProposalJustification
        hasReceivedProposalJustification getRoundChangeJustification createRoundChange
        validSignedPrepareForHeightRoundAndDigest validPreparesForHeightRoundAndDigest validateCommit
        validCommitsForHeightRoundAndDigest ValidNewBlock validNewBlockMessage

        UnsignedProposal UnsignedPrepare UnsignedCommit UnsignedRoundChange messagesReceived
        proposalAcceptedForCurrentRound lastPreparedBlock lastPreparedRound timeLastRoundStart
        """,
    )
)
"""What Consensys/qbft-formal-spec-and-verification, dafny/spec/L1, declares: node, auxiliary functions, types."""


class Rule(NamedTuple):
    """One line of the table."""

    name: str
    predicates: list[str]
    functions: list[str]
    tests: list[tuple[str, str]]


def rules() -> list[Rule]:
    table = PAGE[PAGE.index("| rule (SPEC section 3)") :].partition("\n\n")[0]
    found = []
    for line in table.splitlines()[2:]:
        _, name, predicates, functions, tests, _, _ = (cell.strip() for cell in line.split("|"))
        ticked = [re.findall(r"`(.+?)`", cell) for cell in (predicates, functions)]
        found.append(Rule(name, *ticked, named(tests)))
    return found


def named(tests: str) -> list[tuple[str, str]]:
    """Return (file, first words) of each test: a file holds until the next one is named."""
    found = []
    file = ""
    for each in tests.split("; "):
        before, colon, words = each.rpartition(": ")
        file = before if colon else file
        found.append((file, words.replace(" ", "_")))
    return found


def source_of(function: str) -> str:
    module, _, path = function.partition(".")
    found = importlib.import_module(f"consensus.{module}")
    for part in path.split("."):
        found = getattr(found, part)
    return inspect.getsource(found)  # type: ignore[arg-type]


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule.name)
def test_a_rule_names_what_is_there(rule: Rule) -> None:
    sources = [source_of(function) for function in rule.functions]
    assert sources
    assert set(rule.predicates) <= DAFNY_NAMES
    tags = [{predicate for predicate in rule.predicates if f"`{predicate}`" in source} for source in sources]
    assert set().union(*tags) == set(rule.predicates)
    assert all(tags) or not rule.predicates
    for file, words in rule.tests:
        text = (ROOT / f"tests/unit/consensus/test_qbft_{file}.py").read_text()
        assert re.search(rf"^def test_(an?_)?{words}", text, re.MULTILINE), f"{file}: {words}"


def test_every_predicate_that_a_docstring_names_is_one() -> None:
    tagged = 0
    for path in (ROOT / "consensus").glob("*.py"):
        for sentence in re.findall(r"Dafny ((?:`\w+`(?:, | and )?)+)", path.read_text()):
            names = re.findall(r"`(\w+)`", sentence)
            assert set(names) <= DAFNY_NAMES, (path.name, names)
            tagged += len(names)
    assert tagged > 40
