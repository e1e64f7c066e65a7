// Ring 2: whole convolutions. Lays operands out, cuts the work into chunks of output pixels and runs a tier's kernels on threads.
#pragma once
#include <type_traits>
#include <vector>

#include "kernels.hpp"

namespace hawx {

// The input, in any memory format: element (n, c, y, x) is the byte `data[n*strides[0] + c*strides[1] + y*strides[2] + x*strides[3]]`,
// and `byte ^ flip` is the code's index in value order.
struct Codes {
  const std::uint8_t* data;
  std::int64_t strides[4];
  std::uint8_t flip;
};

struct Shape {
  std::int64_t images, channels, height, width;
  std::int64_t kernel[2], stride[2], origin[2], dilation[2], out[2];  // origin: top and left padding
  std::uint8_t pad;                                                   // index of the code of padded positions

  std::int64_t pixels() const { return out[0] * out[1]; }
  std::int64_t taps() const { return kernel[0] * kernel[1]; }
};

// Rows and columns between the steps of a kernel of size 1 are never read: makes them no part of the input.
inline void skip_unread(Shape& s, Codes& x) {
  for (int i = 0; i < 2; ++i) {
    if (s.kernel[i] != 1 || s.origin[i] != 0) continue;
    auto& size = i == 0 ? s.height : s.width;
    size = (size - 1) / s.stride[i] + 1;
    x.strides[2 + i] *= s.stride[i];
    s.stride[i] = 1;
  }
}

// Factors of codes are int16 or, for tiers with a dot product of bytes, unsigned bytes; those of weights are their signed counterparts.
template <class T>
using Weight = std::make_signed_t<T>;

// Operand map: code index -> `products` factors, adjacent. `identity`: products is 1 and the factor is index - zero.
template <class T>
struct Map {
  const T* rows;  // [256][products]
  int products;
  bool identity;
  T zero;
};

// out[n, o] = sum_i U_i[x] * V_i[w]: `panels` as `pack` wrote them.
template <class T>
void conv_factored(const Kernels& k, const Shape& s, const Codes& x, const Map<T>& map, const Weight<T>* panels, int filters, const Epilogue& e,
                   int threads);

// Remainder of a block beside its products: `unit` times an entry for every class of the code and every weight.
struct Classes {
  const std::uint8_t* map;     // [256]: `class_scale(count)` times the class of a code
  const std::uint8_t* tables;  // [class][width][256], the low bytes of entries before the high ones
  int count;                   // 4, 8 or 16
  int width;                   // bytes of an entry: 1 or 2
  int group;                   // sums of so many entries fit a byte, at most 8; 4 where entries are wider
  int unit;                    // common divisor of what remains, at most 15 bits
  int longest;                 // sums of so many entries fit 15 bits; a multiple of `group`
};

// out[n, o] = sum_i U_i[x] * V_i[w] + unit * R[class(x), w] where the tier has `gemm_bytes`; `weights` is [64 filters][kernel row][kernel column][channel]
// transposed, [position][64], one after the other.
void conv_residual(const Kernels& k, const Shape& s, const Codes& x, const Map<std::uint8_t>& map, const std::int8_t* panels, const Classes& classes,
                   const std::uint8_t* weights, int filters, const Epilogue& e, int threads);

// Filter f multiplies by tables[of[f]]: a layer of many blocks is one call.
struct Tables {
  std::vector<Table> tables;
  const std::int32_t* of;

  const Table& operator[](int filter) const { return tables[of[filter]]; }
};

// The same from tables; `weights` is [filter][kernel row][kernel column][channel], indices in value order.
void conv_table(const Kernels& k, const Shape& s, const Codes& x, const Tables& tables, const std::uint8_t* weights, int filters, const Epilogue& e,
                int threads);
void conv_lookup(const Kernels& k, const Shape& s, const Codes& x, const Tables& tables, const std::uint8_t* weights, int filters, const Epilogue& e,
                 int threads);

// Depthwise: filter f reads channel `channels[f]` alone. `map.products` is even; `weights` is [tap][filters * products], padded with zeros to a
// multiple of kDepthwiseColumns. For `depthwise_lookup` weights are [filter][tap].
void depthwise_factored(const Kernels& k, const Shape& s, const Codes& x, const Map<std::int16_t>& map, const std::int16_t* weights, const std::int32_t* channels,
                        int filters, const Epilogue& e, int threads);
void depthwise_lookup(const Kernels& k, const Shape& s, const Codes& x, const Tables& tables, const std::uint8_t* weights, const std::int32_t* channels,
                      int filters, const Epilogue& e, int threads);

// Weight factors [filter][kernel row][kernel column][channel * products] -> panels; `panels` holds `panel_size` operands.
template <class T>
std::int64_t panel_size(const Kernels& k, const Shape& s, int products, int filters);
template <class T>
void pack(const Kernels& k, const Shape& s, int products, const Weight<T>* factors, int filters, Weight<T>* panels);

}  // namespace hawx
