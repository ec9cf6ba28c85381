// Recipes: TOML files that say what to do, with the place of every key remembered for error messages.
//
// Sections are read by structs that describe knobs; what nobody reads is an error, so a misspelt key never passes silently.
#pragma once

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "retort/base/knobs.h"

namespace retort {

class Recipe {
 public:
  // `sets`: assignments "a.b=c" applied over the file in order; c is a TOML value, or plain text where it does not parse as one.
  // Throws ConfigError (file:line for bad TOML).
  static Recipe load(const std::string& path, const std::vector<std::string>& sets = {});
  static Recipe parse(const std::string& toml, const std::string& name, const std::vector<std::string>& sets = {});

  Recipe(const Recipe&);  // deep copy
  Recipe& operator=(const Recipe&);
  Recipe(Recipe&&) noexcept;
  Recipe& operator=(Recipe&&) noexcept;
  ~Recipe();

  // Naming another method with `method=…` drops the recipe's [knobs]: they belong to the method they were written for.
  void set(const std::string& assignment);
  // Same, from the entries of a TOML table given as text (the arms of a proof): dotted keys and inline tables merge in, key by key.
  void set_table(const std::string& toml, const std::string& where);

  bool has(const std::string& dotted) const;                         // a key or a table, "train.stages"
  std::vector<std::string> tables(const std::string& dotted) const;  // names of the tables directly inside, in file order
  int64_t array_size(const std::string& dotted) const;  // entries of an array of tables, 0 if absent; address one as "train.stages[0]"

  // Fills the section's fields from the table `dotted` ("" = top level) and validates. Throws ConfigError: unknown key (with the
  // nearest valid one) is reported by finish(), wrong type and out of range here, each with file:line:key.
  template <class Section>
  Section read(const std::string& dotted) {
    Section section;
    Knobs knobs = knobs_of(section);
    read(dotted, knobs);
    return section;
  }
  void read(const std::string& dotted, Knobs& knobs);
  // A table whole, as TOML lines for set_table(), "" if absent; all in it counts as read. For the arms of a proof.
  std::string take(const std::string& dotted);
  // What a knob that was read came to in the end (a default that depends on others), for resolved().
  void note(const std::string& dotted, const KnobValue& value);

  // Every key must have been read by now. Throws ConfigError for the first that was not, with the nearest known key.
  void finish() const;

  // "path:line" of a key or table, or the assignment it came from; the file's name when the key is not there.
  std::string where(const std::string& dotted) const;
  const std::string& name() const;  // path as given
  // TOML of everything read so far, defaults included, that loads back to the same values; without the keys in `except`.
  std::string resolved(const std::set<std::string>& except = {}) const;
  std::string digest() const;  // 16 hex digits over the effective content (file and sets), independent of order and comments

 private:
  Recipe();
  struct Body;
  std::unique_ptr<Body> body_;
};

}  // namespace retort
