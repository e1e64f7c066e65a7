// The instructions of AMX: eight tiles of 16 rows of 64 bytes. Tests put a model of them in this place (HAWX_SIMDE).
#pragma once
#include <cstddef>
#include <cstdint>

#if defined(HAWX_SIMDE)
#include "tile_model.hpp"
#else
namespace hawx::tiles {

struct alignas(64) Configuration {
  std::uint8_t palette = 1, start = 0, reserved[14] = {};
  std::uint16_t row_bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
  std::uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
};
static_assert(sizeof(Configuration) == 64);

// Tiles hold nothing before `begin` and after `end`: other code of the thread may use them in between.
inline void begin() {
  static constexpr Configuration whole;
  asm volatile("ldtilecfg %0" : : "m"(whole));
}
inline void end() { asm volatile("tilerelease"); }

template <int T>
void zero() { asm volatile("tilezero %%tmm%c0" : : "i"(T)); }

// Row r is the 64 bytes at `from + r * stride`.
template <int T>
void load(const void* from, std::ptrdiff_t stride) {
  asm volatile("tileloadd (%1,%2,1), %%tmm%c0" : : "i"(T), "r"(from), "r"(stride) : "memory");
}
template <int T>
void store(void* to, std::ptrdiff_t stride) {
  asm volatile("tilestored %%tmm%c0, (%1,%2,1)" : : "i"(T), "r"(to), "r"(stride) : "memory");
}

// SUM[m][n] += sum over k < 16 and i < 4 of A[m][4k + i] * B[k][4n + i], A unsigned bytes, B signed ones, sums of 32 bits that wrap.
template <int SUM, int A, int B>
void dot() { asm volatile("tdpbusd %%tmm%c2, %%tmm%c1, %%tmm%c0" : : "i"(SUM), "i"(A), "i"(B)); }

}  // namespace hawx::tiles
#endif
