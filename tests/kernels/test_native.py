"""The native code by itself: under sanitizers, its AVX-512 and AMX tiers emulated (SIMDe, a model of tiles); and when it is missing or wrong."""

from __future__ import annotations

import pickle
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from blocks import exact
from nanobind.stubgen import StubGen

from hawx import emulate
from hawx.emulate import Machine, native, reference
from hawx.emulate.cost import TERMS, CostModel
from hawx.emulate.selfcheck import WrongKernelError
from hawx.errors import InputError, ToolMissingError

HERE = Path(__file__).parent
SOURCE = HERE.parents[1] / "native"
COMPILER = shutil.which("c++") or shutil.which("g++")
FLAGS = ["-std=c++20", "-ffp-contract=off", "-fno-math-errno", f"-I{SOURCE}", f"-I{HERE}", "-pthread"]

needs_compiler = pytest.mark.skipif(COMPILER is None, reason="needs a C++ compiler")
needs_sources = pytest.mark.skipif(not SOURCE.exists(), reason="needs the sources of the native extension")


def build(folder: Path, flags: list[str], tiers: list[tuple[str, list[str]]]) -> Path:
    objects = []
    for name, defines in [*tiers, ("products", []), ("tables", []), ("depthwise", []), ("tier_scalar", [])]:
        objects.append(str(folder / f"{name}.o"))
        subprocess.run([COMPILER, *FLAGS, *flags, *defines, "-c", str(SOURCE / f"{name}.cpp"), "-o", objects[-1]], check=True)
    program = folder / "check"
    defines = [d for _, some in tiers for d in some] + ["-DHAWX_CHECK_AVX2"] * any(name == "tier_avx2" for name, _ in tiers)
    subprocess.run([COMPILER, *FLAGS, *flags, *defines, str(HERE / "check_kernels.cpp"), *objects, "-o", str(program)], check=True)
    return program


def run(program: Path, cases: int) -> str:
    done = subprocess.run([str(program), str(cases)], capture_output=True, text=True, timeout=500)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.slow
@needs_compiler
@needs_sources
@pytest.mark.skipif(not Path("/usr/include/simde/x86/avx512.h").exists(), reason="needs SIMDe (Debian: libsimde-dev)")
def test_avx512_tiers_agree_with_plain_loops_under_emulation(tmp_path: Path) -> None:
    printed = run(build(tmp_path, ["-O2"], [("tier_avx512", ["-DHAWX_SIMDE"])]), 120)
    assert "avx512_vnni: 120 cases" in printed
    assert "amx: 120 cases" in printed


@pytest.mark.slow
@needs_compiler
@needs_sources
def test_address_and_undefined_behavior_sanitizers_find_nothing(tmp_path: Path) -> None:
    flags = ["-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
    tiers: list[tuple[str, list[str]]] = [("tier_avx2", [])] if "avx2" in emulate.targets() else []
    assert "scalar: 60 cases" in run(build(tmp_path, flags, tiers), 60)


def test_a_wrong_kernel_is_refused_before_the_first_product(monkeypatch: pytest.MonkeyPatch) -> None:
    right = reference.conv2d
    zero = np.zeros((1, 1), np.int8)
    emulate.matmul(zero, zero, exact())  # another machine passed before
    monkeypatch.setattr(reference, "conv2d", lambda *args, **kwargs: right(*args, **kwargs) + 1)
    monkeypatch.setattr("hawx.emulate.machine._default", Machine("scalar"))
    for _ in range(2):  # and again: a failed check is not forgotten
        with pytest.raises(WrongKernelError, match=r"^the factored kernel of target 'scalar' disagrees with the reference on this machine; nothing"):
            emulate.matmul(zero, zero, exact())


@pytest.mark.parametrize("target", emulate.targets())
def test_a_machine_checks_its_kernels_once(target: str, monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine(target)
    assert machine.kernels.name == target
    monkeypatch.setattr("hawx.emulate.machine.check_kernels", lambda *_: pytest.fail("checked again"))
    assert machine.kernels.name == target


def test_a_missing_extension_is_one_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "hawx._native", None)
    with pytest.raises(ToolMissingError, match=r"^the native extension hawx\._native cannot be loaded .*pip install \..*engine 'torch'\.$"):
        native.extension()
    ones = np.ones((1, 1), np.int8)
    monkeypatch.setattr("hawx.emulate.machine._default", Machine())
    assert emulate.matmul(ones, ones, exact(), engine="torch") == 1


def test_a_machine_travels_with_its_model_and_without_its_cache() -> None:
    tier = Machine("scalar").model.tier
    machine = Machine(model=CostModel(tier, dict.fromkeys(TERMS, 1.0)))
    machine.cache.get(tier.__class__, "key", lambda: np.zeros(9))
    other = pickle.loads(pickle.dumps(machine))
    assert (other.target, other.model, len(other.cache)) == ("scalar", machine.model, 0)


def test_a_model_of_another_target_is_refused() -> None:
    model = Machine("scalar").model
    other = CostModel(replace(model.tier, name="avx9"), model.coefficients)
    with pytest.raises(InputError, match=r"^a cost model of target 'avx9' does not fit target 'scalar'; expected one measured on it\.$"):
        Machine("scalar", model=other)


def test_type_checkers_read_of_the_extension_what_it_is() -> None:
    """Where this fails, write the file anew: python -m nanobind.stubgen -m hawx._native -o src/hawx/_native.pyi"""
    stub = StubGen(native.extension())
    stub.put(native.extension())
    assert stub.get() == (SOURCE.parent / "src/hawx/_native.pyi").read_text(encoding="utf-8")


def test_the_environment_forces_a_target() -> None:
    code = "from hawx import emulate; print(emulate.active_target())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env={"HAWX_FORCE_TARGET": "scalar", "PATH": ""}, check=True)
    assert done.stdout.strip() == "scalar"


def test_an_impossible_forced_target_is_refused() -> None:
    code = "from hawx import emulate; emulate.active_target()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env={"HAWX_FORCE_TARGET": "sve", "PATH": ""})
    assert "InputError: kernel target 'sve' cannot run here; expected one of: scalar" in done.stderr


def test_the_extension_refuses_what_kernels_could_not_survive() -> None:
    ext, kernels = native.extension(), native.kernels_of()
    window = ext.Window(kernel=(1, 1), stride=(1, 1), origin=(0, 0), dilation=(1, 1), pad=0)
    out = np.zeros((1, 2, 2, 1), np.int32)

    def finish(filters: list[int], constants: int = 1) -> object:
        return ext.Finish(
            filters=np.array(filters, np.int32),
            constant=np.zeros(constants, np.int32),
            scale=np.ones(len(filters), np.float32),
            inverse=1.0,
            zero_point=0.0,
            low=0.0,
            high=0.0,
            out=out,
        )

    codes, rows = np.zeros((1, 1, 2, 2), np.int8), np.zeros((256, 256), np.uint16)
    planes, weights = np.zeros((256, 512), np.uint8), np.zeros((1, 1), np.uint8)
    of = np.zeros(1, np.int32)
    good = (codes, window, [rows], [planes], of, weights, False, finish([0]), 1)
    kernels.conv_table(*good)
    for position, value, message in [
        (0, codes.astype(np.float32), "codes: expected int8 or uint8"),
        (0, np.zeros((2, 1, 2, 2), np.int8), "out: expected"),
        (2, [rows[:4]], "rows: expected"),
        (2, [], "tables: expected rows"),
        (3, [planes[:, :4].copy()], "planes: expected"),
        (4, np.ones(1, np.int32), "tables: index out of range"),
        (4, np.zeros(2, np.int32), "tables: expected one index"),
        (5, np.zeros((1, 2), np.uint8), "weights: expected"),
        (7, finish([1]), "filters: index out of range"),
        (7, finish([-1]), "filters: index out of range"),
        (7, finish([0], constants=2), "filters: expected one constant"),
        (8, 0, "threads: expected"),
    ]:
        arguments = [*good]
        arguments[position] = value
        with pytest.raises(ValueError, match=message):
            kernels.conv_table(*arguments)
    with pytest.raises(ValueError, match=r"^panels: packed for another shape or target$"):
        kernels.conv_factored(codes, window, np.zeros((256, 1), np.int16), np.zeros(3, np.int16), finish([0]), 1)
    with pytest.raises(ValueError, match=r"^(panels: packed for another shape or target|map: this target has no dot product of bytes)$"):
        kernels.conv_factored(codes, window, np.zeros((256, 1), np.uint8), np.zeros(3, np.int8), finish([0]), 1)
    remainder = (
        np.zeros((256, 1), np.uint8),
        np.zeros(128, np.int8),
        np.zeros(256, np.uint8),
        np.zeros((4, 1, 256), np.uint8),
        np.zeros((1, 1, 64), np.uint8),
    )
    if not kernels.has_byte_products:
        with pytest.raises(ValueError, match=r"^map: this target has no dot product of bytes$"):
            kernels.conv_residual(codes, window, *remainder, 1, 1, 1, finish([0]), 1)
    else:
        kernels.conv_residual(codes, window, *remainder, 1, 1, 1, finish([0]), 1)
        for position, value, message in [
            (1, np.zeros(3, np.int8), "panels: packed"),
            (2, np.full(256, 64, np.uint8), "classes: expected"),
            (2, np.zeros(2, np.uint8), "classes: expected"),
            (3, np.zeros((5, 1, 256), np.uint8), "tables: expected"),
            (3, np.zeros((4, 3, 256), np.uint8), "tables: expected"),
            (4, np.zeros((1, 2, 64), np.uint8), "weights: expected"),
        ]:
            arguments = [*remainder]
            arguments[position] = value
            with pytest.raises(ValueError, match=message):
                kernels.conv_residual(codes, window, *arguments, 1, 1, 1, finish([0]), 1)
        for group, longest in ((0, 1), (9, 9), (2, 3), (2, 0)):
            with pytest.raises(ValueError, match="group: expected"):
                kernels.conv_residual(codes, window, *remainder, group, 1, longest, finish([0]), 1)
        for unit in (0, 1 << 15):
            with pytest.raises(ValueError, match="unit: expected"):
                kernels.conv_residual(codes, window, *remainder, 1, unit, 1, finish([0]), 1)
    with pytest.raises(TypeError):
        kernels.conv_factored(codes, window, np.zeros((256, 1), np.uint8), np.zeros(3, np.int16), finish([0]), 1)
