"""The pages of docs/ can be found and followed: each stands in the index, and what they link and cite is there."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
DOCS = ROOT / "docs"
INDEX = DOCS / "index.md"
PAGES = sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md")])
SOURCES = ("node", "network", "consensus", "genesis", "contracts_py", "vm", "tests")
GLOSSARY_ROW = re.compile(r"^\| \*\*(.+?)\*\* \| .+? \| (.+) \|$", re.MULTILINE)


def links_of(page: Path) -> Iterator[tuple[str, str]]:
    """Yield path and anchor of each link of a page that leads into this repository; code is no text."""
    text = re.sub(r"^```.*?^```|`[^`\n]*`", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if not re.match(r"[a-z]+:", target):
            path, _, anchor = target.partition("#")
            yield path, anchor


@cache
def anchors_of(page: Path) -> frozenset[str]:
    """Return the anchors of a page's headings as GitHub makes them."""
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return frozenset(re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_link_leads_somewhere(page: Path) -> None:
    for path, anchor in links_of(page):
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"no {path}"
        assert not anchor or target.suffix != ".md" or anchor in anchors_of(target), f"no heading {path}#{anchor}"


def test_every_page_stands_in_the_index_once() -> None:
    listed = [(DOCS / path).resolve() for path, _ in links_of(INDEX)]
    pages = {page for page in DOCS.rglob("*.md") if page != INDEX}
    assert pages - set(listed) == set()
    tables = [path for path, _ in links_of(INDEX) if path not in ("glossary.md", "design.md")]
    assert sorted(tables) == sorted(set(tables)), "a page stands in the index twice"


def test_the_readme_leads_to_the_index_and_the_design() -> None:
    assert {"docs/index.md", "docs/design.md", "CONTRIBUTING.md"} <= {
        path for path, _ in links_of(ROOT / "README.md")
    }


def test_every_term_of_the_glossary_stands_once_in_order_and_names_a_page() -> None:
    rows = GLOSSARY_ROW.findall((DOCS / "glossary.md").read_text(encoding="utf-8"))
    terms = [term for term, _ in rows]
    assert len(terms) > 60
    assert terms == sorted(set(terms), key=str.lower)
    assert [term for term, page in rows if "](" not in page] == []


def test_every_source_file_that_a_page_names_is_there() -> None:
    named = re.compile(r"`((?:node|network|consensus|genesis|vm|contracts_py|tests)/[\w/.]+\.py)`")
    missing = [
        f"{page.relative_to(ROOT)}: {file}"
        for page in PAGES
        if page.name not in ("CHANGELOG.md", "writing-a-contract.md")  # what was; what its reader makes
        for file in named.findall(page.read_text(encoding="utf-8"))
        if not (ROOT / file).is_file()
    ]
    assert missing == []


def test_every_place_that_the_lessons_name_is_there() -> None:
    """The fourth column names `Class.method`, `module.function` or a file."""
    texts = dict(sources(*(folder for folder in SOURCES if folder != "tests")))
    rows = re.findall(
        r"^\|[^|]*\|[^|]*\|[^|]*\|([^|]*)\|", (DOCS / "lessons.md").read_text(encoding="utf-8"), re.MULTILINE
    )
    named = {place for row in rows for place in re.findall(r"`(\w+)\.(\w+)`", row)}
    assert len(named) > 30
    missing = [
        f"{owner}.{name}"
        for owner, name in sorted(named)
        if not any(
            re.search(rf"^\s*(?:async )?(?:def|class) {name}\b|^    {name}: ", text, re.MULTILINE)
            for file, text in texts.items()
            if file.endswith(f"/{owner}.py") or re.search(rf"^class {owner}\b", text, re.MULTILINE)
        )
    ]
    assert missing == []


def test_the_designs_table_of_rooms_is_the_rule_of_imports() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]
    (rule,) = [contract for contract in settings["contracts"] if contract.get("containers") == ["node"]]
    told = (
        (DOCS / "design.md")
        .read_text(encoding="utf-8")
        .partition("| room | owns |\n|---|---|\n")[2]
        .partition("\n\n")[0]
    )
    rooms = [re.findall(r"`(\w+)`", line.split("|")[1]) for line in told.splitlines()]
    assert rooms == [[room.strip() for room in layer.split("|")] for layer in rule["layers"]]


def test_the_design_names_every_task_that_the_node_starts() -> None:
    """A name that is put together begins with a word, which the table of tasks holds with dots."""
    table = (DOCS / "design.md").read_text(encoding="utf-8").partition("## Tasks and their owners")[2]
    started: set[str] = set()
    for _, text in sources(
        "node/assembly",
        "node/gateway",
        "node/gateway_process",
        "node/peers",
        "node/sync",
        "node/validator",
        "network",
    ):
        for call in (node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call)):
            function = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
            if function in ("run", "start_task") and len(call.args) > 1 and isinstance(call.args[1], ast.Constant):
                started.add(str(call.args[1].value))
    assert len(started) > 8
    assert {name for name in started if f"`{name}`" not in table} == set()


def sources(*folders: str) -> Iterator[tuple[str, str]]:
    """Yield the name and text of each source file."""
    for folder in folders or SOURCES:
        for path in sorted((ROOT / folder).rglob("*.py")):
            yield path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8")


def test_every_page_that_a_source_cites_is_in_this_repository() -> None:
    known = {
        page.relative_to(base).as_posix() for base in (ROOT, DOCS) for page in PAGES if page.is_relative_to(base)
    }
    missing = [
        f"{name}: {cited}"
        for name, text in sources()
        for cited in re.findall(r"(?<![\w/.\-])(?:\.\./)*([\w\-]+(?:/[\w\-]+)*\.md)\b", text)
        if cited not in known and not any(page.endswith(f"/{cited}") for page in known)
    ]
    assert missing == []


def test_every_section_of_the_specification_that_a_source_cites_is_there() -> None:
    specifications = {"SPEC": DOCS / "spec.md", "SPEC-2": DOCS / "spec-2.md"}
    sections = {
        name: set(re.findall(r"^## (\d+)\.", page.read_text(encoding="utf-8"), re.MULTILINE))
        for name, page in specifications.items()
    }
    cited = [
        (name, *found) for name, text in sources() for found in re.findall(r"\b(SPEC(?:-2)?) section (\d+)", text)
    ]
    assert len(cited) > 50
    assert [cite for cite in cited if cite[2] not in sections[cite[1]]] == []
