// Prompts of a text capture: a file with one a line, read where it lies, so that a million of them cost little memory.
#pragma once

#include <string>
#include <vector>

#include "retort/base/mapped_file.h"
#include "retort/remote/chat.h"

namespace retort {

struct Prompt {
  int64_t id = 0;
  std::vector<Message> messages;  // one user message where the file has plain text
  std::string text() const;       // the contents, joined by blank lines: for endpoints without roles
};

// A name ending in .jsonl: an object a line with "prompt", "text" or "messages" [{"role", "content"}], and maybe "id", a whole number. Any other name: a
// text a line. Blank lines are no prompts. Without an id a prompt is called by the number of its line, from 0.
class PromptFile {
 public:
  explicit PromptFile(const std::string& path);  // throws DataError with file:line: not such JSON, no text, an id twice, nothing in it
  int64_t size() const { return static_cast<int64_t>(lines_.size()); }
  Prompt at(int64_t row) const;  // in the order of the file
  int64_t id(int64_t row) const { return lines_[static_cast<size_t>(row)].id; }
  // Rows ordered so that prompts which begin alike stand side by side, which is what providers cache. `rows` are kept to.
  std::vector<int64_t> by_prefix(std::vector<int64_t> rows) const;
  std::string about() const;  // its name and the digest of its bytes

 private:
  struct Line {
    size_t start, length, text;  // text: where what differs between prompts begins, as far as can be told without parsing
    int64_t id, number;
  };
  Prompt parse(std::string_view line, int64_t number) const;
  std::string_view line(int64_t row) const;

  MappedFile bytes_;
  std::string path_;
  bool json_;
  std::vector<Line> lines_;
};

}  // namespace retort
