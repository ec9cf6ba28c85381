// `retort doctor`: what the program stands on here, what is missing, and the command that mends it.
#include <filesystem>
#include <sstream>
#include <thread>

#include <dlfcn.h>
#include <torch/cuda.h>

#include "retort/base/file.h"
#include "retort/base/machine.h"
#include "retort/base/threads.h"
#include "retort/base/version.h"
#include "retort/catalogue/catalogue.h"
#include "retort/catalogue/places.h"
#include "retort/catalogue/text_table.h"
#include "retort/catalogue/version.h"
#include "retort/cli/print.h"
#include "retort/cli/verbs.h"

namespace retort {
namespace {
using nlohmann::json;

struct Advice {
  std::string problem, command;
};

struct Findings {
  json facts = json::object();
  std::vector<TableRow> rows;
  std::vector<Advice> advice;

  void fact(const std::string& name, const std::string& value) {
    facts[name] = value;
    rows.push_back({name, value});
  }
};

// How OpenBLAS was built; its own functions say so.
std::string openblas_threading() {
  const auto parallel = reinterpret_cast<int (*)()>(dlsym(RTLD_DEFAULT, "openblas_get_parallel"));
  if (!parallel) return {};
  return parallel() == 2 ? "OpenMP" : parallel() == 1 ? "pthreads" : "one thread";
}

void look_at_blas(Findings& found) {
  const Blas blas = blas_in_use();
  const std::string threading = blas.name == "OpenBLAS" ? openblas_threading() : "";
  found.fact("BLAS", threading.empty() ? blas.name : fmt::format("{} ({})", blas.name, threading));
  found.facts["blas_path"] = blas.path;
  const std::string mend = "apt-get install libopenblas0-openmp";
  if (blas.name == "reference") found.advice.push_back({"libtorch runs on the reference BLAS, 10 to 20 times slower than OpenBLAS", mend});
  if (threading == "pthreads") found.advice.push_back({"this OpenBLAS starts threads of its own, which fight with libtorch's", mend});
}

void look_at_data(Findings& found) {
  std::string here, missing;
  json names = json::object();
  for (const DataEntry& entry : known_data()) {
    names[entry.name] = !entry.found_at.empty();
    std::string& list = entry.found_at.empty() ? missing : here;
    list += (list.empty() ? "" : ", ") + entry.name;
  }
  found.facts["data"] = names;
  found.rows.push_back({"data found", here.empty() ? "none" : here});
  if (!missing.empty()) found.rows.push_back({"data not found", missing + " (`retort data fetch NAME`)"});
}

// Packages of the build that dpkg does not know as installed; asked only where there is a source tree and dpkg.
std::vector<std::string> missing_packages() {
  const std::string list = find_shipped("tools/packages.txt");
  std::error_code failed;
  if (list.empty() || !std::filesystem::exists("/var/lib/dpkg/info", failed)) return {};
  std::vector<std::string> missing;
  std::istringstream lines(read_file(list));
  for (std::string name; std::getline(lines, name);) {
    if (name.empty() || name[0] == '#') continue;
    const std::string plain = "/var/lib/dpkg/info/" + name;
    bool installed = std::filesystem::exists(plain + ".list", failed);
    for (const char* machine : {":amd64", ":arm64"}) installed = installed || std::filesystem::exists(plain + machine + ".list", failed);
    if (!installed) missing.push_back(name);
  }
  return missing;
}

Findings look() {
  Findings found;
  found.fact("retort", kVersion);
  found.fact("libtorch", libtorch_version());
  found.fact("compiler", compiler_version());
  look_at_blas(found);
  found.fact("threads", fmt::format("{} of {} cores", threads_in_use(), std::thread::hardware_concurrency()));
  const auto cuda = torch::cuda::is_available() ? torch::cuda::device_count() : 0;
  found.fact("accelerator", cuda > 0 ? fmt::format("{} CUDA device(s)", cuda) : "none: everything runs on the CPU");
  found.fact("methods", std::to_string(methods().size()));
  look_at_data(found);
  if (const auto missing = missing_packages(); !missing.empty())
    found.advice.push_back({fmt::format("packages that the build needs are missing: {}", fmt::join(missing, ", ")),
                            fmt::format("apt-get install {}", fmt::join(missing, " "))});
  return found;
}

void run(bool as_json) {
  Findings found = look();
  if (as_json) {
    found.facts["advice"] = json::array();
    for (const Advice& advice : found.advice) found.facts["advice"].push_back({{"problem", advice.problem}, {"command", advice.command}});
    return print_json(found.facts);
  }
  std::string text = text_table(found.rows, /*numbers=*/false);
  for (const Advice& advice : found.advice) text += fmt::format("\n! {}\n  mend it: {}\n", advice.problem, advice.command);
  print_text(text + (found.advice.empty() ? "\nnothing is missing\n" : ""));
}

}  // namespace

void add_doctor_verb(CLI::App& app) {
  auto as_json = std::make_shared<bool>(false);
  CLI::App* verb = app.add_subcommand("doctor", "Say what the program stands on here, and what is missing");
  verb->add_flag("--json", *as_json, "print JSON");
  verb->callback([as_json] { run(*as_json); });
}

}  // namespace retort
