"""Switching energy: the analytic law against every pair of consecutive operands, and the shipped circuits against their tables."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from hawx.blocks.families import builtin_library
from hawx.circuits.energy import Held, SwitchingCircuit, toggle_rates
from hawx.circuits.netlist import Netlist, exhaustive, patterns
from hawx.circuits.readings import from_patterns
from hawx.errors import InputError
from hawx.formats import S8, U8
from hawx.synthesis import builtin_circuit, operand_energies
from hawx.synthesis.builtin import TECHNOLOGIES
from hawx.synthesis.operands import fold

LIBRARY = builtin_library()
NAMES = [LIBRARY.blocks[0].name, *LIBRARY.names[5::6]]


def sparse(rng: np.random.Generator, support: int) -> np.ndarray:
    distribution = np.zeros(256)
    distribution[rng.choice(256, support, replace=False)] = rng.dirichlet(np.ones(support))
    return distribution


def by_enumeration(circuit: SwitchingCircuit, p: np.ndarray, q: np.ndarray, held: Held) -> float:
    """Expected energy over all consecutive operand pairs, one net value at a time."""
    state = exhaustive(circuit.netlist, circuit.activation, circuit.weight)
    bits = np.unpackbits(state.view(np.uint8), axis=1, bitorder="little").reshape(-1, 256, 256)
    total = 0.0
    acts, weights = np.flatnonzero(p), np.flatnonzero(q)
    for a, a2, w, w2 in itertools.product(acts, acts, weights, weights):
        if (held is Held.WEIGHT and w != w2) or (held is Held.ACTIVATION and a != a2):
            continue
        chance = p[a] * q[w] * (1 if held is Held.ACTIVATION else p[a2]) * (1 if held is Held.WEIGHT else q[w2])
        codes = [(value + 128) % 256 for value in (a, w, a2, w2)]  # two's complement of value order, both ways
        changed = bits[:, codes[0], codes[1]] != bits[:, codes[2], codes[3]]
        total += chance * float(circuit.toggle_fj[changed].sum())
    return total


@pytest.mark.parametrize("held", list(Held))
def test_analytic_energy_is_the_expectation_over_consecutive_operands(held):
    rng = np.random.default_rng(11)
    circuit = builtin_circuit(LIBRARY["mul8s_mitchell"].sha256)
    for _ in range(3):
        p, q = sparse(rng, 4), sparse(rng, 3)
        assert circuit.energies(p, q, held)[0] == pytest.approx(by_enumeration(circuit, p, q, held), rel=1e-5)


def test_energy_is_what_simulated_toggles_cost():
    rng = np.random.default_rng(12)
    circuit = builtin_circuit(LIBRARY.exact.sha256)
    p, q = np.roll(sparse(rng, 40), 3), sparse(rng, 60)
    inputs = {}
    for port, distribution in ((circuit.activation, p), (circuit.weight, q)):
        codes = (rng.choice(256, (30, 64 * 64), p=distribution) + 128) % 256
        bits = (codes[:, None, :] >> np.arange(8)[None, :, None]) & 1
        inputs[port] = np.packbits(bits.astype(np.uint8), axis=2, bitorder="little").view(np.uint64)
    simulated = float(circuit.toggle_fj @ toggle_rates(circuit.netlist, inputs))
    assert circuit.energies(p, q)[0] == pytest.approx(simulated, rel=5e-3)


@pytest.mark.parametrize("technology", TECHNOLOGIES)
@pytest.mark.parametrize("name", NAMES)
def test_shipped_circuits_are_the_shipped_blocks(name, technology):
    block = LIBRARY[name]
    circuit = builtin_circuit(block.sha256, technology)
    raw = patterns(circuit.netlist, circuit.activation, circuit.weight, "O")
    np.testing.assert_array_equal(from_patterns(raw, block.formats), block.table)
    assert circuit.uniform_fj == pytest.approx(block.costs[technology].energy_fj, rel=1e-4)
    flat = np.full(256, 1 / 256)
    assert circuit.energies(flat, flat)[0] == pytest.approx(circuit.uniform_fj, rel=1e-5)


def test_every_built_in_block_has_its_circuit():
    assert [(block.name, name) for block in LIBRARY for name in TECHNOLOGIES if builtin_circuit(block.sha256, name) is None] == []


def test_constant_operands_cost_nothing():
    circuit = builtin_circuit(LIBRARY.exact.sha256)
    one = np.eye(256)[200]
    for held in Held:
        assert circuit.energies(one, one, held)[0] == 0.0


def test_a_block_without_a_circuit_scales_like_the_exact_one():
    rng = np.random.default_rng(13)
    p, q = rng.dirichlet(np.ones(256), 2), rng.dirichlet(np.ones(256), 2)
    unknown = LIBRARY.blocks[4].from_table(rng.integers(-9, 9, (256, 256)), name="unknown")
    blocks, costs = [LIBRARY.exact, unknown], [LIBRARY.exact.costs["osu018"], LIBRARY.blocks[4].costs["osu018"]]
    result = operand_energies(blocks, costs, p, q, exact=0)
    assert result.is_analytic == (True, False)
    ratio = result.values_fj[:, 0] / costs[0].energy_fj
    np.testing.assert_allclose(result.values_fj[:, 1], costs[1].energy_fj * ratio, rtol=1e-4)
    assert result.origin == "analytic on mapped netlists; 1 blocks without a netlist scaled like the exact one"


def test_operands_that_change_places_change_what_streams_and_what_stays():
    block = LIBRARY["mul8s_bam_v4a1"]  # its operands are not alike
    p, q = np.random.default_rng(14).dirichlet(np.ones(256), 3), np.random.default_rng(15).dirichlet(np.full(256, 0.1), 3)
    circuit, cost = builtin_circuit(block.sha256), block.costs["osu018"]
    own = [[p, q, held] for held in ("none", "weight", "activation")]
    for first, second, held in own:
        turned = {"none": "none", "weight": "activation", "activation": "weight"}[held]
        swapped = np.array([[False, True], [True, True], [False, False]])
        found = operand_energies([LIBRARY.exact, block], [LIBRARY.exact.costs["osu018"], cost], first, second, exact=0, held=held, swapped=swapped)
        plain, other = circuit.energies(first, second, held), circuit.energies(second, first, turned)
        assert abs(plain - other).min() > 0.001 * plain.max()
        np.testing.assert_allclose(found.values_fj[:, 1], [other[0], other[1], plain[2]], rtol=1e-6)


def test_each_block_has_its_own_operands():
    blocks = [LIBRARY.exact, LIBRARY["mul8s_tc5"]]
    rng = np.random.default_rng(16)
    p, q = rng.dirichlet(np.ones(256), (2, 2)), rng.dirichlet(np.ones(256), (2, 2))
    found = operand_energies(blocks, [block.costs["osu018"] for block in blocks], p, q, exact=0)
    for b, block in enumerate(blocks):
        np.testing.assert_allclose(found.values_fj[:, b], builtin_circuit(block.sha256).energies(p[:, b], q[:, b]), rtol=1e-6)


def test_signed_operands_reach_an_unsigned_circuit_as_magnitudes():
    distribution = np.zeros((1, 256))
    distribution[0, [128 - 5, 128 + 5, 0]] = 0.25, 0.25, 0.5
    folded = fold(distribution, S8, U8)
    assert folded[0, 5] == 0.5
    assert folded[0, 128] == 0.5


def test_what_is_no_distribution_is_refused():
    circuit = builtin_circuit(LIBRARY.exact.sha256)
    with pytest.raises(
        InputError, match=r"^weight distribution has shape \(256,\); expected \(256,\) or \(pairs, 256\), non-negative rows that sum to 1\.$"
    ):
        circuit.energies(np.full(256, 1 / 256), np.ones(256))


def test_a_netlist_survives_json():
    netlist = builtin_circuit(LIBRARY["mul8s_drum4"].sha256).netlist
    again = Netlist.from_dict(netlist.to_dict())
    assert again.gates == netlist.gates
    np.testing.assert_array_equal(exhaustive(again, "A", "B"), exhaustive(netlist, "A", "B"))
