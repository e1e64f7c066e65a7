// What the peers do (AdaPT and its successors): one 8-lane gather from the 256 kB int32 table per eight products. Written well, for comparison:
// four filters share the loaded activations, so that four gathers are in flight.
#include "baseline.hpp"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "region.hpp"

namespace hawx {

#if defined(__x86_64__)
HAWX_BEGIN_TARGET("avx2")
namespace {

void gather_rows(const std::uint8_t* a, const std::uint8_t* w, const std::int32_t* table, std::int32_t* out, std::int64_t rows, std::int64_t filters,
                 std::int64_t depth) {
  constexpr int kFilters = 4;
  for (std::int64_t m = 0; m < rows; ++m)
    for (std::int64_t n = 0; n < filters; n += kFilters) {
      const int count = static_cast<int>(filters - n < kFilters ? filters - n : kFilters);
      __m256i acc[kFilters];
      for (auto& sum : acc) sum = _mm256_setzero_si256();
      std::int64_t k = 0;
      for (; k + 8 <= depth; k += 8) {
        const __m256i x = _mm256_slli_epi32(_mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(a + m * depth + k))), 8);
        for (int f = 0; f < kFilters; ++f) {
          const std::uint8_t* row = w + (n + (f < count ? f : 0)) * depth + k;
          const __m256i y = _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(row)));
          acc[f] = _mm256_add_epi32(acc[f], _mm256_i32gather_epi32(table, _mm256_or_si256(x, y), 4));
        }
      }
      for (int f = 0; f < count; ++f) {
        std::int32_t lanes[8], sum = 0;
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(lanes), acc[f]);
        for (const std::int32_t lane : lanes) sum += lane;
        for (std::int64_t j = k; j < depth; ++j) sum += table[a[m * depth + j] << 8 | w[(n + f) * depth + j]];
        out[m * filters + n + f] = sum;
      }
    }
}

}  // namespace
HAWX_END_TARGET

bool gather_available() { return __builtin_cpu_supports("avx2"); }

void gather_gemm(const std::uint8_t* a, const std::uint8_t* w, const std::int32_t* table, std::int32_t* out, std::int64_t rows, std::int64_t filters,
                 std::int64_t depth) {
  gather_rows(a, w, table, out, rows, filters, depth);
}
#else
bool gather_available() { return false; }
void gather_gemm(const std::uint8_t*, const std::uint8_t*, const std::int32_t*, std::int32_t*, std::int64_t, std::int64_t, std::int64_t) {}
#endif

}  // namespace hawx
