#include "retort/serve/metrics.h"

#include <gtest/gtest.h>

namespace retort {
namespace {

TEST(ServeMetrics, CountAsPrometheusReadsThem) {
  Histogram histogram({1, 10});
  for (const double value : {0.5, 1.0, 1.5, 100.0}) histogram.add(value);
  EXPECT_EQ(histogram.text("h"), "h_bucket{le=\"1\"} 2\nh_bucket{le=\"10\"} 3\nh_bucket{le=\"+Inf\"} 4\nh_sum 103\nh_count 4\n");

  ServeMetrics metrics;
  metrics.answered(200, 0.02);
  metrics.answered(200, 0.02);
  metrics.answered(404, 0.001);
  metrics.asked_by("partner");
  metrics.images(7);
  metrics.batch(7);
  const std::string text = metrics.text(3, 99);
  for (const char* line :
       {"retort_requests_total{code=\"200\"} 2\n", "retort_requests_total{code=\"404\"} 1\n",
        "retort_key_requests_total{key=\"partner\"} 1\n", "retort_images_total 7\n", "retort_batch_rows_bucket{le=\"4\"} 0\n",
        "retort_batch_rows_bucket{le=\"8\"} 1\n", "retort_request_seconds_count 3\n", "retort_queue_rows 3\n", "retort_body_bytes 99\n",
        "# TYPE retort_request_seconds histogram\n"})
    EXPECT_NE(text.find(line), std::string::npos) << line << text;
}

}  // namespace
}  // namespace retort
