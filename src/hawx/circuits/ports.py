"""Ports of a multiplier: which module is it, which operand is the activation, which the weight, and are they signed.

Every reader asks here (own Verilog evaluator, C, Yosys), so that one file gives one table whoever reads it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence

from hawx.circuits.readings import SIGNED, UNSIGNED, Pair
from hawx.errors import InputError

OPERAND_BITS = range(2, 17)
"""Widths of an operand, in bits."""
_SPARE_BITS = 16
"""Bits that a product port may have more than a product needs."""

_ACTIVATIONS, _WEIGHTS = frozenset({"a", "x", "act", "activation"}), frozenset({"b", "y", "w", "weight"})
_NAMED = re.compile(r"mul\d+(?:x\d+)?([su])_")
_SIGNED_C = re.compile(r"\bint\d+_t\s+\w+\s*\(\s*(?:const\s+)?int8_t\b")
_MODULE = re.compile(r"[A-Za-z_][A-Za-z0-9_$]*")
_COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/", re.DOTALL)
_INNER = re.compile(r"\bfunction\b.*?\bendfunction\b|\btask\b.*?\bendtask\b", re.DOTALL)
_VHDL_INPUT = re.compile(r":\s*in\s+(?:\w+\s*\.\s*)*(signed\b|unsigned\b)")
_INPUT = re.compile(r"\binput\s+(?:(?:wire|logic|reg|var|bit)\s+)*(signed\b)?")


def operand_order(names: Sequence[str]) -> tuple[str, str]:
    """Return (activation, weight) of two operand names: by name, A or X before B, W or Y in any case, else in the order given."""
    first, second = names
    if first.lower() in _WEIGHTS and second.lower() in _ACTIVATIONS:
        return second, first
    return first, second


def multiplier_ports(inputs: Mapping[str, int], outputs: Mapping[str, int], where: str) -> tuple[str, str, str]:
    """Return the names of the activation, the weight and the product port.

    Args:
        inputs: name -> width in bits, in the order of the file; likewise `outputs`.
        where: file, line and module for the message.

    Raises:
        InputError: there are other ports than two operands and a product that fits them.
    """
    if not likeness(inputs, outputs):
        found = [f"{kind} [{width}] {port}" for kind, ports in (("input", inputs), ("output", outputs)) for port, width in ports.items()]
        raise InputError(
            f"{where} has ports {', '.join(found) or 'none'}; expected two inputs of {OPERAND_BITS[0]} to {OPERAND_BITS[-1]} bits and one output, "
            "their product."
        )
    return *operand_order(list(inputs)), next(iter(outputs))


def check_widths(widths: Sequence[int], where: str) -> None:
    """Raise InputError unless operands of these bits are those of a block: networks run 8×8 blocks."""
    if tuple(widths) != (8, 8):
        raise InputError(
            f"{where} multiplies {'×'.join(map(str, widths))} bits; expected 8×8, the blocks that networks run. "
            "Its errors and costs alone: `hawx blocks characterize`."
        )


def likeness(inputs: Mapping[str, int], outputs: Mapping[str, int]) -> int:
    """Return how far ports, as of `multiplier_ports`, are those of a multiplier.

    Returns:
        2 for two operands and a product as wide as both; 1 for a product that is narrower, but no narrower than an operand, or wider; 0 for others.
    """
    widths, product = list(inputs.values()), sum(outputs.values())
    if len(widths) != 2 or len(outputs) != 1 or any(width not in OPERAND_BITS for width in widths):
        return 0
    return 2 if product == sum(widths) else int(max(widths) <= product <= sum(widths) + _SPARE_BITS)


def top_module(
    modules: Sequence[str], instantiated: Collection[str], stem: str, where: str, way_out: str = "", *, likeness: Callable[[str], int]
) -> str:
    """Return the module called like the file (or that name without `_pdk45`), else the one most like a multiplier that no other instantiates.

    Args:
        modules: names, in the order of the file.
        instantiated: names that some module instantiates.
        stem: the file's name without ending.
        where: the file, for the message; `way_out` ends it.
        likeness: how far the module of a name has a multiplier's ports, see `likeness`; asked where several are instantiated by none.

    Raises:
        InputError: there are several candidates, or none.
    """
    for name in (stem, stem.removesuffix("_pdk45")):
        if name in modules:
            return name
    tops = [name for name in modules if name not in instantiated]
    if len(tops) > 1:  # the others are helpers that nothing uses
        ranks = {name: likeness(name) for name in tops}
        tops = [name for name in tops if ranks[name] == max(ranks.values())]
    if len(tops) != 1:
        raise InputError(f"{where} has top modules {', '.join(tops) or 'none'}; expected one, or one called {stem!r}.{way_out}")
    return tops[0]


def check_module_name(name: str) -> str:
    """Return `name` if it is a plain Verilog identifier.

    Raises:
        InputError: it is not.
    """
    if _MODULE.fullmatch(name) is None:
        raise InputError(f"module name {name!r} is not a plain Verilog identifier; expected letters, digits, '_' and '$'.")
    return name


def signedness_hint(name: str, text: str, suffix: str) -> Pair | None:
    """Return what a name such as `mul8s_1KV8`, the inputs of a Verilog module or VHDL entity or a signed C signature say about the formats.

    Inputs of Verilog that are not `signed` say nothing, nor do those of VHDL that are neither `signed` nor `unsigned`. Only the signs of the
    formats are meant where operands have other widths than eight bits.

    An unsigned C signature says nothing: some files return signed products as unsigned numbers.

    Raises:
        InputError: a module declares one operand signed and the other not.
    """
    if suffix == ".c" and _SIGNED_C.search(text):
        return SIGNED
    named = _NAMED.match(name)
    if named is not None:
        return SIGNED if named[1] == "s" else UNSIGNED
    if suffix == ".vhd":
        signed = {found[1] == "signed" for found in _VHDL_INPUT.finditer(text)}
        return None if not signed else SIGNED if _alike(name, signed) else UNSIGNED
    module = None if suffix == ".c" else re.search(rf"\bmodule\s+{re.escape(name)}\b.*?\bendmodule\b", without_comments(text), re.DOTALL)
    if module is None:
        return None
    signed = {bool(found[1]) for found in _INPUT.finditer(_INNER.sub(" ", module[0]))}
    return SIGNED if signed and _alike(name, signed) else None


def _alike(name: str, signed: set[bool]) -> bool:
    """Return whether all operands are signed; refuse those of which some are."""
    if len(signed) > 1:
        raise InputError(f"module {name!r} declares one operand signed and the other not; expected both signed or both unsigned.")
    return True in signed


def without_comments(text: str) -> str:
    """Return Verilog or C text with its comments blanked."""
    return _COMMENT.sub(" ", text)
