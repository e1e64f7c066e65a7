#include "tail.hpp"

#include <algorithm>
#include <numeric>

namespace hawx {
namespace {

constexpr int kGroups = 8;    // row groups of the GEMM per block: about 48 pairs, whose operands fit the second-level cache many times
constexpr int kFinish = 32;   // columns that one call of `finish` takes, on every tier at least
constexpr int kSlack = 64;    // elements that kernels may read beyond the last

std::int64_t round_up(std::int64_t n, std::int64_t to) { return (n + to - 1) / to * to; }

// Weights as `gemm` takes them: panel of `columns` filters, [pair][column][2], padded with zeros.
std::vector<std::int16_t> pack(const Dense& d, int columns) {
  const std::int64_t width = round_up(d.inputs, 2);
  std::vector<std::int16_t> panels(round_up(d.outputs, columns) * width + kSlack);
  for (std::int64_t o = 0; o < d.outputs; ++o)
    for (std::int64_t k = 0; k < d.inputs; ++k)
      panels[o / columns * columns * width + (k / 2 * columns + o % columns) * 2 + k % 2] = d.weight[o * d.inputs + k];
  return panels;
}

// One block of pairs on its way through the layers.
class Block {
 public:
  Block(const Kernels& k, const Tail& tail) : k_(k), tail_(tail), rows_(kGroups * k.gemm_rows) {
    std::int64_t widest = tail.channels;
    for (const Dense& d : tail.dense) {
      widest = std::max({widest, d.inputs, d.outputs});
      panels_.push_back(pack(d, k.gemm_columns));
    }
    filters_.resize(widest + kSlack);
    std::iota(filters_.begin(), filters_.end(), 0);
    zeros_.resize(widest + kSlack);
    sums_.resize(rows_ * tail.channels + kSlack);
    codes_.resize(rows_ * widest + kSlack);
    operands_.resize(rows_ * round_up(widest, 2) + kSlack);
    panel_sums_.resize(rows_ * k.gemm_columns + kSlack);
    logits_.resize(rows_ * tail.dense.back().outputs + kSlack);
    pointers_.resize(k.gemm_rows);
  }

  int rows() const { return rows_; }
  std::int32_t* sums(int row) { return sums_.data() + row * tail_.channels; }

  // Logits, [row][class], of the sums that were written for the first `count` rows.
  const float* logits(int count) {
    requantize(count);
    for (std::size_t l = 0; l < tail_.dense.size(); ++l) multiply(l, count);
    return logits_.data();
  }

 private:
  void requantize(int count) {
    const auto channels = static_cast<int>(tail_.channels);
    for (int c = 0; c < channels; c += kFinish) finish(sums_.data() + c, channels, count, c, std::min(kFinish, channels - c), 0, zeros_.data());
    widen(count, channels);
  }

  void multiply(std::size_t layer, int count) {
    const Dense& d = tail_.dense[layer];
    const std::int64_t width = round_up(d.inputs, 2);
    const Piece piece{0, static_cast<int>(width / 2)};
    const auto panels = reinterpret_cast<const std::byte*>(panels_[layer].data());
    for (std::int64_t column = 0; column < d.outputs; column += k_.gemm_columns) {
      for (int row = 0; row < count; row += k_.gemm_rows) {
        for (int r = 0; r < k_.gemm_rows; ++r) pointers_[r] = reinterpret_cast<const std::byte*>(operands_.data() + (row + r) * width);
        k_.gemm(pointers_.data(), &piece, 1, panels + column * width * sizeof(std::int16_t), panel_sums_.data() + std::int64_t(row) * k_.gemm_columns, false);
      }
      const int columns = static_cast<int>(std::min<std::int64_t>(k_.gemm_columns, d.outputs - column));
      finish(panel_sums_.data(), k_.gemm_columns, count, static_cast<int>(column), columns, layer + 1, d.constant);
    }
    if (layer + 1 < tail_.dense.size()) widen(count, d.outputs);
  }

  // `stage` counts the requantizations; the one after the last is that of the logits.
  void finish(const std::int32_t* acc, int stride, int count, int column, int columns, std::size_t stage, const std::int32_t* constant) {
    Epilogue e{};
    e.filters = filters_.data();
    e.constant = constant;
    if (stage == tail_.codes.size()) {
      e.kind = Output::kReals;
      e.channels = tail_.dense.back().outputs;
      e.scale = tail_.logit_scale;
      e.out = logits_.data();
    } else {
      const Requantization& q = tail_.codes[stage];
      e.kind = q.low < 0 ? Output::kSigned : Output::kUnsigned;
      e.channels = stage == 0 ? tail_.channels : tail_.dense[stage - 1].outputs;
      e.scale = q.scale;
      e.inverse = q.inverse;
      e.zero_point = q.zero_point;
      e.low = q.low;
      e.high = q.high;
      e.out = codes_.data();
      is_signed_ = q.low < 0;
    }
    k_.finish(acc, stride, 0, count, column, columns, e);
  }

  void widen(int count, std::int64_t channels) {
    const std::int64_t width = round_up(channels, 2);
    for (int r = 0; r < count; ++r) {
      const std::uint8_t* from = codes_.data() + r * channels;
      std::int16_t* to = operands_.data() + r * width;
      if (is_signed_)
        for (std::int64_t c = 0; c < channels; ++c) to[c] = static_cast<std::int8_t>(from[c]);
      else
        for (std::int64_t c = 0; c < channels; ++c) to[c] = from[c];
      if (width != channels) to[channels] = 0;
    }
  }

  const Kernels& k_;
  const Tail& tail_;
  const int rows_;
  bool is_signed_ = false;
  std::vector<std::vector<std::int16_t>> panels_;
  std::vector<std::int32_t> filters_, zeros_, sums_, panel_sums_;
  std::vector<std::uint8_t> codes_;
  std::vector<std::int16_t> operands_;
  std::vector<float> logits_;
  std::vector<const std::byte*> pointers_;
};

bool is_first_greatest(const float* logits, std::int64_t classes, std::int64_t label) {
  bool greatest = true;
  for (std::int64_t c = 0; c < label; ++c) greatest &= logits[c] < logits[label];
  for (std::int64_t c = label + 1; c < classes; ++c) greatest &= logits[c] <= logits[label];
  return greatest;
}

}  // namespace

void count_correct(const Kernels& k, const std::int32_t* high, std::int64_t highs, const std::int32_t* low, std::int64_t lows, const Tail& tail,
                   std::int64_t label, std::uint16_t* counts) {
  Block block(k, tail);
  const std::int64_t classes = tail.dense.back().outputs, pairs = highs * lows;
  for (std::int64_t start = 0; start < pairs; start += block.rows()) {
    const int count = static_cast<int>(std::min<std::int64_t>(block.rows(), pairs - start));
    for (int r = 0; r < count; ++r) {
      const std::int32_t* x = high + (start + r) / lows * tail.channels;
      const std::int32_t* y = low + (start + r) % lows * tail.channels;
      std::int32_t* sum = block.sums(r);
      for (std::int64_t c = 0; c < tail.channels; ++c) sum[c] = x[c] + y[c];
    }
    const float* logits = block.logits(count);
    for (int r = 0; r < count; ++r) counts[start + r] += is_first_greatest(logits + r * classes, classes, label);
  }
}

}  // namespace hawx
