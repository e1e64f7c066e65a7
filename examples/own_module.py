"""A PyTorch module of one's own, quantized, scored and explored in Python. Run: python examples/own_module.py"""

from __future__ import annotations

import hawx
from hawx.accelerators import Spatial
from hawx.networks import Preprocessing, zoo


def main(images: int = 1000, budget: int = 10) -> hawx.Result:
    # Any torch.nn.Module that takes images and returns logits; here the float LeNet-5 with its trained weights.
    module = zoo.float_module("lenet5")
    network = hawx.quantize(module, zoo.calibration("lenet5"), preprocessing=Preprocessing(mean=(0.0,), std=(1.0,)), name="mine")
    for layer in network.layers:
        print(f"{layer.name:8} {layer.kind:7} {layer.filters:4} filters {layer.macs:8,} MACs")

    library = hawx.Library.load("builtin").select(["mul8s_tc5", "mul8s_tc7", "mul8s_ot2"])
    data = zoo.dataset("lenet5").first(images)
    result = hawx.explore(network, library, Spatial(), data.images, data.labels, budget=budget, max_drop=1.0)
    for design in result.front:
        low, high = design.measurement.interval
        print(f"{design.id}  {design.measurement.top1:6.2f} % [{low:.2f}, {high:.2f}]  {100 * design.mult_power_ratio:5.1f} % multiplier power")
    return result


if __name__ == "__main__":
    main().save("own_module_run")
