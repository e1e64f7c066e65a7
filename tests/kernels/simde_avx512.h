// The AVX-512 intrinsics that native/tier_avx512.cpp uses, emulated by SIMDe, with what its release 0.7.4 lacks.
#pragma once
#define SIMDE_ENABLE_NATIVE_ALIASES
#include <simde/x86/avx512.h>

using __mmask64 = simde__mmask64;
#undef _mm512_madd_epi16  // the alias in 0.7.4 takes four arguments
#define _mm512_madd_epi16(a, b) simde_mm512_madd_epi16(a, b)
