#include "retort/report/panels.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "retort/report/html.h"
#include "retort/report/matrix.h"
#include "retort/report/pictures.h"
#include "retort/report/run_view.h"
#include "retort/report/table.h"

namespace retort::report {
namespace {

using nlohmann::json;

std::string figure(const std::string& kind, const std::string& title, const std::string& content, const std::string& note = {}) {
  return fmt::format("<figure class=\"card {}\"><figcaption><h3>{}</h3>{}</figcaption>{}</figure>", kind, escape(title),
                     note.empty() ? "" : fmt::format("<p class=\"note\">{}</p>", escape(note)), content);
}

Chart chart_of(const json& panel, const std::string& kind) {
  Chart chart;
  chart.kind = kind;
  chart.title = text_at(panel, "title");
  chart.note = text_at(panel, "note");
  chart.x = text_at(panel, "x");
  chart.y = text_at(panel, "y");
  chart.log_y = member(panel, "log_y") == true;
  return chart;
}

Series series_of(const json& value, size_t place) {
  Series series;
  series.name = text_at(value, "name");
  series.colour = colour_of(series.name, static_cast<int>(place));
  series.dashed = place >= kColours;
  return series;
}

Card points_card(const json& panel, const std::string& kind, ChartBook& book) {
  Chart chart = chart_of(panel, kind);
  for (const json& value : list(member(panel, "series"))) {
    Series series = series_of(value, chart.series.size());
    for (const json& point : list(member(value, "points"))) {
      if (point.is_array() && point.size() >= 2) series.points.push_back({number_in(point[0]), number_in(point[1])});
    }
    for (const json& ends : list(member(value, "band"))) {
      if (ends.is_array() && ends.size() >= 2) series.band.push_back({number_in(ends[0]), number_in(ends[1])});
    }
    chart.series.push_back(std::move(series));
  }
  for (const json& mark : list(member(panel, "marks"))) {
    if (mark.is_array() && mark.size() >= 3)
      chart.marks.push_back({number_in(mark[0]), number_in(mark[1]), number_in(mark[2]) < 0 ? -1 : 1});
  }
  return chart.series.empty() ? Card{} : Card{book.add(chart)};
}

Card bars_card(const json& panel, ChartBook& book) {
  Chart chart = chart_of(panel, "bars");
  for (const json& category : list(member(panel, "categories"))) chart.categories.push_back(text_in(category));
  for (const json& value : list(member(panel, "series"))) {
    Series series = series_of(value, chart.series.size());
    for (const json& height : list(member(value, "values")))
      series.points.push_back({static_cast<double>(series.points.size()), number_in(height)});
    for (const json& error : list(member(value, "errors"))) series.errors.push_back(error.is_number() ? number_in(error) : 0);
    chart.series.push_back(std::move(series));
  }
  return chart.series.empty() ? Card{} : Card{book.add(chart), chart.categories.size() > 12};
}

// Confidence against accuracy: a calibrated model lies on the diagonal. The size of a point is its share of the images.
Card reliability_card(const json& panel, ChartBook& book) {
  Chart chart = chart_of(panel, "reliability");
  chart.x = "confidence";
  chart.y = "accuracy";
  if (chart.note.empty())
    chart.note = "On the diagonal, a model is right as often as it says; below it, it is too sure. Larger points hold more samples.";
  for (const json& value : list(member(panel, "series"))) {
    Series series = series_of(value, chart.series.size());
    double most = 0;
    for (const json& bin : list(member(value, "bins"))) most = std::max(most, number_at(bin, "count"));
    for (const json& bin : list(member(value, "bins"))) {
      const double count = number_at(bin, "count");
      if (!(count > 0)) continue;
      series.points.push_back({number_at(bin, "confidence"), number_at(bin, "accuracy")});
      series.weights.push_back(count / most);
    }
    if (!series.points.empty()) chart.series.push_back(std::move(series));
  }
  return chart.series.empty() ? Card{} : Card{book.add(chart)};
}

Card text_card(const json& panel) {
  std::string text;
  for (const json& paragraph : list(member(panel, "paragraphs"))) text += fmt::format("<p>{}</p>", escape(text_in(paragraph)));
  return text.empty() ? Card{} : Card{figure("prose", text_at(panel, "title"), text), true};
}

Card table_card(const json& panel) {
  const std::string title = text_at(panel, "title");
  const json& columns = list(member(panel, "columns"));
  if (columns.empty()) return {};
  return {figure("", title, plain_table(columns, member(panel, "rows"), title), text_at(panel, "note")), columns.size() > 5};
}

Card confusion_card(const json& panel) {
  const std::string title = text_at(panel, "title");
  const Confusion confusion = confusion_of(panel);
  if (confusion.classes.empty()) return {};
  return {figure("matrix", title, confusion_table(confusion, title), confusion_in_words(confusion)), confusion.classes.size() > 14};
}

Card heatmap_card(const json& panel) {
  const std::string title = text_at(panel, "title"), table = heatmap_table(panel);
  return table.empty() ? Card{} : Card{figure("matrix", title, table, text_at(panel, "note")), list(member(panel, "x")).size() > 14};
}

Card images_card(const json& panel) {
  const std::string strip = picture_strip(member(panel, "items"));
  return strip.empty() ? Card{} : Card{figure("pictures", text_at(panel, "title"), strip, text_at(panel, "note")), true};
}

Card panel_card(const json& panel, ChartBook& book) {
  const std::string kind = text_at(panel, "kind");
  if (kind == "reliability") return reliability_card(panel, book);
  if (kind == "confusion") return confusion_card(panel);
  if (kind == "images") return images_card(panel);
  if (kind == "lines" || kind == "scatter") return points_card(panel, kind, book);
  if (kind == "bars") return bars_card(panel, book);
  if (kind == "heatmap") return heatmap_card(panel);
  if (kind == "text") return text_card(panel);
  if (kind == "table") return table_card(panel);
  if (kind == "lead") return {};  // the head of the page has it
  return {figure("prose", text_at(panel, "title"),
                 fmt::format("<p class=\"note\">This version of retort cannot show a panel of kind “{}”.</p>", escape(kind)))};
}

}  // namespace

std::vector<Card> panel_cards(const json& panels, ChartBook& book) {
  std::vector<Card> cards;
  for (const json& panel : list(panels)) {
    Card card = panel_card(panel, book);
    if (!card.html.empty()) cards.push_back(std::move(card));
  }
  return cards;
}

std::string arranged(std::vector<Card> cards) {
  const auto narrow = [](const Card& card) { return !card.wide; };
  if (std::count_if(cards.begin(), cards.end(), narrow) % 2 == 1) std::find_if(cards.rbegin(), cards.rend(), narrow)->wide = true;
  std::string html;
  for (const Card& card : cards) html += fmt::format("<div{}>{}</div>", card.wide ? " class=\"wide\"" : "", card.html);
  return html.empty() ? html : fmt::format("<div class=\"cards\">{}</div>", html);
}

}  // namespace retort::report
