"""The references of node.toml, metrics and commands follow the code, and leave nothing out."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Callable
from pathlib import Path

import click
import msgspec
import pytest
from prometheus_client.metrics import MetricWrapperBase

from node.assembly.metrics import Metrics
from node.reference import command_line, configuration, log_lines, metrics
from node.reference.generated_parts import table
from node.runtime.config import NodeConfig, PeerAddress, RpcLimits, VirtualClock, Workers

DOCS = Path(__file__).parents[4] / "docs"
PAGES: dict[str, tuple[str, Callable[[str], str]]] = {
    "reference-configuration.md": ("node.reference.configuration", configuration.rewritten),
    "reference-metrics.md": ("node.reference.metrics", metrics.rewritten),
    "reference-log.md": ("node.reference.log_lines", log_lines.rewritten),
    "reference-cli.md": ("node.reference.command_line", command_line.rewritten),
}


@pytest.mark.parametrize("name", PAGES)
def test_the_page_is_up_to_date(name: str) -> None:
    module, rewritten = PAGES[name]
    text = (DOCS / name).read_text(encoding="utf-8")
    assert rewritten(text) == text, f"run: python -m {module} docs/{name}"


@pytest.mark.parametrize("struct", [NodeConfig, RpcLimits, PeerAddress, VirtualClock, Workers])
def test_every_field_of_the_configuration_says_what_it_means(struct: type[msgspec.Struct]) -> None:
    words = configuration.meanings(struct)
    assert [name for name in struct.__struct_fields__ if not words.get(name)] == []


def attributes_read(*skipped: str) -> set[str]:
    """Return the names of all attributes that the sources of the node read, some files left out."""
    trees = [
        ast.parse(path.read_text(encoding="utf-8"))
        for folder in ("node", "genesis")
        for path in (DOCS.parent / folder).rglob("*.py")
        if not path.as_posix().endswith(skipped)
    ]
    return {node.attr for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Attribute)}


@pytest.mark.parametrize("struct", [NodeConfig, RpcLimits, PeerAddress, VirtualClock, Workers])
def test_every_field_of_the_configuration_is_read(struct: type[msgspec.Struct]) -> None:
    assert set(struct.__struct_fields__) - attributes_read("node/runtime/config.py") == set()


def test_every_metric_is_set_somewhere() -> None:
    names = {name for name, value in vars(Metrics()).items() if isinstance(value, MetricWrapperBase)}
    assert len(names) > 20
    assert names - attributes_read("node/assembly/metrics.py") == set()


def test_the_example_of_a_configuration_is_one() -> None:
    text = (DOCS / "reference-configuration.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```toml\n(.*?)```", text, re.DOTALL)
    msgspec.convert(tomllib.loads(example), NodeConfig)


def test_every_metric_says_what_to_do_and_nothing_else_does() -> None:
    assert metrics.ADVICE.keys() == metrics.metrics_of(Metrics()).keys()


def test_the_names_of_metrics_are_those_that_prometheus_reads() -> None:
    exposed = set(re.findall(r"^# TYPE (entente_\w+)", Metrics().text().decode(), re.MULTILINE))
    made_at = {name for name in exposed if name.endswith("_created")}
    assert exposed - made_at == set(metrics.metrics_of(Metrics()))


def test_every_command_and_option_says_what_it_is_for() -> None:
    for name, command in command_line.commands().items():
        assert command.help, name
        for param in command.params:
            assert not isinstance(param, click.Option) or param.help, f"{name} {param.name}"


def test_every_line_of_the_log_says_what_to_do_and_nothing_else_does() -> None:
    assert {line.text for line in log_lines.lines()} == log_lines.ADVICE.keys()


def test_a_bar_does_not_end_a_cell() -> None:
    assert table(("a", "b"), [("x|y", "z")]) == "| a | b |\n| --- | --- |\n| x\\|y | z |"
