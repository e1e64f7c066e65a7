// Ring 1: raw-pointer kernels. Every tier offers the same functions with the same results; no Python, no threads, no allocation here.
//
// Words: a *piece* is a contiguous run of operands, a *panel* the weights of `gemm_columns` filters, an *expanded* table holds for one
// position k of the reduction the products of all 256 codes with the weights of `table_columns` filters: row `code`, column filter.
// All sums are taken modulo 2^32. The caller proves that the final value fits int32, so wrapped partial sums are exact.
#pragma once
#include <bit>
#include <cstddef>
#include <cstdint>

namespace hawx {

constexpr int kCodes = 256;

// Numbers of classes are multiplied by this before kernels see them: bytes that are nearly offsets.
constexpr int class_scale(int classes) { return classes < 16 ? 16 : 256 / classes; }
constexpr int kClassColumns = 64;      // filters whose remainders are added together
constexpr int kDepthwiseColumns = 32;  // operands of depthwise weights come in multiples of this
constexpr int kTablePixels = 4096;     // output pixels for which a table is expanded once
static_assert(std::endian::native == std::endian::little, "kernels read several codes in one word");

struct Piece {
  std::ptrdiff_t offset;  // of its first operand from the pixel's first operand, in bytes
  int words;              // of 32 bits: two int16 operands or four bytes, rounded up
};

// A block's table, weight-major: `rows[w * 256 + a]` = T[a, w] - min(T), and the same split into planes of low and high bytes,
// `planes[w * 512 + a]` and `planes[w * 512 + 256 + a]`.
struct Table {
  const std::uint16_t* rows;
  const std::uint8_t* planes;
};

enum class Output { kAccumulators, kReals, kSigned, kUnsigned };

// The requantization law: y = float(acc + constant) * scale; code = clip(rint(y * inverse) + zero_point, low, high).
struct Epilogue {
  Output kind;
  std::int64_t channels;        // of the output tensor, channels last
  const std::int32_t* filters;  // output channel of every column
  const std::int32_t* constant;
  const float* scale;
  float inverse, zero_point, low, high;
  void* out;
};

using Gemm = void(const std::byte* const* rows, const Piece* pieces, int count, const std::byte* panel, std::int32_t* acc, bool resume);

struct Kernels {
  const char* name;
  int gemm_rows, gemm_columns, table_columns;
  int planes;  // channels that `to_planes` takes together

  // acc[gemm_rows][gemm_columns] (+)= rows · panel over the pieces; `panel` is [word][column]. Operands are int16 on both sides, or unsigned
  // bytes in rows and signed ones in panels; for bytes it is nullptr on tiers without a dot product of bytes.
  Gemm* gemm;
  Gemm* gemm_bytes = nullptr;

  // out[code][column] = rows[column][code] for low <= code <= high (rounded outwards); `columns` is 16 or `table_columns`.
  void (*expand)(const std::uint16_t* const* rows, int columns, int low, int high, std::uint16_t* out);

  // acc[pixel] (+)= sum over k < count of expanded[k][codes[offsets[pixel] + k]]; `acc` in the split form that `join` undoes. Sums of `group`
  // (1, 2, 4 or 8) consecutive entries fit 16 bits, and `count` is a multiple of it.
  void (*add_rows)(const std::uint8_t* codes, const std::ptrdiff_t* offsets, int pixels, const std::uint16_t* expanded, int columns, int count,
                   int group, std::uint32_t* acc, bool resume);

  // Turns the split sums of `add_rows` into [pixel][column], in place, and adds `shift[column]`.
  void (*join)(std::uint32_t* acc, int pixels, int columns, const std::uint32_t* shift);

  // acc[pixel][width / 2] = sums over taps of products of adjacent operands; `weights` is [tap][width], width a multiple of kDepthwiseColumns.
  void (*depthwise)(const std::int16_t* field, const std::ptrdiff_t* offsets, int pixels, const std::ptrdiff_t* taps, int count,
                    const std::int16_t* weights, int width, std::int32_t* acc);

  // acc[p] (+)= sum over k < count of T[codes[offsets[k] + p], weights[k]] for p < pixels, a multiple of 64. `halves` of the codes that are read,
  // as `halves_of` says: other codes may give anything.
  void (*lookup)(const std::uint8_t* codes, const std::ptrdiff_t* offsets, const std::uint8_t* weights, int count, int pixels, int halves,
                 const Table& table, std::uint32_t* acc, bool resume);

  // planes[c * pitch + i] = sources[i][channel + c] ^ flip for c < columns and i < count, a multiple of 16. Writes `columns` planes, rounded up to
  // 16 of them; there are `planes`.
  void (*to_planes)(const std::uint8_t* const* sources, std::ptrdiff_t channel, int columns, int count, std::uint8_t flip, std::uint8_t* planes,
                    std::ptrdiff_t pitch);

  // destinations[i][filters[c]] = planes[c * pitch + i] for c < columns and i < count, a multiple of 16, except where a destination is null.
  // Reads as many planes as `to_planes` writes.
  void (*from_planes)(const std::uint8_t* planes, std::ptrdiff_t pitch, int count, std::uint8_t* const* destinations, const std::int32_t* filters,
                      int columns);

  // Bit 0: there are codes below 128; bit 1: from 128 on.
  int (*halves_of)(const std::uint8_t* codes, std::int64_t count);

  // Writes what becomes of the sums of one column, elements of the output's type side by side.
  void (*finish_plane)(const std::uint32_t* acc, int pixels, int column, const Epilogue& epilogue, void* out);

  // Remainders of 64 filters whose entries depend on one of 4, 8, 16 … 256 classes of the code; `width` is 1 or 2 bytes of an entry. nullptr where
  // `gemm_bytes` is. `tables` is [class][byte of the entry][256], `weights` [k][64], `out` [k][class][64 entries].
  void (*expand_classes)(const std::uint8_t* tables, int classes, int width, const std::uint8_t* weights, int count, std::uint8_t* out) = nullptr;

  // sums[pixel][64] (+)= sum over k < count of rows[k][codes[offsets[pixel] + k]], where codes are `class_scale` times the class, in the form that
  // `widen_classes` undoes. Sums of `group` entries fit a byte if `width` is 1; `count` is a multiple of `group`, which is 4 if `width` is 2.
  void (*add_classes)(const std::uint8_t* codes, const std::ptrdiff_t* offsets, int pixels, const std::uint8_t* rows, int classes, int width,
                      int count, int group, std::uint16_t* sums, bool resume) = nullptr;

  // acc[column / 32][pixel][column % 32] += unit * sums[pixel][column]; sums and `unit` fit 15 bits.
  void (*widen_classes)(const std::uint16_t* sums, int width, int unit, int pixels, std::int32_t* const* acc) = nullptr;

  // Writes acc[pixel * stride + column] for consecutive output pixels from `pixel` on, columns `column` .. `column + columns - 1` of the group.
  void (*finish)(const std::int32_t* acc, int stride, std::int64_t pixel, int pixels, int column, int columns, const Epilogue& epilogue);
};

extern const Kernels kScalar;
#if defined(__x86_64__)
extern const Kernels kAvx2;
extern const Kernels kAvx512;      // F, BW, VL
extern const Kernels kAvx512Vnni;  // + VNNI, VBMI
extern const Kernels kAmx;         // + AMX of int8
#endif

}  // namespace hawx
