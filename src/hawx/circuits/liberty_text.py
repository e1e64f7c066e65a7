"""The Liberty grammar: text → tree of groups. Knows nothing of cells; tolerant of what real libraries contain."""

from __future__ import annotations

from dataclasses import dataclass, field

from hawx.circuits.tokens import Token, Tokens, language

_LIBERTY = language(
    r"\s+|\\\r?\n|\\|/\*.*?\*/|//[^\n]*",
    op=r"[(){};:,]",
    quoted=r'"[^"]*"',
    name=r'[^\s(){};:,"\\/]+(?:/(?![*/])[^\s(){};:,"\\/]*)*',
    refusal="Liberty file {path!r} line {line} cannot be read: {message}; expected a cell library in Liberty format.",
    unknown="unexpected character {text[0]!r}",
)


@dataclass(slots=True)
class Group:
    """One Liberty group: `kind (arguments) { attributes and groups }`."""

    kind: str
    arguments: tuple[str, ...]
    attributes: dict[str, str] = field(default_factory=dict)
    """`name : value ;`, the last one wins."""
    lists: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """`name (value, value) ;`, quoted lists kept as texts."""
    groups: list[Group] = field(default_factory=list)

    @property
    def name(self) -> str:
        return self.arguments[0] if self.arguments else ""

    def all(self, *kinds: str) -> list[Group]:
        """Return the direct groups of these kinds, in file order."""
        return [group for group in self.groups if group.kind in kinds]

    def number(self, attribute: str, default: float) -> float:
        """Return an attribute as a number; `default` where it is absent or not a number."""
        try:
            return float(self.attributes[attribute])
        except (KeyError, ValueError):
            return default


def parse(text: str, where: str) -> Group:
    """Return the outermost group of a Liberty text; `where` names the file in messages.

    Raises:
        InputError: the text is not Liberty; names file and line.
    """
    tokens, root = Tokens(where, text, _LIBERTY), Group("", ())
    _statement(tokens, root)
    if not root.groups or root.groups[0].kind != "library":
        tokens.fail("it does not start with a library group", 1)
    return root.groups[0]


def _next(tokens: Tokens) -> Token:
    if tokens.current.kind == "end":
        tokens.fail("the text ends inside a group", tokens.tokens[-2].line if len(tokens.tokens) > 1 else 1)
    return tokens.take()


def _statement(tokens: Tokens, parent: Group) -> None:
    """Read one statement into `parent`."""
    start = _next(tokens)
    if start.kind == "op":
        tokens.fail(f"unexpected {start.text!r}", start.line)
    if tokens.accept(":"):
        parent.attributes[start.text] = _value(tokens, start.line)
        return
    if not tokens.accept("("):
        tokens.fail(f"{start.text!r} is neither an attribute nor a group", start.line)
    arguments = _arguments(tokens, start.text)
    if tokens.accept("{"):
        group = Group(start.text, arguments)
        while not tokens.accept("}"):
            if not tokens.accept(";"):
                _statement(tokens, group)
        parent.groups.append(group)
    else:
        parent.lists[start.text] = arguments
    tokens.accept(";")


def _value(tokens: Tokens, line: int) -> str:
    """Return the words up to the semicolon, or to the end of a line that lacks it."""
    words: list[str] = []
    while not tokens.at(";", "}") and (tokens.current.kind == "end" or tokens.current.line == line or tokens.tokens[tokens.position - 1].text == ":"):
        words.append(_next(tokens).text)
    tokens.accept(";")
    return " ".join(words)


def _arguments(tokens: Tokens, name: str) -> tuple[str, ...]:
    arguments = []
    while not tokens.accept(")"):
        token = _next(tokens)
        if token.kind != "op":
            arguments.append(token.text)
        elif token.text in "{};":
            tokens.fail(f"unexpected {token.text!r} in the arguments of {name!r}", token.line)
    return tuple(arguments)
