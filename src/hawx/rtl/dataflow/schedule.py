"""Schedule: how wide every stage of a chain works, in which order it takes its operands, and how much it buffers.

A stage takes whole pixels. For each it walks through its window `turns` times (filters that take turns on a lane, or groups of channels that
take turns in a pool), `steps` operand words a turn, one word a clock cycle: `burst` = turns · steps cycles, without a gap. A burst begins when
its last input has arrived and the room for its results is reserved, so that nothing behind it ever has to wait: back-pressure acts between
pixels. A layer's cycles per image, pixels · burst, are those of the accelerator's law (`hawx.accelerators.folding.cycles`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from math import gcd

import numpy as np
from numpy.typing import NDArray

from hawx.accelerators.folding import Folding
from hawx.rtl.dataflow.chain import Chain, Convolution, MaxPool, Windows
from hawx.rtl.lanes import LayerSpec

FLIGHT = 20
"""Clock cycles from a burst's last step to its first result in the FIFO, at most: lanes, scaling, gathering."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """How a stage reads its windows: words of `channels` channels at `positions` kernel positions, from a circular buffer."""

    windows: Windows
    width: int
    """Channels that arrive in one word: a multiple of `channels`, a divisor of the input's channels."""
    channels: int
    positions: int
    over_channels: bool
    """Whether a turn runs over all channels (a sum), or each group of channels has a turn of its own (a pool)."""
    repeats: int = 1
    """Turns that read the same operands."""

    @property
    def words(self) -> int:
        """Words of one input pixel."""
        return self.windows.input[0] // self.width

    @property
    def groups(self) -> int:
        """Groups of channels in a word."""
        return self.width // self.channels

    @property
    def places(self) -> int:
        """Steps over the kernel's positions."""
        return self.windows.positions // self.positions

    @property
    def steps(self) -> int:
        return self.places * (self.groups * self.words if self.over_channels else 1)

    @property
    def turns(self) -> int:
        return self.repeats * (1 if self.over_channels else self.groups * self.words)

    @property
    def burst(self) -> int:
        return self.steps * self.turns

    @property
    def loops(self) -> list[tuple[str, int]]:
        """The counters of a burst, fastest first."""
        inside, place = [("group", self.groups), ("word", self.words)], [("place", self.places)]
        return [*inside, *place, ("turn", self.repeats)] if self.over_channels else [*place, *inside]

    @property
    def reduced(self) -> tuple[str, ...]:
        """The counters that run within a turn."""
        return ("group", "word", "place") if self.over_channels else ("place",)

    @property
    def row_words(self) -> int:
        return self.windows.input[2] * self.words

    def needed_rows(self, row: int) -> int:
        """Return how many rows of the image a row of windows waits for; the last one waits for all of them, so that no image is left behind."""
        w = self.windows
        reach = max(w.reach[0], w.stride[0]) - w.origin[0]
        return w.input[1] if row == w.output[0] - 1 else min(row * w.stride[0] + max(reach, 1), w.input[1])

    def oldest_row(self, row: int) -> int:
        """Return the first row of the image that a row of windows, or one after it, still reads. Never falls, also where windows lie in padding."""
        return min(max(row * self.windows.stride[0] - self.windows.origin[0], 0), self.windows.input[1])

    @property
    def depth(self) -> int:
        """Words of the buffer, a power of two: from the oldest word of a row of windows to the last one that the next row's first windows need."""
        w, most = self.windows, 0
        for row in range(w.output[0]):
            following = self.needed_rows(row + 1) if row + 1 < w.output[0] else w.input[1] + self.needed_rows(0)
            held = max(following, self.needed_rows(row)) - self.oldest_row(row)
            most = max(most, held * self.row_words)
        return 1 << most.bit_length()

    def order(self, values: NDArray[np.generic]) -> NDArray[np.generic]:
        """Return what belongs to (channel, row, column) in the order in which a burst's first turn takes it, shape (steps, positions · channels)."""
        split = values.reshape(self.words, self.groups, self.channels, self.places, self.positions)
        return split.transpose(3, 0, 1, 4, 2).reshape(self.steps, self.positions * self.channels)


@dataclass(frozen=True, slots=True, kw_only=True)
class Gather:
    """Where results come from: `sources[c]` = (beat, place) of channel c among the `beats` result words of a pixel, `places` results each."""

    sources: tuple[tuple[int, int], ...]
    beats: int
    places: int
    bits: int


@dataclass(frozen=True, kw_only=True, eq=False)
class Stage:
    """One operator with its widths."""

    name: str
    """Prefix of its modules."""
    operator: Convolution | MaxPool
    reader: Reader
    lanes: LayerSpec | None = None
    """The multipliers of a convolution."""
    out_width: int = 1
    """Channels that leave in one word."""

    @cached_property
    def scalers(self) -> int:
        """Results that are scaled at once, as few as keep up."""
        return 1 if self.lanes is None else -(-len(self.lanes.lanes) // self.reader.steps)

    @property
    def beats(self) -> int:
        """Words of results of one turn."""
        return 1 if self.lanes is None else -(-len(self.lanes.lanes) // self.scalers)

    @cached_property
    def gather(self) -> Gather:
        if self.lanes is None:
            channels, width = self.reader.windows.input[0], self.reader.channels
            return Gather(sources=tuple(divmod(c, width) for c in range(channels)), beats=self.reader.turns, places=width, bits=8)
        sources = [(0, 0)] * len(self.lanes.blocks)
        for lane, (_, filters) in enumerate(self.lanes.lanes):
            for turn, index in enumerate(filters):
                sources[index] = (turn * self.beats + lane // self.scalers, lane % self.scalers)
        return Gather(sources=tuple(sources), beats=self.beats * self.reader.turns, places=self.scalers, bits=self.out_bits)

    @property
    def out_bits(self) -> int:
        """Bits of a result: a code, or a real value in float32."""
        return 32 if isinstance(self.operator, Convolution) and self.operator.output is None else 8

    @property
    def out_words(self) -> int:
        """Words of one pixel of results."""
        return len(self.gather.sources) // self.out_width

    @property
    def fifo_depth(self) -> int:
        """Words, a power of two: enough for the pixels that are on their way while bursts follow one another."""
        burst = self.reader.burst
        pixels = (burst + FLIGHT + self.beats + self.out_words) // burst + 2
        return 1 << (pixels * self.out_words).bit_length()  # one place is never taken

    @property
    def cycles(self) -> int:
        """Clock cycles of one image, without waiting."""
        return self.reader.windows.pixels * self.reader.burst


@dataclass(frozen=True, kw_only=True, eq=False)
class Schedule:
    """A chain with the widths of all its stages."""

    chain: Chain
    stages: tuple[Stage, ...]

    @property
    def interval(self) -> int:
        """Clock cycles from image to image: the slowest stage, or the input's words."""
        return max(self.input_words, *(stage.cycles for stage in self.stages))

    @property
    def input_words(self) -> int:
        channels, height, width = self.chain.input
        return channels * height * width // self.stages[0].reader.width


def schedule(chain: Chain, foldings: Mapping[str, Folding], lanes: Mapping[str, LayerSpec]) -> Schedule:
    """Return the widths of a chain's stages: layers as they are folded, pools just wide enough to keep up with the slowest layer.

    Args:
        chain: the network.
        foldings: of each layer by its name.
        lanes: the multipliers of each layer by its name.
    """
    interval = max(op.windows.pixels * _burst(op, foldings[op.layer]) for op in chain.operators if isinstance(op, Convolution))
    stages: list[Stage] = []
    pace = max(1, interval // (chain.input[1] * chain.input[2]))  # cycles in which a pixel arrives
    for place, operator in enumerate(chain.operators):
        name = f"stage{place}"
        if isinstance(operator, Convolution):
            folding = foldings[operator.layer]
            channels = gcd(folding.simd, operator.windows.input[0])
            reader = Reader(
                windows=operator.windows,
                width=_width(operator.windows.input[0], channels, pace),
                channels=channels,
                positions=folding.simd // channels,
                over_channels=True,
                repeats=len(operator.bias) // folding.pe,
            )
            stages.append(Stage(name=name, operator=operator, reader=reader, lanes=lanes[operator.layer]))
        else:
            stages.append(Stage(name=name, operator=operator, reader=_pool_reader(operator.windows, interval, pace)))
        pace = stages[-1].reader.burst
    return Schedule(chain=chain, stages=tuple(_joined(stages)))


def _joined(stages: Sequence[Stage]) -> list[Stage]:
    """Return the stages with the output width of each set to what the next one takes."""
    widths = [stage.reader.width for stage in stages[1:]]
    last = stages[-1]
    widths.append(_width(len(last.gather.sources), 1, last.reader.burst))
    return [replace(stage, out_width=width) for stage, width in zip(stages, widths, strict=True)]


def _burst(operator: Convolution, folding: Folding) -> int:
    return int(operator.weights[0].size) // folding.simd * (len(operator.bias) // folding.pe)


def _width(channels: int, multiple: int, pace: int) -> int:
    """Return the narrowest word of a pixel that goes through in `pace` cycles: a multiple of `multiple` and a divisor of `channels`."""
    return next(w for w in range(multiple, channels + 1, multiple) if channels % w == 0 and channels // w <= pace)


def _pool_reader(windows: Windows, interval: int, pace: int) -> Reader:
    """Return the narrowest reader that keeps up: more channels at once first, then more positions."""
    channels = windows.input[0]
    choices = [(g, h) for h in range(1, windows.positions + 1) if windows.positions % h == 0 for g in range(1, channels + 1) if channels % g == 0]
    fast = [(g, h) for g, h in choices if windows.pixels * (windows.positions // h) * (channels // g) <= interval]
    g, h = min(fast, key=lambda choice: (choice[1], choice[0])) if fast else (channels, windows.positions)
    return Reader(windows=windows, width=_width(channels, g, pace), channels=g, positions=h, over_channels=False)
