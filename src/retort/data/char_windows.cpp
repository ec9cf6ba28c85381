#include "retort/data/char_windows.h"

#include <array>

#include "retort/base/error.h"
#include "retort/base/file.h"
#include "retort/data/places.h"
#include "retort/data/worlds.h"

namespace retort {
namespace {

constexpr const char* kPrefix = "chars:";
constexpr double kTestShare = 0.1;

// A symbol as a class is called: itself, or its number where it cannot be seen.
std::string symbol_name(char symbol) {
  const auto byte = static_cast<unsigned char>(symbol);
  return byte > 32 && byte < 127 ? std::string(1, symbol) : fmt::format("0x{:02x}", byte);
}

std::string alphabet_of(std::string_view text) {
  std::string alphabet(text);
  std::sort(alphabet.begin(), alphabet.end(), [](char a, char b) { return static_cast<unsigned char>(a) < static_cast<unsigned char>(b); });
  alphabet.erase(std::unique(alphabet.begin(), alphabet.end()), alphabet.end());
  return alphabet;
}

}  // namespace

void CharKnobs::describe(Knobs& knobs) {
  knobs("context", context, "characters before the one to guess", between(1, 4096));
  knobs("stride", stride, "characters from one window to the next", between(1, 4096));
}

bool is_chars(const std::string& source) { return source.rfind(kPrefix, 0) == 0; }

Dataset char_windows(std::string_view text, const std::string& alphabet, const CharKnobs& knobs) {
  std::array<float, 256> place{};
  for (size_t i = 0; i < alphabet.size(); ++i) place[static_cast<unsigned char>(alphabet[i])] = static_cast<float>(i);
  const auto length = static_cast<int64_t>(text.size()),
             count = length > knobs.context ? (length - knobs.context - 1) / knobs.stride + 1 : 0;
  Dataset data;
  data.inputs = at::empty({count, knobs.context}, at::kFloat);
  data.labels = at::empty({count}, at::kLong);
  data.ids = at::arange(count, at::kLong);
  auto* out = data.inputs.data_ptr<float>();
  for (int64_t row = 0; row < count; ++row) {
    const char* window = text.data() + row * knobs.stride;
    for (int64_t i = 0; i < knobs.context; ++i) *out++ = place[static_cast<unsigned char>(window[i])];
    data.labels.data_ptr<int64_t>()[row] = static_cast<int64_t>(place[static_cast<unsigned char>(window[knobs.context])]);
  }
  data.spec.shape = {knobs.context};
  for (const char symbol : alphabet) data.spec.classes.push_back(symbol_name(symbol));
  return data;
}

Source open_chars(const DataKnobs& knobs) {
  CharKnobs options;
  Knobs described = knobs_of(options);
  const std::string name = read_options(knobs.source, kPrefix, "text", described);
  if (knobs.normalise != "none")
    throw ConfigError("data.normalise: characters are places in an alphabet, not measures, found \"" + knobs.normalise + "\"",
                      "set data.normalise = \"none\"");
  const std::string known = find_data(name + "/input.txt"), path = known.empty() ? name : known, text = read_file(path),
                    alphabet = alphabet_of(text);
  if (alphabet.size() < 2) throw DataError(path + ": fewer than two different characters", "there is nothing to guess");
  const auto cut = static_cast<size_t>((1 - kTestShare) * static_cast<double>(text.size()));
  Source source{char_windows(std::string_view(text).substr(0, cut), alphabet, options),
                char_windows(std::string_view(text).substr(cut), alphabet, options), "chars", path};
  if (source.test.size() == 0)
    throw DataError(fmt::format("{}: {} characters are too few for windows of {}", path, text.size(), options.context),
                    "the last tenth must hold a window");
  source.test.ids += source.train.size();
  source.train.name = source.test.name = knobs.source;
  return source;
}

}  // namespace retort
