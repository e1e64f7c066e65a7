"""Circuits: Verilog, C and Liberty as values; what the ports of a multiplier mean, and how its bits are to be read. Text in, values out."""

from hawx.circuits.header import Header, parse_header, published_costs
from hawx.circuits.ports import is_multiplier, multiplier_ports, operand_order, signedness_hint, top_module, without_comments
from hawx.circuits.readings import SIGNED, UNSIGNED, Pair, formats_of_circuit, from_patterns

__all__ = [
    "SIGNED",
    "UNSIGNED",
    "Header",
    "Pair",
    "formats_of_circuit",
    "from_patterns",
    "is_multiplier",
    "multiplier_ports",
    "operand_order",
    "parse_header",
    "published_costs",
    "signedness_hint",
    "top_module",
    "without_comments",
]
