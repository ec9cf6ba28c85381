#include "retort/teachers/prompts.h"

#include <algorithm>
#include <filesystem>
#include <unordered_set>

#include <fmt/format.h>

#include "retort/base/error.h"
#include "retort/base/sha256.h"

namespace retort {

using nlohmann::json;

std::string Prompt::text() const {
  std::string all;
  for (const Message& message : messages) all += (all.empty() ? "" : "\n\n") + message.content;
  return all;
}

namespace {

constexpr const char* kForm = "a line is an object with \"prompt\", \"text\" or \"messages\", and maybe a whole \"id\"";

size_t text_begins(std::string_view line) {
  for (const char* key : {"\"prompt\"", "\"messages\"", "\"text\""}) {
    const size_t found = line.find(key);
    if (found != std::string_view::npos) return found;
  }
  return 0;
}

}  // namespace

Prompt PromptFile::parse(std::string_view text, int64_t number) const {
  Prompt prompt;
  prompt.id = number;
  if (!json_) {
    prompt.messages.push_back({"user", std::string(text)});
    return prompt;
  }
  const auto broken = [&](const std::string& what) { return DataError(fmt::format("{}:{}: {}", path_, number + 1, what), kForm); };
  const json value = json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!value.is_object()) throw broken("not a JSON object");
  if (value.contains("id")) {
    if (!value["id"].is_number_integer()) throw broken("the id is not a whole number");
    prompt.id = value["id"].get<int64_t>();
  }
  for (const char* key : {"prompt", "text"}) {
    if (!value.contains(key)) continue;
    if (!value[key].is_string()) throw broken(fmt::format("\"{}\" is not a text", key));
    prompt.messages.push_back({"user", value[key].get<std::string>()});
    break;
  }
  if (!prompt.messages.empty()) return prompt;
  if (!value.contains("messages") || !value["messages"].is_array() || value["messages"].empty()) throw broken("there is no prompt in it");
  for (const json& message : value["messages"]) {
    const auto has = [&](const char* key) { return message.is_object() && message.contains(key) && message[key].is_string(); };
    if (!has("role") || !has("content")) throw broken("a message without \"role\" and \"content\"");
    prompt.messages.push_back({message["role"].get<std::string>(), message["content"].get<std::string>()});
  }
  return prompt;
}

PromptFile::PromptFile(const std::string& path)
    : bytes_(MappedFile::open(path)), path_(path), json_(std::filesystem::path(path).extension() == ".jsonl") {
  const std::string_view all = bytes_.bytes();
  std::unordered_set<int64_t> ids;
  int64_t number = 0;
  for (size_t start = 0; start < all.size(); ++number) {
    size_t stop = std::min(all.find('\n', start), all.size());
    std::string_view text = all.substr(start, stop - start);
    if (!text.empty() && text.back() == '\r') text.remove_suffix(1);
    if (text.find_first_not_of(" \t") != std::string_view::npos) {
      const int64_t id = parse(text, number).id;
      if (!ids.insert(id).second)
        throw DataError(fmt::format("{}:{}: the id {} is there twice", path, number + 1, id),
                        "number the prompts, or leave ids out everywhere");
      lines_.push_back({start, text.size(), json_ ? text_begins(text) : 0, id, number});
    }
    start = stop + 1;
  }
  if (lines_.empty()) throw DataError(path + ": there are no prompts in it", json_ ? kForm : "one prompt a line");
}

std::string_view PromptFile::line(int64_t row) const {
  const Line& line = lines_.at(static_cast<size_t>(row));
  return bytes_.bytes().substr(line.start, line.length);
}

Prompt PromptFile::at(int64_t row) const { return parse(line(row), lines_.at(static_cast<size_t>(row)).number); }

std::vector<int64_t> PromptFile::by_prefix(std::vector<int64_t> rows) const {
  const auto from_text = [&](int64_t row) { return line(row).substr(lines_[static_cast<size_t>(row)].text); };
  std::stable_sort(rows.begin(), rows.end(), [&](int64_t a, int64_t b) { return from_text(a) < from_text(b); });
  return rows;
}

std::string PromptFile::about() const {
  return fmt::format("{} (sha256 {})", std::filesystem::path(path_).filename().string(), sha256_of(bytes_.bytes()).substr(0, 16));
}

}  // namespace retort
