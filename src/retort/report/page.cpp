// The page from top to bottom.
#include <fmt/format.h>

#include "retort/base/error.h"
#include "retort/base/file.h"
#include "retort/report/assets.h"
#include "retort/report/curves.h"
#include "retort/report/html.h"
#include "retort/report/panels.h"
#include "retort/report/recipe_text.h"
#include "retort/report/report.h"
#include "retort/report/summary.h"

namespace retort {
namespace {

using namespace report;
using nlohmann::json;

std::string section(const std::string& id, const std::string& title, const std::string& content) {
  return content.empty() ? content
                         : fmt::format("<section aria-labelledby=\"{0}\"><h2 id=\"{0}\">{1}</h2>{2}</section>", id, escape(title), content);
}

std::string chip(const std::string& text, const std::string& kind = {}) {
  return text.empty() ? text : fmt::format("<li class=\"{}\">{}</li>", kind, escape(text));
}

std::string status_of(const RunView& run) {
  const std::string status = text_at(run.run, "status");
  return status == "finished" || status == "failed" ? status : "running";
}

// "2026-01-02T03:04:05Z" as "2026-01-02 03:04:05 UTC"; anything else as it is.
std::string moment(std::string text) {
  if (text.size() != 20 || text[10] != 'T' || text[19] != 'Z') return text;
  return text.replace(19, 1, " UTC").replace(10, 1, " ");
}

std::string version_of(const RunView& run) { return text_at(member(run.run, "versions"), "retort"); }

std::string data_line(const json& data) {
  std::string text = text_at(data, "name");
  std::string parts;
  for (const char* part : {"train", "validation", "test"}) {
    if (number_at(data, part) > 0) parts += fmt::format("{}{} {}", parts.empty() ? "" : ", ", number(number_at(data, part), 0), part);
  }
  return text + (text.empty() || parts.empty() ? "" : ": ") + parts;
}

std::string head_of(const RunView& run, const std::string& label, const Results& results) {
  std::string figures;
  for (const Figure& figure : key_figures(run, results)) {
    figures += fmt::format("<div><dd class=\"value\">{}</dd><dt>{}</dt>{}</div>", escape(figure.value), escape(figure.name),
                           figure.detail.empty() ? "" : fmt::format("<dd class=\"detail\">{}</dd>", escape(figure.detail)));
  }
  const std::string status = status_of(run), seed = text_at(run.run, "seed");
  return fmt::format("<header class=\"top\"><h1>{}</h1><ul class=\"chips\">{}{}{}{}{}</ul><p class=\"lead\">{}</p>{}</header>",
                     escape(label), chip(status, "status " + status), chip(text_at(run.run, "method"), "method"),
                     chip(data_line(member(run.run, "data"))), chip(seed.empty() ? "" : "seed " + seed),
                     chip(moment(text_at(run.run, "started"))), escape(summary_of(run, results)),
                     figures.empty() ? "" : fmt::format("<dl class=\"figures\">{}</dl>", figures));
}

std::string training(const std::vector<RunView>& runs, const std::vector<std::string>& labels, ChartBook& book) {
  std::vector<Card> cards;
  for (const Chart& chart : curves(runs, labels)) cards.push_back({book.add(chart)});
  if (cards.size() % 2 == 1) cards[0].wide = true;  // the loss
  return section("training", "Training", arranged(std::move(cards)));
}

std::string facts(const RunView& run) {
  std::string list;
  const auto fact = [&](const std::string& name, const std::string& value) {
    if (!value.empty()) list += fmt::format("<div><dt>{}</dt><dd>{}</dd></div>", escape(name), escape(value));
  };
  fact("retort", version_of(run));
  for (const auto& [name, value] : member(run.run, "versions").items()) {
    if (name != "retort") fact(name, text_in(value));
  }
  fact("device", text_at(run.run, "device"));
  fact("threads", text_at(run.run, "threads"));
  if (number_at(run.run, "processes") > 1) fact("processes", text_at(run.run, "processes"));
  fact("seed", text_at(run.run, "seed"));
  fact("recipe digest", text_at(run.run, "recipe_digest"));
  fact("data", data_line(member(run.run, "data")));
  fact("started", moment(text_at(run.run, "started")));
  const double seconds = number_at(run.run, "seconds"), cpu = number_at(run.run, "cpu_seconds");
  if (seconds >= 0) fact("took", duration(seconds) + (cpu >= 0 ? ", " + duration(cpu) + " of processor time" : ""));
  return list.empty() ? list : fmt::format("<dl class=\"facts\">{}</dl>", list);
}

// A word of a POSIX shell.
std::string shell_word(const std::string& word) {
  const bool plain = !word.empty() &&
                     word.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-+./:=,@") == std::string::npos;
  if (plain) return word;
  std::string out = "'";
  for (const char c : word) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return out + "'";
}

std::string repeat(const RunView& run) {
  if (run.recipe.empty() || run.folder.empty()) return {};
  std::string folder = run.folder, verb = text_at(lead_of(run), "verb");
  while (folder.size() > 1 && folder.back() == '/') folder.pop_back();
  const std::string command = fmt::format("retort {} {} --set {}", verb.empty() ? "distill" : shell_word(verb),
                                          shell_word(folder + "/recipe.toml"), shell_word(fmt::format("run.dir={}-again", folder)));
  return fmt::format(
      "<p>The folder holds the resolved recipe. Run again with the same versions and number of threads, it gives the same bits:</p>"
      "<div class=\"command\"><pre tabindex=\"0\"><code>{}</code></pre></div>",
      escape(command));
}

std::string background(const RunView& run) {
  std::string html = repeat(run);
  if (!run.recipe.empty()) {
    html += fmt::format("<details><summary>The resolved recipe</summary><pre class=\"toml\" tabindex=\"0\">{}</pre></details>",
                        coloured_toml(run.recipe));
  }
  return html + facts(run);
}

std::string one_run(const RunView& run, const std::string& label, ChartBook& book) {
  const Results results = results_of(run);
  std::string body = head_of(run, label, results);
  body += "<main id=\"main\">";
  body += section("results", "Results", results_table({results}, {label}));
  body += training({run}, {label}, book);
  body += section("closer", "A closer look", arranged(panel_cards(member(run.run, "panels"), book)));
  body += section("again", "Recipe and surroundings", background(run));
  return body + "</main>";
}

std::string differences(const std::vector<RunView>& runs, const std::vector<std::string>& labels) {
  std::vector<std::string> recipes;
  std::string head = "<th scope=\"col\">key</th>", body;
  for (size_t r = 0; r < runs.size(); ++r) {
    recipes.push_back(runs[r].recipe);
    head += fmt::format("<th scope=\"col\">{}{}</th>", swatch(static_cast<int>(r) + 1), escape(labels[r]));
  }
  for (const Difference& difference : differing_keys(recipes)) {
    body += fmt::format("<tr><th scope=\"row\"><code>{}</code></th>", escape(difference.key));
    for (const std::string& value : difference.values) {
      body += value.empty() ? fmt::format("<td>{}</td>", kMissing) : fmt::format("<td><code>{}</code></td>", escape(value));
    }
    body += "</tr>";
  }
  if (body.empty()) return "<p class=\"note\">The recipes differ in nothing but their names.</p>";
  return scroll_box(fmt::format("<table><thead><tr>{}</tr></thead><tbody>{}</tbody></table>", head, body), "Differing recipe keys");
}

std::string many_runs(const std::vector<RunView>& runs, const std::vector<std::string>& labels, ChartBook& book) {
  std::vector<Results> results;
  for (const RunView& run : runs) results.push_back(results_of(run));
  std::string body = fmt::format("<header class=\"top\"><h1>{} runs compared</h1><p class=\"lead\">{}</p></header><main id=\"main\">",
                                 runs.size(), escape(summary_of(labels, results)));
  body += section("results", "Results", results_table(results, labels));
  body += section("differences", "What differs", differences(runs, labels));
  body += training(runs, labels, book);
  std::string each;
  for (size_t r = 0; r < runs.size(); ++r) {
    const std::string method = text_at(runs[r].run, "method");
    each += fmt::format("<details class=\"run\"><summary>{}<span class=\"run-name\">{}</span> <span class=\"note\">{}, {}</span></summary>",
                        swatch(static_cast<int>(r) + 1), escape(labels[r]), escape(method.empty() ? "run" : method), status_of(runs[r]));
    each += fmt::format("<p>{}</p>", escape(summary_of(runs[r], results[r])));
    each += arranged(panel_cards(member(runs[r].run, "panels"), book)) + background(runs[r]) + "</details>";
  }
  return body + section("each", "Run by run", each) + "</main>";
}

// Inside <script>, "</" would end it; in JavaScript "<\/" is the same text.
std::string in_script(std::string_view script) {
  std::string out;
  for (size_t i = 0; i < script.size(); ++i) {
    out += script[i];
    if (script[i] == '<' && i + 1 < script.size() && script[i + 1] == '/') out += '\\';
  }
  return out;
}

// A debugger would ask for the map beside the page.
std::string_view without_source_map(std::string_view script) { return script.substr(0, script.rfind("//# sourceMappingURL=")); }

std::string page(const std::string& title, const std::string& version, const std::string& body, const ChartBook& book) {
  // Only scripts that carry this word may run, and nothing may be fetched: a second wall behind the escaping.
  const std::string nonce = hex_digest(body);
  const std::string policy = fmt::format("default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'nonce-{}'", nonce);
  std::string html = "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">";
  html += "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"><meta name=\"color-scheme\" content=\"light dark\">";
  html += fmt::format("<meta http-equiv=\"Content-Security-Policy\" content=\"{}\">", policy);
  html += fmt::format("<meta name=\"generator\" content=\"retort {}\"><title>{} · retort</title>", escape(version), escape(title));
  html += fmt::format("<style>{}</style></head>", style_sheet());
  html += "<body><a class=\"skip\" href=\"#main\">Skip to the results</a>";
  html += fmt::format("<div class=\"bar\"><span class=\"brand\">{}retort</span>", emblem());
  html += fmt::format("<button type=\"button\" id=\"theme\" aria-label=\"Light or dark\" hidden>{}</button></div>", theme_icon());
  html += body;
  html += fmt::format(
      "<footer><p>Written by retort{}. The page is complete in itself: it can be mailed, archived and read without a network.</p></footer>",
      version.empty() ? "" : " " + escape(version));
  html += book.data_block(nonce);
  if (!book.empty()) html += fmt::format("<script nonce=\"{}\">{}</script>", nonce, in_script(without_source_map(chart_library())));
  html += fmt::format("<script nonce=\"{}\">{}</script></body></html>\n", nonce, in_script(page_script()));
  return html;
}

}  // namespace

std::string render_report(const std::vector<RunView>& runs) {
  const std::vector<std::string> labels = run_labels(runs);
  ChartBook book;
  if (runs.size() == 1) {
    const std::string body = one_run(runs[0], labels[0], book);
    return page(labels[0], version_of(runs[0]), body, book);
  }
  const std::string body = many_runs(runs, labels, book);
  return page(fmt::format("{} runs", runs.size()), runs.empty() ? "" : version_of(runs[0]), body, book);
}

void write_report(const std::vector<std::string>& run_folders, const std::string& path) {
  if (run_folders.empty()) throw ConfigError("report: no run folder given", "name at least one: retort report runs/<date>-<name>");
  std::vector<RunView> runs;
  for (const std::string& folder : run_folders) runs.push_back(load_run(folder));
  write_file(path, render_report(runs));
}

}  // namespace retort
