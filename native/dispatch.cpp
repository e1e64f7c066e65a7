#include "dispatch.hpp"

#include <cstdint>

#if defined(__x86_64__)
#include <cpuid.h>
#endif
#if defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace hawx {

#if defined(__x86_64__)
std::vector<const Kernels*> tiers() { return {&kScalar, &kAvx2, &kAvx512, &kAvx512Vnni, &kAmx}; }

namespace {

// Tiles need the processor's word, the operating system's, and Linux's permission, which is asked for once and lasts for the process.
bool may_use_tiles() {
#if defined(__linux__)
  unsigned a, b, c, d;
  constexpr unsigned tile = 1u << 24, int8 = 1u << 25, osxsave = 1u << 27;
  if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & osxsave)) return false;
  if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || (d & (tile | int8)) != (tile | int8)) return false;
  std::uint32_t saved, high;
  asm("xgetbv" : "=a"(saved), "=d"(high) : "c"(0));
  constexpr std::uint32_t tile_state = 3u << 17;
  if ((saved & tile_state) != tile_state) return false;
  constexpr long request_permission = 0x1023, tile_data = 18;  // ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA
  return syscall(SYS_arch_prctl, request_permission, tile_data) == 0;
#else
  return false;
#endif
}

}  // namespace

// The compiler's run-time check reads cpuid and XCR0, so a register file that the operating system does not save counts as absent.
bool runs_here(const Kernels& k) {
  if (&k == &kScalar) return true;
  __builtin_cpu_init();
  if (&k == &kAvx2) return __builtin_cpu_supports("avx2");
  const bool avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl");
  const bool vnni = avx512 && __builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("avx512vbmi");
  if (&k == &kAmx) {
    static const bool permitted = may_use_tiles();
    return vnni && permitted;
  }
  return avx512 && (&k == &kAvx512 || vnni);
}
#else
std::vector<const Kernels*> tiers() { return {&kScalar}; }
bool runs_here(const Kernels&) { return true; }
#endif

}  // namespace hawx
