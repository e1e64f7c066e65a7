// AVX2: 16 products per instruction (vpmaddwd on int16 pairs), table rows of 32 filters in two vectors.
#if defined(__x86_64__)
#include <immintrin.h>

#include <cstring>
#include <utility>

#include "kernels.hpp"
#include "region.hpp"

namespace hawx {
HAWX_BEGIN_TARGET("avx2")
namespace {

#include "transpose.inc"

struct V {
  static constexpr int lanes = 8;
  using Type = __m256i;
  static Type zero() { return _mm256_setzero_si256(); }
  static Type load(const void* p) { return _mm256_loadu_si256(static_cast<const __m256i*>(p)); }
  static void store(void* p, Type v) { _mm256_storeu_si256(static_cast<__m256i*>(p), v); }
  static Type word(const std::byte* p) {
    std::int32_t both;
    std::memcpy(&both, p, sizeof both);
    return _mm256_set1_epi32(both);
  }
  static Type dot(Type sum, Type x, Type y) { return _mm256_add_epi32(sum, _mm256_madd_epi16(x, y)); }
  static Type add(Type x, Type y) { return _mm256_add_epi32(x, y); }
  static Type add16(Type x, Type y) { return _mm256_add_epi16(x, y); }
  static Type pin(Type x) {  // keeps the compiler from reordering sums so that it runs out of registers
    asm("" : "+x"(x));
    return x;
  }
  static Type upper(Type x) { return _mm256_srli_epi32(x, 16); }
  static void transpose8(const std::uint16_t* const* rows, int code, std::uint16_t* out, int stride) { transpose8_sse(rows, code, out, stride); }
};

#include "scatter.inc"
#include "kernels.inc"
#include "lookup.inc"
#include "planes_sse.inc"
#include "planes.inc"
#include "tier.inc"

}  // namespace
HAWX_END_TARGET

constinit const Kernels kAvx2 = tier<6>("avx2");

}  // namespace hawx
#endif
