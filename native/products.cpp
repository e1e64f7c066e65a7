#include "field.hpp"

namespace hawx {
namespace {

constexpr int kBlockWords = 256;  // words of operands per pass of a panel: 16 kB at 16 columns, half the first-level cache

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

constexpr int kClassBytes = 24 << 10;  // rows that are live at once: three quarters of the first-level cache,
constexpr int kLeastStep = 8;          // except where they would be of fewer positions than this: sums come and go with every step

struct alignas(64) ClassRow {
  std::uint8_t entries[kClassColumns];
};

// The remainders of one chunk: classes laid out once, then added to one pair of panels after the other.
class Remainder {
 public:
  Remainder(const Kernels& k, const Shape& s, const Classes& classes) : k_(k), classes_(classes), field_(s, s.channels, 1) {
    const int row = classes.count * classes.width, fitting = std::max(kClassBytes / kClassColumns / row, kLeastStep);
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
        k_.widen_classes(sums_.data(), classes_.width, classes_.unit, pixels, acc);
        summed = 0;
      }
      k_.add_classes(codes_.data() + step.offset, offsets_.data(), pixels, rows, classes_.count, classes_.width, static_cast<int>(whole),
                     classes_.group, sums_.data(), summed > 0);
      summed += step.count;
    }
    k_.widen_classes(sums_.data(), classes_.width, classes_.unit, pixels, acc);
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

}  // namespace hawx
