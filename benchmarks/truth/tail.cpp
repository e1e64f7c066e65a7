// Correct answers of all pairs of partial sums: a design's first accumulators are `high[i] + low[j]`. The dense layers behind them are run for a few
// pairs at once, in registers and the nearest cache; only the counts leave. Compiled on demand by native.py, for this processor.
#include <algorithm>
#include <cstdint>
#include <vector>

namespace {

constexpr int kRows = 6, kLanes = 16, kColumns = 2 * kLanes;
using Vector [[gnu::vector_size(kLanes * sizeof(float)), gnu::aligned(4)]] = float;

}  // namespace

// A requantization and the dense layer after it. All sums are integers below 2^24: exact in float32, in any order.
struct Layer {
  std::int64_t inputs, columns;  // columns: the outputs, rounded up to kColumns
  float inverse, zero_point, low, high;
  const float* scale;     // [inputs]
  const float* weight;    // [inputs][columns]
  const float* constant;  // [columns]
};

namespace {

void requantize(const Layer& l, const float* sums, float* codes) {
  for (std::int64_t c = 0; c < l.inputs; ++c) codes[c] = std::clamp(__builtin_rintf(sums[c] * l.scale[c] * l.inverse) + l.zero_point, l.low, l.high);
}

// sums[row][columns] = constant + codes[row] · weight, for kRows rows that are `stride` apart.
void multiply(const Layer& l, const float* codes, float* sums, std::int64_t stride) {
  for (std::int64_t column = 0; column < l.columns; column += kColumns) {
    const auto at = [column](const float* row, int half) { return *reinterpret_cast<const Vector*>(row + column + half * kLanes); };
    Vector sum[kRows][2];
    for (auto& row : sum) row[0] = at(l.constant, 0), row[1] = at(l.constant, 1);
    for (std::int64_t k = 0; k < l.inputs; ++k) {
      const Vector w[2] = {at(l.weight + k * l.columns, 0), at(l.weight + k * l.columns, 1)};
      for (int r = 0; r < kRows; ++r)
        for (int half = 0; half < 2; ++half) sum[r][half] += codes[r * stride + k] * w[half];
    }
    for (int r = 0; r < kRows; ++r)
      for (int half = 0; half < 2; ++half) *reinterpret_cast<Vector*>(sums + r * stride + column + half * kLanes) = sum[r][half];
  }
}

// Whether the greatest logit, the first among equals, is that of `label`.
bool is_right(const float* logits, std::int64_t classes, std::int64_t label) { return std::max_element(logits, logits + classes) - logits == label; }

}  // namespace

// counts[i * lows + j] += 1 where the pair's answer is `label`. `high` and `low` have a row of `layers[0].inputs` sums each.
extern "C" void count_correct(const std::int32_t* high, std::int64_t highs, const std::int32_t* low, std::int64_t lows, const Layer* layers,
                              std::int64_t count, const float* logit_scale, std::int64_t classes, std::int64_t label, std::uint16_t* counts) {
  const std::int64_t channels = layers[0].inputs, pairs = highs * lows;
  std::int64_t stride = channels;
  for (std::int64_t l = 0; l < count; ++l) stride = std::max(stride, layers[l].columns);
  std::vector<float> sums(kRows * stride), codes(kRows * stride);
  for (std::int64_t start = 0; start < pairs; start += kRows) {
    const std::int64_t rows = std::min<std::int64_t>(kRows, pairs - start);
    for (std::int64_t r = 0; r < rows; ++r) {
      const std::int32_t *x = high + (start + r) / lows * channels, *y = low + (start + r) % lows * channels;
      for (std::int64_t c = 0; c < channels; ++c) sums[r * stride + c] = static_cast<float>(x[c] + y[c]);
    }
    for (const Layer* l = layers; l != layers + count; ++l) {
      for (std::int64_t r = 0; r < rows; ++r) requantize(*l, sums.data() + r * stride, codes.data() + r * stride);
      multiply(*l, codes.data(), sums.data(), stride);
    }
    for (std::int64_t r = 0; r < rows; ++r) {
      float* const logits = sums.data() + r * stride;
      for (std::int64_t c = 0; c < classes; ++c) logits[c] *= logit_scale[c];
      counts[start + r] += is_right(logits, classes, label);
    }
  }
}
