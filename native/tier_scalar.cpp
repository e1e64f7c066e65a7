// The portable tier: plain C++, the meaning of every kernel.
#include <cstring>
#include <utility>

#include "kernels.hpp"

namespace hawx {
namespace {

struct V {
  static constexpr int lanes = 8;
  struct Type {
    std::uint32_t lane[lanes];
  };
  static Type zero() { return {}; }
  static Type load(const void* p) {
    Type v;
    std::memcpy(v.lane, p, sizeof v.lane);
    return v;
  }
  static void store(void* p, const Type& v) { std::memcpy(p, v.lane, sizeof v.lane); }
  static Type word(const std::byte* p) {
    std::uint32_t both;
    std::memcpy(&both, p, sizeof both);
    Type v;
    for (auto& lane : v.lane) lane = both;
    return v;
  }
  static std::int32_t half(std::uint32_t lane, int shift) { return static_cast<std::int16_t>(lane >> shift); }
  static Type dot(Type sum, const Type& x, const Type& y) {
    for (int i = 0; i < lanes; ++i)
      for (int shift = 0; shift < 32; shift += 16) sum.lane[i] += static_cast<std::uint32_t>(half(x.lane[i], shift) * half(y.lane[i], shift));
    return sum;
  }
  static Type add(Type x, const Type& y) {
    for (int i = 0; i < lanes; ++i) x.lane[i] += y.lane[i];
    return x;
  }
  static Type add16(Type x, const Type& y) {
    for (int i = 0; i < lanes; ++i) x.lane[i] = (((x.lane[i] >> 16) + (y.lane[i] >> 16)) << 16) | ((x.lane[i] + y.lane[i]) & 0xffff);
    return x;
  }
  static Type pin(const Type& x) { return x; }
  static Type upper(Type x) {
    for (auto& lane : x.lane) lane >>= 16;
    return x;
  }
  static void transpose8(const std::uint16_t* const* rows, int code, std::uint16_t* out, int stride) {
    for (int i = 0; i < 8; ++i)
      for (int column = 0; column < 8; ++column) out[i * stride + column] = rows[column][code + i];
  }
};

#include "scatter.inc"
#include "kernels.inc"
#include "lookup.inc"

constexpr int kPlanes = 16;

void split_channels(const std::uint8_t* const* pixels, std::ptrdiff_t channel, int columns, std::uint8_t flip, std::uint8_t* planes,
                    std::ptrdiff_t pitch) {
  for (int i = 0; i < 16; ++i)
    for (int c = 0; c < columns; ++c) planes[c * pitch + i] = pixels[i][channel + c] ^ flip;
}

void join_channels(const std::uint8_t* planes, std::ptrdiff_t pitch, int columns, std::uint8_t (*pixels)[kPlanes]) {
  for (int i = 0; i < 16; ++i)
    for (int c = 0; c < columns; ++c) pixels[i][c] = planes[c * pitch + i];
}

#include "planes.inc"
#include "tier.inc"

}  // namespace

constinit const Kernels kScalar = tier<4>("scalar");

}  // namespace hawx
