// What the columns of a table are called and mean, for whoever writes about them.
#pragma once

#include <cmath>
#include <limits>
#include <string>
#include <vector>

namespace retort {

// A number stands as (value - shift) / scale in the rows; a flag is 0 or 1.
struct Column {
  std::string name;
  bool flag = false;
  double shift = 0, scale = 1;
  std::string yes, no;  // of a flag: "sex is Male", "sex is not Male"; empty: from the name
  int64_t group = -1;   // flags of one group exclude each other: the values of a category
};

// "age", for a condition low < x <= high in the units of the rows: "age above 39.5", "age at most 52", "age in (39.5, 52]", "sex is Male".
std::string in_words(const Column& column, double low, double high);
std::string value_in_words(const Column& column, double value);  // "39.5", "yes"
// Four significant digits at most, without zeros at the end.
std::string short_number(double value);

}  // namespace retort
