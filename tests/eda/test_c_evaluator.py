"""Our C evaluator against a C compiler: random straight-line functions of every integer type, all operand pairs.

The compiler sees only what this test generates; imported files are never compiled.
"""

from __future__ import annotations

import random
import shutil
import subprocess

import numpy as np
import pytest

from hawx.circuits.c_source import evaluate_c

pytestmark = pytest.mark.eda

TYPES = [f"{u}int{n}_t" for n in (8, 16, 32, 64) for u in ("", "u")] + ["int", "unsigned", "unsigned char", "long"]
MAIN = """
#include <stdio.h>
int main(void) {
  for (int a = 0; a < 256; a++)
    for (int b = 0; b < 256; b++) { uint16_t r = (uint16_t)f(a, b); fwrite(&r, 2, 1, stdout); }
  return 0;
}
"""


def expression(rng: random.Random, names: list[str], depth: int) -> str:
    if depth == 0:
        constants = [str(rng.randrange(300)), hex(rng.randrange(1 << 33)), f"{rng.randrange(99)}u", "017", "0xFFFFFFFFFFFFFFFFU", "0x80000000"]
        return rng.choice([*names * 2, *constants])
    one, two, three = (expression(rng, names, depth - 1) for _ in range(3))
    binary = rng.choice(["+", "-", "*", "&", "|", "^", "==", "!=", "<", ">", "<=", ">=", "&&", "||"])
    return rng.choice(
        [
            f"({one} {binary} {two})",
            f"({one} {binary} {two})",
            f"({one} << {rng.randrange(32)})",
            f"({one} >> {rng.randrange(32)})",
            f"(~{one})",
            f"(- {one})",
            f"(!{one})",
            f"(({rng.choice(TYPES)}){one})",
            f"({one} ? {two} : {three})",
        ]
    )


def function(seed: int) -> str:
    rng = random.Random(seed)
    names = ["A", "B"]
    kind = rng.choice(["int8_t", "uint8_t", "uint64_t"])
    lines = [f"{rng.choice(['int16_t', 'uint16_t', 'uint64_t'])} f({kind} A, {kind} B)", "{"]
    for i in range(4):
        lines.append(f"  {rng.choice(TYPES)} v{i} = {expression(rng, names, 2)};")
        names.append(f"v{i}")
    lines.append(f"  v1 {rng.choice(['=', '|=', '^=', '&=', '+=', '-=', '*='])} {expression(rng, names, 3)};")
    return "\n".join(["#include <stdint.h>", *lines, f"  return {expression(rng, names, 3)};", "}", ""])


@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler (cc) is installed")
@pytest.mark.parametrize("seed", range(12))
def test_random_functions(seed, tmp_path):
    text = function(seed)
    (tmp_path / "f.c").write_text(text + MAIN)
    subprocess.run(["cc", "-O1", "-fwrapv", "-w", "-o", "f", "f.c"], cwd=tmp_path, check=True)
    output = subprocess.run([str(tmp_path / "f")], check=True, capture_output=True).stdout
    expected = np.frombuffer(output, dtype="<u2").reshape(256, 256)
    np.testing.assert_array_equal(evaluate_c("f.c", text)[1], expected, err_msg=text)
