"""Forms as text: cut into tokens and read by operator precedence; nothing is ever handed to Python's evaluator."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

MAX_LENGTH, MAX_TOKENS, MAX_DEPTH, MAX_HEIGHT = 10_000, 2_000, 40, 150
MAX_NUMBER, MAX_NAME = 1e100, 31
TOKEN = re.compile(
    r"(?P<space>[ \t\r\n]+)|(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)|(?P<name>[A-Za-z][A-Za-z0-9_]*)"
    r"|(?P<text>'[^'\n]*'|\"[^\"\n]*\")|(?P<sign>\*\*|[-+*/()\[\],])",
    re.ASCII,
)
BINDS = {"+": 10, "-": 10, "*": 20, "/": 20, "**": 40}
SIGN = 30
"""How strongly operators bind; a sign is weaker than ``**``, as in Python."""


class Refused(ValueError):
    """What is wrong with a form, and at which character."""

    def __init__(self, message: str, at: int) -> None:
        super().__init__(f"at character {at + 1}: {message}")


@dataclass(frozen=True)
class Node:
    """A part of a form: ``kind`` is number, name, text, list, index, call, sign or a binary operator; ``word`` its
    name, or text; ``at`` where it stands."""

    kind: str
    word: str
    parts: tuple[Node, ...]
    at: int
    value: float = 0.0
    height: int = field(init=False)

    def __post_init__(self) -> None:
        height = 1 + max((part.height for part in self.parts), default=0)
        if height > MAX_HEIGHT:
            raise Refused(f"is more than {MAX_HEIGHT} operations deep: name parts of it under 'definitions'", self.at)
        object.__setattr__(self, "height", height)

    @property
    def names(self) -> frozenset[str]:
        """All that it names."""
        found, left = set[str](), [self]
        while left:
            node = left.pop()
            found |= {node.word} if node.kind == "name" else set()
            left += node.parts
        return frozenset(found)


@dataclass(frozen=True)
class _Token:
    kind: str
    word: str
    at: int


def read(text: str) -> Node:
    """The tree of a text. Raises Refused."""
    if len(text) > MAX_LENGTH:
        raise Refused(f"is longer than {MAX_LENGTH:,} characters", MAX_LENGTH)
    return _Reader(list(_tokens(text)), len(text)).whole()


def _tokens(text: str) -> Iterator[_Token]:
    at, count = 0, 0
    while at < len(text):
        found = TOKEN.match(text, at)
        if found is None:
            raise Refused(f"may not contain {text[at]!r}", at)
        kind, word = str(found.lastgroup), found.group()
        if kind != "space":
            count += 1
            if count > MAX_TOKENS:
                raise Refused(f"has more than {MAX_TOKENS:,} parts", at)
            if kind == "name" and (len(word) > MAX_NAME or "__" in word):
                raise Refused(f"has the name {word[:40]!r}, which is none", at)
            yield _Token(kind, word, at)
        at = found.end()


class _Reader:
    """Reads tokens by precedence climbing."""

    def __init__(self, tokens: list[_Token], end: int) -> None:
        self._tokens, self._place, self._end, self._depth = tokens, 0, end, 0

    def whole(self) -> Node:
        found = self._expression(0)
        if self._place < len(self._tokens):
            token = self._tokens[self._place]
            raise Refused(f"does not go on with {token.word[:40]!r}", token.at)
        return found

    def _peek(self) -> str:
        if self._place >= len(self._tokens):
            return ""
        token = self._tokens[self._place]
        return token.word if token.kind == "sign" else ""

    def _next(self) -> _Token:
        if self._place >= len(self._tokens):
            raise Refused("ends too early", self._end)
        self._place += 1
        return self._tokens[self._place - 1]

    def _expect(self, word: str) -> None:
        token = self._next()
        if token.kind != "sign" or token.word != word:
            raise Refused(f"has {token.word[:40]!r} where {word!r} should be", token.at)

    def _expression(self, least: int) -> Node:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise Refused(f"is nested more than {MAX_DEPTH} deep", self._tokens[self._place - 1].at)
        left = self._operand()
        while (word := self._peek()) in BINDS and BINDS[word] >= least:
            at = self._next().at
            right = self._expression(SIGN if word == "**" else BINDS[word] + 1)
            left = Node(word, word, (left, right), at)
        self._depth -= 1
        return left

    def _operand(self) -> Node:
        token = self._next()
        if token.kind == "sign" and token.word in ("-", "+"):
            inner = self._expression(SIGN)
            return Node("sign", token.word, (inner,), token.at)
        return self._indexed(self._atom(token))

    def _atom(self, token: _Token) -> Node:
        match token.kind, token.word:
            case "number", word:
                value = float(word)
                if value > MAX_NUMBER:
                    raise Refused("has a number above 1e100", token.at)
                return Node("number", word, (), token.at, value)
            case "text", word:
                return Node("text", word[1:-1], (), token.at)
            case "name", word if self._peek() == "(":
                self._next()
                return Node("call", word, self._list(")"), token.at)
            case "name", word:
                return Node("name", word, (), token.at)
            case "sign", "(":
                inner = self._expression(0)
                self._expect(")")
                return inner
            case "sign", "[":
                return Node("list", "[", self._list("]"), token.at)
        raise Refused(f"has {token.word[:40]!r} where a value should be", token.at)

    def _list(self, end: str) -> tuple[Node, ...]:
        if self._peek() == end:
            self._next()
            return ()
        found = [self._expression(0)]
        while self._peek() == ",":
            self._next()
            found.append(self._expression(0))
        self._expect(end)
        return tuple(found)

    def _indexed(self, node: Node) -> Node:
        while self._peek() == "[":
            at = self._next().at
            node = Node("index", "[", (node, *self._list("]")), at)
        return node
