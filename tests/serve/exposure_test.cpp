#include "retort/serve/exposure.h"

#include <gtest/gtest.h>

#include "retort/base/error.h"

namespace retort {
namespace {

const Tensor kProbabilities = at::tensor({0.126, 0.61, 0.264}, at::kDouble).unsqueeze(0);
Tensor shown(const std::string& policy) { return Exposure::parse(policy).show(kProbabilities, Seed(1)); }

TEST(Exposure, ShowsWhatThePolicyAllows) {
  EXPECT_TRUE(shown("full").equal(kProbabilities));
  EXPECT_TRUE(shown("labels").equal(at::tensor({0.0, 1.0, 0.0}, at::kDouble).unsqueeze(0)));
  EXPECT_TRUE(shown("top-2").equal(at::tensor({0.0, 0.61, 0.264}, at::kDouble).unsqueeze(0)));
  EXPECT_TRUE(at::allclose(shown("rounded-1"), at::tensor({0.1, 0.6, 0.3}, at::kDouble).unsqueeze(0)));
  EXPECT_TRUE(at::allclose(shown("noised-0"), kProbabilities));
  EXPECT_FALSE(at::allclose(shown("noised-0.5"), kProbabilities));
  EXPECT_NEAR(shown("noised-0.5").sum().item<double>(), 1, 1e-12);
}

TEST(Exposure, RefusesOtherWords) {
  for (const char* text : {"some", "top-0", "top-1.5", "top-", "rounded--1", "rounded-99", "noised-x", "noised-inf"})
    EXPECT_THROW(Exposure::parse(text), ConfigError) << text;
}

}  // namespace
}  // namespace retort
