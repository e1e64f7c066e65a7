// AVX-512, twice: with vpmaddwd, and with VNNI (vpdpwssd) and VBMI (a table row of 256 codes looked up in registers).
#if defined(__x86_64__) || defined(HAWX_SIMDE)
#if defined(HAWX_SIMDE)
#include "simde_avx512.h"
#else
#include <immintrin.h>
#endif

#include <cstring>
#include <utility>

#include "kernels.hpp"
#include "region.hpp"

#define HAWX_VECTOR(DOT)                                                                                                \
  struct V {                                                                                                            \
    static constexpr int lanes = 16;                                                                                    \
    using Type = __m512i;                                                                                               \
    static Type zero() { return _mm512_setzero_si512(); }                                                               \
    static Type load(const void* p) { return _mm512_loadu_si512(p); }                                                   \
    static void store(void* p, Type v) { _mm512_storeu_si512(p, v); }                                                   \
    static Type word(const std::byte* p) {                                                                              \
      std::int32_t both;                                                                                                \
      std::memcpy(&both, p, sizeof both);                                                                               \
      return _mm512_set1_epi32(both);                                                                                   \
    }                                                                                                                   \
    static Type dot(Type sum, Type x, Type y) { return DOT; }                                                           \
    static Type add(Type x, Type y) { return _mm512_add_epi32(x, y); }                                                  \
    static Type add16(Type x, Type y) { return _mm512_add_epi16(x, y); }                                                \
    static Type pin(Type x) { return x; }                                                                               \
    static Type upper(Type x) { return _mm512_srli_epi32(x, 16); }                                                      \
    static void transpose8(const std::uint16_t* const* rows, int code, std::uint16_t* out, int stride) {                \
      transpose8_sse(rows, code, out, stride);                                                                          \
    }                                                                                                                   \
  };

namespace hawx {
HAWX_BEGIN_TARGET("avx2,avx512f,avx512bw,avx512vl")
namespace plain {
#include "transpose.inc"
HAWX_VECTOR(_mm512_add_epi32(sum, _mm512_madd_epi16(x, y)))
namespace {
#include "kernels.inc"
#include "lookup.inc"
}  // namespace
}  // namespace plain
HAWX_END_TARGET

HAWX_BEGIN_TARGET("avx2,avx512f,avx512bw,avx512vl,avx512vnni,avx512vbmi")
namespace vnni {
#include "transpose.inc"
HAWX_VECTOR(_mm512_dpwssd_epi32(sum, x, y))
namespace {
#include "kernels.inc"

struct DotBytes {
  static V::Type of(V::Type sum, V::Type x, V::Type y) { return _mm512_dpbusd_epi32(sum, x, y); }
};

// One byte plane of a table row: 256 entries in four registers. vpermi2b looks up the low seven bits in two of them, bit 7 chooses the pair.
struct Plane {
  __m512i part[4];
  explicit Plane(const std::uint8_t* bytes) {
    for (int i = 0; i < 4; ++i) part[i] = _mm512_loadu_si512(bytes + 64 * i);
  }
  __m512i operator()(__m512i codes, __mmask64 upper) const {
    return _mm512_mask_blend_epi8(upper, _mm512_permutex2var_epi8(part[0], codes, part[1]), _mm512_permutex2var_epi8(part[2], codes, part[3]));
  }
};

// A row stays in registers for two tiles of 64 pixels. Unpacking makes 16-bit products in the order of 128-bit lanes, in sums split as in add_rows;
// the pixels' order is restored once per call.
void lookup(const std::uint8_t* codes, std::ptrdiff_t stride, const std::uint8_t* weights, int count, int pixels, const Table& table,
            std::uint32_t* acc) {
  constexpr int kTiles = 2;
  for (int p = 0; p < pixels; p += 64 * kTiles) {
    __m512i whole[kTiles][2], odd[kTiles][2];
    for (int t = 0; t < kTiles; ++t)
      for (int h = 0; h < 2; ++h) whole[t][h] = odd[t][h] = V::zero();
    for (int k = 0; k < count; ++k) {
      const std::uint8_t* planes = table.planes + weights[k] * 2 * kCodes;
      const Plane low(planes), high(planes + kCodes);
      for (int t = 0; t < kTiles; ++t) {
        const __m512i x = V::load(codes + k * stride + p + 64 * t);
        const __mmask64 upper = _mm512_movepi8_mask(x);
        const __m512i bytes[2] = {low(x, upper), high(x, upper)};
        const __m512i products[2] = {_mm512_unpacklo_epi8(bytes[0], bytes[1]), _mm512_unpackhi_epi8(bytes[0], bytes[1])};
        for (int h = 0; h < 2; ++h) {
          whole[t][h] = V::add(whole[t][h], products[h]);
          odd[t][h] = V::add(odd[t][h], V::upper(products[h]));
        }
      }
    }
    for (int t = 0; t < kTiles; ++t)
      for (int h = 0; h < 2; ++h) {
        std::uint32_t w[16], o[16];
        V::store(w, whole[t][h]);
        V::store(o, odd[t][h]);
        for (int i = 0; i < 16; ++i) {  // lane i holds pixels 2i and 2i + 1 of its half: 16 bytes of each 128-bit lane, low eight or high eight
          std::uint32_t* out = acc + p + 64 * t + i / 4 * 16 + 8 * h + i % 4 * 2;
          out[0] += w[i] - (o[i] << 16);
          out[1] += o[i];
        }
      }
  }
}

#include "classes.inc"
}  // namespace
}  // namespace vnni
HAWX_END_TARGET

extern const Kernels kAvx512, kAvx512Vnni;
const Kernels kAvx512{"avx512", 8, plain::kGemmColumns, plain::kTableColumns, plain::gemm<8>, nullptr, plain::expand, plain::add_rows,
                      plain::join, plain::depthwise, plain::lookup, nullptr, nullptr, nullptr, plain::finish};
const Kernels kAvx512Vnni{"avx512_vnni", 8, vnni::kGemmColumns, vnni::kTableColumns, vnni::gemm<8>, vnni::gemm<8, vnni::DotBytes>,
                          vnni::expand, vnni::add_rows, vnni::join, vnni::depthwise, vnni::lookup, vnni::expand_classes, vnni::add_classes,
                          vnni::widen_classes, vnni::finish};

}  // namespace hawx
#endif
