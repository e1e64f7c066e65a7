"""ExploreSettings: everything that decides the outcome of `hawx explore`, and nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from hawx.settings.schema import AtLeast


@dataclass(frozen=True, slots=True, kw_only=True)
class ExploreSettings:
    """The settings of one exploration. Two runs with the same settings and versions give the same front."""

    network: str = "lenet5"
    """Name of a network of the zoo (`hawx networks list`), or a .pt2 or .onnx file."""
    weights: str | None = None
    """File with the weights of a zoo network that needs them (.safetensors)."""
    data: str | None = None
    """Images and labels to explore on, where the network brings none: an .npz file, an image folder or a data set archive."""
    preprocessing: str | None = None
    """For a .pt2 or .onnx file, how pixels become its input: the name of a zoo network that does the same, or the means and standard
    deviations of the channels of pixels in 0 to 1, for example 0.485,0.456,0.406/0.229,0.224,0.225."""
    granularity: Literal["network", "layer", "filter"] = "layer"
    """What receives one block: the whole network, each layer, or each filter."""
    layers: tuple[str, ...] = ()
    """Names of the layers that may be approximated; the others stay exact. Empty: all."""
    accelerator: str = "spatial"
    """Accelerator by name (spatial, temporal, simt), or a TOML file that declares one."""
    library: tuple[str, ...] = ("builtin",)
    """Where blocks come from: builtin, an EvoApproxLib checkout, Verilog or C files, a saved library, tables. Several are joined."""
    blocks: tuple[str, ...] = ()
    """Names of the blocks to use, of those in the library; the exact block is always kept. Empty: all."""
    objectives: tuple[Literal["area_um2", "luts", "power_uw", "energy_uj", "latency_us"], ...] = ("energy_uj", "area_um2")
    """Hardware figures to minimize together with the loss of top-1; area on an FPGA is counted in lookup tables (luts). The first one decides which
    design is put forward."""
    searcher: Literal["hawx", "exhaustive", "nsga2", "greedy", "random", "uniform"] = "hawx"
    """How to search: hawx, or a baseline to compare with."""
    max_drop: float | None = None
    """Points of top-1 that may be lost against int8; negative: that must be gained. The run ends with status 1 where no design meets it."""
    budget: Annotated[int, AtLeast(1)] = 40
    """Designs to measure at most."""
    images: Annotated[int, AtLeast(2)] | None = None
    """Images to use in all, search and report together. Unset: all there are."""
    search_images: Annotated[int, AtLeast(1)] | None = None
    """Images that guide the search. Unset: 2,000, at most half."""
    report_images: Annotated[int, AtLeast(1)] | None = None
    """Images that the reported accuracies are measured on, none of which the search sees. Unset: all the others."""
    recover: Literal["none", "bias", "gain", "map", "full"] = "full"
    """What is won back with the same multipliers: nothing, a shift of each filter (bias), its gain and shift (gain), weight codes that suit the block
    (map), or all of it and the wires that suit it, each measured design once more layer after layer (full). Calibrated without labels."""
    seed: Annotated[int, AtLeast(0)] = 0
    """Seed of every random choice."""
    jobs: Annotated[int, AtLeast(1)] | None = None
    """Processes that share the work. The result does not depend on it. Unset: one for each core, as far as memory goes (or what `HAWX_JOBS` says)."""
    dask: str | None = None
    """Address of a Dask scheduler whose workers share the work. The result does not depend on it."""
    memory: Annotated[float, AtLeast(0.1)] | None = None
    """Gigabytes that all processes together may keep to spare work. The result does not depend on it. Unset: a quarter of the memory, at most 8."""
