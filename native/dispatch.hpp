// Which tier runs: the best that the processor and the operating system support, or the one that was asked for.
#pragma once
#include <string>
#include <vector>

#include "kernels.hpp"

namespace hawx {

// Tiers that can run here, worst first.
const std::vector<const Kernels*>& targets();

// The tier in use: the best, the one that the environment variable HAWX_FORCE_TARGET names, or the last one set by `use_target`.
const Kernels& active_target();

// Throws std::invalid_argument with the names of `targets()` if `name` is none of them. An empty name restores the default.
void use_target(const std::string& name);

}  // namespace hawx
