"""Circuits: Verilog, C and Liberty as values; what the ports of a multiplier mean, and how its bits are to be read. Text in, values out."""

from hawx.circuits.header import Header, parse_header, published_costs
from hawx.circuits.ports import check_widths, likeness, multiplier_ports, operand_order, signedness_hint, top_module, without_comments
from hawx.circuits.readings import SIGNED, UNSIGNED, Pair, Reading, formats_of_circuit, from_patterns, reading_of

__all__ = [
    "SIGNED",
    "UNSIGNED",
    "Header",
    "Pair",
    "Reading",
    "check_widths",
    "formats_of_circuit",
    "from_patterns",
    "likeness",
    "multiplier_ports",
    "operand_order",
    "parse_header",
    "published_costs",
    "reading_of",
    "signedness_hint",
    "top_module",
    "without_comments",
]
