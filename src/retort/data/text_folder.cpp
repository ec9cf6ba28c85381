#include "retort/data/text_folder.h"

#include <filesystem>

#include "retort/base/error.h"
#include "retort/base/file.h"

namespace retort {

namespace {

namespace fs = std::filesystem;

struct ClassFile {
  std::string path, name;
};

// By name; empty when the folder holds anything else.
std::vector<ClassFile> class_files(const std::string& folder) {
  std::vector<fs::path> paths;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    if (entry.path().filename().string()[0] == '.') continue;
    if (!entry.is_regular_file()) return {};
    paths.push_back(entry.path());
  }
  std::sort(paths.begin(), paths.end());
  if (paths.size() < 2) return {};
  const bool texts = std::all_of(paths.begin(), paths.end(), [](const fs::path& p) { return p.extension() == ".txt"; });
  const bool endings = std::all_of(paths.begin(), paths.end(),
                                   [&](const fs::path& p) { return p.stem() == paths.front().stem() && p.has_extension(); });
  std::vector<ClassFile> files;
  for (const auto& path : paths) {
    if (texts)
      files.push_back({path.string(), path.stem().string()});
    else if (endings)
      files.push_back({path.string(), path.extension().string().substr(1)});
  }
  return files;
}

bool in_word(unsigned char c) { return std::isalnum(c) != 0 || c == '\'' || c >= 0x80; }

uint64_t hashed(std::string_view text, uint64_t hash = 14695981039346656037ULL) {
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211ULL;
  return hash;
}

std::vector<std::string> words_of(std::string_view text) {
  std::vector<std::string> words;
  std::string word;
  for (size_t i = 0; i <= text.size(); ++i) {
    const auto c = i < text.size() ? static_cast<unsigned char>(text[i]) : static_cast<unsigned char>(' ');
    if (in_word(c))
      word += static_cast<char>(c < 0x80 ? std::tolower(c) : c);
    else if (!word.empty())
      words.push_back(std::exchange(word, {}));
  }
  return words;
}

}  // namespace

bool is_text_folder(const std::string& path) { return !class_files(path).empty(); }

void hashed_words(std::string_view text, int64_t features, float* out) {
  std::fill(out, out + features, 0.f);
  const auto words = words_of(text);
  const auto count = [&](uint64_t hash) { out[hash % static_cast<uint64_t>(features)] += 1; };
  for (size_t i = 0; i < words.size(); ++i) {
    count(hashed(words[i]));
    if (i > 0) count(hashed(words[i], hashed(words[i - 1] + " ")));
  }
  double squares = 0;
  for (int64_t k = 0; k < features; ++k) {
    if (out[k] > 0) out[k] = 1 + std::log(out[k]);
    squares += out[k] * out[k];
  }
  if (squares == 0) return;
  const auto scale = static_cast<float>(std::sqrt(static_cast<double>(features) / squares) / 8);
  for (int64_t k = 0; k < features; ++k) out[k] *= scale;
}

Dataset read_text_folder(const std::string& path, int64_t features) {
  std::vector<std::string> lines;
  std::vector<int64_t> labels;
  Dataset data;
  for (const auto& [file, name] : class_files(path)) {
    const std::string text = read_file(file);
    if (const size_t zero = text.find('\0'); zero != std::string::npos)
      throw DataError(fmt::format("{}: a zero byte at offset {}: expected text, one sample a line", file, zero));
    const size_t before = lines.size();
    for (size_t first = 0; first < text.size();) {
      const size_t end = std::min(text.find('\n', first), text.size());
      if (std::string line = text.substr(first, end - first); line.find_first_not_of(" \t\r") != std::string::npos) {
        lines.push_back(std::move(line));
        labels.push_back(data.classes());
      }
      first = end + 1;
    }
    if (lines.size() == before)
      throw DataError(file + ": holds no line of text: expected the samples of class '" + name + "'", "leave the file out, or fill it");
    data.spec.classes.push_back(name);
  }
  const auto n = static_cast<int64_t>(lines.size());
  data.inputs = at::empty({n, features}, at::kFloat);
  for (int64_t i = 0; i < n; ++i) hashed_words(lines[static_cast<size_t>(i)], features, data.inputs.data_ptr<float>() + i * features);
  data.labels = at::tensor(labels, at::kLong);
  data.ids = at::arange(n, at::kLong);
  data.spec.shape = {features};
  return data;
}

}  // namespace retort
