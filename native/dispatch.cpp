#include "dispatch.hpp"

#include <atomic>
#include <cstdlib>
#include <stdexcept>

namespace hawx {
namespace {

// The compiler's run-time check reads cpuid and XCR0, so a register file that the operating system does not save counts as absent.
std::vector<const Kernels*> detect() {
  std::vector<const Kernels*> found{&kScalar};
#if defined(__x86_64__)
  __builtin_cpu_init();
  const bool avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl");
  if (__builtin_cpu_supports("avx2")) found.push_back(&kAvx2);
  if (avx512) found.push_back(&kAvx512);
  if (avx512 && __builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("avx512vbmi")) found.push_back(&kAvx512Vnni);
#endif
  return found;
}

const Kernels& find(const std::string& name) {
  std::string known;
  for (const Kernels* tier : targets()) {
    if (name == tier->name) return *tier;
    known += (known.empty() ? "" : ", ") + std::string(tier->name);
  }
  throw std::invalid_argument("kernel target '" + name + "' cannot run here; expected one of: " + known + ". Unset HAWX_FORCE_TARGET for the best.");
}

const Kernels& initial() {
  const char* forced = std::getenv("HAWX_FORCE_TARGET");
  return forced != nullptr && *forced != '\0' ? find(forced) : *targets().back();
}

std::atomic<const Kernels*> active{nullptr};

}  // namespace

const std::vector<const Kernels*>& targets() {
  static const auto found = detect();
  return found;
}

const Kernels& active_target() {
  const Kernels* tier = active.load();
  if (tier == nullptr) active.store(tier = &initial());
  return *tier;
}

void use_target(const std::string& name) { active.store(name.empty() ? &initial() : &find(name)); }

}  // namespace hawx
