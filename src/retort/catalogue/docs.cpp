#include "retort/catalogue/docs.h"

#include <fmt/format.h>

#include "retort/base/file.h"
#include "retort/catalogue/catalogue.h"
#include "retort/catalogue/evidence.h"
#include "retort/catalogue/text_table.h"
#include "retort/methods/features/unic_teachers.h"
#include "retort/remote/batches.h"
#include "retort/teachers/capture_plan.h"

namespace retort {
namespace {

constexpr const char* kHead = "<!-- Written by `make docs` from the program's own declarations; changes here are lost. -->\n";

std::string family_title(const std::string& family) {
  std::string title = family;
  if (!title.empty()) title[0] = static_cast<char>(std::toupper(static_cast<unsigned char>(title[0])));
  return title;
}

// Families in the order of the table.
std::vector<std::string> families() {
  std::vector<std::string> names;
  for (const Method& method : methods())
    if (std::find(names.begin(), names.end(), method.info.family) == names.end()) names.push_back(method.info.family);
  return names;
}

std::string paper_of(const MethodInfo& info) { return info.paper_number > 0 ? std::to_string(info.paper_number) : "baseline"; }

std::string index_page() {
  std::vector<TableRow> rows = {{"id", "system", "idea", "needs", "verb", "proof"}};
  for (const Method& method : methods()) {
    const MethodInfo& info = method.info;
    rows.push_back({fmt::format("[`{}`](methods/{}.md#{})", info.id, info.family, info.id), paper_of(info), info.idea_line,
                    to_string(info.needed), "`" + info.verb + "`", proof_status(load_evidence(info.id))});
  }
  return std::string(kHead) +
         "# Methods\n\nA recipe names one of these; `retort methods ID` says the same in the terminal. *Needs* is what the teacher must "
         "let be seen.\n\n" +
         markdown_table(rows);
}

std::string knob_table(const std::vector<Knob>& knobs) {
  if (knobs.empty()) return "No knobs of its own.\n";
  std::vector<TableRow> rows = {{"key", "type", "default", "range", "what it does"}};
  for (const Knob& knob : knobs)
    rows.push_back({"`" + knob.name + "`", type_name(knob.initial), "`" + to_toml(knob.initial) + "`", knob.range.text, knob.help});
  return markdown_table(rows);
}

std::string family_page(const std::string& family) {
  std::string text = fmt::format("{}# {}\n", kHead, family_title(family));
  for (const Method& method : methods()) {
    const MethodInfo& info = method.info;
    if (info.family != family) continue;
    text += fmt::format("\n## <a id=\"{0}\"></a>{0}\n\n{1}.\n\n- Needs of the teacher: {2}\n- Verb: `retort {3}`\n", info.id,
                        info.idea_line, to_string(info.needed), info.verb);
    if (!info.source_line.empty()) text += fmt::format("- Source: {}\n", info.source_line);
    text += fmt::format("- Proof: {}\n\nKeys of `[knobs]`:\n\n{}", proof_status(load_evidence(info.id)), knob_table(method.knobs()));
  }
  return text;
}

template <class Section>
std::string section(const std::string& name, const std::string& about) {
  Section declared;
  return fmt::format("\n## {}\n\n{}\n\n{}", name, about, knob_table(knobs_of(declared).all()));
}

std::string recipe_page() {
  return std::string(kHead) +
         "# Recipe keys\n\nEvery key of every section, with what holds when it is left out. `--set section.key=value` sets one from the "
         "command line.\n" +
         section<RunKnobs>("Top level", "What to run.") + section<RunFolderKnobs>("[run]", "Where and on what it runs.") +
         section<DataKnobs>("[data]", "What is learned from.") +
         section<ViewKnobs>("[views]", "Random transforms of the training samples, and which of them the teacher sees.") +
         section<TeacherKnobs>(
             "[teacher]",
             "Where the teacher comes from. `[teacher.data]`, `[teacher.views]` and `[teacher.train]` take the keys of `[data]`, `[views]` "
             "and "
             "`[train]`; what they leave out is as in the run's own `[data]` and `[views]`, and as below for `[teacher.train]`.") +
         section<StudentKnobs>(
             "[student]",
             "What learns. `[student.data]`, `[student.views]` and `[student.train]` say what and how a student with `trained` learns "
             "first: they take the keys of "
             "`[data]`, `[views]` and `[train]`, and start from the run's own `[data]` and `[views]` and from the defaults of `[train]`.") +
         section<TrainKnobs>("[train]", "How it learns.") +
         "\n## [[knobs.sources]]\n\nTeachers of other tasks, for methods that choose among several (`distill-budget`): each entry has a "
         "`name` and the keys of `[teacher]`; `[knobs.sources.data]`, "
         "`[knobs.sources.views]` and `[knobs.sources.train]` below it take the keys of `[data]`, `[views]` and `[train]`.\n" +
         section<StageKnobs>(
             "[[train.stages]]",
             "Parts of a training, one after the other, each with its own frozen parameters and its own run of the schedule.") +
         section<features::UnicTeacherKnobs>(
             "[teachers.NAME]",
             "The teachers of `unic`, a section each. `[teachers.NAME.train]` takes the keys of `[train]` and starts from the run's own.") +
         "\n## [transfer], [supervised]\n\nOf `random-teacher`: another data set to probe on, with the keys of `[data]`; how its studies "
         "train on labels, with the keys of `[train]`, which it "
         "starts from.\n" +
         section<EndpointKnobs>("[endpoint], [teacher.endpoint]",
                                "Who is asked over HTTP: of a [capture](capture.md), and of a teacher of kind `http`.") +
         section<CaptureOptions>("[capture]", "Of `retort capture`: what is stored.") +
         section<CaptureKnobs>("[capture], which rows", "Of data; texts come from a file of prompts.") +
         section<TextKnobs>("[capture], of texts", "For endpoints of chat, completions and embeddings.") +
         section<BatchKnobs>("[batch]", "Of `retort capture --batch`.") +
         "\n## [knobs]\n\nThe keys of the method: see [methods](methods.md).\n";
}

std::string evidence_rows() {
  std::vector<TableRow> rows = {{"method", "data", "claim", "arms (mean ± sd)", "verdict", "seconds"}};
  for (const Evidence& evidence : load_evidence()) {
    for (const nlohmann::json& section : evidence.sections) {
      const std::vector<std::string> metrics = compared_metrics(section);
      std::string arms;
      for (const nlohmann::json& arm : section["arms"])
        if (!metrics.empty())
          arms += (arms.empty() ? "" : "<br>") + fmt::format("{} {}", arm["name"].get<std::string>(), mean_and_deviation(arm, metrics[0]));
      rows.push_back({"`" + evidence.id + "`", section["data"], section["claim"], (metrics.empty() ? "" : metrics[0] + ":<br>") + arms,
                      section["verdict"], fmt::format("{:.0f}", section["wall_seconds"].get<double>())});
    }
  }
  return markdown_table(rows);
}

std::string evidence_page() {
  std::string text = std::string(kHead) +
                     "# Evidence\n\nWhat `retort prove` found, from `evidence/*.json`. *Holds*: the mean over the seeds meets the margin "
                     "of the claim, and so does the whole 95% bootstrap "
                     "interval of the paired differences. *Does not hold*: mean and interval are on the wrong side. *Undecided*: the "
                     "interval reaches across the margin. A bootstrap over few seeds is "
                     "narrow, and with five seeds the sign test cannot fall below p = 0.062: read the per-seed numbers too.\n\n" +
                     evidence_rows();
  for (const Evidence& evidence : load_evidence())
    for (const nlohmann::json& section : evidence.sections)
      text += fmt::format("\n## {} on {}\n\n```\n{}```\n", evidence.id, section["data"].get<std::string>(), evidence_text(section));
  return text;
}

}  // namespace

std::vector<Page> documentation() {
  std::vector<Page> pages = {{"methods.md", index_page()}};
  for (const std::string& family : families()) pages.push_back({"methods/" + family + ".md", family_page(family)});
  pages.push_back({"recipe-keys.md", recipe_page()});
  pages.push_back({"evidence.md", evidence_page()});
  return pages;
}

std::vector<std::string> stale_documentation(const std::string& folder) {
  std::vector<std::string> stale;
  for (const Page& page : documentation()) {
    const std::string path = folder + "/" + page.path;
    if (!file_exists(path) || read_file(path) != page.text) stale.push_back(path);
  }
  return stale;
}

std::vector<std::string> write_documentation(const std::string& folder) {
  const std::vector<std::string> stale = stale_documentation(folder);
  make_folders(folder + "/methods");
  for (const Page& page : documentation())
    if (std::find(stale.begin(), stale.end(), folder + "/" + page.path) != stale.end()) write_file(folder + "/" + page.path, page.text);
  return stale;
}

}  // namespace retort
