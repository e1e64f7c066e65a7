"""What a Verilog text asks of the tools that read it: other files, system tasks, foreign functions. A multiplier needs none of them.

Yosys and simulators read the text as it is, so what would make them open a file or call a function is refused before they see it, also where
our own parser would pass over it (comments and attributes excepted, as the tools do).
"""

from __future__ import annotations

import re

from hawx.errors import InputError

TASKS = frozenset({
    *("signed", "unsigned", "clog2", "bits", "size", "left", "right", "low", "high", "increment", "dimensions", "rtoi", "itor", "floor", "ceil"),
    *("pow", "ln", "log10", "exp", "sqrt", "display", "write", "strobe", "info", "warning", "error", "fatal", "finish", "stop", "time", "realtime"),
    *("countones", "onehot", "onehot0", "isunknown"),
})  # fmt: skip
"""System functions and tasks that a text may name: none of them opens a file."""
DIRECTIVES = frozenset({
    *("timescale", "default_nettype", "celldefine", "endcelldefine", "resetall", "line"),
    *("define", "undef", "ifdef", "ifndef", "elsif", "else", "endif"),
})  # fmt: skip

_SKIPPED = re.compile(r'"(?:\\.|[^"\\\n])*"|//[^\n]*|/\*.*?\*/', re.DOTALL)
_ESCAPED = re.compile(r"\\\S*(?:[\"`]|//|/\*)\S*")
_TASK = re.compile(r"(?<![\w$\\])\$([A-Za-z_]\w*)")
_DIRECTIVE = re.compile(r"`\s*(\w*)")
_MACRO = re.compile(r"`define\s+(\w+)(?:\(([^)]*)\))?")
_FOREIGN = re.compile(r'\bimport\s*"|"DPI(?:-C)?"')


def check_requests(path: str, text: str, *, first_line: int = 1, around: str = "") -> None:
    """Raise `InputError` where a Verilog text would have a tool read or write a file, or call what is not Verilog; names file and line.

    Args:
        path: file name for messages.
        text: Verilog or SystemVerilog.
        first_line: of the text in its file.
        around: the whole design that the text is part of: its macros may be used.
    """

    def refuse(at: int, found: str) -> InputError:
        line = text.count("\n", 0, at) + first_line
        return InputError(f"{path!r} line {line}: {found}, which no multiplier needs; expected a circuit that reads no file and calls no program.")

    if (foreign := _FOREIGN.search(text)) is not None:
        raise refuse(foreign.start(), "a foreign function is imported")
    plain = _SKIPPED.sub(lambda skipped: re.sub(r"[^\n]", " ", skipped[0]), text)  # places and lines stay
    if (escaped := _ESCAPED.search(text)) is not None and plain[escaped.start()] == "\\":
        raise refuse(escaped.start(), f"the name {escaped[0][:40]!r} holds a quote or a comment")
    for task in _TASK.finditer(plain):
        if task[1] not in TASKS:
            raise refuse(task.start(), f"the system task '${task[1][:40]}' is called")
    macros = {match[1]: match[2] or "" for match in _MACRO.finditer(plain + around)}
    arguments = {name.strip() for names in macros.values() for name in names.split(",") if name.strip()}
    for directive in _DIRECTIVE.finditer(plain):
        name = directive[1]
        if name in arguments or (name not in DIRECTIVES and name not in macros):
            raise refuse(directive.start(), f"the directive '`{name[:40]}' is given")
