// The yardstick of `hawx bench`, used for nothing else.
#pragma once
#include <cstdint>

namespace hawx {

bool gather_available();

// out[m][n] = sum over k of table[a[m][k] * 256 + w[n][k]]; indices in value order.
void gather_gemm(const std::uint8_t* a, const std::uint8_t* w, const std::int32_t* table, std::int32_t* out, std::int64_t rows, std::int64_t filters,
                 std::int64_t depth);

}  // namespace hawx
