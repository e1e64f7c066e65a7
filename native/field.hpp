// Ring 2, what all convolutions share: chunks of output pixels, threads that take them, and a chunk's input laid out as operands.
#pragma once
#include <algorithm>
#include <atomic>
#include <cstring>
#include <exception>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

#include "driver.hpp"

namespace hawx {

constexpr std::int64_t kSlack = 256;  // operands that kernels may read beyond the last

inline std::int64_t ceil_div(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

// Consecutive output rows of one image, or several whole images: in both cases consecutive output pixels.
struct Chunk {
  std::int64_t image, images, row, rows;
};

inline std::vector<Chunk> cut(const Shape& s, std::int64_t target_pixels, int threads) {
  const std::int64_t total = s.images * s.pixels();
  const std::int64_t target = std::clamp<std::int64_t>(ceil_div(total, threads), 1, std::max<std::int64_t>(target_pixels, 1));
  std::vector<Chunk> chunks;
  if (s.pixels() > target) {
    const std::int64_t rows = std::max<std::int64_t>(1, target / s.out[1]);
    for (std::int64_t n = 0; n < s.images; ++n)
      for (std::int64_t y = 0; y < s.out[0]; y += rows) chunks.push_back({n, 1, y, std::min(rows, s.out[0] - y)});
  } else {
    const std::int64_t images = target / s.pixels();
    for (std::int64_t n = 0; n < s.images; n += images) chunks.push_back({n, std::min(images, s.images - n), 0, s.out[0]});
  }
  return chunks;
}

inline std::int64_t first_pixel(const Shape& s, const Chunk& chunk) { return chunk.image * s.pixels() + chunk.row * s.out[1]; }

// Runs `work(next)` on threads, where `next(i)` hands out 0 .. count - 1; the first exception is thrown again here.
template <class Work>
void parallel(std::int64_t count, int threads, const Work& work) {
  std::atomic<std::int64_t> cursor{0};
  std::exception_ptr failure;
  std::mutex mutex;
  const auto next = [&](std::int64_t& i) { return (i = cursor.fetch_add(1)) < count; };
  const auto guarded = [&] {
    try {
      work(next);
    } catch (...) {
      const std::lock_guard lock(mutex);
      failure = std::current_exception();
      cursor = count;
    }
  };
  std::vector<std::thread> helpers;
  try {
    for (std::int64_t i = 1; i < std::min<std::int64_t>(threads, count); ++i) helpers.emplace_back(guarded);
  } catch (const std::system_error&) {
    // No more threads to be had: those that there are do all of the work.
  }
  guarded();
  for (auto& helper : helpers) helper.join();
  if (failure) std::rethrow_exception(failure);
}

// A chunk's padded input, channels last: operand (image, row, column, channel, factor). Padded positions hold the operands of `pad`.
class Field {
 public:
  Field(const Shape& s, std::int64_t channels, int products)
      : s_(s), channels_(channels), width_((s.out[1] - 1) * s.stride[1] + (s.kernel[1] - 1) * s.dilation[1] + 1), pixel_(channels * products) {}

  std::int64_t pixel_size() const { return pixel_; }
  std::int64_t rows(const Chunk& c) const { return (c.rows - 1) * s_.stride[0] + (s_.kernel[0] - 1) * s_.dilation[0] + 1; }
  std::int64_t size(const Chunk& c) const { return c.images * rows(c) * width_ * pixel_; }

  // Offset of the first operand under every output pixel.
  void offsets(const Chunk& c, std::vector<std::ptrdiff_t>& out) const {
    out.clear();
    for (std::int64_t n = 0; n < c.images; ++n)
      for (std::int64_t y = 0; y < c.rows; ++y)
        for (std::int64_t x = 0; x < s_.out[1]; ++x) out.push_back(((n * rows(c) + y * s_.stride[0]) * width_ + x * s_.stride[1]) * pixel_);
  }

  // Contiguous runs of operands that one output pixel multiplies: kernel rows, or single positions where columns are dilated.
  struct Run {
    std::ptrdiff_t offset;
    std::int64_t length;
  };
  std::vector<Run> runs() const {
    std::vector<Run> out;
    const bool whole_rows = s_.dilation[1] == 1;
    for (std::int64_t i = 0; i < s_.kernel[0]; ++i)
      for (std::int64_t j = 0; j < (whole_rows ? 1 : s_.kernel[1]); ++j)
        out.push_back({(i * s_.dilation[0] * width_ + j * s_.dilation[1]) * pixel_, (whole_rows ? s_.kernel[1] : 1) * pixel_});
    return out;
  }
  std::vector<std::ptrdiff_t> taps() const {
    std::vector<std::ptrdiff_t> out;
    for (std::int64_t i = 0; i < s_.kernel[0]; ++i)
      for (std::int64_t j = 0; j < s_.kernel[1]; ++j) out.push_back((i * s_.dilation[0] * width_ + j * s_.dilation[1]) * pixel_);
    return out;
  }

  // `put(operand, bytes, stride, count)` maps `count` codes; `channels` picks input channels, nullptr for all in order.
  template <class T, class Put>
  void fill(const Chunk& c, const Codes& x, const std::int32_t* channels, const Put& put, T* field) const {
    std::vector<T> padding(pixel_ + kSlack);
    std::vector<std::uint8_t> chosen(channels == nullptr ? 0 : channels_);
    const std::uint8_t pad = s_.pad ^ x.flip;
    put(padding.data(), &pad, 0, channels_);
    const bool dense = channels == nullptr && (channels_ == 1 || (x.strides[1] == 1 && x.strides[3] == channels_));
    const std::int64_t step = channels_ == 1 ? x.strides[3] : 1;
    for (std::int64_t n = 0; n < c.images; ++n)
      for (std::int64_t fy = 0; fy < rows(c); ++fy) {
        const std::int64_t y = c.row * s_.stride[0] - s_.origin[0] + fy;
        const bool inside = y >= 0 && y < s_.height;
        const std::int64_t first = inside ? std::clamp<std::int64_t>(s_.origin[1], 0, width_) : width_;
        const std::int64_t last = inside ? std::clamp<std::int64_t>(s_.origin[1] + s_.width, first, width_) : width_;
        const std::uint8_t* bytes = x.data + (c.image + n) * x.strides[0] + (inside ? y : 0) * x.strides[2] - s_.origin[1] * x.strides[3];
        for (std::int64_t fx = 0; fx < first; ++fx, field += pixel_) std::memcpy(field, padding.data(), pixel_ * sizeof(T));
        if (dense) {
          put(field, bytes + first * x.strides[3], step, (last - first) * channels_);
          field += (last - first) * pixel_;
        } else {
          for (std::int64_t fx = first; fx < last; ++fx, field += pixel_) {
            const std::uint8_t* pixel = bytes + fx * x.strides[3];
            if (channels == nullptr) {
              put(field, pixel, x.strides[1], channels_);
            } else {
              for (std::int64_t i = 0; i < channels_; ++i) chosen[i] = pixel[channels[i] * x.strides[1]];
              put(field, chosen.data(), 1, channels_);
            }
          }
        }
        for (std::int64_t fx = last; fx < width_; ++fx, field += pixel_) std::memcpy(field, padding.data(), pixel_ * sizeof(T));
      }
  }

 private:
  const Shape& s_;
  std::int64_t channels_, width_, pixel_;
};

template <int PRODUCTS, class T>
void put_products(T* out, const std::uint8_t* bytes, std::int64_t stride, std::int64_t count, std::uint8_t flip, const T* rows, int products) {
  const int n = PRODUCTS ? PRODUCTS : products;
  for (std::int64_t i = 0; i < count; ++i, out += n) std::memcpy(out, rows + (bytes[i * stride] ^ flip) * n, n * sizeof(T));
}

template <class T>
struct PutFactors {
  Map<T> map;
  std::uint8_t flip;
  void operator()(T* out, const std::uint8_t* bytes, std::int64_t stride, std::int64_t count) const {
    if (map.identity && stride == 1) {
      for (std::int64_t i = 0; i < count; ++i) out[i] = static_cast<T>((bytes[i] ^ flip) - map.zero);
      return;
    }
    constexpr decltype(&put_products<0, T>) sized[] = {put_products<0, T>, put_products<1, T>, put_products<2, T>, put_products<3, T>, put_products<4, T>,
                                                       put_products<5, T>, put_products<6, T>, put_products<7, T>, put_products<8, T>};
    sized[map.products <= 8 ? map.products : 0](out, bytes, stride, count, flip, map.rows, map.products);
  }
};

struct PutCodes {
  std::uint8_t flip;
  void operator()(std::uint8_t* out, const std::uint8_t* bytes, std::int64_t stride, std::int64_t count) const {
    if (stride == 1)
      for (std::int64_t i = 0; i < count; ++i) out[i] = bytes[i] ^ flip;
    else
      for (std::int64_t i = 0; i < count; ++i) out[i] = bytes[i * stride] ^ flip;
  }
};

// Consecutive channels need no list: returns nullptr and moves `x` to the first of them.
inline const std::int32_t* simplify(const std::int32_t* channels, std::int64_t count, Codes& x) {
  for (std::int64_t i = 1; i < count; ++i)
    if (channels[i] != channels[0] + i) return channels;
  x.data += channels[0] * x.strides[1];
  return nullptr;
}

}  // namespace hawx
