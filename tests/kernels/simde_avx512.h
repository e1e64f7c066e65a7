// The AVX-512 intrinsics that native/tier_avx512.cpp uses, emulated by SIMDe, with what its release 0.7.4 lacks.
#pragma once
#define SIMDE_ENABLE_NATIVE_ALIASES
#include <simde/x86/avx512.h>

using __mmask64 = simde__mmask64;
#undef _mm512_madd_epi16  // the alias in 0.7.4 takes four arguments
#define _mm512_madd_epi16(a, b) simde_mm512_madd_epi16(a, b)

inline simde__m512i _mm512_maskz_loadu_epi8(__mmask64 mask, const void* from) {
  unsigned char bytes[64] = {};
  for (int i = 0; i < 64; ++i)
    if (mask >> i & 1) bytes[i] = static_cast<const unsigned char*>(from)[i];
  return simde_mm512_loadu_si512(bytes);
}

inline void _mm512_mask_storeu_epi8(void* to, __mmask64 mask, simde__m512i value) {
  unsigned char bytes[64];
  simde_mm512_storeu_si512(bytes, value);
  for (int i = 0; i < 64; ++i)
    if (mask >> i & 1) static_cast<unsigned char*>(to)[i] = bytes[i];
}
