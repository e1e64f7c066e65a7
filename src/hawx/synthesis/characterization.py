"""What synthesis says about one multiplier, as a value and as plain JSON."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np

from hawx.blocks import Block, Costs
from hawx.blocks.block import Table
from hawx.circuits import Reading, check_widths
from hawx.circuits.behavior import Errors
from hawx.circuits.energy import Held, SwitchingCircuit
from hawx.circuits.netlist import Netlist
from hawx.circuits.ports import OPERAND_BITS
from hawx.formats import IntFormat


@dataclass(frozen=True, eq=False, kw_only=True)
class Characterization:
    """A multiplier of any widths: how it is read, what it errs, what it costs."""

    name: str
    reading: Reading
    errors: Errors
    """Under uniform operands, evaluated on the mapped netlist: what is costed is what errs so."""
    costs: Costs
    """Figures in the technology of the cell library."""
    circuit: SwitchingCircuit
    """The mapped netlist with its toggle energies: the source of operand-aware energy."""
    table: Table | None
    """Of 8×8 multipliers, see `Block`; None for other widths."""
    mapping: str
    gates: int
    full_adders: int
    tool: str
    library: str
    """Cell library: name and the first digits of its hash."""

    @property
    def widths(self) -> tuple[int, int]:
        """Bits of the activation and of the weight."""
        a, w = self.reading.formats
        return a.bits, w.bits

    @cached_property
    def block(self) -> Block:
        """The multiplier as a block, with its costs.

        Raises:
            InputError: its operands are not 8×8, as networks need them.
        """
        check_widths(self.widths, f"circuit {self.name!r}")
        return Block.from_table(
            self.table if self.table is not None else np.empty(0),
            name=re.sub(r"\s", "_", self.name),
            formats=self.reading.formats,
            costs={self.costs.technology: self.costs},
            provenance={"characterized": self.costs.origin},
        )

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader of the figures must know beside them, a sentence each."""
        reading, found = self.reading, []
        if reading.bits != sum(self.widths):
            found.append(f"Read as {reading}, which fits the exact product best.")
        if self.errors.is_sampled:
            found.append(f"Errors are of {self.errors.pairs} sampled operand pairs (seed {self.errors.seed}): worst cases are lower bounds.")
        if self.gates == 0:
            found.append("It needs no gate: its product is a constant or wires. No library takes it as a multiplier, for it would cost nothing.")
        if self.table is None:
            found.append("Networks run 8×8 blocks: these figures are for comparison, and --library does not take this circuit.")
        return tuple(found)

    def energy_fj(self, activations: Any, weights: Any, held: Held | str = Held.NONE) -> Any:
        """Return fJ per multiplication of 8-bit operands under their distributions; see `SwitchingCircuit.energies`."""
        return self.circuit.energies(activations, weights, held)

    def to_dict(self) -> dict[str, Any]:
        """Return the figures as plain JSON values (without netlist and table)."""
        costs = self.costs
        return {
            "name": self.name,
            "formats": [f.name for f in self.reading.formats],
            "product_bits": self.reading.bits,
            "missing_msbs": self.reading.missing_msbs,
            "missing_lsbs": self.reading.missing_lsbs,
            "sha256": None if self.table is None else self.block.sha256,
            "is_exact": self.errors.ep == 0.0 and not self.errors.is_sampled,
            "errors": self.errors.to_dict(),
            "technology": costs.technology,
            "area_um2": costs.area_um2,
            "delay_ns": costs.delay_ns,
            "energy_fj": costs.energy_fj,
            "leakage_nw": costs.leakage_nw,
            "luts": costs.luts,
            "constant_lsbs": costs.constant_lsbs,
            "gates": self.gates,
            "full_adders": self.full_adders,
            "mapping": self.mapping,
            "tool": self.tool,
            "library": self.library,
            "origin": costs.origin,
            "notes": list(self.notes),
        }

    def to_stored(self) -> dict[str, Any]:
        """Return everything as plain JSON values, as `from_stored` reads it."""
        return {
            "name": self.name,
            **circuit_to_dict(self.circuit, digits=4),
            "bits": self.reading.bits,
            "missing_lsbs": self.reading.missing_lsbs,
            "errors": self.errors.to_dict(),
            "costs": asdict(self.costs),
            "table": None if self.table is None else self.table.tolist(),
            **{key: getattr(self, key) for key in ("mapping", "gates", "full_adders", "tool", "library")},
        }

    @classmethod
    def from_stored(cls, values: Mapping[str, Any]) -> Characterization:
        """Return what `to_stored` wrote."""
        circuit = circuit_from_dict(values)
        return cls(
            name=values["name"],
            reading=Reading(circuit.formats, values["bits"], values["missing_lsbs"]),
            errors=Errors.from_dict(values["errors"]),
            costs=Costs(**values["costs"]),
            circuit=circuit,
            table=None if values["table"] is None else np.array(values["table"], np.int32),
            **{key: values[key] for key in ("mapping", "gates", "full_adders", "tool", "library")},
        )


def circuit_to_dict(circuit: SwitchingCircuit, digits: int = 3) -> dict[str, Any]:
    """Return a circuit as plain JSON values, energies of toggles in fJ with so many digits."""
    return {
        "netlist": circuit.netlist.to_dict(),
        "ports": [circuit.activation, circuit.weight],
        "formats": [f.name for f in circuit.formats],
        "toggle_fj": [round(float(value), digits) for value in circuit.toggle_fj],
    }


def circuit_from_dict(values: Mapping[str, Any]) -> SwitchingCircuit:
    """Return the circuit that `circuit_to_dict` wrote."""
    a_format, w_format = (IntFormat.parse(f, OPERAND_BITS) for f in values["formats"])
    return SwitchingCircuit(
        netlist=Netlist.from_dict(values["netlist"]),
        activation=values["ports"][0],
        weight=values["ports"][1],
        formats=(a_format, w_format),
        toggle_fj=np.array(values["toggle_fj"]),
    )
