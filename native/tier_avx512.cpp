// AVX-512: with vpmaddwd; with VNNI (vpdpwssd) and VBMI (a table row of 256 codes looked up in registers); and that with the tiles of AMX beside it.
#if defined(__x86_64__) || defined(HAWX_SIMDE)
#if defined(HAWX_SIMDE)
#include "simde_avx512.h"
#else
#include <immintrin.h>
#endif

#include <algorithm>
#include <cstring>
#include <utility>

#include "kernels.hpp"
#include "region.hpp"
#include "tiles.hpp"

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
#include "scatter.inc"
#include "kernels.inc"
#include "lookup.inc"
#include "planes_avx512.inc"
#include "planes.inc"
#include "tier.inc"
}  // namespace
}  // namespace plain
HAWX_END_TARGET

HAWX_BEGIN_TARGET("avx2,avx512f,avx512bw,avx512vl,avx512vnni,avx512vbmi")
namespace vnni {
#include "transpose.inc"
HAWX_VECTOR(_mm512_dpwssd_epi32(sum, x, y))
namespace {
#include "scatter_vbmi.inc"
#include "kernels.inc"

struct DotBytes {
  static V::Type of(V::Type sum, V::Type x, V::Type y) { return _mm512_dpbusd_epi32(sum, x, y); }
};

#include "lookup_vbmi.inc"
#include "planes_avx512.inc"
#include "planes.inc"
#include "classes.inc"
#include "gemm_tiles.inc"
#include "tier.inc"

constexpr Kernels with_bytes(Kernels k, Gemm* bytes = gemm<8, DotBytes>) {
  k.gemm_bytes = bytes;
  k.expand_classes = expand_classes;
  k.add_classes = add_classes;
  k.widen_classes = widen_classes;
  return k;
}

constexpr Kernels with_tiles() {
  Kernels k = with_bytes(tier<8>("amx"), gemm_tiles);
  k.gemm_rows = kAmxRows;
  k.gemm = gemm_words;
  return k;
}
}  // namespace
}  // namespace vnni
HAWX_END_TARGET

extern const Kernels kAvx512, kAvx512Vnni, kAmx;
constinit const Kernels kAvx512 = plain::tier<8>("avx512");
constinit const Kernels kAvx512Vnni = vnni::with_bytes(vnni::tier<8>("avx512_vnni"));
constinit const Kernels kAmx = vnni::with_tiles();

}  // namespace hawx
#endif
