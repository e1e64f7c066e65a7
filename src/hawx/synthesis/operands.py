"""Energy of a library's blocks under a network's own operands: exact where the mapped circuit is known, scaled and labelled elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hawx.blocks import Block, Costs
from hawx.circuits.energy import Held, SwitchingCircuit
from hawx.errors import InputError
from hawx.formats import CODES, IntFormat
from hawx.runner import Runner, run_here
from hawx.synthesis import cache
from hawx.synthesis.builtin import builtin_circuit
from hawx.synthesis.characterize import circuit_from_dict

CACHE_KIND = "circuits"
_TURNED = {Held.NONE: Held.NONE, Held.WEIGHT: Held.ACTIVATION, Held.ACTIVATION: Held.WEIGHT}
"""Which input of a circuit stays where its operands have changed places."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OperandEnergies:
    """Energy per multiplication under each layer's operands."""

    values_fj: NDArray[np.float64]
    """(layers, blocks)."""
    is_analytic: tuple[bool, ...]
    """Per block: computed on its mapped circuit; else its uniform figure times the yardstick's ratio for the layer."""

    @property
    def origin(self) -> str:
        """How the figures arise, for a report."""
        scaled = self.is_analytic.count(False)
        return "analytic on mapped netlists" + (f"; {scaled} blocks without a netlist scaled like the exact one" if scaled else "")


def operand_energies(
    blocks: Sequence[Block],
    costs: Sequence[Costs],
    activations: ArrayLike,
    weights: ArrayLike,
    *,
    exact: int,
    held: Held | str = Held.NONE,
    swapped: ArrayLike = False,
    runner: Runner = run_here,
) -> OperandEnergies:
    """Return fJ per multiplication of every block under every layer's operand distributions.

    Args:
        blocks: the library's blocks.
        costs: one per block, all of one technology.
        activations: (layers, 256) or (layers, blocks, 256), probability of each activation code in value order.
        weights: the same of the weight codes.
        exact: index of the exact block: the yardstick for blocks without a circuit.
        held: which operand stays while the other streams.
        swapped: (layers, blocks) or one for all, whether the first input of a circuit takes the weight.
        runner: who does it, circuit by circuit.

    Raises:
        InputError: distributions that are none, or lists of different lengths.
    """
    if len(blocks) != len(costs):
        raise InputError(f"{len(blocks)} blocks have {len(costs)} costs; expected one for each block.")
    circuits = [circuit_of(block, cost) for block, cost in zip(blocks, costs, strict=True)]
    yardstick = circuits[exact] or _default_exact()
    seen = [_by_block(values, len(blocks)) for values in (activations, weights)]
    turned = np.broadcast_to(np.asarray(swapped, bool), seen[0].shape[:2])
    values = np.empty(turned.shape)
    told = _by_circuit(circuits, yardstick)
    parts = []
    for circuit, members in told:
        own = [rows[:, members].reshape(-1, CODES) for rows in seen]
        parts.append(_Operands(circuit, blocks[members[0]].formats, own[0], own[1], Held(held), turned[:, members].ravel()))
    for (_, members), found in zip(told, runner.map(_energies, parts), strict=True):
        values[:, members] = found.reshape(-1, len(members))
    for b, (cost, known) in enumerate(zip(costs, circuits, strict=True)):
        if known is None:
            values[:, b] *= cost.energy_fj / yardstick.uniform_fj
    return OperandEnergies(values_fj=values, is_analytic=tuple(circuit is not None for circuit in circuits))


def circuit_of(block: Block, cost: Costs) -> SwitchingCircuit | None:
    """Return the mapped circuit whose figures `cost` holds, from the package or the user's characterizations; None where unknown.

    A circuit counts only if its uniform energy is the one in `cost`: figures of another technology or tool are never mixed in.
    """
    hashes = [block.sha256]
    if "sign_magnitude_of" in block.provenance:
        hashes.append(str(block.provenance["sign_magnitude_of"]))
    for sha256 in hashes:
        for circuit in (builtin_circuit(sha256, cost.technology), _cached_circuit(sha256, cost.technology)):
            if circuit is not None and abs(circuit.uniform_fj - cost.energy_fj) <= 1e-3 * max(cost.energy_fj, 1.0):
                return circuit
    return None


def _cached_circuit(sha256: str, technology: str) -> SwitchingCircuit | None:
    values = cache.load(CACHE_KIND, cache.content_key(sha256, technology))
    return None if values is None else circuit_from_dict(values)


@lru_cache(maxsize=1)
def _default_exact() -> SwitchingCircuit:
    from hawx.blocks.families import builtin_library

    circuit = builtin_circuit(builtin_library().exact.sha256)
    if circuit is None:
        raise InputError("the package ships no circuit of the exact block; expected one. Run `python -m hawx.synthesis`.")
    return circuit


def _by_circuit(circuits: Sequence[SwitchingCircuit | None], yardstick: SwitchingCircuit) -> list[tuple[SwitchingCircuit, list[int]]]:
    """Return each circuit with the blocks that it tells of: its own, and the yardstick with all that have none."""
    own = [(circuit, [b]) for b, circuit in enumerate(circuits) if circuit is not None]
    unknown = [b for b, circuit in enumerate(circuits) if circuit is None]
    return [*own, (yardstick, unknown)] if unknown else own


def _by_block(values: ArrayLike, blocks: int) -> NDArray[np.float64]:
    """Return distributions, (layers, blocks, 256)."""
    rows = np.atleast_2d(np.asarray(values, np.float64))
    return np.repeat(rows[:, None], blocks, axis=1) if rows.ndim == 2 else rows


@dataclass(frozen=True, slots=True, eq=False)
class _Operands:
    """What arrives at a circuit: distributions (rows, 256) in `formats`, and whether they have changed places, (rows,)."""

    circuit: SwitchingCircuit
    formats: tuple[IntFormat, IntFormat]
    activations: NDArray[np.float64]
    weights: NDArray[np.float64]
    held: Held
    swapped: NDArray[np.bool_]


def _energies(given: _Operands) -> NDArray[np.float64]:
    """Return fJ per multiplication, (rows,)."""
    at = [np.where(given.swapped[:, None], other, own) for own, other in ((given.activations, given.weights), (given.weights, given.activations))]
    first, second = (fold(values, own, inner) for values, own, inner in zip(at, given.formats, given.circuit.formats, strict=True))
    result = np.empty(len(first))
    for turned in np.unique(given.swapped).tolist():
        rows = given.swapped == turned
        result[rows] = given.circuit.energies(first[rows], second[rows], _TURNED[given.held] if turned else given.held)
    return result


def fold(distribution: NDArray[np.float64], own: IntFormat, inner: IntFormat) -> NDArray[np.float64]:
    """Return what an operand distribution in format `own` looks like to a circuit of format `inner`, shape (rows, 256).

    A signed operand reaches an unsigned circuit as its magnitude (sign-magnitude); an unsigned one reaches a signed circuit as it is
    where it fits, and folded to 127 where it does not.
    """
    if own == inner or distribution.shape[-1] != CODES:
        return distribution
    values = own.values()
    target = np.abs(values) if own.signed else np.minimum(values, inner.max)
    moved = np.zeros((CODES, CODES))
    moved[np.arange(CODES), target - inner.min] = 1.0
    return np.asarray(distribution @ moved, np.float64)
