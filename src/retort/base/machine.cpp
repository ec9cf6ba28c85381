#include "retort/base/machine.h"

#include <filesystem>

#include <link.h>

#include <ATen/Context.h>
#include <fmt/format.h>
#include <torch/cuda.h>

#include "retort/base/error.h"
#include "retort/base/process_group.h"

namespace retort {

at::Device choose_device(const std::string& text, const std::string& where) {
  if (text == "cpu") return at::kCPU;
  const bool any = text == "auto", one = text == "cuda";
  int64_t index = one || any ? ProcessGroup::local_rank() : -1;
  if (text.rfind("cuda:", 0) == 0 && text.size() > 5 && text.size() < 9 && text.find_first_not_of("0123456789", 5) == std::string::npos)
    index = std::stoll(text.substr(5));
  if (index < 0)
    throw ConfigError(fmt::format("{}: run.device: expected auto, cpu, cuda or cuda:N, received \"{}\"", where, text),
                      "run.device: what tensors live on");
  const auto count = int64_t(torch::cuda::is_available() ? torch::cuda::device_count() : 0);
  if (any) return count > 0 ? at::Device(at::kCUDA, c10::DeviceIndex(index % count)) : at::Device(at::kCPU);
  if (count == 0)
    throw ConfigError(fmt::format("{}: run.device: \"{}\" asks for CUDA, but libtorch finds no CUDA device", where, text),
                      "use device = \"cpu\", or build against a libtorch with CUDA (CMAKE_PREFIX_PATH)");
  if (index >= count)
    throw ConfigError(fmt::format("{}: run.device: \"{}\": there are {} CUDA devices, counted from 0", where, text, count),
                      "choose one that is there");
  return at::Device(at::kCUDA, c10::DeviceIndex(index));
}

std::string libtorch_version() { return TORCH_VERSION; }

Blas blas_in_use() {
  if (at::hasMKL()) return {"MKL", ""};
  std::string path;
  ::dl_iterate_phdr(
      [](dl_phdr_info* info, size_t, void* found) {
        std::error_code ignored;
        const std::string file = std::filesystem::path(info->dlpi_name).filename().string();
        if (file.find("blas") == std::string::npos && file.find("blis") == std::string::npos) return 0;
        *static_cast<std::string*>(found) = std::filesystem::canonical(info->dlpi_name, ignored).string();
        return file.rfind("libblas.", 0) == 0 || file.find("openblas") != std::string::npos ? 1 : 0;
      },
      &path);
  for (auto [mark, name] : {std::pair{"openblas", "OpenBLAS"}, {"blis", "BLIS"}, {"atlas", "ATLAS"}, {"/blas/", "reference"}})
    if (path.find(mark) != std::string::npos) return {name, path};
  return {"unknown", path};
}

}  // namespace retort
