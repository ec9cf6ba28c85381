// Methods run from recipes on a few shipped digits, with a random teacher so that only the student trains.
#pragma once

#include <fstream>

#include "retort/base/file.h"
#include "retort/train/method.h"
#include "tests/support.h"

namespace retort {

inline const char* const kSmallRecipe = R"(
method = "test"
[data]
train = 96
test = 60
[teacher]
kind = "random"
net = "cnn-4-8"
[student]
net = "cnn-3-6"
[train]
epochs = 2
batch = 32
lr = 0.01
[run]
latency = false
threads = 1
)";

class MethodTest : public ::testing::Test {
 protected:
  // Runs the method in a folder of the test; returns what it says.
  Outcome run(const Method& method, const std::string& folder, std::vector<std::string> sets = {}, bool resume = false) {
    sets.push_back("run.dir=" + scratch.file(folder));
    retort::Run run(Recipe::parse(kSmallRecipe, "small.toml", sets), resume);
    run.quiet = true;
    method.run(run);
    run.finish();
    return run.outcome;
  }
  std::string student(const std::string& folder) const { return read_file(scratch.file(folder) + "/student.safetensors"); }
  // Mean of a term over the last six rows that the training logged; NaN when it never was.
  double term(const std::string& folder, const std::string& name) const {
    std::ifstream log(scratch.file(folder) + "/metrics.jsonl");
    std::vector<double> values;
    for (std::string line; std::getline(log, line);) {
      const auto row = nlohmann::json::parse(line);
      if (row.contains("term." + name)) values.push_back(row.at("term." + name));
    }
    const auto last = values.end() - std::min<ptrdiff_t>(6, values.size());
    return std::accumulate(last, values.end(), 0.0) / static_cast<double>(values.end() - last);
  }

  Scratch scratch;
};

}  // namespace retort
