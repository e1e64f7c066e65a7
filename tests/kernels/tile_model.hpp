// A model of the AMX instructions that native/tiles.hpp names, after the operations in Intel's manual ("Intel Architecture Instruction Set Extensions
// Programming Reference", TILELOADD, TILESTORED, TDPBUSD): what they do to eight tiles, and that none is used unconfigured.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace hawx::tiles {

inline thread_local std::uint8_t model[8][16][64];
inline thread_local bool configured = false;

inline void need(bool met, const char* what) {
  if (met) return;
  std::fprintf(stderr, "tile model: %s\n", what);
  std::abort();
}

inline void begin() {
  need(!configured, "configured twice");
  configured = true;
  std::memset(model, 0, sizeof model);
}
inline void end() {
  need(configured, "released unconfigured");
  configured = false;
}

template <int T>
void zero() {
  need(configured, "tilezero unconfigured");
  std::memset(model[T], 0, sizeof model[T]);
}
template <int T>
void load(const void* from, std::ptrdiff_t stride) {
  need(configured, "tileloadd unconfigured");
  for (int r = 0; r < 16; ++r) std::memcpy(model[T][r], static_cast<const std::uint8_t*>(from) + r * stride, 64);
}
template <int T>
void store(void* to, std::ptrdiff_t stride) {
  need(configured, "tilestored unconfigured");
  for (int r = 0; r < 16; ++r) std::memcpy(static_cast<std::uint8_t*>(to) + r * stride, model[T][r], 64);
}
template <int SUM, int A, int B>
void dot() {
  need(configured, "tdpbusd unconfigured");
  for (int m = 0; m < 16; ++m)
    for (int n = 0; n < 16; ++n) {
      std::uint32_t sum;
      std::memcpy(&sum, &model[SUM][m][4 * n], 4);
      for (int k = 0; k < 16; ++k)
        for (int i = 0; i < 4; ++i) sum += static_cast<std::uint32_t>(model[A][m][4 * k + i] * static_cast<std::int8_t>(model[B][k][4 * n + i]));
      std::memcpy(&model[SUM][m][4 * n], &sum, 4);
    }
}

}  // namespace hawx::tiles
