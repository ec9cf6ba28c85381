// `retort methods [ID]`: the catalogue as a table, or one method with its knobs.
#include "retort/base/error.h"
#include "retort/catalogue/catalogue.h"
#include "retort/catalogue/evidence.h"
#include "retort/catalogue/text_table.h"
#include "retort/cli/print.h"
#include "retort/cli/verbs.h"

namespace retort {
namespace {
using nlohmann::json;

struct MethodOptions {
  std::string id, family, access, verb;
  bool nets = false, as_json = false;
};

json value_json(const KnobValue& value) {
  return std::visit([](const auto& held) { return json(held); }, value);
}

json method_json(const Method& method, const Evidence& evidence) {
  const MethodInfo& info = method.info;
  json knobs = json::array();
  for (const Knob& knob : method.knobs())
    knobs.push_back({{"key", knob.name},
                     {"type", type_name(knob.initial)},
                     {"default", value_json(knob.initial)},
                     {"range", knob.range.text},
                     {"help", knob.help}});
  json proofs = json::object();
  for (const json& section : evidence.sections) proofs[section["data"].get<std::string>()] = section["verdict"];
  return {{"id", info.id},          {"family", info.family},           {"verb", info.verb},          {"system", info.paper_number},
          {"idea", info.idea_line}, {"needs", to_string(info.needed)}, {"source", info.source_line}, {"knobs", knobs},
          {"proof", proofs}};
}

std::string method_text(const Method& method, const Evidence& evidence) {
  const MethodInfo& info = method.info;
  std::string text = fmt::format("{}: {}\n\n", info.id, info.idea_line);
  std::vector<TableRow> facts = {
      {"family", info.family}, {"verb", "retort " + info.verb}, {"needs", to_string(info.needed) + " of the teacher"}};
  if (!info.source_line.empty()) facts.push_back({"source", info.source_line});
  facts.push_back({"proof", proof_status(evidence)});
  text += text_table(facts, /*numbers=*/false);
  const std::vector<Knob> knobs = method.knobs();
  if (knobs.empty()) return text + "\nno knobs of its own\n";
  std::vector<TableRow> rows = {{"[knobs]", "default", "range", ""}};
  for (const Knob& knob : knobs)
    rows.push_back({knob.name, to_toml(knob.initial), knob.range.text.empty() ? type_name(knob.initial) : knob.range.text, knob.help});
  return text + "\n" + text_table(rows, /*numbers=*/false);
}

std::vector<const Method*> filtered(const MethodOptions& options) {
  const auto check = [](const std::string& what, const std::string& given, const auto& of) {
    std::vector<std::string> known;
    for (const Method& method : methods())
      if (std::find(known.begin(), known.end(), of(method)) == known.end()) known.push_back(of(method));
    if (given.empty() || std::find(known.begin(), known.end(), given) != known.end()) return;
    throw ConfigError(fmt::format("--{}: there is no {} \"{}\"", what, what, given), fmt::format("there are: {}", fmt::join(known, ", ")));
  };
  check("family", options.family, [](const Method& method) { return method.info.family; });
  check("verb", options.verb, [](const Method& method) { return method.info.verb; });
  const Access most = options.access.empty() ? Access::weights : access_from(options.access);
  std::vector<const Method*> found;
  for (const Method& method : methods())
    if ((options.family.empty() || method.info.family == options.family) && (options.verb.empty() || method.info.verb == options.verb) &&
        method.info.needed <= most)
      found.push_back(&method);
  return found;
}

void list(const MethodOptions& options) {
  json all = json::array();
  std::vector<TableRow> rows = {{"id", "family", "needs", "verb", "proof", "idea"}};
  for (const Method* method : filtered(options)) {
    const Evidence evidence = load_evidence(method->info.id);
    if (options.as_json) all.push_back(method_json(*method, evidence));
    rows.push_back({method->info.id, method->info.family, to_string(method->info.needed), method->info.verb, proof_status(evidence),
                    method->info.idea_line});
  }
  if (options.as_json)
    print_json(all);
  else
    print_text(text_table(rows, /*numbers=*/false));
}

void list_nets(const MethodOptions& options) {
  json all = json::array();
  std::vector<TableRow> rows = {{"net", ""}};
  for (const auto& [form, about] : net_forms()) {
    all.push_back({{"form", form}, {"about", about}});
    rows.push_back({form, about});
  }
  if (options.as_json)
    print_json(all);
  else
    print_text(text_table(rows, /*numbers=*/false));
}

void show(const MethodOptions& options) {
  const Method& method = find_method(options.id);
  const Evidence evidence = load_evidence(options.id);
  if (options.as_json)
    print_json(method_json(method, evidence));
  else
    print_text(method_text(method, evidence));
}

}  // namespace

void add_methods_verb(CLI::App& app) {
  auto options = std::make_shared<MethodOptions>();
  CLI::App* verb = app.add_subcommand("methods", "List the methods, or explain one");
  verb->add_option("id", options->id, "a method: what it does, needs, its knobs and its proof");
  verb->add_option("--family", options->family, "only methods of this family");
  verb->add_option("--access", options->access,
                   "only methods that work with a teacher that shows so much: hard_labels, topk, logits, features, weights");
  verb->add_option("--verb", options->verb, "only methods of this verb");
  verb->add_flag("--nets", options->nets, "list the architectures that recipes can name instead");
  verb->add_flag("--json", options->as_json, "print JSON");
  verb->callback([options] { options->nets ? list_nets(*options) : options->id.empty() ? list(*options) : show(*options); });
}

}  // namespace retort
