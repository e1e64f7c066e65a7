// Target regions: the functions between BEGIN and END may use an instruction set that the rest of the file may not.
#pragma once
#define HAWX_PRAGMA(text) _Pragma(#text)
#if defined(HAWX_SIMDE)  // tests emulate the instructions
#define HAWX_BEGIN_TARGET(isa)
#define HAWX_END_TARGET
#elif defined(__clang__)
#define HAWX_BEGIN_TARGET(isa) HAWX_PRAGMA(clang attribute push(__attribute__((target(isa))), apply_to = function))
#define HAWX_END_TARGET HAWX_PRAGMA(clang attribute pop)
#else
#define HAWX_BEGIN_TARGET(isa) HAWX_PRAGMA(GCC push_options) HAWX_PRAGMA(GCC target(isa))
#define HAWX_END_TARGET HAWX_PRAGMA(GCC pop_options)
#endif
