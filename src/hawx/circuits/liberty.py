"""CellLibrary: what a Liberty file says about area, function, timing, power and leakage of its cells."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hawx.circuits.liberty_text import Group, parse
from hawx.circuits.logic import Expression, parse_function
from hawx.circuits.netlist import Cell
from hawx.errors import InputError

SUM, CARRY = 0b10010110, 0b11101000
"""Truth tables of a full adder's outputs over its three inputs."""


@dataclass(frozen=True, slots=True)
class Table2D:
    """A look-up table over input slew (ns) and output load (pF), bilinear, extrapolated linearly as Liberty tools do."""

    slews: tuple[float, ...]
    loads: tuple[float, ...]
    values: tuple[tuple[float, ...], ...]
    """`values[slew][load]`."""

    def __call__(self, slew: float, load: float) -> float:
        i, u = _bracket(self.slews, slew)
        j, v = _bracket(self.loads, load)
        low = self.values[i][j] if v == 0.0 else self.values[i][j] + v * (self.values[i][j + 1] - self.values[i][j])
        if u == 0.0:
            return low
        high = self.values[i + 1][j] if v == 0.0 else self.values[i + 1][j] + v * (self.values[i + 1][j + 1] - self.values[i + 1][j])
        return low + u * (high - low)


@dataclass(frozen=True, slots=True)
class Arc:
    """A timing arc into an output pin. Delays and transitions in ns; index 0 = falling output, 1 = rising output."""

    related_pin: str
    sense: str
    """`positive_unate`, `negative_unate` or `non_unate`."""
    delays: tuple[Table2D, Table2D]
    transitions: tuple[Table2D, Table2D]
    clocked: bool
    """From a clock edge, not combinational."""


@dataclass(frozen=True, slots=True)
class Power:
    """Internal energy in pJ per transition of the pin: falling, rising; `related_pin` is "" for a pin's own (passive) energy."""

    related_pin: str
    tables: tuple[Table2D, Table2D]

    def mean(self, slew: float, load: float) -> float:
        """Return the mean over a rising and a falling transition, pJ."""
        return 0.5 * (self.tables[0](slew, load) + self.tables[1](slew, load))


@dataclass(frozen=True, slots=True)
class Pin:
    name: str
    is_output: bool
    capacitance_pf: float
    function: Expression | None
    arcs: tuple[Arc, ...]
    power: tuple[Power, ...]
    setup_ns: float


@dataclass(frozen=True, slots=True)
class Register:
    """An edge-triggered flip-flop: state pins and what they take at the clock's edge."""

    state: str
    inverted_state: str
    clock: str
    next_state: Expression


@dataclass(frozen=True)
class LibraryCell:
    name: str
    area_um2: float
    leakage_nw: float
    pins: Mapping[str, Pin]
    register: Register | None
    logic: Cell | None
    """What it computes, if combinational with known functions or a plain flip-flop; None where the netlist evaluator cannot follow it."""

    @cached_property
    def inputs(self) -> tuple[str, ...]:
        return tuple(name for name, pin in self.pins.items() if not pin.is_output)

    @cached_property
    def outputs(self) -> tuple[str, ...]:
        return tuple(name for name, pin in self.pins.items() if pin.is_output)


@dataclass(frozen=True)
class CellLibrary:
    """Cells of one technology. Area in um2, time in ns, capacitance in pF, internal energy in pJ, leakage in nW."""

    name: str
    """Technology name: the file's library name without a `_stdcells`-like ending."""
    path: Path
    content: bytes
    """The Liberty text, uncompressed."""
    voltage: float
    cells: Mapping[str, LibraryCell]

    @cached_property
    def sha256(self) -> str:
        """Of `content`."""
        return hashlib.sha256(self.content).hexdigest()

    @cached_property
    def full_adder(self) -> tuple[LibraryCell, Mapping[str, str]] | None:
        """The smallest full-adder cell with its pins (`A B C` in, `SUM`, `CARRY` out -> pin name), or None."""
        adders = []
        for cell in self.cells.values():
            if cell.logic is not None and cell.register is None and len(cell.inputs) == 3 and len(cell.outputs) == 2:
                found = {function.truth(cell.inputs): pin for pin, function in cell.logic.outputs.items()}
                if set(found) == {SUM, CARRY}:
                    adders.append((cell, {**dict(zip("ABC", cell.inputs, strict=True)), "SUM": found[SUM], "CARRY": found[CARRY]}))
        return min(adders, key=lambda adder: adder[0].area_um2, default=None)


def parse_liberty(data: bytes, path: Path) -> CellLibrary:
    """Return the cells of a Liberty text.

    Args:
        data: the plain text.
        path: its file, for messages.

    Raises:
        InputError: it is not Liberty, or lacks combinational cells, timing tables or power tables.
    """
    root = parse(data.decode("utf-8", errors="replace"), str(path))
    templates = {group.name: group for group in root.all("lu_table_template", "power_lut_template")}
    try:
        units = _Units.of(root)
        cells = {group.name: _cell(group, templates, units) for group in root.all("cell")}
    except (ValueError, IndexError) as error:
        raise InputError(f"Liberty file {str(path)!r} has a malformed number or table: {error}; expected NLDM tables of numbers.") from error
    usable = [cell for cell in cells.values() if cell.logic is not None]
    for what, found in (
        ("combinational cells", any(cell.register is None for cell in usable)),
        ("timing tables", any(pin.arcs for cell in usable for pin in cell.pins.values())),
        ("power tables", any(pin.power for cell in usable for pin in cell.pins.values())),
    ):
        if not found:
            raise InputError(f"Liberty file {str(path)!r} has no {what}; expected a library characterized for timing and power (NLDM).")
    voltage = root.number("nom_voltage", 0.0)
    if voltage <= 0:
        raise InputError(f"Liberty file {str(path)!r} has no 'nom_voltage'; expected the supply voltage the power tables belong to.")
    name = re.sub(r"[^\w.-]", "_", root.name) or path.stem
    name = re.sub(r"_(stdcells|stdcell)$", "", name)
    return CellLibrary(name=name, path=path, content=data, voltage=voltage, cells=cells)


@dataclass(frozen=True, slots=True)
class _Units:
    time: float
    """ns per unit of the file."""
    capacitance: float
    """pF per unit."""
    leakage: float
    """nW per unit."""
    energy: float
    """pJ per unit of internal power: capacitance unit times squared voltage unit."""

    @classmethod
    def of(cls, root: Group) -> _Units:
        time = _scaled(root.attributes.get("time_unit", "1ns"), "s", 1e9)
        voltage = _scaled(root.attributes.get("voltage_unit", "1V"), "V", 1.0)
        leakage = _scaled(root.attributes.get("leakage_power_unit", "1nW"), "W", 1e9)
        size, unit = (*root.lists.get("capacitive_load_unit", ("1", "pf")), "pf")[:2]
        capacitance = float(size) * {"ff": 1e-3, "pf": 1.0}.get(unit.lower(), 1.0)
        return cls(time=time, capacitance=capacitance, leakage=leakage, energy=capacitance * voltage * voltage)


_PREFIXES = {"": 1.0, "m": 1e-3, "u": 1e-6, "n": 1e-9, "p": 1e-12, "f": 1e-15}


def _scaled(text: str, unit: str, factor: float) -> float:
    match = re.fullmatch(rf"\s*([\d.eE+-]*)\s*([munpf]?){unit}\s*", text, re.IGNORECASE)
    return 1.0 if match is None else float(match[1] or 1) * _PREFIXES[match[2].lower()] * factor


def _cell(group: Group, templates: Mapping[str, Group], units: _Units) -> LibraryCell:
    register = _register(group)
    pins: dict[str, Pin] = {}
    follows = True
    for pin_group in _pin_groups(group):
        direction = pin_group.attributes.get("direction", "")
        if direction not in {"input", "output"}:
            follows = follows and direction == "internal"
            continue
        pin = _pin(pin_group, templates, units)
        pins[pin.name] = pin
        follows = follows and "three_state" not in pin_group.attributes and (not pin.is_output or pin.function is not None)
    is_sequential = bool(group.all("ff", "latch", "ff_bank", "latch_bank", "statetable"))
    return LibraryCell(
        name=group.name,
        area_um2=group.number("area", 0.0),
        leakage_nw=_leakage(group) * units.leakage,
        pins=pins,
        register=register,
        logic=_logic(pins, register) if follows and (register is not None or not is_sequential) else None,
    )


def _logic(pins: Mapping[str, Pin], register: Register | None) -> Cell | None:
    """Return what the cell computes, of a flip-flop at the one pin that shows its state; None if it has no output or knows other pins."""
    inputs = tuple(name for name, pin in pins.items() if not pin.is_output)
    functions = {name: pin.function for name, pin in pins.items() if pin.is_output and pin.function is not None}
    known = {*inputs, *(() if register is None else (register.state, register.inverted_state))}
    if not functions or any(pin.function is not None and not pin.function.pins <= known for pin in pins.values()):
        return None
    if register is None:
        return Cell(inputs, functions)
    shown = [name for name, function in functions.items() if function == Expression("pin", pin=register.state)]
    held = dict.fromkeys(shown[:1], register.next_state)
    return Cell(tuple(name for name in inputs if name != register.clock), held, is_register=True) if held else None


def _leakage(group: Group) -> float:
    if "cell_leakage_power" in group.attributes:
        return group.number("cell_leakage_power", 0.0)
    states = [state.number("value", 0.0) for state in group.all("leakage_power")]
    return float(np.mean(states)) if states else 0.0


def _pin_groups(group: Group) -> list[Group]:
    pins = group.all("pin")
    for bus in group.all("bus", "bundle"):
        pins += bus.all("pin")
    return pins


def _pin(group: Group, templates: Mapping[str, Group], units: _Units) -> Pin:
    function = None
    if "function" in group.attributes:
        try:
            function = parse_function(group.attributes["function"])
        except ValueError:
            function = None  # the cell is then not usable; others may be
    capacitance = group.number("capacitance", -1.0)
    if capacitance < 0:
        capacitance = 0.5 * (group.number("rise_capacitance", 0.0) + group.number("fall_capacitance", 0.0))
    arcs = [arc for timing in group.all("timing") for arc in _arcs(timing, templates, units)]
    power = [entry for internal in group.all("internal_power") for entry in _powers(internal, templates, units)]
    setups = [
        float(_values(table).flat[0]) * units.time
        for timing in group.all("timing")
        if timing.attributes.get("timing_type", "").startswith("setup")
        for table in timing.all("rise_constraint", "fall_constraint")
    ]
    return Pin(
        name=group.name,
        is_output=group.attributes.get("direction") == "output",
        capacitance_pf=capacitance * units.capacitance,
        function=function,
        arcs=tuple(arcs),
        power=tuple(power),
        setup_ns=max(setups, default=0.0),
    )


def _arcs(group: Group, templates: Mapping[str, Group], units: _Units) -> list[Arc]:
    kind = group.attributes.get("timing_type", "combinational")
    clocked = kind in {"rising_edge", "falling_edge"}
    tables = {child.kind: child for child in group.groups}
    needed = ("cell_fall", "cell_rise", "fall_transition", "rise_transition")
    if not (clocked or kind.startswith("combinational")) or not all(name in tables for name in needed):
        return []
    fall, rise, slew_fall, slew_rise = (_table(tables[name], templates, units.time, units) for name in needed)
    return [
        Arc(pin, group.attributes.get("timing_sense", "non_unate"), (fall, rise), (slew_fall, slew_rise), clocked)
        for pin in group.attributes.get("related_pin", "").split()
    ]


def _powers(group: Group, templates: Mapping[str, Group], units: _Units) -> list[Power]:
    tables = {child.kind: child for child in group.all("rise_power", "fall_power", "power")}
    fall, rise = (tables.get(name, tables.get("power")) for name in ("fall_power", "rise_power"))
    if fall is None and rise is None:
        return []
    zero = Table2D((0.0,), (0.0,), ((0.0,),))
    pair = tuple(zero if table is None else _table(table, templates, units.energy, units) for table in (fall, rise))
    return [Power(pin, (pair[0], pair[1])) for pin in group.attributes.get("related_pin", "").split() or [""]]


def _floats(text: str) -> list[float]:
    return [float(number) for number in text.replace(",", " ").split()]


def _values(group: Group) -> NDArray[np.float64]:
    rows = [_floats(row) for row in group.lists.get("values", ())]
    if not rows:
        return np.zeros((1, 1))
    if len({len(row) for row in rows}) != 1:
        return np.concatenate(rows)[None, :]
    return np.array(rows)


def _table(group: Group, templates: Mapping[str, Group], scale: float, units: _Units) -> Table2D:
    """Return a table with slew as first axis, whatever the order in the file; missing axes have one entry."""
    template = templates.get(group.name)
    values = _values(group) * scale
    axes: dict[str, tuple[float, ...]] = {}
    for key, number in (("index_1", 1), ("index_2", 2)):
        variable = template.attributes.get(f"variable_{number}", "") if template is not None else ""
        texts = group.lists.get(key) or (template.lists.get(key) if template is not None else None)
        if not texts or (not variable and values.size == 1):
            continue
        axis, unit = ("load", units.capacitance) if "capacitance" in variable else ("slew", units.time)
        axes[axis] = tuple(value * unit for text in texts for value in _floats(text))
    slews, loads = axes.get("slew", (0.0,)), axes.get("load", (0.0,))
    if values.size != len(slews) * len(loads):
        values = np.full((len(slews), len(loads)), values.flat[0])
    elif next(iter(axes), "") == "load":
        values = values.reshape(len(loads), len(slews)).T
    return Table2D(slews, loads, tuple(map(tuple, values.reshape(len(slews), len(loads)).tolist())))


def _register(group: Group) -> Register | None:
    """Return the cell's flip-flop if it is a plain one on the rising edge: no set, clear, or scan beyond its next-state function."""
    flip_flops = group.all("ff")
    if len(flip_flops) != 1 or group.all("latch", "ff_bank", "latch_bank", "statetable"):
        return None
    ff = flip_flops[0]
    if "clear" in ff.attributes or "preset" in ff.attributes or len(ff.arguments) < 2:
        return None
    try:
        clock, next_state = parse_function(ff.attributes.get("clocked_on", "")), parse_function(ff.attributes.get("next_state", ""))
    except ValueError:
        return None
    if clock.operator != "pin":
        return None
    return Register(ff.arguments[0], ff.arguments[1], clock.pin, next_state)


def _bracket(axis: tuple[float, ...], value: float) -> tuple[int, float]:
    """Return the lower index and the fraction towards the next one (outside 0..1 beyond the ends)."""
    if len(axis) == 1:
        return 0, 0.0
    i = 0
    while i < len(axis) - 2 and value > axis[i + 1]:
        i += 1
    return i, (value - axis[i]) / (axis[i + 1] - axis[i])
