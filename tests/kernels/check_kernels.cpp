// Every driver on every tier that was linked in, against a plain triple loop: random shapes, asymmetric tables, threads 1 and 2, all outputs.
// Built by test_native.py: with sanitizers, and with SIMDe so that the AVX-512 tiers run on any processor.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>
#include <vector>

#include "driver.hpp"

namespace {

using std::int64_t;

std::mt19937 random_bits(1);
int pick(int low, int high) { return low + static_cast<int>(random_bits() % static_cast<unsigned>(high - low + 1)); }

struct Case {
  hawx::Shape shape;
  bool depthwise, channels_last, is_signed;
  int filters, products, threads;
};

Case random_case(int number) {
  Case c{};
  c.depthwise = number % 3 == 2;
  c.channels_last = number % 2 == 0;
  c.is_signed = number % 5 != 0;
  c.threads = 1 + number % 2;
  c.products = pick(1, 9);
  hawx::Shape& s = c.shape;
  s.images = pick(1, 3);
  s.channels = number % 7 == 0 ? pick(17, 130) : pick(1, 9);
  s.height = pick(1, 9), s.width = pick(1, 9);
  for (int i = 0; i < 2; ++i) {
    s.kernel[i] = pick(1, 4), s.stride[i] = pick(1, 3), s.origin[i] = pick(0, 2), s.dilation[i] = pick(1, 3);
    s.out[i] = pick(1, 6);  // positions beyond the input are padding
  }
  s.pad = static_cast<std::uint8_t>(pick(0, 255));
  c.filters = number % 11 == 0 ? pick(40, 90) : pick(1, 20);
  if (number % 17 == 0) s.images = pick(40, 90);  // several chunks
  return c;
}

struct Data {
  std::vector<std::uint8_t> codes, weights;
  std::vector<std::int32_t> channels, expected;
  std::vector<int> table;  // [a][w]
};

int64_t index(const Case& c, int64_t n, int64_t ch, int64_t y, int64_t x) {
  const hawx::Shape& s = c.shape;
  return c.channels_last ? ((n * s.height + y) * s.width + x) * s.channels + ch : ((n * s.channels + ch) * s.height + y) * s.width + x;
}

void reference(const Case& c, Data& d) {
  const hawx::Shape& s = c.shape;
  const int64_t depth = c.depthwise ? 1 : s.channels;
  d.expected.clear();
  for (int64_t n = 0; n < s.images; ++n)
    for (int64_t oy = 0; oy < s.out[0]; ++oy)
      for (int64_t ox = 0; ox < s.out[1]; ++ox)
        for (int f = 0; f < c.filters; ++f) {
          int64_t sum = 0;
          for (int64_t i = 0; i < s.kernel[0]; ++i)
            for (int64_t j = 0; j < s.kernel[1]; ++j)
              for (int64_t ch = 0; ch < depth; ++ch) {
                const int64_t y = oy * s.stride[0] - s.origin[0] + i * s.dilation[0], x = ox * s.stride[1] - s.origin[1] + j * s.dilation[1];
                const bool inside = y >= 0 && y < s.height && x >= 0 && x < s.width;
                const int64_t channel = c.depthwise ? d.channels[f] : ch;
                const int a = inside ? d.codes[index(c, n, channel, y, x)] ^ (c.is_signed ? 128 : 0) : s.pad;
                sum += d.table[a * 256 + d.weights[((f * s.kernel[0] + i) * s.kernel[1] + j) * depth + ch]];
              }
          d.expected.push_back(static_cast<std::int32_t>(sum));
        }
}

template <class T>
bool agrees(const std::vector<T>& found, const Data& d, const hawx::Epilogue& e) {
  for (std::size_t i = 0; i < d.expected.size(); ++i) {
    const std::size_t f = i % e.channels;  // filters are stored in reverse order
    const std::size_t at = i - f + e.filters[f];
    const float real = static_cast<float>(static_cast<std::int32_t>(static_cast<std::uint32_t>(d.expected[i]) + static_cast<std::uint32_t>(e.constant[f]))) * e.scale[f];
    bool same;
    if constexpr (std::is_same_v<T, std::int32_t>) same = found[at] == d.expected[i] + e.constant[f];
    else if constexpr (std::is_same_v<T, float>) same = found[at] == real;
    else same = found[at] == static_cast<T>(std::fmin(std::fmax(std::nearbyintf(real * e.inverse) + e.zero_point, e.low), e.high));
    if (!same) return false;
  }
  return true;
}

template <class T, class Run>
bool runs(hawx::Output kind, const Case& c, const Data& d, hawx::Epilogue e, const Run& run) {
  std::vector<T> out(d.expected.size());
  e.kind = kind;
  e.out = out.data();
  e.low = std::is_signed_v<T> ? -128 : 3, e.high = std::is_signed_v<T> ? 127 : 250;
  run(e);
  (void)c;
  return agrees(out, d, e);
}

bool check(const hawx::Kernels& k, int number) {
  const Case c = random_case(number);
  const hawx::Shape& s = c.shape;
  const int64_t depth = c.depthwise ? 1 : s.channels, reduction = s.taps() * depth;
  Data d;
  d.codes.resize(s.images * s.channels * s.height * s.width);
  d.weights.resize(c.filters * reduction);
  const int bits = number % 4 == 3 ? 127 : 255, above = number % 8 == 3 ? 128 : 0;  // codes of one half, as after a ReLU
  for (auto& v : d.codes) v = static_cast<std::uint8_t>((random_bits() & static_cast<unsigned>(bits)) | static_cast<unsigned>(above));
  for (auto& v : d.weights) v = static_cast<std::uint8_t>(random_bits());
  for (int f = 0; f < c.filters; ++f) d.channels.push_back(pick(0, static_cast<int>(s.channels) - 1));
  if (number % 4 != 1) std::sort(d.channels.begin(), d.channels.end());
  if (number % 4 == 2)
    for (int f = 0; f < c.filters; ++f) d.channels[f] = static_cast<std::int32_t>(f % s.channels);
  const int64_t stride[2][4] = {{s.channels * s.height * s.width, s.height * s.width, s.width, 1}, {s.height * s.width * s.channels, 1, s.width * s.channels, s.channels}};
  hawx::Codes codes{d.codes.data(), {}, static_cast<std::uint8_t>(c.is_signed ? 128 : 0)};
  std::memcpy(codes.strides, stride[c.channels_last], sizeof codes.strides);

  std::vector<std::int32_t> filters(c.filters), constant(c.filters);
  std::vector<float> scale(c.filters);
  for (int f = 0; f < c.filters; ++f) filters[f] = c.filters - 1 - f, constant[f] = pick(-9999, 9999), scale[f] = 0.001f * static_cast<float>(pick(1, 99));
  if (number % 4 == 0)
    for (int f = 0; f < c.filters; ++f) filters[f] = f;
  const hawx::Epilogue e{hawx::Output::kAccumulators, c.filters, filters.data(), constant.data(), scale.data(), 0.37f, 2.0f, 0, 0, nullptr};
  const auto all_outputs = [&](const char* name, const hawx::Epilogue& epilogue, const auto& run) {
    const bool good = runs<std::int32_t>(hawx::Output::kAccumulators, c, d, epilogue, run) && runs<float>(hawx::Output::kReals, c, d, epilogue, run) &&
                      runs<std::int8_t>(hawx::Output::kSigned, c, d, epilogue, run) && runs<std::uint8_t>(hawx::Output::kUnsigned, c, d, epilogue, run);
    if (!good) std::printf("WRONG: %s on %s, case %d\n", name, k.name, number);
    return good;
  };

  // Factored: a table of exactly this rank, identity map when there is one product in every other case.
  bool good = true;
  const auto factored = [&]<class T>(const char* name, int products, T zero, auto&& factor_of_code, auto&& factor_of_weight) {
    using W = hawx::Weight<T>;
    std::vector<T> u(256 * products);
    std::vector<W> v(256 * products);
    for (auto& x : u) x = static_cast<T>(factor_of_code());
    for (auto& x : v) x = static_cast<W>(factor_of_weight());
    const bool identity = products == 1 && number % 2 == 0;
    if (identity)
      for (int i = 0; i < 256; ++i) u[i] = static_cast<T>(i - zero);
    d.table.assign(65536, 0);
    for (int a = 0; a < 256; ++a)
      for (int w = 0; w < 256; ++w)
        for (int i = 0; i < products; ++i) d.table[a * 256 + w] += u[a * products + i] * v[w * products + i];
    reference(c, d);
    const hawx::Map<T> map{u.data(), products, identity, zero};
    if constexpr (sizeof(T) == 2) {
      if (c.depthwise) {
        const int64_t width = (c.filters * products + 31) / 32 * 32;
        std::vector<W> operands(s.taps() * width);
        for (int f = 0; f < c.filters; ++f)
          for (int64_t t = 0; t < s.taps(); ++t)
            for (int i = 0; i < products; ++i) operands[t * width + f * products + i] = v[d.weights[f * reduction + t] * products + i];
        good = all_outputs(name, e, [&](const auto& epilogue) {
          hawx::depthwise_factored(k, s, codes, map, operands.data(), d.channels.data(), c.filters, epilogue, c.threads);
        }) && good;
        return;
      }
    }
    std::vector<W> factors(c.filters * reduction * products), panels(hawx::panel_size<T>(k, s, products, c.filters));
    for (std::size_t i = 0; i < d.weights.size(); ++i) std::memcpy(&factors[i * products], &v[d.weights[i] * products], products * sizeof(W));
    hawx::pack<T>(k, s, products, factors.data(), c.filters, panels.data());
    good = all_outputs(name, e, [&](const auto& epilogue) { hawx::conv_factored<T>(k, s, codes, map, panels.data(), c.filters, epilogue, c.threads); }) && good;
  };
  const auto word = [] { return pick(-300, 300); };
  if (c.depthwise) factored("depthwise_factored", c.products + c.products % 2, std::int16_t{128}, word, word);
  else factored("conv_factored", c.products, std::int16_t{128}, word, word);
  if (!c.depthwise && k.gemm_bytes != nullptr)
    factored("conv_factored of bytes", c.products, std::uint8_t{0}, [] { return pick(0, 9) == 0 ? 255 : pick(0, 255); }, [] { return pick(0, 9) == 0 ? -128 : pick(-128, 127); });

  // Products of bytes and a remainder, of bytes or of words, whose sums reach their limits.
  if (!c.depthwise && k.gemm_bytes != nullptr) {
    const int unit = number % 3 == 0 ? 1 : pick(1, 32);
    const int products = pick(1, 3), classes = 4 << pick(0, 6), width = pick(1, 2), entry = width == 1 ? pick(1, 255) : pick(256, 4095);
    const int group = width == 1 ? std::min(8, 255 / entry) : 4, longest = (1 << 15) / (entry + 1) / group * group;
    std::vector<std::uint8_t> u(256 * products), classes_of(256), planes(classes * width * 256);
    std::vector<std::int8_t> v(256 * products);
    for (auto& x : u) x = static_cast<std::uint8_t>(random_bits());
    for (auto& x : v) x = static_cast<std::int8_t>(random_bits());
    for (auto& x : classes_of) x = static_cast<std::uint8_t>(hawx::class_scale(classes) * pick(0, classes - 1));
    d.table.assign(65536, 0);
    std::vector<int> rest(classes * 256);
    for (auto& x : rest) x = pick(0, 3) == 0 ? entry : pick(0, entry);
    for (int w = 0; w < 256; ++w) {
      for (int i = 0; i < classes; ++i)
        for (int plane = 0; plane < width; ++plane) planes[(i * width + plane) * 256 + w] = static_cast<std::uint8_t>(rest[i * 256 + w] >> (8 * plane));
      for (int a = 0; a < 256; ++a) {
        d.table[a * 256 + w] = unit * rest[classes_of[a] / hawx::class_scale(classes) * 256 + w];
        for (int i = 0; i < products; ++i) d.table[a * 256 + w] += u[a * products + i] * v[w * products + i];
      }
    }
    reference(c, d);
    std::vector<std::int8_t> factors(c.filters * reduction * products), panels(hawx::panel_size<std::uint8_t>(k, s, products, c.filters));
    std::vector<std::uint8_t> columns((c.filters + 63) / 64 * 64 * reduction);
    for (std::size_t i = 0; i < d.weights.size(); ++i) {
      std::memcpy(&factors[i * products], &v[d.weights[i] * products], products);
      const int64_t f = static_cast<int64_t>(i) / reduction, position = static_cast<int64_t>(i) % reduction;
      columns[(f / 64 * reduction + position) * 64 + f % 64] = d.weights[i];
    }
    hawx::pack<std::uint8_t>(k, s, products, factors.data(), c.filters, panels.data());
    const hawx::Map<std::uint8_t> map{u.data(), products, false, 0};
    const hawx::Classes remainder{classes_of.data(), planes.data(), classes, width, group, unit, longest};
    good = all_outputs("conv_residual", e, [&](const auto& epilogue) {
      hawx::conv_residual(k, s, codes, map, panels.data(), remainder, columns.data(), c.filters, epilogue, c.threads);
    }) && good;
  }

  // Any tables, two in one call: entries span 12, 15 or 16 bits, so that 8, 2 or 1 of them can be summed in 16.
  const int span = number % 4 == 0 ? 4095 : number % 3 != 1 ? 32767 : 65535;
  std::vector<std::uint16_t> rows[2];
  std::vector<std::uint8_t> planes[2];
  hawx::Tables tables;
  std::vector<std::int32_t> of(c.filters), expected;
  for (auto& table : of) table = pick(0, 1);
  tables.of = of.data();
  for (int t = 0; t < 2; ++t) {
    rows[t].resize(65536), planes[t].resize(256 * 512);
    for (int w = 0; w < 256; ++w)
      for (int a = 0; a < 256; ++a) {
        const int entry = pick(0, span);
        d.table[a * 256 + w] = entry;
        rows[t][w * 256 + a] = static_cast<std::uint16_t>(entry);
        planes[t][w * 512 + a] = static_cast<std::uint8_t>(entry), planes[t][w * 512 + 256 + a] = static_cast<std::uint8_t>(entry >> 8);
      }
    tables.tables.push_back({rows[t].data(), planes[t].data()});
    reference(c, d);
    if (t == 0) expected = d.expected;
    else
      for (std::size_t i = 0; i < expected.size(); ++i)
        if (of[i % c.filters] == 0) d.expected[i] = expected[i];
  }
  if (c.depthwise)
    return all_outputs("depthwise_lookup", e, [&](const auto& epilogue) {
             hawx::depthwise_lookup(k, s, codes, tables, d.weights.data(), d.channels.data(), c.filters, epilogue, c.threads);
           }) && good;
  return all_outputs("conv_table", e, [&](const auto& epilogue) { hawx::conv_table(k, s, codes, tables, d.weights.data(), c.filters, epilogue, c.threads); }) &&
         all_outputs("conv_lookup", e, [&](const auto& epilogue) { hawx::conv_lookup(k, s, codes, tables, d.weights.data(), c.filters, epilogue, c.threads); }) && good;
}

}  // namespace

int main(int argc, char** argv) {
  const int cases = argc > 1 ? std::atoi(argv[1]) : 60;
  const std::vector<const hawx::Kernels*> tiers{&hawx::kScalar,
#if defined(HAWX_CHECK_AVX2)
                                                &hawx::kAvx2,
#endif
#if defined(HAWX_SIMDE)
                                                &hawx::kAvx512, &hawx::kAvx512Vnni, &hawx::kAmx,
#endif
  };
  int wrong = 0;
  for (const auto* tier : tiers) {
    random_bits.seed(1);
    for (int i = 0; i < cases; ++i) wrong += !check(*tier, i);
    std::printf("%s: %d cases\n", tier->name, cases);
  }
  return wrong != 0;
}
