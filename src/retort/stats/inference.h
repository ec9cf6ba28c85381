// How sure one may be: correlations with intervals and p-values, many tests at once, and the spread of resampled models.
#pragma once

#include <vector>

namespace retort {

double normal_tail(double z);      // P(|N| >= |z|)
double normal_quantile(double p);  // of (0, 1); Newton steps on erfc
// P(|T| >= |t|) of Student's t with so many degrees of freedom, by the continued fraction of the incomplete beta function.
double student_tail(double t, double freedom);

struct CorrelationTest {
  double pearson = 0, p = 1;         // two-sided, by Student's t with n - 2
  double low = -1, high = 1;         // of Pearson's r at `level`, by Fisher's z: tanh(atanh r +- z / sqrt(n - 3))
  double spearman = 0, kendall = 0;  // tau-b
};
// Throws ConfigError for lists of different lengths or fewer than 4 pairs.
CorrelationTest correlation_test(const std::vector<double>& x, const std::vector<double>& y, double level = 0.95);

// Benjamini and Hochberg 1995: which tests to reject so that at most `rate` of the rejections are expected to be wrong.
std::vector<bool> benjamini_hochberg(const std::vector<double>& p, double rate);

// The bootstrap of little bags (Sexton and Laake 2009): a number from each of R models on resamples of each of B resamples of the rows. The estimate is the mean of
// all; its variance is that of the bags' means less what the inner resampling adds, max(0, V_between - V_within / R). One bag, or one model a bag: V_within is 0.
struct Spread {
  double mean = 0, variance = 0;
  double inner = 0;  // V_within / R
};
Spread little_bags(const std::vector<std::vector<double>>& bags);

}  // namespace retort
