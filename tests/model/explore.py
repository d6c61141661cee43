"""Visits every reachable state, nearest first, up to symmetry; stops at the first disagreement.

A state is a sorted tuple of numbers, one for each honest validator; equal validators have equal numbers. What a
validator may do depends on its number and on what all have made public, so both are worked out once and remembered.
"""

from __future__ import annotations

import heapq
import time
from typing import NamedTuple

from .protocol import Bounds, Node, Protocol, Public, Rules, swapped

State = tuple[int, ...]


class Result(NamedTuple):
    """What was found; `trace` is the shortest way to a disagreement, empty where there is none."""

    states: int
    transitions: int
    seconds: float
    trace: list[str]


class Explorer:
    """One search."""

    def __init__(self, bounds: Bounds, rules: Rules) -> None:
        self._protocol = Protocol(bounds, rules)
        self._bounds = bounds
        self._nodes: list[Node] = []
        self._numbers: dict[Node, int] = {}
        self._swapped: list[int] = []
        self._sent: list[object] = []
        self._values_sealed: list[int] = []
        self._public_numbers: dict[Public, int] = {}
        self._publics: dict[tuple[object, ...], tuple[int, Public]] = {}
        self._steps: dict[tuple[int, int], list[int]] = {}
        self._agree: dict[tuple[object, ...], bool] = {}

    def _number(self, node: Node) -> int:
        known = self._numbers.get(node)
        if known is not None:
            return known
        number = self._numbers[node] = len(self._nodes)
        self._nodes.append(node)
        self._sent.append(tuple((votes.round_change, votes.prepared) for votes in node.votes))
        self._values_sealed.append(len(frozenset[int]().union(*(votes.committed for votes in node.votes))))
        self._swapped.append(number)
        self._swapped[number] = self._number(swapped(node))
        return number

    def _canonical(self, numbers: State) -> State:
        """Return the one state that stands for all that differ by names only."""
        same = tuple(sorted(numbers))
        other = tuple(sorted([self._swapped[number] for number in numbers]))
        return min(same, other)

    def _public(self, state: State) -> tuple[int, Public]:
        key = tuple([self._sent[number] for number in state])
        known = self._publics.get(key)
        if known is None:
            public = self._protocol.public([self._nodes[number] for number in state])
            number = self._public_numbers.setdefault(public, len(self._public_numbers))
            known = self._publics[key] = (number, public)
        return known

    def run(self, greedy: bool) -> Result:
        """Visit all states; greedy: those with more seals first, to find a disagreement that lies deep."""
        began = time.perf_counter()
        start = (self._number(self._protocol.initial()),) * self._bounds.honest
        parents: dict[State, State | None] = {start: None}
        queue = [((0, 0), 0, start)]
        transitions = 0
        while queue:
            _, depth, state = heapq.heappop(queue)
            for after in self._successors(state):
                transitions += 1
                if after in parents:
                    continue
                parents[after] = state
                if not self._agrees(after):
                    return Result(
                        len(parents), transitions, time.perf_counter() - began, self._trace(parents, after)
                    )
                rank = (-self._sealed(after), -depth) if greedy else (depth, 0)
                heapq.heappush(queue, (rank, depth + 1, after))
        return Result(len(parents), transitions, time.perf_counter() - began, [])

    def _successors(self, state: State) -> list[State]:
        public_number, public = self._public(state)
        found = []
        for index, number in enumerate(state):
            if index and state[index - 1] == number:
                continue  # its twin may do the same
            afters = self._steps.get((number, public_number))
            if afters is None:
                steps = self._protocol.steps(self._nodes[number], public)
                afters = self._steps[number, public_number] = [self._number(node) for _, node in steps]
            rest = state[:index] + state[index + 1 :]
            found += [self._canonical((*rest, after)) for after in afters]
        return found

    def _sealed(self, state: State) -> int:
        """Return for how many pairs of a validator and a value there is a seal, in any round."""
        return sum(self._values_sealed[number] for number in state)

    def _agrees(self, state: State) -> bool:
        nodes = [self._nodes[number] for number in state]
        key = tuple([tuple([votes.committed for votes in node.votes]) for node in nodes])
        known = self._agree.get(key)
        if known is None:
            known = self._agree[key] = len(self._protocol.decided(nodes)) < 2
        return known

    def _trace(self, parents: dict[State, State | None], last: State) -> list[str]:
        """Tell the steps that lead to a state: the way there is walked again, with validators and values named."""
        way = [last]
        while (before := parents[way[-1]]) is not None:
            way.append(before)
        nodes = [self._protocol.initial()] * self._bounds.honest
        lines = []
        for state in way[-2::-1]:
            line, nodes = self._step_to(nodes, state)
            lines.append(line)
        return lines

    def _step_to(self, nodes: list[Node], wanted: State) -> tuple[str, list[Node]]:
        public = self._protocol.public(nodes)
        for index, node in enumerate(nodes):
            for said, after in self._protocol.steps(node, public):
                following = [*nodes[:index], after, *nodes[index + 1 :]]
                if self._canonical(tuple(map(self._number, following))) == wanted:
                    return f"{'abcdefgh'[index]} {said}", following
        raise AssertionError("no step leads there")


def explore(bounds: Bounds, rules: Rules | None = None, greedy: bool = False) -> Result:
    """Visit every reachable state of the protocol, or up to the first disagreement."""
    return Explorer(bounds, rules or Rules()).run(greedy)
