"""Random expressions of the rule language, most of them of sound types, and the facts that they read.

An expression is made for a type, from a seed. Facts are dynamic to the checker, but their types are known here, so
that a wrong one is chosen on purpose only (`wild`). Where the oracle is asked, what differs on purpose is left out
by Options, each by its name.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Any

FACTS: dict[str, Any] = {
    "i": 5,
    "j": -7,
    "big": 9223372036854775807,
    "least": -9223372036854775808,
    "zero": 0,
    "s": "gold",
    "t": "gol\u00e9\U0001f600",
    "e": "",
    "b": True,
    "c": False,
    "y": b"\xffgo",
    "n": None,
    "l": [3, 1, 2],
    "ls": ["web", "store", ""],
    "lb": [True, False],
    "ll": [[1, 2], [], [3]],
    "empty": [],
    "blank": {},
    "mixed": [1, "a", None, True, [0]],
    "m": {"b": 2, "a": 1, "\U0001f600": 3, "\uffff": 4},
    "lm": [{"p": 10, "q": "web"}, {"p": 20}, {"q": "store"}],
    "event": {"amount": 12000, "channel": "web", "attrs": {"total": "5", "nothing": None, "n": 3}, "tags": ["x"]},
    "member": {"tier": "gold", "rank": 2, "benefits": ["lounge"], "kyc": True},
}

_READS: dict[str, tuple[str, ...]] = {
    "int": (
        "i", "j", "big", "least", "zero", "event.amount", "event.attrs.n", "m.a", 'm["b"]', "member.rank", "l[0]",
        "lm[0].p",
    ),
    "string": ("s", "t", "e", "event.channel", "event.attrs.total", "member.tier", "ls[0]", "lm[0].q"),
    "bool": ("b", "c", "member.kyc", "lb[1]"),
    "bytes": ("y",),
    "null": ("n", "event.attrs.nothing"),
    "list<int>": ("l", "empty", "ll[0]"),
    "list<string>": ("ls", "event.tags", "member.benefits"),
    "list<list>": ("ll",),
    "map": ("m", "event.attrs", "member", "lm[1]"),
}  # fmt: skip
_BROKEN = ("event.none", "event.none.more", "m.none", "n.x", "i.x", "l[9]", "l[-1]", 'm["zz"]', "lm[1].q", "s.x")
_INTS = ("0", "1", "-1", "2", "7", "10", "0x1F", "9223372036854775807", "-9223372036854775808", "10000")
_STRINGS = (
    '""',
    '"gold"',
    "'web'",
    '"\\u00e9"',
    '"\U0001f600"',
    '"\uffff"',
    "r'a\\n'",
    '"\\n"',
    '"5"',
    '"""a"b"""',
    '"-12"',
)
_BYTES = ('b""', "b'go'", 'b"\\xff\\000"', 'b"\u00e9"')


@dataclass(frozen=True)
class Options:
    """What is generated.

    Attributes:
        unequal_types: `==` and `!=` between types, which are errors here and false in CEL.
        own_functions: those that CEL has not.
        ordered_keys: lists made of a map's keys, which are in key order here and in any order in CEL.
        null_operands: null where another type is wanted, which is refused here and found out later in CEL.
        made_keys: keys that are no literals; one that comes twice is an error that `||` absorbs here, not in CEL.
        int_of_bool: int(true), an error here, and in CEL only where the type is known before.
        wild: of a hundred choices, how many are of a wrong type.
    """

    unequal_types: bool = False
    own_functions: bool = False
    ordered_keys: bool = False
    null_operands: bool = False
    made_keys: bool = False
    int_of_bool: bool = False
    wild: int = 4


class Expressions:
    """A source of random expressions."""

    def __init__(self, random: Random, options: Options) -> None:
        self._random = random
        self._options = options
        self._scope: list[tuple[str, str]] = []

    def any(self, depth: int = 4) -> str:
        """Return an expression of any type."""
        return self.of(self._random.choice(("bool", "bool", "bool", "int", "int", *_READS)), depth)

    def of(self, kind: str, depth: int) -> str:
        """Return an expression of a type, most of the time."""
        random = self._random
        if random.randrange(100) < self._options.wild:
            if random.random() < 0.4:
                return random.choice(_BROKEN)
            kind = random.choice(tuple(read for read in _READS if read != "null" or self._options.null_operands))
        if depth <= 0 or random.random() < 0.15:
            return self._leaf(kind)
        if random.random() < 0.1:
            return f"({self.of('bool', depth - 1)} ? {self.of(kind, depth - 1)} : {self.of(kind, depth - 1)})"
        maker = {
            "bool": self._bool, "int": self._int, "string": self._string, "bytes": self._bytes,
            "map": self._map, "list<list>": self._lists,
        }.get(kind)  # fmt: skip
        if maker is not None:
            return maker(depth - 1)
        if kind.startswith("list"):
            return self._list(kind, kind[5:-1], depth - 1)
        return self._leaf(kind)

    def _leaf(self, kind: str) -> str:
        random = self._random
        held = [name for name, kept in self._scope if kept == kind]
        if held and random.random() < 0.7:
            return random.choice(held)
        if random.random() < 0.6 and kind in _READS:
            return random.choice(_READS[kind])
        if kind == "int":
            return random.choice(_INTS)
        if kind == "bool":
            return random.choice(("true", "false"))
        constants = {"string": _STRINGS, "bytes": _BYTES, "null": ("null",), "map": ("blank", '{"a": 1}')}
        return random.choice(constants.get(kind) or (("empty",) if kind.startswith("list") else _READS[kind]))

    def _bool(self, depth: int) -> str:
        random = self._random
        choice = random.randrange(12)
        if choice < 4:
            operator = random.choice((" && ", " || "))
            return f"({operator.join(self.of('bool', depth) for _ in range(random.randint(2, 4)))})"
        if choice == 4:
            return f"!({self.of('bool', depth)})"
        if choice in (5, 6):
            return self._comparison(depth)
        if choice == 7:
            return self._membership(depth)
        if choice == 8:
            return self._has(depth)
        if choice == 9:
            method = random.choice(("startsWith", "endsWith", "contains"))
            return f"{self.of('string', depth)}.{method}({self.of('string', depth)})"
        return self._macro(random.choice(("all", "exists", "exists_one")), "bool", depth)

    def _comparison(self, depth: int) -> str:
        random = self._random
        if random.random() < 0.5:
            kind = random.choice(("int", "string", "bool", "bytes", "int"))
            operator = random.choice(("<", "<=", ">", ">="))
            return f"({self.of(kind, depth)} {operator} {self.of(kind, depth)})"
        operator = random.choice(("==", "!="))
        if self._options.unequal_types:
            return f"({self.any(depth)} {operator} {self.any(depth)})"
        # Types that are surely equal: nothing wild below.
        kind = random.choice(tuple(_READS))
        calm = self._calm()
        return f"({calm.of(kind, min(depth, 1))} {operator} {calm.of(kind, min(depth, 1))})"

    def _calm(self, wild: bool = False) -> Expressions:
        """Return a source of expressions of sound types."""
        options = self._options if wild else Options(wild=0, own_functions=self._options.own_functions)
        calm = Expressions(self._random, options)
        # A variable can be of a wrong type already; its place in the nesting counts.
        calm._scope = [("", "")] * len(self._scope)
        return calm

    def _membership(self, depth: int) -> str:
        random = self._random
        kind = random.choice(("int", "string"))
        if random.random() < 0.3:
            return f"({self.of('string', depth)} in {self.of('map', depth)})"
        if random.random() < 0.3:
            items = ", ".join(self._literal(kind) for _ in range(random.randint(0, 4)))
            return f"({self.of(kind, depth)} in [{items}])"
        return f"({self.of(kind, depth)} in {self.of(f'list<{kind}>', depth)})"

    def _literal(self, kind: str) -> str:
        return self._random.choice(_INTS if kind == "int" else _STRINGS)

    def _has(self, depth: int) -> str:
        field = self._random.choice(("a", "amount", "total", "nothing", "none", "tier", "p"))
        return (
            f"has({self._suffixed(self._random.choice(('event', 'event.attrs', 'm', 'lm[1]', *_BROKEN)))}.{field})"
        )

    @staticmethod
    def _suffixed(text: str) -> str:
        return text

    def _int(self, depth: int) -> str:
        random = self._random
        choice = random.randrange(12 if self._options.own_functions else 9)
        if choice < 5:
            operators = random.choice((("+", "-"), ("*", "/", "%")))
            text = self.of("int", depth)
            for _ in range(random.randint(1, 3)):
                text += f" {random.choice(operators)} {self.of('int', depth)}"
            return f"({text})"
        if choice == 5:
            return f"-({self.of('int', depth)})"
        if choice == 6:
            sized = random.choice(("string", "bytes", "map", "list<int>", "list<string>"))
            inner = self.of(sized, depth)
            return f"size({inner})" if random.random() < 0.5 else f"{inner}.size()"
        if choice == 7:
            return (
                f"int({self._calm(self._options.int_of_bool).of(random.choice(('string', 'int')), min(depth, 1))})"
            )
        if choice == 8:
            return f"{self.of('list<int>', depth)}[{self.of('int', 0)}]"
        return self._own_int(depth)

    def _own_int(self, depth: int) -> str:
        random = self._random
        name, count = random.choice(
            (("abs", 1), ("bps", 2), ("muldiv", 3), ("clamp", 3), ("min", 2), ("max", 3), ("year", 1),
             ("weekday", 1),
             ("month", 1), ("day", 1), ("hour", 1), ("local", 1), ("sum", 0), ("min", 0), ("max", 0))
        )  # fmt: skip
        if count == 0:
            return f"{name}({self.of('list<int>', depth)})"
        return f"{name}({', '.join(self.of('int', depth) for _ in range(count))})"

    def _string(self, depth: int) -> str:
        if self._random.random() < 0.5:
            return f"({self.of('string', depth)} + {self.of('string', depth)})"
        return f"string({self.of(self._random.choice(('int', 'bool', 'string', 'bytes')), depth)})"

    def _bytes(self, depth: int) -> str:
        if self._random.random() < 0.5:
            return f"({self.of('bytes', depth)} + {self.of('bytes', depth)})"
        return f"bytes({self.of('string', depth)})"

    def _map(self, depth: int) -> str:
        random = self._random
        entries = []
        keys = ['"a"', "'b'", "1", "2", '"\U0001f600"']
        random.shuffle(keys)
        for _ in range(random.randint(1, 3)):
            key = keys.pop()
            if self._options.made_keys and random.random() < 0.3:
                key = self.of(random.choice(("string", "int", "bool")), 0)
            entries.append(f"{key}: {self.of(random.choice(('int', 'string')), depth)}")
        return "{" + ", ".join(entries) + "}"

    def _lists(self, depth: int) -> str:
        return f"[{', '.join(self.of('list<int>', depth) for _ in range(self._random.randint(1, 3)))}]"

    def _list(self, kind: str, element: str, depth: int) -> str:
        random = self._random
        choice = random.randrange(4)
        if choice == 0:
            return f"[{', '.join(self.of(element, depth) for _ in range(random.randint(1, 4)))}]"
        if choice == 1:
            return f"({self.of(kind, depth)} + {self.of(kind, depth)})"
        return self._macro(random.choice(("filter", "map", "map")), element, depth)

    def _macro(self, macro: str, element: str, depth: int) -> str:
        random = self._random
        if len(self._scope) >= 2:
            return self._leaf("bool" if macro in ("all", "exists", "exists_one") else f"list<{element}>")
        # What is made of a map's keys is in their order, which CEL leaves open.
        open_order = self._options.ordered_keys or macro != "map"
        over = element if macro == "filter" else random.choice(("int", "string", "key")[: 2 + open_order])
        range_ = self.of("map" if over == "key" else f"list<{over}>", depth)
        variable = random.choice(("x", "z", "i")) + str(len(self._scope)) * random.randint(0, 1)
        self._scope.append((variable, "string" if over == "key" else over))
        if macro == "map":
            body = self.of(element, depth)
            if random.random() < 0.3:
                body = f"{self.of('bool', depth)}, {body}"
        else:
            body = self.of("bool", depth)
        self._scope.pop()
        return f"{range_}.{macro}({variable}, {body})"
