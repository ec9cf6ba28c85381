// Charts: described as data in C++, drawn by assets/report.js with Chart.js.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

namespace retort::report {

struct Series {
  std::string name;
  std::vector<std::pair<double, double>> points;  // x, y; a y that is not finite is a gap
  int colour = 1;
  bool dashed = false;
  std::vector<double> weights;                  // optional: relative sizes of the points, in [0, 1], and what a point counts
  std::vector<double> errors;                   // optional (bars): half the height of each whisker
  std::vector<std::pair<double, double>> band;  // optional (lines): lower and upper end at each point
};

// A stretch of the x axis that is tinted: side 1 or -1.
struct Stretch {
  double from = 0, to = 0;
  int side = 1;
};

struct Chart {
  std::string kind = "lines";           // lines | scatter | bars | reliability
  std::string title, note, x, y;        // y "%": the figures along the axis carry it
  std::vector<std::string> categories;  // bars: the names along x, a point's x is its index
  std::vector<Series> series;
  bool log_y = false;
  std::vector<Stretch> marks;  // lines
};

// The colours of the style sheet are numbered from 1: teacher, alone and student have their own, others go by their place.
inline constexpr int kColours = 8;
int colour_of(const std::string& name, int place = 0);
std::string swatch(int colour);

// The charts of one page: each gets a <figure> in the text and an entry in the data block that the script reads.
class ChartBook {
 public:
  std::string add(const Chart& chart);  // the figure
  std::string data_block(const std::string& nonce) const;
  bool empty() const { return charts_.empty(); }

 private:
  nlohmann::json charts_ = nlohmann::json::array();
};

}  // namespace retort::report
