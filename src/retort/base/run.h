// One run: its recipe, its folder, its seed, its log. Everything that a method does happens inside one.
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "retort/base/checkpoint.h"
#include "retort/base/process_group.h"
#include "retort/base/random.h"
#include "retort/base/recipe.h"

namespace retort {

// A folder that one process at a time may write. Throws StorageError (not writable), ConfigError (in use, or holds another run).
class RunFolder {
 public:
  // `resume`: the folder may hold a run of the same `identity` (a digest of what the run computes); otherwise it must be new, or empty.
  RunFolder(std::string path, bool resume, const std::string& identity);
  ~RunFolder();
  RunFolder(const RunFolder&) = delete;
  RunFolder& operator=(const RunFolder&) = delete;
  const std::string& path() const { return path_; }
  std::string file(const std::string& name) const;  // path of a file inside; folders on the way are made
  void write(const std::string& name, std::string_view bytes) const;
  void write_json(const std::string& name, const nlohmann::json& value) const;

 private:
  void remove_parts() const;
  std::string path_;
  int lock_ = -1;
};

std::string run_identity(const std::string& folder);  // of the run in a folder, "" when it holds none; throws DataError

// metrics.jsonl: one JSON object a line, {"phase":…, "step":…, …}. On resume it is cut back to the length that the checkpoint recorded.
class MetricsLog {
 public:
  explicit MetricsLog(std::string path);
  ~MetricsLog();
  MetricsLog(const MetricsLog&) = delete;
  MetricsLog& operator=(const MetricsLog&) = delete;
  void add(const nlohmann::json& row);
  int64_t length();          // bytes on disk after a flush
  void cut(int64_t length);  // forget what was written after that length

 private:
  std::string path_;
  int file_ = -1;
  int64_t length_ = 0;
  std::string pending_;
  std::chrono::steady_clock::time_point flushed_;
  void flush();
};

// Top-level keys and [run].
struct RunKnobs {
  std::string method, name;
  int64_t seed = 0;
  void describe(Knobs& knobs) {
    knobs("method", method, "the method to run: an id of `retort methods`");
    knobs("name", name, "name of the run; the recipe's file name when empty");
    knobs("seed", seed, "every random stream of the run derives from it", at_least(0));
  }
};
struct RunFolderKnobs {
  std::string dir, cache = ".cache/retort", device = "auto";
  int64_t threads = 0, max_steps = 0, jobs = 0;
  double checkpoint_seconds = 30;
  bool latency = true;
  void describe(Knobs& knobs) {
    knobs("dir", dir, "run folder; runs/<date>-<name> when empty");
    knobs("cache", cache, "folder of things worth keeping between runs, such as trained teachers; empty for none");
    knobs("device", device, "auto, cpu, cuda or cuda:N");
    knobs("threads", threads, "threads of tensor operations; 0 lets the size of the work decide", at_least(0));
    knobs("max_steps", max_steps, "stop every training after so many steps, for smoke tests; 0 for no limit", at_least(0));
    knobs("jobs", jobs, "runs at the same time, of methods that make many (studies); 0: one after the other in this process", at_least(0));
    knobs("checkpoint_seconds", checkpoint_seconds, "seconds between checkpoints; 0 writes one at every step", at_least(0));
    knobs("latency", latency, "measure the time an image takes");
  }
};

// What a finished run says: the numbers that proofs compare, the table and the panels of the report (docs/formats.md, run.json).
struct Outcome {
  std::map<std::string, double> metrics;
  nlohmann::json table = nlohmann::json::object();
  nlohmann::json panels = nlohmann::json::array();
  nlohmann::json data = nlohmann::json::object();
};

// Only the leader of a process group writes: on the other ranks `folder` and `log` are null, and the functions below do nothing.
struct Run {
  Recipe recipe;
  RunKnobs settings;
  RunFolderKnobs place;
  ProcessGroup group;
  Seed seed;
  at::Device device = at::kCPU;
  std::string dir;  // path of the run folder, on every rank
  std::unique_ptr<RunFolder> folder;
  std::unique_ptr<MetricsLog> log;
  bool resume = false;  // after open(): whether there is something to go on with
  bool quiet = false;
  Outcome outcome;
  int64_t log_mark = 0;  // length of the log at the end of the last finished phase

  // Reads the top level and [run] of the recipe; opens nothing yet, so that a bad recipe leaves nothing behind.
  explicit Run(Recipe recipe, bool resume = false);
  // Checks that every key was read, makes (or re-opens) the folder, locks it, writes recipe.toml and a run.json with status "running".
  // Call when all sections are read. Resuming re-opens run.dir; without one the folder that the recipe lies in, or the newest
  // runs/<date>-<name> of the same recipe; where there is none, a new run begins.
  void open();
  // Writes run.json from `outcome`, with versions and timings. Other ends: "interrupted", "failed".
  void finish(const std::string& status = "finished");

  std::string file(const std::string& name) const;  // path inside the folder; every rank may read it
  void write(const std::string& name, std::string_view bytes) const;
  void write_json(const std::string& name, const nlohmann::json& value) const;
  void save(const std::string& name, const State& state) const;
  void log_row(const nlohmann::json& row);

 private:
  void open_folder();
  void write_facts(const std::string& status) const;
  std::chrono::steady_clock::time_point started_ = std::chrono::steady_clock::now();
  double cpu_before_ = 0;
  nlohmann::json before_ = nlohmann::json::object();  // run.json of the run that this one goes on with
  std::string begun_, identity_;
};

}  // namespace retort
