"""Exact integer linear algebra on small Python-int matrices: determinants, inverses, lattice bases, LLL. No floats anywhere."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.object_]
"""Two-dimensional array of Python ints (dtype object): no overflow, no rounding."""

_PRIME = (1 << 31) - 1


def independent_rows(matrix: NDArray[np.int64], limit: int) -> tuple[list[int], list[int]] | None:
    """Return `rank` row and column indices of an invertible minor modulo a 31-bit prime, or None if the rank exceeds `limit`.

    A minor that is invertible modulo a prime is invertible over the rationals; the true rank can exceed the modular one only when the
    prime divides every larger minor, which callers catch by multiplying the factors.
    """
    rest = np.asarray(matrix, np.int64) % _PRIME
    rows: list[int] = []
    columns: list[int] = []
    while True:
        row, column = divmod(int(np.argmax(rest != 0)), rest.shape[1])
        if not rest[row, column]:
            return rows, columns
        if len(rows) == limit:
            return None
        rows.append(row)
        columns.append(column)
        pivot = rest[row] * pow(int(rest[row, column]), -1, _PRIME) % _PRIME
        rest = (rest - rest[:, column : column + 1] * pivot % _PRIME) % _PRIME


def inverse(matrix: Matrix) -> tuple[Matrix, int]:
    """Return `(adjugate-like numerator, denominator)` with `matrix @ numerator == denominator * identity`.

    Fraction-free Gauss-Jordan elimination (E. H. Bareiss, Math. Comp. 22, 1968).

    Raises:
        ZeroDivisionError: the matrix is singular.
    """
    n = len(matrix)
    work = np.concatenate([matrix, np.identity(n, dtype=object)], axis=1)
    previous = 1
    for k in range(n):
        swap = next((i for i in range(k, n) if work[i, k] != 0), None)
        if swap is None:
            raise ZeroDivisionError("singular matrix")
        if swap != k:
            work[[k, swap]] = work[[swap, k]]
        pivot = work[k, k]
        for i in range(n):
            if i != k:
                work[i] = (work[i] * pivot - work[k] * work[i, k]) // previous
        previous = pivot
    return work[:, n:], int(previous)


def lattice_basis(vectors: Matrix) -> Matrix:
    """Return a basis, in echelon form, of the lattice that the rows of `vectors` span; shape (rank, columns)."""
    rest = [list(row) for row in dict.fromkeys(tuple(row) for row in vectors) if any(row)]
    basis = []
    for column in range(vectors.shape[1]):
        while True:
            active = [row for row in rest if row[column]]
            if len(active) <= 1:
                break
            pivot = min(active, key=lambda row: (abs(row[column]), sum(map(abs, row))))
            reduced = {tuple(pivot): None}
            for row in rest:
                quotient = (2 * row[column] + pivot[column]) // (2 * pivot[column]) if row is not pivot else 0
                remainder = tuple(x - quotient * y for x, y in zip(row, pivot, strict=True)) if quotient else tuple(row)
                if any(remainder):
                    reduced[remainder] = None
            rest = [list(row) for row in reduced]
        if active:
            basis.append(active[0])
            rest = [row for row in rest if row is not active[0]]
    return np.array(basis, dtype=object).reshape(len(basis), vectors.shape[1])


def lll(basis: Matrix, delta: Fraction = Fraction(3, 4)) -> Matrix:
    """Return an LLL-reduced basis of the same lattice: short, nearly orthogonal rows.

    Lenstra, Lenstra, Lovász, Math. Ann. 261, 1982, in the integral form of H. Cohen, A Course in Computational Algebraic Number
    Theory, algorithm 2.6.7: `lam` and `d` are integers, so nothing is ever rounded. Rows must be linearly independent.
    """
    b = [np.array(row, dtype=object) for row in basis]
    n = len(b)
    d = [1] + [0] * n
    lam = [[0] * n for _ in range(n)]

    def orthogonalize(k: int) -> None:
        for j in range(k + 1):
            u = int(b[k] @ b[j])
            for i in range(j):
                u = (d[i + 1] * u - lam[k][i] * lam[j][i]) // d[i]
            if j < k:
                lam[k][j] = u
            else:
                d[k + 1] = u

    def reduce(k: int, j: int) -> None:
        if 2 * abs(lam[k][j]) > d[j + 1]:
            q = (2 * lam[k][j] + d[j + 1]) // (2 * d[j + 1])
            b[k] = b[k] - q * b[j]
            lam[k][j] -= q * d[j + 1]
            for i in range(j):
                lam[k][i] -= q * lam[j][i]

    def swap(k: int, highest: int) -> None:
        b[k], b[k - 1] = b[k - 1], b[k]
        for j in range(k - 1):
            lam[k][j], lam[k - 1][j] = lam[k - 1][j], lam[k][j]
        pivot = lam[k][k - 1]
        new = (d[k - 1] * d[k + 1] + pivot * pivot) // d[k]
        for i in range(k + 1, highest + 1):
            t = lam[i][k]
            lam[i][k] = (d[k + 1] * lam[i][k - 1] - pivot * t) // d[k]
            lam[i][k - 1] = (new * t + pivot * lam[i][k]) // d[k + 1]
        d[k] = new

    k, highest = 0, -1
    while k < n:
        if k > highest:
            highest = k
            orthogonalize(k)
        if k == 0:
            k = 1
            continue
        reduce(k, k - 1)
        if delta.denominator * d[k + 1] * d[k - 1] < delta.numerator * d[k] ** 2 - delta.denominator * lam[k][k - 1] ** 2:
            swap(k, highest)
            k = max(1, k - 1)
        else:
            for j in range(k - 2, -1, -1):
                reduce(k, j)
            k += 1
    return np.array(b, dtype=object).reshape(basis.shape)
