"""The embedded network loads without the quantization machinery."""

from __future__ import annotations

import subprocess
import sys


def test_loading_lenet5_imports_no_quantization_library() -> None:
    code = (
        "import sys, torch; from hawx.networks import zoo; net = zoo.load('lenet5'); assert len(net.layers) == 5; "
        "print([m for m in ('torchao', 'onnx', 'onnxruntime', 'PIL', 'torch._dynamo') if m in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120)
    assert result.stdout.strip() == "[]"
