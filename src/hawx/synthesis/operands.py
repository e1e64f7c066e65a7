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
from hawx.synthesis import cache
from hawx.synthesis.builtin import builtin_circuit
from hawx.synthesis.characterize import circuit_from_dict

CACHE_KIND = "circuits"


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
    blocks: Sequence[Block], costs: Sequence[Costs], activations: ArrayLike, weights: ArrayLike, *, exact: int, held: Held | str = Held.NONE
) -> OperandEnergies:
    """Return fJ per multiplication of every block under every layer's operand distributions.

    Args:
        blocks: the library's blocks.
        costs: one per block, all of one technology.
        activations: (layers, 256), probability of each activation code in value order.
        weights: (layers, 256), probability of each weight code in value order.
        exact: index of the exact block: the yardstick for blocks without a circuit.
        held: which operand stays while the other streams.

    Raises:
        InputError: distributions that are none, or lists of different lengths.
    """
    if len(blocks) != len(costs):
        raise InputError(f"{len(blocks)} blocks have {len(costs)} costs; expected one for each block.")
    circuits = [circuit_of(block, cost) for block, cost in zip(blocks, costs, strict=True)]
    yardstick = circuits[exact] or _default_exact()
    columns = []
    ratio: NDArray[np.float64] | None = None
    for block, cost, circuit in zip(blocks, costs, circuits, strict=True):
        if circuit is not None:
            columns.append(_energies(circuit, block, activations, weights, held))
            continue
        if ratio is None:
            ratio = _energies(yardstick, blocks[exact], activations, weights, held) / yardstick.uniform_fj
        columns.append(cost.energy_fj * ratio)
    return OperandEnergies(values_fj=np.stack(columns, axis=1), is_analytic=tuple(circuit is not None for circuit in circuits))


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


def _energies(circuit: SwitchingCircuit, block: Block, activations: ArrayLike, weights: ArrayLike, held: Held | str) -> NDArray[np.float64]:
    rows = [np.atleast_2d(np.asarray(values, np.float64)) for values in (activations, weights)]
    seen = [fold(values, own, inner) for values, own, inner in zip(rows, block.formats, circuit.formats, strict=True)]
    return circuit.energies(seen[0], seen[1], held)


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
