"""Ports of a multiplier: which module is it, which operand is the activation, which the weight, and are they signed.

Every reader asks here (own Verilog evaluator, C, Yosys), so that one file gives one table whoever reads it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence

from hawx.circuits.readings import SIGNED, UNSIGNED, Pair
from hawx.errors import InputError

OPERAND_BITS, PRODUCT_BITS = 8, 16

_ACTIVATIONS, _WEIGHTS = frozenset({"a", "x", "act", "activation"}), frozenset({"b", "y", "w", "weight"})
_NAMED = re.compile(r"mul\d+([su])_")
_SIGNED_C = re.compile(r"\bint\d+_t\s+\w+\s*\(\s*(?:const\s+)?int8_t\b")
_MODULE = re.compile(r"[A-Za-z_][A-Za-z0-9_$]*")
_COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/", re.DOTALL)
_INNER = re.compile(r"\bfunction\b.*?\bendfunction\b|\btask\b.*?\bendtask\b", re.DOTALL)
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
        InputError: there are other ports than two 8-bit inputs and one 16-bit output.
    """
    if not is_multiplier(inputs, outputs):
        found = [f"{kind} [{width}] {port}" for kind, ports in (("input", inputs), ("output", outputs)) for port, width in ports.items()]
        raise InputError(f"{where} has ports {', '.join(found) or 'none'}; expected two 8-bit inputs and one 16-bit output.")
    return *operand_order(list(inputs)), next(iter(outputs))


def is_multiplier(inputs: Mapping[str, int], outputs: Mapping[str, int]) -> bool:
    """Return whether ports, as of `multiplier_ports`, are two operands and a product."""
    return sorted(inputs.values()) == [OPERAND_BITS] * 2 and list(outputs.values()) == [PRODUCT_BITS]


def top_module(
    modules: Sequence[str], instantiated: Collection[str], stem: str, where: str, way_out: str = "", *, multiplies: Callable[[str], bool]
) -> str:
    """Return the module called like the file (or that name without `_pdk45`), else the only multiplier that no other instantiates.

    Args:
        modules: names, in the order of the file.
        instantiated: names that some module instantiates.
        stem: the file's name without ending.
        where: the file, for the message; `way_out` ends it.
        multiplies: whether the module of a name has a multiplier's ports; asked where several are instantiated by none.

    Raises:
        InputError: there are several candidates, or none.
    """
    for name in (stem, stem.removesuffix("_pdk45")):
        if name in modules:
            return name
    tops = [name for name in modules if name not in instantiated]
    if len(tops) > 1:  # the others are helpers that nothing uses
        tops = [name for name in tops if multiplies(name)] or tops
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
    """Return what a name such as `mul8s_1KV8`, the `signed` inputs of a Verilog module or a signed C signature say about the formats.

    An unsigned C signature says nothing: some files return signed products as unsigned numbers.

    Raises:
        InputError: a module declares one operand signed and the other not.
    """
    if suffix == ".c" and _SIGNED_C.search(text):
        return SIGNED
    named = _NAMED.match(name)
    if named is not None:
        return SIGNED if named[1] == "s" else UNSIGNED
    module = None if suffix == ".c" else re.search(rf"\bmodule\s+{re.escape(name)}\b.*?\bendmodule\b", without_comments(text), re.DOTALL)
    if module is None:
        return None
    signed = {bool(found[1]) for found in _INPUT.finditer(_INNER.sub(" ", module[0]))}
    if len(signed) > 1:
        raise InputError(f"module {name!r} declares one operand signed and the other not; expected both signed or both unsigned.")
    return SIGNED if signed == {True} else None


def without_comments(text: str) -> str:
    """Return Verilog or C text with its comments blanked."""
    return _COMMENT.sub(" ", text)
