"""Run the native code under AddressSanitizer and UndefinedBehaviorSanitizer, and the shipped extension under Valgrind: any report fails.

    python -m benchmarks.sanitize                 the extension with sanitizers, under its kernel tests
    python -m benchmarks.sanitize --valgrind      the shipped extension on a small run of every engine

The first builds the extension with `-DHAWX_SANITIZE=ON` into `build/sanitize`, puts it beside a copy of the package there, and runs pytest on
`tests/kernels` with the sanitizer's library loaded first. It needs GCC or Clang, CMake, Ninja and nanobind.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parents[1]
PLACE = ROOT / "build" / "sanitize"
TESTS = ("tests/kernels/test_binding.py", "tests/kernels/test_threads.py", "tests/kernels/test_evaluator.py")

OPTIONS = {
    # Interpreter and PyTorch keep what they allocate, and pair allocators of their own; errors of our code end the process.
    "ASAN_OPTIONS": "detect_leaks=0:alloc_dealloc_mismatch=0:verify_asan_link_order=0:halt_on_error=1:allocator_may_return_null=1",
    "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1",
}

SMALL_RUN = """
import numpy as np
from hawx import emulate
from hawx.blocks.families import family_block, from_name
random = np.random.default_rng(0)
x = random.integers(-128, 128, (2, 3, 5, 6), dtype=np.int8)
w = random.integers(-128, 128, (5, 3, 3, 2), dtype=np.int8)
a, b = random.integers(-128, 128, (2, 4, 9), dtype=np.int8)
names = ("mul8s_exact", "mul8s_drum5", "mul8s_roba")
for name in names:
    block = family_block(from_name(name))
    emulate.conv2d(x, w, block, stride=2, padding=1)
    expected = block.table[a[:, None].astype(int) + 128, b[None].astype(int) + 128].sum(-1)
    assert np.array_equal(emulate.matmul(a, b, block), expected), name
print("agreed", emulate.default_machine().kernels.name, len(names))
"""


def build() -> Path:
    """Build the extension with sanitizers and return the folder of a package that has it."""
    configure = ["cmake", "-S", str(ROOT), "-B", str(PLACE / "native"), "-G", "Ninja", "-DHAWX_SANITIZE=ON", "-DCMAKE_BUILD_TYPE=None"]
    subprocess.run(configure, check=True)
    subprocess.run(["cmake", "--build", str(PLACE / "native")], check=True)
    site = PLACE / "site"
    shutil.rmtree(site, ignore_errors=True)
    shutil.copytree(ROOT / "src" / "hawx", site / "hawx", ignore=shutil.ignore_patterns("_native*.so", "__pycache__"))
    (extension,) = (PLACE / "native").glob("_native*.so")
    shutil.copy(extension, site / "hawx")
    return site


def runtime(extension: Path) -> str:
    """Return the libraries that are loaded before Python: the sanitizer's, and that of C++, whose exceptions it follows."""
    listed = subprocess.run(["ldd", str(extension)], capture_output=True, text=True, check=True).stdout
    found = re.findall(r"(?:libasan|libclang_rt\.asan|libstdc\+\+|libc\+\+)\S* => (\S+)", listed)
    if not any("asan" in path for path in found):
        sys.exit("the extension is linked with no AddressSanitizer; build it with GCC, or with Clang and -shared-libasan.")
    return " ".join(sorted(found, key=lambda path: "asan" not in path))


def sanitized(tests: Sequence[str]) -> int:
    """Run tests with the sanitized extension; returns pytest's status."""
    site = build()
    (extension,) = (site / "hawx").glob("_native*.so")
    for old in PLACE.glob("report.*"):
        old.unlink()
    options = {name: f"{value}:log_path={PLACE / 'report'}" for name, value in OPTIONS.items()}
    environment = {**os.environ, **options, "LD_PRELOAD": runtime(extension), "PYTHONPATH": f"{site}{os.pathsep}{ROOT}", "PYTHONMALLOC": "malloc"}
    done = subprocess.run([sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *tests], cwd=ROOT, env=environment, check=False)
    reports = sorted(PLACE.glob("report.*"))
    for report in reports:
        print(report.read_text(encoding="utf-8", errors="replace")[:20_000])
    print(f"{len(reports)} reports of AddressSanitizer and UndefinedBehaviorSanitizer; status {done.returncode}")
    return 1 if reports else done.returncode


def valgrind() -> int:
    """Run the shipped extension on small convolutions under Valgrind; returns its status, 1 where our code has an error."""
    if shutil.which("valgrind") is None:
        sys.exit("Valgrind is not installed; run `apt install valgrind`.")
    with tempfile.NamedTemporaryFile("w+", suffix=".log") as log:
        command = ["valgrind", "--tool=memcheck", "--leak-check=no", "--num-callers=30", f"--log-file={log.name}", sys.executable, "-c", SMALL_RUN]
        done = subprocess.run(command, cwd=ROOT, env={**os.environ, "PYTHONMALLOC": "malloc", "OMP_NUM_THREADS": "1"}, check=False)
        reports = re.split(r"(?m)^==\d+== \n", Path(log.name).read_text(encoding="utf-8", errors="replace"))
    ours = [report for report in reports if re.search(r"_native\.|hawx::", report) and re.search(r"Invalid|uninitialised|overlap", report)]
    print(f"{len(ours)} reports of the native extension, {len(reports)} paragraphs in all; status {done.returncode}")
    for report in ours[:10]:
        print(report)
    return 1 if ours or done.returncode else 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sanitize", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--valgrind", action="store_true", help="the shipped extension under Valgrind, instead")
    said = "what pytest runs [default: binding, threads and evaluator; all of tests/kernels takes an hour]"
    parser.add_argument("tests", nargs="*", default=list(TESTS), help=said)
    given = parser.parse_args(arguments)
    return valgrind() if given.valgrind else sanitized(given.tests)


if __name__ == "__main__":
    sys.exit(main())
