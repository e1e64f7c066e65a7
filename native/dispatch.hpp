// Which tiers there are, and which of them run here.
#pragma once
#include <vector>

#include "kernels.hpp"

namespace hawx {

// All that were compiled, worst first.
std::vector<const Kernels*> tiers();

// Whether the processor and the operating system support the tier's instructions.
bool runs_here(const Kernels& k);

}  // namespace hawx
