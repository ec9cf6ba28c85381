#include "retort/base/run.h"

#include <ctime>
#include <filesystem>

#include <sys/resource.h>

#include <fmt/format.h>

#include "retort/base/error.h"
#include "retort/base/file.h"
#include "retort/base/machine.h"
#include "retort/base/memory.h"
#include "retort/base/threads.h"
#include "retort/base/version.h"

namespace retort {

namespace fs = std::filesystem;

namespace {

// Keys that say where and how a run happens, not what it computes: a run may be resumed with others.
const std::set<std::string> kPlaces = {"name", "run.dir", "run.cache", "run.device", "run.threads", "run.jobs", "run.checkpoint_seconds"};

std::string time_text(const char* format, bool utc) {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  utc ? ::gmtime_r(&now, &parts) : ::localtime_r(&now, &parts);
  char text[64];
  return {text, std::strftime(text, sizeof text, format, &parts)};
}

double cpu_seconds() {
  rusage used{};
  ::getrusage(RUSAGE_SELF, &used);
  auto seconds = [](const timeval& time) { return double(time.tv_sec) + 1e-6 * double(time.tv_usec); };
  return seconds(used.ru_utime) + seconds(used.ru_stime);
}

nlohmann::json json_file(const std::string& path) {
  if (!file_exists(path)) return nlohmann::json::object();
  auto value = nlohmann::json::parse(read_file(path), nullptr, /*allow_exceptions=*/false);
  return value.is_object() ? value : nlohmann::json::object();
}

// A name that is one folder.
std::string folder_name(std::string name) {
  for (char& c : name)
    if (c == '/' || std::iscntrl(static_cast<unsigned char>(c))) c = '-';
  return name;
}

// The newest of runs/<date>-<name>[-n] that holds a run of this recipe; "" when there is none.
std::string latest_run(const std::string& name, const std::string& identity) {
  std::string latest;
  fs::file_time_type when;
  std::error_code error;
  for (auto& entry : fs::directory_iterator("runs", error)) {
    const std::string folder = entry.path().filename().string();
    if (!entry.is_directory() || folder.size() < 11 + name.size() || folder.compare(11, name.size(), name) != 0) continue;
    const fs::path mark = entry.path() / "run.json";
    if (!fs::exists(mark) || run_identity(entry.path().string()) != identity) continue;
    if (latest.empty() || fs::last_write_time(mark) > when) latest = entry.path().string(), when = fs::last_write_time(mark);
  }
  return latest;
}

// Makes runs/<date>-<name>, or with -2, -3 … where that is taken. Making the folder claims it.
std::string new_run(const std::string& name) {
  const std::string first = fmt::format("runs/{}-{}", time_text("%Y-%m-%d", false), name);
  make_folders("runs");
  for (int i = 1;; ++i) {
    const std::string path = i == 1 ? first : fmt::format("{}-{}", first, i);
    std::error_code error;
    if (fs::create_directory(path, error)) return path;
    if (error)
      throw StorageError(fmt::format("{}: the folder cannot be made: {}", path, error.message()), "choose another with --set run.dir=…");
  }
}

// The leader's text on every rank.
std::string shared_text(const ProcessGroup& group, std::string text) {
  Tensor size = at::full({1}, int64_t(text.size()), at::kLong);
  group.broadcast(size);
  text.resize(size_t(size.item<int64_t>()));
  Tensor bytes = at::empty({int64_t(text.size())}, at::kByte);
  std::copy(text.begin(), text.end(), bytes.data_ptr<uint8_t>());
  if (!text.empty()) group.broadcast(bytes);
  return {bytes.data_ptr<uint8_t>(), bytes.data_ptr<uint8_t>() + bytes.numel()};
}

}  // namespace

Run::Run(Recipe given, bool resume) : recipe(std::move(given)), resume(resume), cpu_before_(cpu_seconds()) {
  settings = recipe.read<RunKnobs>("");
  place = recipe.read<RunFolderKnobs>("run");
  if (settings.name.empty()) settings.name = fs::path(recipe.name()).stem().string();
  recipe.note("name", settings.name);
  device = choose_device(place.device, recipe.where("run.device"));
  group = ProcessGroup::from_environment();
  seed = Seed(uint64_t(settings.seed));
}

void Run::open() {
  recipe.finish();
  keep_freed_memory();
  if (!group.leader()) {
    dir = shared_text(group, "");
    if (dir.empty()) throw StorageError("the leading process could not open the run folder", "its message says why");
    resume = shared_text(group, "") == "resume";
    return;
  }
  try {
    open_folder();
  } catch (...) {
    if (group.size() > 1) shared_text(group, "");
    throw;
  }
  if (group.size() > 1) shared_text(group, dir), shared_text(group, resume ? "resume" : "new");
}

void Run::open_folder() {
  identity_ = hex_digest(recipe.resolved(kPlaces));
  const std::string name = folder_name(settings.name);
  dir = place.dir;
  if (dir.empty() && resume) {  // the folder that the recipe itself lies in, or the newest run of it
    const std::string beside = fs::path(recipe.name()).parent_path().string();
    dir = !beside.empty() && run_identity(beside) == identity_ ? beside : latest_run(name, identity_);
  }
  if (dir.empty()) dir = new_run(name);
  resume = resume && !run_identity(dir).empty();
  folder = std::make_unique<RunFolder>(dir, resume, identity_);
  log = std::make_unique<MetricsLog>(folder->file("metrics.jsonl"));
  before_ = resume ? json_file(folder->file("run.json")) : nlohmann::json::object();
  begun_ = before_.value("started", time_text("%Y-%m-%dT%H:%M:%SZ", true));
  folder->write("recipe.toml", fmt::format("# Resolved by retort {}: every knob that this run used.\n{}", kVersion, recipe.resolved()));
  write_facts("running");
}

void Run::finish(const std::string& status) {
  if (!folder) return;
  log->length();
  write_facts(status);
}

void Run::write_facts(const std::string& status) const {
  const Blas blas = blas_in_use();
  const double wall = std::chrono::duration<double>(std::chrono::steady_clock::now() - started_).count();
  folder->write_json("run.json", {{"format", 1},
                                  {"status", status},
                                  {"method", settings.method},
                                  {"name", settings.name},
                                  {"seed", settings.seed},
                                  {"started", begun_},
                                  {"seconds", before_.value("seconds", 0.0) + wall},
                                  {"cpu_seconds", before_.value("cpu_seconds", 0.0) + cpu_seconds() - cpu_before_},
                                  {"versions", {{"retort", kVersion}, {"libtorch", libtorch_version()}, {"blas", blas.name}}},
                                  {"threads", threads_in_use()},
                                  {"processes", group.size()},
                                  {"device", device.str()},
                                  {"recipe_digest", identity_},
                                  {"data", outcome.data},
                                  {"metrics", outcome.metrics},
                                  {"table", outcome.table},
                                  {"panels", outcome.panels}});
}

std::string Run::file(const std::string& name) const { return folder ? folder->file(name) : (fs::path(dir) / name).string(); }

void Run::write(const std::string& name, std::string_view bytes) const {
  if (folder) folder->write(name, bytes);
}

void Run::write_json(const std::string& name, const nlohmann::json& value) const {
  if (folder) folder->write_json(name, value);
}

void Run::save(const std::string& name, const State& state) const {
  if (folder) save_state(folder->file(name), state);
}

void Run::log_row(const nlohmann::json& row) {
  if (log) log->add(row);
}

}  // namespace retort
