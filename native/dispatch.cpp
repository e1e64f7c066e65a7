#include "dispatch.hpp"

namespace hawx {

#if defined(__x86_64__)
std::vector<const Kernels*> tiers() { return {&kScalar, &kAvx2, &kAvx512, &kAvx512Vnni}; }

// The compiler's run-time check reads cpuid and XCR0, so a register file that the operating system does not save counts as absent.
bool runs_here(const Kernels& k) {
  if (&k == &kScalar) return true;
  __builtin_cpu_init();
  if (&k == &kAvx2) return __builtin_cpu_supports("avx2");
  const bool avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl");
  return avx512 && (&k == &kAvx512 || (__builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("avx512vbmi")));
}
#else
std::vector<const Kernels*> tiers() { return {&kScalar}; }
bool runs_here(const Kernels&) { return true; }
#endif

}  // namespace hawx
