"""Sign-magnitude multipliers as gates: leading-one detection, DRUM, Mitchell, RoBA, Kulkarni, TOSAM."""

from __future__ import annotations

from collections.abc import Callable

from hawx.rtl.multipliers.adders import Columns, constant_columns, merge, negate_if, product_columns, shift_left, shifted, sum_columns
from hawx.rtl.multipliers.gates import ONE, OUT_WIDTH, WIDTH, ZERO, Gates, Word, port

MagnitudeLaw = Callable[[Gates, Word, Word], Word]
"""Builds the 16-bit product of two 8-bit magnitudes."""


def signed_outputs(gates: Gates, law: MagnitudeLaw) -> Word:
    """Return `sign(a)·sign(b)·law(|a|, |b|)` on 16 bits."""
    a, b = port("A"), port("B")
    magnitude = law(gates, negate_if(gates, a[-1], a), negate_if(gates, b[-1], b))
    return negate_if(gates, gates.xor(a[-1], b[-1]), magnitude)


def leading_one_hot(gates: Gates, x: Word) -> Word:
    """Return a word with only the most significant 1 of `x` left (all 0 for 0)."""
    hot, above = [ZERO] * len(x), ZERO
    for i in reversed(range(len(x))):
        hot[i] = gates.all_of(x[i], gates.inv(above))
        above = gates.any_of(above, x[i])
    return hot


def position(gates: Gates, one_hot: Word) -> Word:
    """Return the index of the 1 in `one_hot` in binary (0 where there is none)."""
    width = max(1, (len(one_hot) - 1).bit_length())
    return [gates.any_of(*(hot for i, hot in enumerate(one_hot) if i >> bit & 1)) for bit in range(width)]


def select_hot(gates: Gates, one_hot: Word, words: list[Word]) -> Word:
    """Return `words[i]` for the i whose `one_hot[i]` is 1, else 0."""
    return [gates.any_of(*(gates.all_of(hot, word[bit]) for hot, word in zip(one_hot, words, strict=True))) for bit in range(len(words[0]))]


def drum(kept: int) -> MagnitudeLaw:
    """Return DRUM: the `kept` bits from the leading one, exact `kept × kept` array, shift back."""

    def operand(gates: Gates, x: Word) -> tuple[Word, Word]:
        hot = leading_one_hot(gates, x)
        shifts = [gates.any_of(*hot[:kept]), *hot[kept:]]
        windows = [x[:kept], *([ONE, *x[cut + 1 : cut + kept]] for cut in range(1, WIDTH - kept + 1))]
        return select_hot(gates, shifts, windows), position(gates, shifts)

    def law(gates: Gates, x: Word, y: Word) -> Word:
        (x_bits, x_shift), (y_bits, y_shift) = operand(gates, x), operand(gates, y)
        product = sum_columns(gates, product_columns(gates, x_bits, y_bits), 2 * kept)
        shift_width = (2 * (WIDTH - kept)).bit_length()
        amount = sum_columns(gates, merge([[bit] for bit in x_shift], [[bit] for bit in y_shift]), shift_width)
        return shift_left(gates, product, amount, OUT_WIDTH)

    return law


FRACTION_BITS = WIDTH - 1


def logarithm(gates: Gates, value: Word) -> tuple[Word, Word, str]:
    """Return (fraction, position of the leading one, non-zero) of `value = 2**position (1 + fraction)`, 7 fraction bits."""
    hot = leading_one_hot(gates, value)
    fractions = [[ZERO] * (FRACTION_BITS - k) + value[:k] for k in range(WIDTH)]
    return select_hot(gates, hot, fractions), position(gates, hot), gates.any_of(*hot)


def antilogarithm(gates: Gates, mantissa: Word, fraction_bits: int, exponent: Word, live: str) -> Word:
    """Return `floor(mantissa · 2**(exponent − fraction_bits))` on 16 bits, 0 unless `live`."""
    wide = shift_left(gates, mantissa, exponent, OUT_WIDTH + fraction_bits)
    return [gates.all_of(bit, live) for bit in wide[fraction_bits:]]


def mitchell(gates: Gates, x: Word, y: Word) -> Word:
    """Return the antilogarithm of the sum of the piecewise-linear logarithms; a carry of the fractions raises the exponent."""
    (x_fraction, x_position, x_live), (y_fraction, y_position, y_live) = logarithm(gates, x), logarithm(gates, y)
    logarithms = ([*x_fraction, *x_position], [*y_fraction, *y_position])
    total = sum_columns(gates, merge(*(shifted(word, 0) for word in logarithms)), len(logarithms[0]) + 1)
    mantissa, exponent = [*total[:FRACTION_BITS], ONE], total[FRACTION_BITS:]
    return antilogarithm(gates, mantissa, FRACTION_BITS, exponent, gates.all_of(x_live, y_live))


def tosam(product_bits: int, sum_bits: int) -> MagnitudeLaw:
    """Return TOSAM(h, t): 1 + both fractions cut to t bits + the product of both cut to h bits with a 1 behind."""
    width = max(sum_bits, 2 * product_bits + 2)

    def law(gates: Gates, x: Word, y: Word) -> Word:
        (x_fraction, x_position, x_live), (y_fraction, y_position, y_live) = logarithm(gates, x), logarithm(gates, y)
        odd = [[ONE, *fraction[FRACTION_BITS - product_bits :]] for fraction in (x_fraction, y_fraction)]
        parts = [shifted(fraction[FRACTION_BITS - sum_bits :], width - sum_bits) for fraction in (x_fraction, y_fraction)]
        below: Columns = [[] for _ in range(width - 2 * product_bits - 2)]
        columns = merge(*parts, [*below, *product_columns(gates, *odd)], shifted([ONE], width))
        mantissa = sum_columns(gates, columns, width + 2)
        exponent = sum_columns(gates, merge(shifted(x_position, 0), shifted(y_position, 0)), len(x_position) + 1)
        return antilogarithm(gates, mantissa, width, exponent, gates.all_of(x_live, y_live))

    return law


def roba(gates: Gates, x: Word, y: Word) -> Word:
    """Return `xr·y + yr·x − xr·yr` with operands rounded to powers of two (one-hot)."""

    def rounded(value: Word) -> Word:
        hot = leading_one_hot(gates, value)
        up = [ZERO, ZERO, *(gates.all_of(hot[i], value[i - 1]) for i in range(2, WIDTH))]  # 3 rounds down: no carry out of bit 1
        stay = [*hot[:2], *(gates.all_of(hot[i], gates.inv(value[i - 1])) for i in range(2, WIDTH))]
        return [gates.any_of(stay[i], up[i - 1] if i else ZERO) for i in range(WIDTH)]  # |value| <= 128: never 2**8

    x_hot, y_hot = rounded(x), rounded(y)

    def scaled(word: Word, hot: Word) -> Word:
        return shift_left(gates, [gates.all_of(bit, gates.any_of(*hot)) for bit in word], position(gates, hot), OUT_WIDTH)

    terms = [scaled(y, x_hot), scaled(x, y_hot), [gates.inv(bit) for bit in scaled(x_hot, y_hot)]]
    columns = merge(*(shifted(term, 0) for term in terms), constant_columns(1, OUT_WIDTH))
    return sum_columns(gates, columns, OUT_WIDTH)


def kulkarni(gates: Gates, x: Word, y: Word) -> Word:
    """Return the exact sum of sixteen 2×2 blocks with 3·3 = 7: three output bits each, `x0·y0`, `x1·y0 | x0·y1`, `x1·y1`."""
    columns: Columns = [[] for _ in range(OUT_WIDTH)]
    for d in range(0, WIDTH, 2):
        for e in range(0, WIDTH, 2):
            columns[d + e].append(gates.all_of(x[d], y[e]))
            columns[d + e + 1].append(gates.any_of(gates.all_of(x[d + 1], y[e]), gates.all_of(x[d], y[e + 1])))
            columns[d + e + 2].append(gates.all_of(x[d + 1], y[e + 1]))
    return sum_columns(gates, columns, OUT_WIDTH)
