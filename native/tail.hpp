// Ring 2: correct answers of all pairs of partial sums. A design's first accumulators are `high[i] + low[j]`; the dense layers behind them are run
// in one go for a block of pairs that stays in cache, and only the count of correct answers leaves.
#pragma once
#include <vector>

#include "kernels.hpp"

namespace hawx {

// The requantization law towards codes, one scale per channel.
struct Requantization {
  const float* scale;
  float inverse, zero_point, low, high;
};

// acc[o] = constant[o] + sum_k weight[o * inputs + k] * code[k].
struct Dense {
  const std::int16_t* weight;
  const std::int32_t* constant;
  std::int64_t inputs, outputs;
};

struct Tail {
  std::int64_t channels;              // of the given sums
  std::vector<Requantization> codes;  // before each dense layer
  std::vector<Dense> dense;           // one at least; the last gives the logits
  const float* logit_scale;
};

// counts[i * lows + j] += 1 where the greatest logit of the pair (the first among equals) is that of `label`.
void count_correct(const Kernels& k, const std::int32_t* high, std::int64_t highs, const std::int32_t* low, std::int64_t lows, const Tail& tail,
                   std::int64_t label, std::uint16_t* counts);

}  // namespace hawx
