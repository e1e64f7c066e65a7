"""Cycle counts of SCALE-Sim 3 for layer shapes × dataflows × arrays, written as the golden file of the cycle law.

    python -m venv scalesim && scalesim/bin/pip install scalesim==3.0.0 'numpy<2.4'
    scalesim/bin/python benchmarks/arrays_scalesim.py tests/golden/scalesim_cycles.csv

Runs in an environment of its own (SCALE-Sim 3.0.0 fails with NumPy 2.4); it needs nothing of HAWX. Memories are large and bandwidth is
calculated, so no cycle is a stall.
"""

from __future__ import annotations

import csv
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

SHAPES = {
    # name: (input height, width, kernel height, width, channels, filters, stride); inputs already padded
    "lenet_conv1": (32, 32, 5, 5, 1, 6, 1),
    "lenet_conv2": (14, 14, 5, 5, 6, 16, 1),
    "lenet_fc1": (5, 5, 5, 5, 16, 120, 1),
    "lenet_fc2": (1, 1, 1, 1, 120, 84, 1),
    "lenet_fc3": (1, 1, 1, 1, 84, 10, 1),
    "resnet_stem": (34, 34, 3, 3, 3, 16, 1),
    "resnet_s1": (34, 34, 3, 3, 16, 16, 1),
    "resnet_down2": (33, 33, 3, 3, 16, 32, 2),
    "resnet_s2": (18, 18, 3, 3, 32, 32, 1),
    "resnet_skip2": (32, 32, 1, 1, 16, 32, 2),
    "resnet_down3": (17, 17, 3, 3, 32, 64, 2),
    "resnet_s3": (10, 10, 3, 3, 64, 64, 1),
    "vgg_late": (4, 4, 3, 3, 256, 128, 1),
    "pointwise": (14, 14, 1, 1, 96, 24, 1),
    "depthwise_channel": (16, 16, 3, 3, 1, 1, 1),
    "tall_kernel": (20, 9, 7, 1, 4, 33, 1),
    "odd": (11, 13, 3, 2, 5, 17, 1),
}
ARRAYS = {(16, 16): ("ws", "os", "is"), (8, 32): ("ws", "os", "is"), (5, 3): ("ws", "os", "is")}

CONFIG = """[general]
run_name = run
[architecture_presets]
ArrayHeight: {rows}
ArrayWidth: {columns}
IfmapSramSzkB: 65536
FilterSramSzkB: 65536
OfmapSramSzkB: 65536
IfmapOffset: 0
FilterOffset: 10000000
OfmapOffset: 20000000
Dataflow: {dataflow}
Bandwidth: 10
MemoryBanks: 1
ReadRequestBuffer: 512
WriteRequestBuffer: 512
[layout]
IfmapCustomLayout: False
IfmapSRAMBankBandwidth: 10
IfmapSRAMBankNum: 10
IfmapSRAMBankPort: 2
FilterCustomLayout: False
FilterSRAMBankBandwidth: 10
FilterSRAMBankNum: 10
FilterSRAMBankPort: 2
[sparsity]
SparsitySupport: false
SparseRep: ellpack_block
OptimizedMapping: false
BlockSize: 8
RandomNumberGeneratorSeed: 40
[run_presets]
InterfaceBandwidth: CALC
UseRamulatorTrace: False
"""


def cycles(rows: int, columns: int, dataflow: str) -> dict[str, int]:
    """Return total cycles per layer name."""
    from scalesim.scale_sim import scalesim

    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder)
        (base / "run.cfg").write_text(CONFIG.format(rows=rows, columns=columns, dataflow=dataflow))
        header = "Layer,IfmapH,IfmapW,FilterH,FilterW,Channels,Filters,Stride,\n"
        (base / "net.csv").write_text(header + "".join(f"{name},{','.join(map(str, shape))},\n" for name, shape in SHAPES.items()))
        (base / "layout.csv").write_text("Layer" + ",x" * 20 + ",\n" + "".join(f"{name}{',1' * 20},\n" for name in SHAPES))
        simulation = scalesim(
            save_disk_space=True, verbose=False, config=str(base / "run.cfg"), topology=str(base / "net.csv"), layout=str(base / "layout.csv")
        )
        simulation.run_scale(top_path=folder)
        report = next(base.rglob("COMPUTE_REPORT.csv"))
        with report.open() as file:
            reader = csv.DictReader(line.rstrip(", \n") for line in file)
            rows_read = [{key.strip(): value for key, value in row.items()} for row in reader]
    if any(float(row["Stall Cycles"]) for row in rows_read):
        raise SystemExit(f"SCALE-Sim stalls on {dataflow} {rows}x{columns}: the memories are too small for a compute-only comparison")
    return {name: int(float(row["Total Cycles"])) for name, row in zip(SHAPES, rows_read, strict=True)}


def main() -> None:
    target = Path(sys.argv[1])
    lines = [f"# SCALE-Sim {version('scalesim')} total cycles without stalls, written by benchmarks/arrays_scalesim.py"]
    lines.append("layer,in_height,in_width,kernel_height,kernel_width,channels,filters,stride,rows,columns,dataflow,cycles")
    for (rows, columns), dataflows in ARRAYS.items():
        for dataflow in dataflows:
            for name, count in cycles(rows, columns, dataflow).items():
                lines.append(f"{name},{','.join(map(str, SHAPES[name]))},{rows},{columns},{dataflow},{count}")
            target.write_text("\n".join(lines) + "\n")
            print(f"{dataflow} {rows}x{columns} done", flush=True)


if __name__ == "__main__":
    main()
