#include "field.hpp"

namespace hawx {
namespace {

constexpr int kTableBlock = 8;    // positions k whose expanded tables are live at once: 128 kB at 32 columns
constexpr int kLookupBlock = 64;
constexpr int kLookupPixels = 1024;
constexpr int kLookupTile = 64;  // pixels that `lookup` takes together

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
    std::vector<std::uint8_t> codes, planar;
    std::vector<std::ptrdiff_t> offsets, starts;
    std::vector<std::uint32_t> acc;
    for (std::int64_t i = 0; next(i);) {
      const Chunk& chunk = chunks[i];
      codes.resize(field.size(chunk) + kSlack);
      field.fill(chunk, x, nullptr, PutCodes{x.flip}, codes.data());
      field.offsets(chunk, offsets);
      const std::int64_t stride = ceil_div(static_cast<std::int64_t>(offsets.size()), kLookupTile) * kLookupTile;
      planar.assign(stride * kLookupBlock, codes.front());
      starts.resize(kLookupBlock);
      for (std::int64_t j = 0; j < kLookupBlock; ++j) starts[j] = j * stride;
      acc.resize(stride * filters);
      for (std::int64_t first = 0; first < reduction; first += kLookupBlock) {
        const auto count = std::min<std::int64_t>(kLookupBlock, reduction - first);
        lay_out(codes.data(), offsets, positions.data() + first, count, stride, planar);
        const int halves = k.halves_of(planar.data(), stride * count);
        for (int f = 0; f < filters; ++f)
          k.lookup(planar.data(), starts.data(), weights + f * reduction + first, static_cast<int>(count), static_cast<int>(stride), halves, tables[f],
                   acc.data() + f * stride, first > 0);
      }
      finish_planar(k, acc.data(), stride, first_pixel(s, chunk), static_cast<int>(offsets.size()), filters, e);
    }
  });
}

}  // namespace hawx
