"""Moving in with real validators: an importer that is killed with -9, a second run, bad rows, and the way back."""

from __future__ import annotations

import csv
import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from node.moving.salt import commitment, read_salt
from tests.support.network import LocalNetwork
from tests.support.programs import CREATE_PROGRAM
from vm.primitives.address import address_of_member

pytestmark = pytest.mark.integration

ENTENTE = [sys.executable, "-m", "node.cli.main"]
MEMBERS = 3_000
BAD_LINE = 1 + 2 * (MEMBERS // 2) + 2
"""Of the first wrong row: behind the header, two rows for each member so far, and one of the middle one."""

TIMEOUT_S = 120
OTHER = ("token.create_program", {**CREATE_PROGRAM[1], "program": "second"})


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalNetwork]:
    with LocalNetwork(tmp_path_factory.mktemp("moving") / "net", ops=[CREATE_PROGRAM, OTHER]) as running:
        yield running


def command(network: LocalNetwork, *arguments: str | Path) -> list[str]:
    return [*ENTENTE, *map(str, arguments), "--rpc", network.url(0), "--dir", str(network.directory), "--json"]


def run(network: LocalNetwork, *arguments: str | Path, code: int = 0) -> Any:
    done = subprocess.run(
        command(network, *arguments),
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    assert done.returncode == code, done.stderr
    return json.loads(done.stdout)


def issued(network: LocalNetwork, program: str = "miles") -> int:
    return int(network.call(0, "token_supply", program=program)["issued"])


def write_members(path: Path) -> int:
    """Write a file of members with two lots each, and two rows that are wrong; return the points of the others."""
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["ref", "member", "amount", "expires", "note"])
        for i in range(MEMBERS):
            writer.writerow([f"a{i}", f"card {i}", i + 1, "2035-12-31", 'a "note", quoted'])
            if i == MEMBERS // 2:
                writer.writerow(["bad", "card 1", "1,000", "", ""])
                writer.writerow(["a0", "card 1", "5", "", ""])
            writer.writerow([f"b{i}", f"card {i}", 7, "", ""])
    return MEMBERS * (MEMBERS + 1) // 2 + 7 * MEMBERS


def kill_in_the_middle(network: LocalNetwork, arguments: list[str | Path], points: int) -> None:
    """Run an import, and kill it once the chain has taken some of it."""
    process = subprocess.Popen(command(network, *arguments), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + TIMEOUT_S
    while not issued(network):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait(TIMEOUT_S)
    assert issued(network) < points, "the import was over before it was killed"


def test_a_killed_import_is_completed_and_given_back(network: LocalNetwork, tmp_path: Path) -> None:
    file, salt, out = tmp_path / "members.csv", tmp_path / "aurora.salt", tmp_path / "out.csv"
    points = write_members(file)
    moving: list[str | Path] = ["import", file, "--program", "miles", "--salt", salt]
    signed = ["--account", "aurora-admin", "--yes"]

    dry = run(network, *moving, "--new-salt", "--dry-run", code=1)
    assert (dry["open"]["points"], dry["rejected"], dry["members"]["enrolled"]) == (points, 2, 0)
    assert not salt.exists()
    assert issued(network) == 0

    kill_in_the_middle(network, [*moving, "--new-salt", *signed], points)
    report = run(network, *moving, *signed, code=1)
    assert report["problems"] == []
    assert report["supply"]["agrees"]
    assert report["rejected"] == 2
    with Path(report["rejects_file"]).open(newline="", encoding="utf-8") as rejects:
        rows = list(csv.reader(rejects))
    assert [row[:2] for row in rows[1:]] == [[str(BAD_LINE), "bad"], [str(BAD_LINE + 1), "a0"]]
    assert issued(network) == points
    member = address_of_member("aurora", commitment(read_salt(salt), "card 41"))
    assert network.call(0, "identity_member", member=member)["custodial"]
    assert network.call(0, "token_balance", program="miles", account=member)["available"] == 42 + 7

    (tmp_path / "members.csv.import").unlink()
    third = run(network, *moving, *signed, code=1)
    assert (third["paid_before"]["points"], third["transactions"], third["supply"]["grown"]) == (points, 0, 0)

    exported = run(network, "export", "--program", "miles", "--out", out)
    assert (exported["points"]["available"], exported["rows"], exported["problems"]) == (points, 2 * MEMBERS, [])
    back = run(network, "import", out, "--program", "second", *signed)
    assert (back["enrolled"], back["supply"]["grown"]) == (0, points)
    again = run(network, "export", "--program", "second", "--out", tmp_path / "again.csv")
    assert again["problems"] == []
    assert balances(tmp_path / "again.csv") == balances(out)
    assert len(balances(out)) == 2 * MEMBERS
    assert issued(network) == points


def balances(path: Path) -> list[tuple[str, str, str, str]]:
    """Return who has how many points until when, in the order of accounts and dates."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file)
        return sorted((row["address"], row["commitment"], row["expires"], row["amount"]) for row in rows)


@pytest.mark.parametrize(
    "content", [b"", bytes(range(256)) * 40, b"ref;member;amount\n", b'ref,address,amount\n"a,b,1\n']
)
def test_a_file_of_nonsense_changes_nothing(network: LocalNetwork, tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "nonsense.csv"
    file.write_bytes(content)
    before = issued(network)
    arguments = ["import", str(file), "--program", "miles", "--account", "aurora-admin", "--yes"]
    done = subprocess.run(
        command(network, *arguments), capture_output=True, text=True, timeout=TIMEOUT_S, check=False
    )
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert str(file) in done.stderr or "the header has" in done.stderr
    assert issued(network) == before


def test_views_of_a_past_height(network: LocalNetwork) -> None:
    height = network.height(0)
    before = network.call(0, "state_view", view="token_supply", args={"program": "miles"})
    network.send(
        0,
        "aurora-admin",
        ("token.issue", {"program": "miles", "to": network.account("aurora-admin")[0], "amount": 5}),
    )
    assert before["height"] >= height
    again = network.call(0, "state_view", view="token_supply", args={"program": "miles"}, height=before["height"])
    assert again == before
    now = network.call(0, "state_view", view="token_supply", args={"program": "miles"})
    assert now["result"]["issued"] == before["result"]["issued"] + 5
    for wrong in ({"view": "token_nothing"}, {"view": "token_supply", "height": 10**9}):
        assert "error" in network.post(0, {"jsonrpc": "2.0", "id": 1, "method": "state_view", "params": wrong})
