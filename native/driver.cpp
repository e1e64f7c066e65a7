#include "driver.hpp"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

namespace hawx {
namespace {

constexpr int kBlockWords = 256;  // words of operands per pass of a panel: 16 kB at 16 columns, half the first-level cache
constexpr int kTableBlock = 8;    // positions k whose expanded tables are live at once: 128 kB at 32 columns
constexpr int kTablePixels = 4096;
constexpr int kLookupBlock = 64;
constexpr int kLookupPixels = 1024;
constexpr std::int64_t kSlack = 256;  // operands that kernels may read beyond the last

std::int64_t ceil_div(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

// Consecutive output rows of one image, or several whole images: in both cases consecutive output pixels.
struct Chunk {
  std::int64_t image, images, row, rows;
};

std::vector<Chunk> cut(const Shape& s, std::int64_t target_pixels, int threads) {
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
  for (std::int64_t i = 1; i < std::min<std::int64_t>(threads, count); ++i) helpers.emplace_back(guarded);
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
const std::int32_t* simplify(const std::int32_t* channels, std::int64_t count, Codes& x) {
  for (std::int64_t i = 1; i < count; ++i)
    if (channels[i] != channels[0] + i) return channels;
  x.data += channels[0] * x.strides[1];
  return nullptr;
}

template <class T>
constexpr std::int64_t kPerWord = 4 / sizeof(T);

template <class T>
std::vector<Piece> cut_runs(const Field& field) {
  constexpr std::int64_t block = kBlockWords * kPerWord<T>;
  std::vector<Piece> pieces;
  for (const auto& run : field.runs())
    for (std::int64_t k = 0; k < run.length; k += block)
      pieces.push_back({static_cast<std::ptrdiff_t>((run.offset + k) * sizeof(T)), static_cast<int>(ceil_div(std::min(block, run.length - k), kPerWord<T>))});
  return pieces;
}

std::int64_t total_words(const std::vector<Piece>& pieces) {
  std::int64_t sum = 0;
  for (const auto& piece : pieces) sum += piece.words;
  return sum;
}

}  // namespace

template <class T>
std::int64_t panel_size(const Kernels& k, const Shape& s, int products, int filters) {
  return ceil_div(filters, k.gemm_columns) * total_words(cut_runs<T>(Field(s, s.channels, products))) * kPerWord<T> * k.gemm_columns;
}

template <class T>
void pack(const Kernels& k, const Shape& s, int products, const Weight<T>* factors, int filters, Weight<T>* panels) {
  constexpr auto per_word = kPerWord<T>;
  const Field field(s, s.channels, products);
  const std::int64_t reduction = s.taps() * s.channels * products;
  const auto runs = field.runs();
  for (std::int64_t first = 0; first < filters; first += k.gemm_columns) {
    std::int64_t start = 0;
    for (const auto& run : runs) {
      for (std::int64_t i = 0; i < run.length; i += per_word, panels += per_word * k.gemm_columns)
        for (std::int64_t column = 0; column < k.gemm_columns; ++column)
          for (std::int64_t part = 0; part < per_word; ++part) {
            const bool used = first + column < filters && i + part < run.length;
            panels[per_word * column + part] = used ? factors[(first + column) * reduction + start + i + part] : Weight<T>{0};
          }
      start += run.length;
    }
  }
}

namespace {

// Pixels per chunk for which the operands fill a good part of the second-level cache.
std::int64_t chunk_pixels(std::int64_t bytes_per_pixel) { return std::clamp<std::int64_t>((std::int64_t{1} << 19) / bytes_per_pixel, 120, 2040); }

// The matrix product of one chunk: operands laid out once, then multiplied with one panel of filters after the other.
template <class T>
class Product {
 public:
  Product(const Kernels& k, const Shape& s, const Map<T>& map)
      : k_(k), gemm_(sizeof(T) == 1 ? k.gemm_bytes : k.gemm), map_(map), field_(s, s.channels, map.products), pieces_(cut_runs<T>(field_)) {}

  std::int64_t pixel_bytes() const { return field_.pixel_size() * sizeof(T); }
  std::int64_t panel_size() const { return total_words(pieces_) * kPerWord<T> * k_.gemm_columns; }
  int pixels() const { return pixels_; }
  std::size_t acc_size() const { return rows_.size() * k_.gemm_columns + kSlack; }

  void fill(const Chunk& chunk, const Codes& x) {
    operands_.resize(field_.size(chunk) + kSlack);
    field_.fill(chunk, x, nullptr, PutFactors<T>{map_, x.flip}, operands_.data());
    field_.offsets(chunk, offsets_);
    pixels_ = static_cast<int>(offsets_.size());
    rows_.resize(ceil_div(pixels_, k_.gemm_rows) * k_.gemm_rows);
    for (std::size_t p = 0; p < rows_.size(); ++p)
      rows_[p] = reinterpret_cast<const std::byte*>(operands_.data() + offsets_[std::min<std::size_t>(p, pixels_ - 1)]);
  }

  // acc[pixel][gemm_columns], `acc_size` sums.
  void multiply(const Weight<T>* panel, std::int32_t* acc) const {
    auto block = reinterpret_cast<const std::byte*>(panel);
    for (std::size_t begin = 0; begin < pieces_.size();) {
      std::size_t end = begin;
      int words = 0;
      while (end < pieces_.size() && (end == begin || words + pieces_[end].words <= kBlockWords)) words += pieces_[end++].words;
      for (std::size_t row = 0; row < rows_.size(); row += k_.gemm_rows)
        gemm_(rows_.data() + row, pieces_.data() + begin, static_cast<int>(end - begin), block, acc + row * k_.gemm_columns, begin > 0);
      block += std::int64_t(words) * 4 * k_.gemm_columns;
      begin = end;
    }
  }

 private:
  const Kernels& k_;
  Gemm* const gemm_;
  const Map<T>& map_;
  const Field field_;
  const std::vector<Piece> pieces_;
  int pixels_ = 0;
  std::vector<T> operands_;
  std::vector<std::ptrdiff_t> offsets_;
  std::vector<const std::byte*> rows_;
};

std::int64_t first_pixel(const Shape& s, const Chunk& chunk) { return chunk.image * s.pixels() + chunk.row * s.out[1]; }

}  // namespace

template <class T>
void conv_factored(const Kernels& k, const Shape& s, const Codes& x, const Map<T>& map, const Weight<T>* panels, int filters, const Epilogue& e,
                   int threads) {
  const auto chunks = cut(s, chunk_pixels(Product<T>(k, s, map).pixel_bytes()), threads);
  parallel(static_cast<std::int64_t>(chunks.size()), threads, [&](const auto& next) {
    Product<T> product(k, s, map);
    std::vector<std::int32_t> acc;
    for (std::int64_t i = 0; next(i);) {
      product.fill(chunks[i], x);
      acc.resize(product.acc_size());
      for (int column = 0; column < filters; column += k.gemm_columns) {
        product.multiply(panels + column / k.gemm_columns * product.panel_size(), acc.data());
        k.finish(acc.data(), k.gemm_columns, first_pixel(s, chunks[i]), product.pixels(), column, std::min(k.gemm_columns, filters - column), e);
      }
    }
  });
}

#define HAWX_OPERANDS(T)                                                                                                                            \
  template std::int64_t panel_size<T>(const Kernels&, const Shape&, int, int);                                                                     \
  template void pack<T>(const Kernels&, const Shape&, int, const Weight<T>*, int, Weight<T>*);                                                     \
  template void conv_factored<T>(const Kernels&, const Shape&, const Codes&, const Map<T>&, const Weight<T>*, int, const Epilogue&, int);
HAWX_OPERANDS(std::int16_t)
HAWX_OPERANDS(std::uint8_t)
#undef HAWX_OPERANDS

namespace {

constexpr int kClassColumns = 64;
constexpr int kClassBytes = 24 << 10;  // rows that are live at once: three quarters of the first-level cache

struct alignas(64) ClassRow {
  std::uint8_t entries[kClassColumns];
};

// The remainders of one chunk: classes laid out once, then added to one pair of panels after the other.
class Remainder {
 public:
  Remainder(const Kernels& k, const Shape& s, const Classes& classes) : k_(k), classes_(classes), field_(s, s.channels, 1) {
    const int row = classes.count * classes.width, fitting = kClassBytes / kClassColumns / row;
    const std::int64_t most = std::min(std::max(fitting / classes.group * classes.group, classes.group), classes.longest);
    std::int64_t position = 0;
    for (const auto& run : field_.runs())
      for (std::int64_t start = 0; start < run.length; start += most) {
        steps_.push_back({run.offset + start, position, static_cast<int>(std::min(most, run.length - start))});
        position += steps_.back().count;
      }
    positions_ = position;
    rows_.resize(most * row);
  }

  std::int64_t positions() const { return positions_; }

  void fill(const Chunk& chunk, const Codes& x) {
    codes_.resize(field_.size(chunk) + kSlack);
    field_.fill(chunk, x, nullptr, PutFactors<std::uint8_t>{{classes_.map, 1, false, 0}, x.flip}, codes_.data());
    field_.offsets(chunk, offsets_);
  }

  void add(const std::uint8_t* weights, std::int32_t* const* acc) {
    auto* const rows = reinterpret_cast<std::uint8_t*>(rows_.data());
    const std::int64_t row = std::int64_t(classes_.count) * classes_.width * kClassColumns;
    const int pixels = static_cast<int>(offsets_.size());
    sums_.resize(offsets_.size() * kClassColumns);
    std::int64_t summed = 0;
    for (const Step& step : steps_) {
      const std::int64_t whole = ceil_div(step.count, classes_.group) * classes_.group;
      k_.expand_classes(classes_.tables, classes_.count, classes_.width, weights + step.position * kClassColumns, step.count, rows);
      std::fill(rows + step.count * row, rows + whole * row, std::uint8_t{0});  // read for the classes of whatever comes next
      if (summed + step.count > classes_.longest) {
        k_.widen_classes(sums_.data(), classes_.width, pixels, acc);
        summed = 0;
      }
      k_.add_classes(codes_.data() + step.offset, offsets_.data(), pixels, rows, classes_.count, classes_.width, static_cast<int>(whole),
                     classes_.group, sums_.data(), summed > 0);
      summed += step.count;
    }
    k_.widen_classes(sums_.data(), classes_.width, pixels, acc);
  }

 private:
  struct Step {
    std::ptrdiff_t offset;
    std::int64_t position;
    int count;
  };
  const Kernels& k_;
  const Classes& classes_;
  const Field field_;
  std::vector<Step> steps_;
  std::int64_t positions_ = 0;
  std::vector<ClassRow> rows_;
  std::vector<std::uint8_t> codes_;
  std::vector<std::uint16_t> sums_;
  std::vector<std::ptrdiff_t> offsets_;
};

}  // namespace

void conv_residual(const Kernels& k, const Shape& s, const Codes& x, const Map<std::uint8_t>& map, const std::int8_t* panels, const Classes& classes,
                   const std::uint8_t* weights, int filters, const Epilogue& e, int threads) {
  const auto chunks = cut(s, chunk_pixels(Product<std::uint8_t>(k, s, map).pixel_bytes() + s.channels), threads);
  parallel(static_cast<std::int64_t>(chunks.size()), threads, [&](const auto& next) {
    Product<std::uint8_t> product(k, s, map);
    Remainder remainder(k, s, classes);
    std::vector<std::int32_t> acc[2];
    for (std::int64_t i = 0; next(i);) {
      product.fill(chunks[i], x);
      remainder.fill(chunks[i], x);
      for (auto& sums : acc) sums.resize(product.acc_size());
      for (int first = 0; first < filters; first += kClassColumns) {
        const int panel = first / k.gemm_columns, used = std::min(2, static_cast<int>(ceil_div(filters - first, k.gemm_columns)));
        for (int half = 0; half < used; ++half) product.multiply(panels + (panel + half) * product.panel_size(), acc[half].data());
        std::int32_t* const sums[2] = {acc[0].data(), acc[1].data()};
        remainder.add(weights + first * remainder.positions(), sums);
        for (int half = 0; half < used; ++half) {
          const int column = first + half * k.gemm_columns;
          k.finish(sums[half], k.gemm_columns, first_pixel(s, chunks[i]), product.pixels(), column, std::min(k.gemm_columns, filters - column), e);
        }
      }
    }
  });
}

namespace {

// Up to eight positions of the reduction whose codes lie side by side for every pixel.
struct Step {
  std::ptrdiff_t offset;  // of the first code from the pixel's first code in the same channel block
  int block, count;
  std::int64_t position[kTableBlock];  // in a filter's weights
};

// The input in blocks of eight channels, each a field of its own, so that pixels follow each other closely whatever the number of channels.
struct ChannelBlock {
  Field field;
  std::int64_t first, count;
};

std::vector<ChannelBlock> channel_blocks(const Shape& s) {
  std::vector<ChannelBlock> blocks;
  for (std::int64_t first = 0; first < s.channels; first += kTableBlock) {
    const auto count = std::min<std::int64_t>(kTableBlock, s.channels - first);
    blocks.push_back({Field(s, count, 1), first, count});
  }
  return blocks;
}

std::vector<Step> steps_of(const Shape& s, const std::vector<ChannelBlock>& blocks) {
  std::vector<Step> steps;
  for (std::size_t b = 0; b < blocks.size(); ++b) {
    const auto runs = blocks[b].field.runs();
    const auto positions_per_run = s.taps() / static_cast<std::int64_t>(runs.size());
    for (std::size_t r = 0; r < runs.size(); ++r)
      for (std::int64_t start = 0; start < runs[r].length; start += kTableBlock) {
        Step step{runs[r].offset + start, static_cast<int>(b), static_cast<int>(std::min<std::int64_t>(kTableBlock, runs[r].length - start)), {}};
        for (int j = 0; j < step.count; ++j) {
          const std::int64_t tap = static_cast<std::int64_t>(r) * positions_per_run + (start + j) / blocks[b].count;
          step.position[j] = tap * s.channels + blocks[b].first + (start + j) % blocks[b].count;
        }
        steps.push_back(step);
      }
  }
  return steps;
}

struct alignas(64) CacheLine {
  std::uint16_t entries[32];
};

// A table restricted to the codes low .. high that occur, every row shifted to start at zero: short rows can be summed in 16 bits.
struct Restricted {
  int low = 0, high = -1;
  std::vector<std::uint16_t> rows = std::vector<std::uint16_t>((kCodes + 1) * kCodes);  // the last row is all zeros
  std::uint32_t least[kCodes], span[kCodes];

  void update(const Table& table, int new_low, int new_high) {
    if (new_low == low && new_high == high) return;
    low = new_low, high = new_high;
    for (int w = 0; w < kCodes; ++w) {
      const std::uint16_t* row = table.rows + w * kCodes;
      const auto [least_entry, greatest_entry] = std::minmax_element(row + low, row + high + 1);
      least[w] = *least_entry, span[w] = *greatest_entry - *least_entry;
      for (int a = 0; a < kCodes; ++a) rows[w * kCodes + a] = static_cast<std::uint16_t>(row[a] - least[w]);
    }
  }
};

}  // namespace

void conv_table(const Kernels& k, const Shape& s, const Codes& x, const Tables& tables, const std::uint8_t* weights, int filters, const Epilogue& e,
                int threads) {
  const auto blocks = channel_blocks(s);
  const auto steps = steps_of(s, blocks);
  const std::int64_t reduction = s.taps() * s.channels;
  const auto chunks = cut(s, kTablePixels, threads);
  parallel(static_cast<std::int64_t>(chunks.size()), threads, [&](const auto& next) {
    std::vector<std::uint8_t> codes;
    std::vector<std::ptrdiff_t> offsets[2];  // in full channel blocks, in the last one
    std::vector<std::int64_t> base(blocks.size() + 1);
    std::vector<std::uint32_t> acc, shift(k.table_columns);
    std::vector<const std::uint16_t*> rows(k.table_columns);
    std::vector<CacheLine> lines(std::size_t(kTableBlock) * kCodes * k.table_columns * sizeof(std::uint16_t) / sizeof(CacheLine));
    auto* const expanded = reinterpret_cast<std::uint16_t*>(lines.data());  // a row of 32 filters is one line of the cache, not two halves
    std::vector<Restricted> restricted(tables.tables.size());
    for (std::int64_t i = 0; next(i);) {
      const Chunk& chunk = chunks[i];
      for (std::size_t b = 0; b < blocks.size(); ++b) base[b + 1] = base[b] + blocks[b].field.size(chunk);
      codes.resize(base.back() + kSlack);
      for (std::size_t b = 0; b < blocks.size(); ++b) {
        Codes part = x;
        part.data += blocks[b].first * x.strides[1];
        blocks[b].field.fill(chunk, part, nullptr, PutCodes{x.flip}, codes.data() + base[b]);
      }
      blocks.front().field.offsets(chunk, offsets[0]);
      blocks.back().field.offsets(chunk, offsets[1]);
      std::uint8_t low = 255, high = 0;
      for (std::int64_t j = 0; j < base.back(); ++j) {
        low = std::min(low, codes[j]);
        high = std::max(high, codes[j]);
      }
      for (std::size_t t = 0; t < restricted.size(); ++t) restricted[t].update(tables.tables[t], low, high);
      const int pixels = static_cast<int>(offsets[0].size());
      acc.resize(std::size_t(pixels) * k.table_columns + kSlack);
      for (int column = 0; column < filters;) {
        const int columns = filters - column > k.table_columns / 2 ? k.table_columns : k.table_columns / 2;
        const int used = std::min(columns, filters - column);
        std::fill(shift.begin(), shift.end(), 0);
        for (const Step& step : steps) {
          std::uint32_t widest[3] = {};  // greatest sums of 2, 4 and 8 consecutive spans
          for (int c = 0; c < used; ++c) {
            const std::uint8_t* filter = weights + (column + c) * reduction;
            const Restricted& own = restricted[tables.of[column + c]];
            std::uint32_t span[kTableBlock] = {};
            for (int j = 0; j < step.count; ++j) {
              shift[c] += own.least[filter[step.position[j]]];
              span[j] = own.span[filter[step.position[j]]];
            }
            for (int level = 0; level < 3; ++level)
              for (int j = 0; j < kTableBlock >> (level + 1); ++j) widest[level] = std::max(widest[level], span[j] = span[2 * j] + span[2 * j + 1]);
          }
          int group = 1;
          for (const auto sum : widest)
            if (sum < 1 << 16 && group < step.count) group *= 2;
            else break;
          const int count = static_cast<int>(ceil_div(step.count, group)) * group;
          std::uint16_t* out = expanded;
          for (int j = 0; j < count; ++j, out += kCodes * columns) {
            for (int c = 0; c < columns; ++c) {
              const bool real = j < step.count && c < used;
              rows[c] = restricted[real ? tables.of[column + c] : 0].rows.data() + kCodes * (real ? weights[(column + c) * reduction + step.position[j]] : kCodes);
            }
            if (j < step.count) k.expand(rows.data(), columns, low, high, out);
            else std::fill_n(out, kCodes * columns, std::uint16_t{0});  // read at any code
          }
          const auto& at = offsets[step.block + 1 == static_cast<int>(blocks.size())];
          k.add_rows(codes.data() + base[step.block] + step.offset, at.data(), pixels, expanded, columns, count, group, acc.data(), &step != steps.data());
        }
        k.join(acc.data(), pixels, columns, shift.data());
        k.finish(reinterpret_cast<const std::int32_t*>(acc.data()), columns, first_pixel(s, chunk), pixels, column, used, e);
        column += columns;
      }
    }
  });
}

namespace {

// `acc` is [filter][stride]; finishes blocks of pixels through a small transposed tile.
void finish_planar(const Kernels& k, const std::uint32_t* acc, std::int64_t stride, std::int64_t first_pixel, int pixels, int filters, const Epilogue& e) {
  constexpr int kPixels = 64, kColumns = 16;
  std::int32_t tile[kPixels * kColumns + kSlack] = {};
  for (int column = 0; column < filters; column += kColumns)
    for (int p = 0; p < pixels; p += kPixels) {
      const int columns = std::min(kColumns, filters - column), rows = std::min(kPixels, pixels - p);
      for (int c = 0; c < columns; ++c)
        for (int r = 0; r < rows; ++r) tile[r * kColumns + c] = static_cast<std::int32_t>(acc[(column + c) * stride + p + r]);
      k.finish(tile, kColumns, first_pixel + p, rows, column, columns, e);
    }
}

// Codes position by position: planar[position][pixel], `stride` apart, for a block of positions.
void lay_out(const std::uint8_t* codes, const std::vector<std::ptrdiff_t>& pixels, const std::ptrdiff_t* positions, std::int64_t count,
             std::int64_t stride, std::vector<std::uint8_t>& planar) {
  for (std::int64_t j = 0; j < count; ++j)
    for (std::size_t p = 0; p < pixels.size(); ++p) planar[j * stride + p] = codes[pixels[p] + positions[j]];
}

struct LookupBuffers {
  std::vector<std::uint8_t> codes, planar;
  std::vector<std::ptrdiff_t> offsets;
  std::vector<std::uint32_t> acc;

  std::int64_t reset(const Field& field, const Chunk& chunk, int filters) {
    codes.resize(field.size(chunk) + kSlack);
    field.offsets(chunk, offsets);
    const std::int64_t stride = ceil_div(static_cast<std::int64_t>(offsets.size()), 128) * 128;
    planar.assign(std::size_t(stride) * kLookupBlock, 0);
    acc.assign(std::size_t(stride) * filters, 0);
    return stride;
  }
};

}  // namespace

void conv_lookup(const Kernels& k, const Shape& s, const Codes& x, const Tables& tables, const std::uint8_t* weights, int filters, const Epilogue& e,
                 int threads) {
  const Field field(s, s.channels, 1);
  std::vector<std::ptrdiff_t> positions;
  for (const auto tap : field.taps())
    for (std::int64_t c = 0; c < s.channels; ++c) positions.push_back(tap + c);
  const auto chunks = cut(s, kLookupPixels, threads);
  const auto reduction = static_cast<std::int64_t>(positions.size());
  parallel(static_cast<std::int64_t>(chunks.size()), threads, [&](const auto& next) {
    LookupBuffers b;
    for (std::int64_t i = 0; next(i);) {
      const Chunk& chunk = chunks[i];
      const std::int64_t stride = b.reset(field, chunk, filters);
      field.fill(chunk, x, nullptr, PutCodes{x.flip}, b.codes.data());
      for (std::int64_t first = 0; first < reduction; first += kLookupBlock) {
        const auto count = std::min<std::int64_t>(kLookupBlock, reduction - first);
        lay_out(b.codes.data(), b.offsets, positions.data() + first, count, stride, b.planar);
        for (int f = 0; f < filters; ++f)
          k.lookup(b.planar.data(), stride, weights + f * reduction + first, static_cast<int>(count), static_cast<int>(stride), tables[f], b.acc.data() + f * stride);
      }
      finish_planar(k, b.acc.data(), stride, chunk.image * s.pixels() + chunk.row * s.out[1], static_cast<int>(b.offsets.size()), filters, e);
    }
  });
}

void depthwise_lookup(const Kernels& k, const Shape& s, const Codes& x, const Tables& tables, const std::uint8_t* weights, const std::int32_t* channels,
                      int filters, const Epilogue& e, int threads) {
  const Field plane(s, 1, 1);
  const auto positions = plane.taps();
  const auto chunks = cut(s, kLookupPixels, threads);
  const auto reduction = static_cast<std::int64_t>(positions.size());
  parallel(static_cast<std::int64_t>(chunks.size()), threads, [&](const auto& next) {
    LookupBuffers b;
    for (std::int64_t i = 0; next(i);) {
      const Chunk& chunk = chunks[i];
      const std::int64_t stride = b.reset(plane, chunk, filters);
      for (int f = 0; f < filters; ++f) {
        Codes channel = x;
        channel.data += channels[f] * x.strides[1];
        plane.fill(chunk, channel, nullptr, PutCodes{x.flip}, b.codes.data());
        for (std::int64_t first = 0; first < reduction; first += kLookupBlock) {
          const auto count = std::min<std::int64_t>(kLookupBlock, reduction - first);
          lay_out(b.codes.data(), b.offsets, positions.data() + first, count, stride, b.planar);
          k.lookup(b.planar.data(), stride, weights + f * reduction + first, static_cast<int>(count), static_cast<int>(stride), tables[f], b.acc.data() + f * stride);
        }
      }
      finish_planar(k, b.acc.data(), stride, chunk.image * s.pixels() + chunk.row * s.out[1], static_cast<int>(b.offsets.size()), filters, e);
    }
  });
}

void depthwise_factored(const Kernels& k, const Shape& s, const Codes& input, const Map<std::int16_t>& map, const std::int16_t* weights,
                        const std::int32_t* channels, int filters, const Epilogue& e, int threads) {
  Codes x = input;
  channels = simplify(channels, filters, x);
  const Field field(s, filters, map.products);
  const auto taps = field.taps();
  const int width = static_cast<int>(ceil_div(field.pixel_size(), 32) * 32), sums = width / 2, parts = map.products / 2;
  const auto chunks = cut(s, std::clamp<std::int64_t>((std::int64_t{1} << 19) / (2 * field.pixel_size()), 256, 4096), threads);
  parallel(static_cast<std::int64_t>(chunks.size()), threads, [&](const auto& next) {
    std::vector<std::int16_t> operands;
    std::vector<std::ptrdiff_t> offsets;
    std::vector<std::int32_t> acc;
    for (std::int64_t i = 0; next(i);) {
      const Chunk& chunk = chunks[i];
      operands.resize(field.size(chunk) + kSlack);
      field.fill(chunk, x, channels, PutFactors<std::int16_t>{map, x.flip}, operands.data());
      field.offsets(chunk, offsets);
      const int pixels = static_cast<int>(offsets.size());
      acc.resize(std::size_t(pixels) * sums + kSlack);
      k.depthwise(operands.data(), offsets.data(), pixels, taps.data(), static_cast<int>(taps.size()), weights, width, acc.data());
      if (parts > 1)
        for (int p = 0; p < pixels; ++p) {
          std::int32_t* row = acc.data() + std::int64_t(p) * sums;
          for (int f = 0; f < filters; ++f) {
            std::uint32_t sum = 0;
            for (int j = 0; j < parts; ++j) sum += static_cast<std::uint32_t>(row[f * parts + j]);
            row[f] = static_cast<std::int32_t>(sum);
          }
        }
      for (int column = 0; column < filters; column += k.table_columns)
        k.finish(acc.data() + column, sums, first_pixel(s, chunk), pixels, column, std::min(k.table_columns, filters - column), e);
    }
  });
}

}  // namespace hawx
