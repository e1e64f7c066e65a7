#include "field.hpp"

namespace hawx {
namespace {

constexpr std::int64_t kLookupPixels = 1024;
constexpr std::int64_t kTile = 64;  // positions that `lookup` takes together

std::int64_t round_up(std::int64_t value, std::int64_t multiple) { return ceil_div(value, multiple) * multiple; }

// Planes whose starts do not share a set of the first-level cache.
std::int64_t plane_pitch(std::int64_t size) { return round_up(size, 2 * kTile) + kTile; }

// One dimension of a chunk, by phase: positions of phase p stand for every `stride`-th coordinate, so that a tap is a shift whatever the stride.
class Axis {
 public:
  Axis(const Shape& s, int dimension, std::int64_t first_out, std::int64_t outs)
      : stride_(s.stride[dimension]), size_(dimension == 0 ? s.height : s.width), outs_(outs), start_(first_out * stride_ - s.origin[dimension]),
        farthest_(stride_, -1) {
    for (std::int64_t tap = 0; tap < s.kernel[dimension]; ++tap) {
      const auto reach = tap * s.dilation[dimension];
      farthest_[reach % stride_] = std::max(farthest_[reach % stride_], reach / stride_);
    }
    pitch_ = outs_;
    for (std::int64_t p = 0; p < stride_; ++p)
      if (farthest_[p] >= 0) pitch_ = std::max({pitch_, last(p), length(p) - first(p)});
  }

  // From one row (or image) to the next: as near as is possible without a pixel where another row needs padding. What lies behind the end of a row
  // is padding, and so is what lies before the start of the next.
  std::int64_t pitch() const { return pitch_; }
  std::int64_t stride() const { return stride_; }
  std::int64_t coordinate(std::int64_t p, std::int64_t position) const { return start_ + p + position * stride_; }
  // Positions first .. last - 1 are inside the input.
  std::int64_t first(std::int64_t p) const { return std::clamp<std::int64_t>(ceil_div(std::max<std::int64_t>(-start_ - p, 0), stride_), 0, length(p)); }
  std::int64_t last(std::int64_t p) const {
    return std::clamp<std::int64_t>(ceil_div(std::max<std::int64_t>(size_ - start_ - p, 0), stride_), first(p), length(p));
  }

 private:
  std::int64_t length(std::int64_t p) const { return outs_ + farthest_[p]; }

  std::int64_t stride_, size_, outs_, start_, pitch_;
  std::vector<std::int64_t> farthest_;  // step of the last tap of every phase, -1 for phases without taps
};

struct Phase {
  std::int64_t row, column;
  bool operator==(const Phase&) const = default;
};

// How a chunk's padded input lies in planes, one for each channel: subplanes of the phases of a stride one after the other, in each all rows of all
// images. The codes under a tap of consecutive output pixels are then consecutive, `offset[tap]` bytes after the pixels' own positions, and a whole
// chunk is one run of positions. Those between the rows give sums that nobody reads.
struct Layout {
  std::int64_t positions = 0, size = 0;  // of the run, rounded up to tiles; of a plane
  std::vector<std::ptrdiff_t> offset;
  std::vector<const std::uint8_t*> sources;  // first channel of the pixel, or of padding, at every byte of a plane
  std::vector<std::uint8_t*> destinations;   // first output channel of the pixel at every position, nullptr between the rows

  void update(const Shape& s, const Chunk& c, const Codes& x, const std::uint8_t* padding, std::uint8_t* out, std::int64_t pixel_bytes) {
    const Axis rows(s, 0, c.row, c.rows), columns(s, 1, 0, s.out[1]);
    const std::int64_t row = columns.pitch(), image = rows.pitch() * row;
    positions = round_up((c.images - 1) * image + (c.rows - 1) * row + s.out[1], kTile);

    std::vector<Phase> phases;  // those that taps use, in the order of their subplanes
    std::int64_t farthest = 0;
    offset.clear();
    for (std::int64_t y = 0; y < s.kernel[0] * s.dilation[0]; y += s.dilation[0])
      for (std::int64_t p = 0; p < s.kernel[1] * s.dilation[1]; p += s.dilation[1]) {
        const Phase own{y % rows.stride(), p % columns.stride()};
        if (std::find(phases.begin(), phases.end(), own) == phases.end()) phases.push_back(own);
        farthest = std::max(farthest, y / rows.stride() * row + p / columns.stride());
      }
    const std::int64_t subplane = round_up(positions + farthest, 16);
    size = static_cast<std::int64_t>(phases.size()) * subplane;
    for (std::int64_t y = 0; y < s.kernel[0] * s.dilation[0]; y += s.dilation[0])
      for (std::int64_t p = 0; p < s.kernel[1] * s.dilation[1]; p += s.dilation[1]) {
        const auto own = std::find(phases.begin(), phases.end(), Phase{y % rows.stride(), p % columns.stride()}) - phases.begin();
        offset.push_back(own * subplane + y / rows.stride() * row + p / columns.stride());
      }

    sources.assign(size, padding);
    for (std::size_t own = 0; own < phases.size(); ++own)
      for (std::int64_t n = 0; n < c.images; ++n)
        for (std::int64_t y = rows.first(phases[own].row); y < rows.last(phases[own].row); ++y) {
          const std::int64_t phase = phases[own].column;
          const std::uint8_t* line = x.data + (c.image + n) * x.strides[0] + rows.coordinate(phases[own].row, y) * x.strides[2];
          const std::uint8_t** source = sources.data() + own * subplane + n * image + y * row;
          for (std::int64_t p = columns.first(phase); p < columns.last(phase); ++p) source[p] = line + columns.coordinate(phase, p) * x.strides[3];
        }

    destinations.assign(positions, nullptr);
    out += first_pixel(s, c) * pixel_bytes;
    for (std::int64_t n = 0; n < c.images; ++n)
      for (std::int64_t y = 0; y < c.rows; ++y)
        for (std::int64_t p = 0; p < s.out[1]; ++p, out += pixel_bytes) destinations[n * image + y * row + p] = out;
  }
};

// Channels last: copies what is not.
Codes channels_last(const Shape& s, const Codes& x, std::vector<std::uint8_t>& copy) {
  if (x.strides[1] == 1) return x;
  copy.resize(s.images * s.height * s.width * s.channels);
  std::uint8_t* out = copy.data();
  for (std::int64_t n = 0; n < s.images; ++n)
    for (std::int64_t y = 0; y < s.height; ++y, out += s.width * s.channels) {
      const std::uint8_t* line = x.data + n * x.strides[0] + y * x.strides[2];
      for (std::int64_t c = 0; c < s.channels; ++c)
        for (std::int64_t p = 0; p < s.width; ++p) out[p * s.channels + c] = line[c * x.strides[1] + p * x.strides[3]];
    }
  return {copy.data(), {s.height * s.width * s.channels, 1, s.width * s.channels, s.channels}, x.flip};
}

}  // namespace

void depthwise_lookup(const Kernels& k, const Shape& s, const Codes& input, const Tables& tables, const std::uint8_t* weights,
                      const std::int32_t* channels, int filters, const Epilogue& e, int threads) {
  std::vector<std::uint8_t> copy;
  const Codes x = channels_last(s, input, copy);
  const std::vector<std::uint8_t> padding(s.channels, s.pad ^ x.flip);
  const bool bytes = e.kind == Output::kSigned || e.kind == Output::kUnsigned;
  const std::int64_t element = bytes ? 1 : 4;
  const auto chunks = cut(s, kLookupPixels, threads);
  parallel(static_cast<std::int64_t>(chunks.size()), threads, [&](const auto& next) {
    Layout layout;
    std::vector<std::uint8_t> planes, finished;
    std::vector<std::uint32_t> acc;
    for (std::int64_t i = 0; next(i);) {
      layout.update(s, chunks[i], x, padding.data(), static_cast<std::uint8_t*>(e.out), e.channels * element);
      const std::int64_t pitch = plane_pitch(layout.size), finished_pitch = plane_pitch(layout.positions * element);
      const int positions = static_cast<int>(layout.positions), taps = static_cast<int>(layout.offset.size());
      planes.resize(k.planes * pitch);
      finished.resize(k.planes * finished_pitch);
      acc.resize(positions);
      for (int first = 0, end; first < filters; first = end) {
        const std::int32_t window = channels[first], width = static_cast<std::int32_t>(std::min<std::int64_t>(k.planes, s.channels - window));
        k.to_planes(layout.sources.data(), window, width, static_cast<int>(layout.size), x.flip, planes.data(), pitch);
        for (end = first; end < filters && end < first + k.planes && channels[end] >= window && channels[end] < window + width; ++end) {
          const std::uint8_t* plane = planes.data() + (channels[end] - window) * pitch;
          k.lookup(plane, layout.offset.data(), weights + std::int64_t(end) * taps, taps, positions, k.halves_of(plane, layout.size), tables[end], acc.data(), false);
          k.finish_plane(acc.data(), positions, end, e, finished.data() + (end - first) * finished_pitch);
        }
        const std::int32_t* outputs = e.filters + first;
        if (bytes) {
          k.from_planes(finished.data(), finished_pitch, positions, layout.destinations.data(), outputs, end - first);
          continue;
        }
        for (int p = 0; p < positions; ++p)
          if (layout.destinations[p] != nullptr)
            for (int c = 0; c < end - first; ++c)
              std::memcpy(layout.destinations[p] + outputs[c] * element, finished.data() + c * finished_pitch + p * element, element);
      }
    }
  });
}

void depthwise_factored(const Kernels& k, const Shape& s, const Codes& input, const Map<std::int16_t>& map, const std::int16_t* weights,
                        const std::int32_t* channels, int filters, const Epilogue& e, int threads) {
  Codes x = input;
  channels = simplify(channels, filters, x);
  const Field field(s, filters, map.products);
  const auto taps = field.taps();
  const int width = static_cast<int>(round_up(field.pixel_size(), kDepthwiseColumns)), sums = width / 2, parts = map.products / 2;
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
