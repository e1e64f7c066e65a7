// Ring 3: Python arrays in, drivers called. Checks every size and index that a kernel relies on; no arithmetic here.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/array.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <bit>
#include <stdexcept>

#include "baseline.hpp"
#include "dispatch.hpp"
#include "driver.hpp"

namespace nb = nanobind;

namespace {

using Pair = std::array<std::int64_t, 2>;
template <class T, int DIMENSIONS>
using In = nb::ndarray<const T, nb::ndim<DIMENSIONS>, nb::c_contig, nb::device::cpu>;
using Bytes = nb::ndarray<nb::ro, nb::ndim<4>, nb::device::cpu>;
using Out = nb::ndarray<nb::ndim<4>, nb::c_contig, nb::device::cpu>;

void require(bool condition, const char* message) {
  if (!condition) throw std::invalid_argument(message);
}

// Walk of a convolution over its input, without the input's sizes.
struct Window {
  Pair kernel, stride, origin, dilation;
  std::uint8_t pad;
};

// What becomes of the accumulators of a group of filters.
struct Finish {
  In<std::int32_t, 1> filters, constant;
  In<float, 1> scale;
  float inverse, zero_point, low, high;
  Out out;
};

hawx::Codes parse_codes(const Bytes& x) {
  const bool is_signed = x.dtype() == nb::dtype<std::int8_t>();
  require(is_signed || x.dtype() == nb::dtype<std::uint8_t>(), "codes: expected int8 or uint8");
  return {static_cast<const std::uint8_t*>(x.data()), {x.stride(0), x.stride(1), x.stride(2), x.stride(3)}, static_cast<std::uint8_t>(is_signed ? 128 : 0)};
}

constexpr std::int64_t kMostTaps = 1 << 16, kMostChannels = 1 << 24, kMostProducts = 1024, kMostField = std::int64_t{1} << 31;

void check_window(const Window& w) {
  for (int i = 0; i < 2; ++i) {
    require(w.kernel[i] >= 1 && w.stride[i] >= 1 && w.dilation[i] >= 1 && w.origin[i] >= 0, "window: expected positive sizes");
    require(w.kernel[i] < 1 << 12 && w.stride[i] < 1 << 12 && w.dilation[i] < 1 << 12 && w.origin[i] < 1 << 12, "window: sizes are too large");
  }
  require(w.kernel[0] * w.kernel[1] <= kMostTaps, "window: expected at most 65536 positions");
}

hawx::Shape parse_shape(const Bytes& x, const Window& w, const Pair& out) {
  check_window(w);
  for (int i = 0; i < 2; ++i) require(out[i] >= 1 && out[i] < 1 << 20, "out: expected 1..1048575 rows and columns");
  const auto size = [&](int i) { return static_cast<std::int64_t>(x.shape(i)); };
  require(size(1) >= 1 && size(2) >= 1 && size(3) >= 1, "codes: expected non-empty images");
  require(size(1) < kMostChannels && size(2) < 1 << 20 && size(3) < 1 << 20, "codes: expected fewer than 16777216 channels and 1048576 rows and columns");
  return {size(0), size(1), size(2), size(3), {w.kernel[0], w.kernel[1]}, {w.stride[0], w.stride[1]}, {w.origin[0], w.origin[1]},
          {w.dilation[0], w.dilation[1]}, {out[0], out[1]}, w.pad};
}

struct Job {
  hawx::Shape shape;
  hawx::Codes codes;
  hawx::Epilogue epilogue;
  int filters;
};

Job parse(const hawx::Kernels& k, const Bytes& x, const Window& window, const Finish& f, int threads) {
  const Out& out = f.out;
  require(hawx::runs_here(k), "kernels: this processor lacks their instructions");
  require(threads >= 1 && threads <= 1024, "threads: expected 1..1024");
  require(out.shape(0) == x.shape(0), "out: expected (N, H', W', O)");
  const auto count = f.filters.shape(0);
  require(count >= 1 && count <= out.shape(3) && f.constant.shape(0) == count && f.scale.shape(0) == count, "filters: expected one constant and scale each");
  for (std::size_t i = 0; i < count; ++i)
    require(f.filters.data()[i] >= 0 && f.filters.data()[i] < static_cast<std::int64_t>(out.shape(3)), "filters: index out of range");
  hawx::Output kind;
  if (out.dtype() == nb::dtype<std::int32_t>()) kind = hawx::Output::kAccumulators;
  else if (out.dtype() == nb::dtype<float>()) kind = hawx::Output::kReals;
  else if (out.dtype() == nb::dtype<std::int8_t>()) kind = hawx::Output::kSigned;
  else if (out.dtype() == nb::dtype<std::uint8_t>()) kind = hawx::Output::kUnsigned;
  else throw std::invalid_argument("out: expected int32, float32, int8 or uint8");
  if (kind == hawx::Output::kSigned) require(f.low >= -128 && f.high <= 127, "out: range does not fit int8");
  if (kind == hawx::Output::kUnsigned) require(f.low >= 0 && f.high <= 255, "out: range does not fit uint8");
  Job job{parse_shape(x, window, {static_cast<std::int64_t>(out.shape(1)), static_cast<std::int64_t>(out.shape(2))}), parse_codes(x),
          {kind, static_cast<std::int64_t>(out.shape(3)), f.filters.data(), f.constant.data(), f.scale.data(), f.inverse, f.zero_point, f.low, f.high, const_cast<void*>(out.data())},
          static_cast<int>(count)};
  hawx::skip_unread(job.shape, job.codes);
  return job;
}

template <class T>
hawx::Map<T> parse_map(const In<T, 2>& map) {
  require(map.shape(0) == hawx::kCodes && map.shape(1) >= 1 && map.shape(1) <= 1024, "map: expected (256, products)");
  hawx::Map<T> parsed{map.data(), static_cast<int>(map.shape(1)), map.shape(1) == 1, static_cast<T>(-map.data()[0])};
  for (int i = 0; parsed.identity && i < hawx::kCodes; ++i) parsed.identity = map.data()[i] == i - parsed.zero;
  return parsed;
}

using Rows = In<std::uint16_t, 2>;
using Planes = In<std::uint8_t, 2>;

hawx::Tables parse_tables(const std::vector<Rows>& rows, const std::vector<Planes>& planes, const In<std::int32_t, 1>& of, int filters) {
  require(!rows.empty() && rows.size() == planes.size(), "tables: expected rows and planes of each");
  hawx::Tables parsed{{}, of.data()};
  for (std::size_t i = 0; i < rows.size(); ++i) {
    require(rows[i].shape(0) == hawx::kCodes && rows[i].shape(1) == hawx::kCodes, "rows: expected (256, 256)");
    require(planes[i].shape(0) == hawx::kCodes && planes[i].shape(1) == 2 * hawx::kCodes, "planes: expected (256, 512)");
    parsed.tables.push_back({rows[i].data(), planes[i].data()});
  }
  require(static_cast<int>(of.shape(0)) == filters, "tables: expected one index per filter");
  for (int i = 0; i < filters; ++i) require(of.data()[i] >= 0 && of.data()[i] < static_cast<std::int64_t>(rows.size()), "tables: index out of range");
  return parsed;
}

// What one output row reads is laid out at once: a window may not reach over more than memory holds.
void check_reach(const Job& job, std::int64_t bytes) {
  const hawx::Shape& s = job.shape;
  const auto rows = (s.kernel[0] - 1) * s.dilation[0] + 1, columns = (s.out[1] - 1) * s.stride[1] + (s.kernel[1] - 1) * s.dilation[1] + 1;
  require(rows * columns <= kMostField / (bytes * s.channels), "window: reaches over more than 2 GB of operands");
}

void check_channels(const In<std::int32_t, 1>& channels, const Job& job) {
  require(static_cast<int>(channels.shape(0)) == job.filters, "channels: expected one per filter");
  for (int i = 0; i < job.filters; ++i) require(channels.data()[i] >= 0 && channels.data()[i] < job.shape.channels, "channels: index out of range");
}

template <class T>
void conv_factored(const hawx::Kernels& k, const Bytes& x, const Window& window, const In<T, 2>& map, const In<hawx::Weight<T>, 1>& panels, const Finish& finish, int threads) {
  const Job job = parse(k, x, window, finish, threads);
  const auto parsed = parse_map<T>(map);
  check_reach(job, parsed.products * sizeof(T));
  require(sizeof(T) > 1 || k.gemm_bytes != nullptr, "map: this target has no dot product of bytes");
  require(static_cast<std::int64_t>(panels.shape(0)) == hawx::panel_size<T>(k, job.shape, parsed.products, job.filters), "panels: packed for another shape or target");
  const nb::gil_scoped_release release;
  hawx::conv_factored(k, job.shape, job.codes, parsed, panels.data(), job.filters, job.epilogue, threads);
}

void conv_residual(const hawx::Kernels& k, const Bytes& x, const Window& window, const In<std::uint8_t, 2>& map, const In<std::int8_t, 1>& panels,
                   const In<std::uint8_t, 1>& class_map, const In<std::uint8_t, 3>& tables, const In<std::uint8_t, 3>& weights, int group, int unit, int longest,
                   const Finish& finish, int threads) {
  const Job job = parse(k, x, window, finish, threads);
  const auto parsed = parse_map<std::uint8_t>(map);
  check_reach(job, parsed.products);
  require(k.gemm_bytes != nullptr, "map: this target has no dot product of bytes");
  require(static_cast<std::int64_t>(panels.shape(0)) == hawx::panel_size<std::uint8_t>(k, job.shape, parsed.products, job.filters),
          "panels: packed for another shape or target");
  const auto count = tables.shape(0), width = tables.shape(1);
  require(count >= 4 && count <= 256 && std::has_single_bit(count) && (width == 1 || width == 2) && tables.shape(2) == hawx::kCodes,
          "tables: expected 4, 8, 16 … 256 classes of one or two bytes of 256 entries");
  const unsigned scale = hawx::class_scale(static_cast<int>(count));
  require(class_map.shape(0) == hawx::kCodes, "classes: expected 256");
  for (int i = 0; i < hawx::kCodes; ++i)
    require(class_map.data()[i] % scale == 0 && class_map.data()[i] / scale < count, "classes: expected the scaled class of every code");
  require(static_cast<std::int64_t>(weights.shape(0)) == (job.filters + hawx::kClassColumns - 1) / hawx::kClassColumns && weights.shape(2) == hawx::kClassColumns &&
              static_cast<std::int64_t>(weights.shape(1)) == job.shape.taps() * job.shape.channels,
          "weights: expected (filters / 64, positions, 64)");
  require(group >= 1 && group <= 8 && (width == 1 || group == 4) && longest >= group && longest % group == 0,
          "group: expected 1 to 8, or 4 for wide entries, and a multiple of it");
  require(unit >= 1 && unit < 1 << 15, "unit: expected 15 bits");
  const hawx::Classes classes{class_map.data(), tables.data(), static_cast<int>(count), static_cast<int>(width), group, unit, longest};
  const nb::gil_scoped_release release;
  hawx::conv_residual(k, job.shape, job.codes, parsed, panels.data(), classes, weights.data(), job.filters, job.epilogue, threads);
}

void conv_table(const hawx::Kernels& k, const Bytes& x, const Window& window, const std::vector<Rows>& rows, const std::vector<Planes>& planes, const In<std::int32_t, 1>& of,
                const In<std::uint8_t, 2>& weights, bool stationary, const Finish& finish, int threads) {
  const Job job = parse(k, x, window, finish, threads);
  const auto tables = parse_tables(rows, planes, of, job.filters);
  check_reach(job, 1);
  require(static_cast<int>(weights.shape(0)) == job.filters, "weights: expected one row per filter");
  require(static_cast<std::int64_t>(weights.shape(1)) == job.shape.taps() * job.shape.channels, "weights: expected kernel positions times channels");
  const nb::gil_scoped_release release;
  const auto run = stationary ? hawx::conv_lookup : hawx::conv_table;
  run(k, job.shape, job.codes, tables, weights.data(), job.filters, job.epilogue, threads);
}

void depthwise_factored(const hawx::Kernels& k, const Bytes& x, const Window& window, const In<std::int16_t, 2>& map, const In<std::int16_t, 2>& weights,
                        const In<std::int32_t, 1>& channels, const Finish& finish, int threads) {
  const Job job = parse(k, x, window, finish, threads);
  const auto parsed = parse_map<std::int16_t>(map);
  check_reach(job, parsed.products * 2);
  check_channels(channels, job);
  require(parsed.products % 2 == 0, "map: expected an even number of products");
  require(static_cast<std::int64_t>(weights.shape(0)) == job.shape.taps(), "weights: expected one row per kernel position");
  const auto used = std::size_t(job.filters) * parsed.products;
  require(weights.shape(1) % hawx::kDepthwiseColumns == 0 && weights.shape(1) >= used && weights.shape(1) < used + hawx::kDepthwiseColumns,
          "weights: expected filters * products columns, rounded up to 32");
  const nb::gil_scoped_release release;
  hawx::depthwise_factored(k, job.shape, job.codes, parsed, weights.data(), channels.data(), job.filters, job.epilogue, threads);
}

void depthwise_lookup(const hawx::Kernels& k, const Bytes& x, const Window& window, const std::vector<Rows>& rows, const std::vector<Planes>& planes, const In<std::int32_t, 1>& of,
                      const In<std::uint8_t, 2>& weights, const In<std::int32_t, 1>& channels, const Finish& finish, int threads) {
  const Job job = parse(k, x, window, finish, threads);
  const auto tables = parse_tables(rows, planes, of, job.filters);
  check_reach(job, 1);
  check_channels(channels, job);
  require(static_cast<int>(weights.shape(0)) == job.filters && static_cast<std::int64_t>(weights.shape(1)) == job.shape.taps(), "weights: expected (filters, positions)");
  const nb::gil_scoped_release release;
  hawx::depthwise_lookup(k, job.shape, job.codes, tables, weights.data(), channels.data(), job.filters, job.epilogue, threads);
}

// Shape of which only what decides the panels' layout is known.
hawx::Shape packing_shape(const Window& w, std::int64_t channels) {
  return {1, channels, 1, 1, {w.kernel[0], w.kernel[1]}, {1, 1}, {0, 0}, {w.dilation[0], w.dilation[1]}, {1, 1}, 0};
}

std::int64_t panel_size(const hawx::Kernels& k, const Window& window, std::int64_t channels, int products, int filters, bool bytes) {
  check_window(window);
  require(channels >= 1 && products >= 1 && filters >= 1, "panels: expected positive sizes");
  require(channels < kMostChannels && products <= kMostProducts && filters < kMostChannels, "panels: sizes are too large");
  const auto size = bytes ? hawx::panel_size<std::uint8_t> : hawx::panel_size<std::int16_t>;
  return size(k, packing_shape(window, channels), products, filters);
}

template <class T>
void pack(const hawx::Kernels& k, const Window& window, std::int64_t channels, int products, const In<hawx::Weight<T>, 2>& factors,
          nb::ndarray<hawx::Weight<T>, nb::ndim<1>, nb::c_contig, nb::device::cpu> panels) {
  const int filters = static_cast<int>(factors.shape(0));
  require(static_cast<std::int64_t>(panels.shape(0)) == panel_size(k, window, channels, products, filters, sizeof(T) == 1), "panels: wrong size");
  require(static_cast<std::int64_t>(factors.shape(1)) == window.kernel[0] * window.kernel[1] * channels * products, "factors: wrong size");
  const nb::gil_scoped_release release;
  hawx::pack<T>(k, packing_shape(window, channels), products, factors.data(), filters, panels.data());
}

void gather_gemm(const In<std::uint8_t, 2>& a, const In<std::uint8_t, 2>& w, const In<std::int32_t, 2>& table, nb::ndarray<std::int32_t, nb::ndim<2>, nb::c_contig, nb::device::cpu> out) {
  require(a.shape(1) == w.shape(1) && out.shape(0) == a.shape(0) && out.shape(1) == w.shape(0), "gather: shapes do not fit");
  require(table.shape(0) == hawx::kCodes && table.shape(1) == hawx::kCodes, "table: expected (256, 256)");
  require(hawx::gather_available(), "gather: needs AVX2");
  const nb::gil_scoped_release release;
  hawx::gather_gemm(a.data(), w.data(), table.data(), out.data(), a.shape(0), w.shape(0), a.shape(1));
}

}  // namespace

NB_MODULE(_native, m) {
  // No array is converted: a copy of another type would hide a mistake, and what is written into a copy is lost.
  nb::set_leak_warnings(false);  // packed weights are cached for the life of the process, on threads that may outlive the interpreter's last collection
  m.doc() = "HAWX kernels: exact integer convolutions under approximate products. Use hawx.emulate, not this module.";
  nb::class_<Window>(m, "Window")
      .def(nb::init<Pair, Pair, Pair, Pair, std::uint8_t>(), nb::kw_only(), nb::arg("kernel"), nb::arg("stride"), nb::arg("origin"), nb::arg("dilation"), nb::arg("pad"));
  nb::class_<Finish>(m, "Finish")
      .def(nb::init<In<std::int32_t, 1>, In<std::int32_t, 1>, In<float, 1>, float, float, float, float, Out>(), nb::kw_only(), nb::arg("filters").noconvert(),
           nb::arg("constant").noconvert(), nb::arg("scale").noconvert(), nb::arg("inverse"), nb::arg("zero_point"), nb::arg("low"), nb::arg("high"), nb::arg("out").noconvert());
  m.attr("CLASS_COLUMNS") = hawx::kClassColumns;
  m.attr("DEPTHWISE_COLUMNS") = hawx::kDepthwiseColumns;
  m.attr("TABLE_PIXELS") = hawx::kTablePixels;
  nb::class_<hawx::Kernels> kernels(m, "Kernels", "The kernels of one tier: a set of instructions that processors have or lack.");
  kernels.def_ro("name", &hawx::Kernels::name)
      .def_ro("gemm_columns", &hawx::Kernels::gemm_columns)
      .def_ro("table_columns", &hawx::Kernels::table_columns)
      .def_prop_ro("runs_here", &hawx::runs_here)
      .def_prop_ro("has_byte_products", [](const hawx::Kernels& k) { return k.gemm_bytes != nullptr; })
      .def("panel_size", &panel_size, nb::arg("window"), nb::arg("channels"), nb::arg("products"), nb::arg("filters"), nb::arg("bytes"));
  const auto def_factored = [&]<class T>(T) {
    kernels.def("pack", &pack<T>, nb::arg("window"), nb::arg("channels"), nb::arg("products"), nb::arg("factors").noconvert(), nb::arg("panels").noconvert());
    kernels.def("conv_factored", &conv_factored<T>, nb::arg("codes"), nb::arg("window"), nb::arg("map").noconvert(), nb::arg("panels").noconvert(), nb::arg("finish"),
                nb::arg("threads"));
  };
  def_factored(std::int16_t{});
  def_factored(std::uint8_t{});
  kernels.def("conv_residual", &conv_residual, nb::arg("codes"), nb::arg("window"), nb::arg("map").noconvert(), nb::arg("panels").noconvert(), nb::arg("classes").noconvert(),
              nb::arg("tables").noconvert(), nb::arg("weights").noconvert(), nb::arg("group"), nb::arg("unit"), nb::arg("longest"), nb::arg("finish"), nb::arg("threads"));
  kernels.def("conv_table", &conv_table, nb::arg("codes"), nb::arg("window"), nb::arg("rows").noconvert(), nb::arg("planes").noconvert(), nb::arg("of").noconvert(),
              nb::arg("weights").noconvert(), nb::arg("stationary"), nb::arg("finish"), nb::arg("threads"));
  kernels.def("depthwise_factored", &depthwise_factored, nb::arg("codes"), nb::arg("window"), nb::arg("map").noconvert(), nb::arg("weights").noconvert(), nb::arg("channels").noconvert(),
              nb::arg("finish"), nb::arg("threads"));
  kernels.def("depthwise_lookup", &depthwise_lookup, nb::arg("codes"), nb::arg("window"), nb::arg("rows").noconvert(), nb::arg("planes").noconvert(), nb::arg("of").noconvert(),
              nb::arg("weights").noconvert(), nb::arg("channels").noconvert(), nb::arg("finish"), nb::arg("threads"));
  m.def("tiers", &hawx::tiers, nb::rv_policy::reference, "All tiers that were compiled, worst first.");
  m.def("gather_available", &hawx::gather_available);
  m.def("gather_gemm", &gather_gemm, nb::arg("a").noconvert(), nb::arg("w").noconvert(), nb::arg("table").noconvert(), nb::arg("out").noconvert());
}
