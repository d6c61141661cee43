"""The command line, the network's life, the clock and the summary."""

from __future__ import annotations

import io
import json
import os
import signal
from collections import Counter
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner
from rich.console import Console

from genesis.testnet import ClockStart, create_testnet
from node.demo import command, network, session, summary
from node.demo import result as results
from node.demo.command import demo
from node.demo.comparison import Comparison
from node.demo.courier import Counters
from node.demo.data import load_lines
from node.demo.errors import ReplayFailed
from node.demo.judging import figures_of
from node.demo.network import clock_of, running_network
from node.demo.plan import MS_PER_DAY, month_start
from node.demo.planner import make_plan
from node.demo.printed import Printed
from node.demo.proof import recompute
from node.demo.reports import CHECKS, Report
from node.demo.result import Result
from node.demo.session import Prepared, choose_clock
from node.terminal.output import CliError

Write = Callable[[list[tuple[int, int, str, int, float]]], Path]

AFTER = month_start(13) + MS_PER_DAY


@pytest.fixture
def prepared(write_data: Write) -> Prepared:
    folder = write_data([(2, 1, "2017-01-05T10:00:00", 1, 120.0), (3, 2, "2017-01-06T10:00:00", 2, 25.0)])
    lines = load_lines(folder, None, 1)
    return Prepared(folder, None, 1, lines, make_plan(lines))


@pytest.fixture
def result(prepared: Prepared, tmp_path: Path) -> Result:
    manifest = create_testnet(tmp_path / "net", 4, 12_345, clock=ClockStart(0, 1_000), name="demo")
    expected = recompute(prepared.folder, None, 1)
    figures = [figures_of(each, AFTER) for each in expected.programs]
    counts = Counter(dict.fromkeys(CHECKS, 2))
    reports = [
        Report(brand, 9, AFTER, list(figures), list(figures), counts, state_root="ab" * 32, proved=True)
        for brand in ("aurora", "basil", "comet", "dune")
    ]
    counters = Counters(operations=17, transactions=9)
    return Result(
        manifest,
        "net",
        2,
        2,
        True,
        1,
        prepared.plan,
        counters,
        1.0,
        1.0,
        expected,
        Comparison(9, reports),
        Printed(tmp_path, 4, 7, shown=tmp_path / "page.html"),
    )


def words_of(result: Result) -> str:
    page = io.StringIO()
    summary.print_summary(result, Console(file=page, width=160))
    return page.getvalue()


def test_the_default_year_takes_its_least_length(prepared: Prepared) -> None:
    clock = choose_clock(prepared, None)
    assert clock.rate == round(365 * 86_400 / session.YEAR_S)
    lead_s = (month_start(1) - clock.start_ms) / 1_000 / clock.rate
    assert session.START_S <= lead_s < session.START_S + 1


def test_the_speed_can_be_chosen(prepared: Prepared) -> None:
    assert choose_clock(prepared, 2.0).rate == 172_800


def test_much_work_makes_the_year_longer(prepared: Prepared, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Prepared, "operations", property(lambda self: 245_000))
    assert choose_clock(prepared, None).rate == pytest.approx(
        365 * 86_400 / (245_000 / session.OPERATIONS_PER_SECOND), abs=1
    )


@pytest.mark.parametrize("wrong", ["0", "-1", "1.5", "some", "²", "", "9" * 5_000])
def test_a_wrong_number_of_baskets_is_refused(wrong: str) -> None:
    outcome = CliRunner().invoke(demo, ["--baskets", wrong])
    assert outcome.exit_code == 2
    assert "neither a number from 1 nor 'all'" in outcome.output


@pytest.mark.parametrize(("given", "baskets"), [("all", None), ("7", 7), (None, command.DEFAULT_BASKETS)])
def test_the_number_of_baskets(given: str | None, baskets: int | None, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []

    def run(*arguments: Any) -> bool:
        seen.append(arguments[0])
        return True

    monkeypatch.setattr(command, "_run", run)
    outcome = CliRunner().invoke(demo, [] if given is None else ["--baskets", given])
    assert outcome.exit_code == 0
    assert seen == [baskets]


def test_a_difference_is_exit_code_1(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "_run", lambda *arguments: False)
    assert CliRunner().invoke(demo, ["--exit"]).exit_code == 1


def test_a_failed_replay_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def run(*arguments: Any) -> bool:
        raise ReplayFailed("the chain said no")

    monkeypatch.setattr(command, "_run", run)
    outcome = CliRunner().invoke(demo, ["--exit"])
    assert outcome.exit_code == 1
    assert "Error: the chain said no" in outcome.output
    assert isinstance(outcome.exception, SystemExit)


def test_json_is_one_document(result: Result, prepared: Prepared, monkeypatch: pytest.MonkeyPatch) -> None:
    async def run(*arguments: Any, **named: Any) -> Result:
        return result

    @contextmanager
    def no_network(*arguments: Any) -> Any:
        yield result.manifest

    monkeypatch.setattr(session, "prepare", lambda baskets, seed: prepared)
    monkeypatch.setattr(session, "run", run)
    monkeypatch.setattr(command, "running_network", no_network)
    outcome = CliRunner().invoke(demo, ["--exit", "--json"])
    assert outcome.exit_code == 0
    document = json.loads(outcome.stdout)
    assert document["agrees"] is True
    assert document["programs"][0]["chain"] == document["programs"][0]["recomputed"]
    assert [validator["rpc"] for validator in document["validators"]] == [
        f"http://127.0.0.1:{port}" for port in range(12_345, 12_349)
    ]


def test_the_summary_tells_agreement(result: Result) -> None:
    words = words_of(result)
    assert "Proved" in words
    assert "ab" * 32 in words
    assert "DIFFERENT" not in words
    assert words.count("equal") == 11 + 12 + 4 + 11 + 1


def test_the_summary_tells_a_difference_of_one_validator(result: Result) -> None:
    liar = result.comparison.reports[2]
    liar.chain[0] = {**liar.chain[0], "redeemed": 1}
    liar.check("totals", "aurora-points, redeemed", 1, 0)
    words = words_of(result)
    assert "DISAGREE" in words
    assert "Proved" not in words
    assert words.count("DIFFERENT") == 1
    assert "comet: aurora-points, redeemed: the chain says 1, the data 0" in words
    assert not results.as_json(result)["agrees"]


def test_a_difference_that_all_four_have_is_told_once(result: Result) -> None:
    for report in result.comparison.reports:
        report.check("obligations", "2017-03, what aurora and basil owe each other in cents", (1, 0), (2, 0))
    words = words_of(result)
    assert words.count("what aurora and basil owe each other in cents: the chain says (1, 0), the data (2, 0)") == 1
    assert "all four: 2017-03" in words
    assert words.count("DIFFERENT") == 1


def test_statements_that_differ_are_no_agreement(result: Result) -> None:
    result.printed.told.append("clearing/line/0: one side says 1.00, the other 2.00")
    assert "one side says 1.00" in words_of(result)
    assert not result.agrees


def test_the_summary_says_when_the_statements_go(result: Result) -> None:
    page = io.StringIO()
    summary.print_summary(result, Console(file=page, width=160), temporary=True)
    assert "--dir DIR keeps them" in page.getvalue()
    assert "--dir DIR keeps them" not in words_of(result)


def test_the_summary_fits_80_columns(result: Result) -> None:
    page = io.StringIO()
    result.printed.shown = None
    summary.print_summary(result, Console(file=page, width=80))
    assert max(len(line) for line in page.getvalue().splitlines()) <= 80


def test_the_summary_tells_different_state_roots(result: Result) -> None:
    result.comparison.reports[3].state_root = "cd" * 32
    words = words_of(result)
    assert "The state roots differ." in words
    assert "Proved" not in words


class Nodes:
    """Stands for the processes: counts starts and stops."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, fault: Exception | None = None) -> None:
        self.calls: list[str] = []
        self.fault = fault
        monkeypatch.setattr(network, "start_validators", self.start)
        monkeypatch.setattr(network, "wait_ready", self.ready)
        monkeypatch.setattr(network, "stop_nodes", lambda validators: self.calls.append("stop"))

    def start(self, directory: Path, manifest: Any) -> tuple[Any, dict[str, Any]]:
        self.calls.append("start")
        return manifest, {}

    def ready(self, manifest: Any, processes: Any) -> None:
        if self.fault is not None:
            raise self.fault


def test_a_temporary_folder_goes_and_a_named_one_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nodes = Nodes(monkeypatch)
    clock = ClockStart(month_start(1), 1_000)
    with running_network(None, 12_345, clock) as manifest:
        temporary = Path(manifest.genesis).parent
        assert temporary.is_dir()
        assert clock_of(manifest).rate == 1_000
    assert not temporary.exists()
    with running_network(tmp_path / "kept", 12_345, clock):
        pass
    assert (tmp_path / "kept" / "testnet.json").is_file()
    assert nodes.calls == ["start", "stop"] * 2


def test_validators_are_stopped_whatever_happens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nodes = Nodes(monkeypatch, CliError("a node did not start"))
    with pytest.raises(CliError), running_network(tmp_path / "a", 12_345, ClockStart(0, 1)):
        raise AssertionError("not reached")
    nodes.fault = None
    with pytest.raises(ReplayFailed), running_network(tmp_path / "b", 12_345, ClockStart(0, 1)):
        raise ReplayFailed("no")
    assert nodes.calls == ["start", "stop"] * 2


def test_an_interrupt_during_the_start_waits_until_the_processes_are_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nodes = Nodes(monkeypatch)

    def start(directory: Path, manifest: Any) -> tuple[Any, dict[str, Any]]:
        os.kill(os.getpid(), signal.SIGINT)
        return nodes.start(directory, manifest)

    monkeypatch.setattr(network, "start_validators", start)
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt), running_network(tmp_path / "a", 12_345, ClockStart(0, 1)):
        raise AssertionError("not reached")
    assert nodes.calls == ["start", "stop"]
    assert signal.getsignal(signal.SIGINT) is before


def test_a_network_on_real_time_is_refused() -> None:
    real: Any = SimpleNamespace(clock=None)
    with pytest.raises(network.NetworkFailed):
        clock_of(real)
