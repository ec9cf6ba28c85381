#include "retort/search/engine.h"

#include "tests/support.h"

namespace retort::search {
namespace {

EngineKnobs engine(const std::string& name, int64_t startup = 10) {
  EngineKnobs knobs;
  knobs.engine = name;
  knobs.startup = startup;
  return knobs;
}

Space square() { return Space({real("x", -5, 10), real("y", 0, 15)}); }

// Branin's function, negated: three maxima of -0.397887.
double branin(const Point& p) {
  const double x = p[0], y = p[1], a = y - 5.1 / (4 * M_PI * M_PI) * x * x + 5 / M_PI * x - 6;
  return -(a * a + 10 * (1 - 1 / (8 * M_PI)) * std::cos(x) + 10);
}

Trial ended(Point point, double score) { return {std::move(point), Trial::Status::finished, score}; }

TEST(Parzen, DensitiesAreOfMassOne) {
  const Dimension line = real("x", 0, 2);
  std::vector<double> values;
  for (int i = 0; i < 40; ++i) values.push_back(0.05 * i);
  for (const size_t n : {size_t{0}, size_t{1}, size_t{3}, size_t{40}}) {
    const ParzenDensity density(line, {values.begin(), values.begin() + static_cast<ptrdiff_t>(n)});
    double mass = 0;
    for (int i = 0; i < 4000; ++i) mass += std::exp(density.log_density((i + 0.5) / 2000)) / 4000;
    EXPECT_NEAR(mass, 1, 1e-3) << n;
  }
  const Dimension count = whole("n", 1, 8, true);
  const ParzenDensity cells(count, {2, 3, 3});
  double mass = 0;
  for (int n = 1; n <= 8; ++n) mass += std::exp(cells.log_density(n)) * (std::log((n + 0.5) / (n - 0.5)) / std::log(8.5 / 0.5));
  EXPECT_NEAR(mass, 1, 1e-9);
}

TEST(Parzen, ChoicesAreCountedBesideAnEvenPrior) {
  const ParzenDensity density(choice("net", {"a", "b"}), {0, 0, 1});
  EXPECT_NEAR(std::exp(density.log_density(0)), (2 + 0.5) / 4, 1e-12);
  EXPECT_NEAR(std::exp(density.log_density(1)), (1 + 0.5) / 4, 1e-12);
}

TEST(Parzen, DrawsFollowTheDensity) {
  const ParzenDensity density(real("x", 0, 1), {0.2, 0.22, 0.25});
  Dice dice(Seed(2));
  double near = 0, mass = 0;
  for (int i = 0; i < 20000; ++i) near += density.draw(dice) < 0.4;
  for (int i = 0; i < 400; ++i) mass += std::exp(density.log_density((i + 0.5) / 1000)) / 1000;
  EXPECT_NEAR(near / 20000, mass, 0.015);
}

TEST(Engine, TheSameSeedSuggestsTheSame) {
  for (const std::string name : {"tpe", "gp", "random"}) {
    const History a = maximise(square(), branin, 14, engine(name, 5), Seed(7)),
                  b = maximise(square(), branin, 14, engine(name, 5), Seed(7)),
                  c = maximise(square(), branin, 14, engine(name, 5), Seed(8));
    for (size_t i = 0; i < a.size(); ++i) EXPECT_EQ(a[i].point, b[i].point) << name;
    EXPECT_NE(a.back().point, c.back().point) << name;
  }
}

TEST(Engine, TheFirstTrialsAreDrawnAtRandom) {
  const History random = maximise(square(), branin, 12, engine("random"), Seed(7)),
                tpe = maximise(square(), branin, 12, engine("tpe"), Seed(7));
  for (size_t i = 0; i < 10; ++i) EXPECT_EQ(random[i].point, tpe[i].point);
  EXPECT_NE(random[10].point, tpe[10].point);
}

TEST(Engine, ModelsFindWhatDrawsDoNot) {
  const auto mean_best = [](const std::string& name, int64_t trials) {
    double sum = 0;
    for (uint64_t seed = 0; seed < 4; ++seed) {
      const History history = maximise(square(), branin, trials, engine(name, 8), Seed(seed));
      sum += history[static_cast<size_t>(best_trial(history))].score / 4;
    }
    return sum;
  };
  const double random = mean_best("random", 40), tpe = mean_best("tpe", 40), gp = mean_best("gp", 30);
  EXPECT_GT(gp, -0.45);
  EXPECT_GT(tpe, random);
  EXPECT_GT(gp, tpe);
}

TEST(Engine, MixedSpacesAreSearchedToo) {
  const Space space({log_real("lr", 1e-4, 1), whole("layers", 1, 6), choice("net", {"a", "b", "c"})});
  const auto f = [&](const Point& p) {
    return -std::pow(std::log10(p[0]) + 2, 2) - std::pow(p[1] - 4, 2) + (space.choice(p, "net") == "b" ? 2 : 0);
  };
  for (const std::string name : {"tpe", "gp"}) {
    const History history = maximise(space, f, 50, engine(name), Seed(1));
    for (const Trial& trial : history) ASSERT_TRUE(space.contains(trial.point));
    const Trial& best = history[static_cast<size_t>(best_trial(history))];
    EXPECT_EQ(space.choice(best.point, "net"), "b") << name;
    EXPECT_GT(best.score, name == "gp" ? 1.7 : 0.9) << name;
  }
}

TEST(Engine, ParallelTrialsLookElsewhere) {
  History history = maximise(square(), branin, 12, engine("gp", 6), Seed(3));
  const Point first = suggest(square(), history, engine("gp", 6), Seed(3));
  history.push_back({first, Trial::Status::running, 0});
  // The same draws of candidates as for the first: only that one is running makes the difference.
  const History without(history.begin(), history.end() - 1);
  const Point same = suggest_gp(square(), without, Seed(11)), other = suggest_gp(square(), {[&] {
                                                                                   History h = without;
                                                                                   h.push_back({same, Trial::Status::running, 0});
                                                                                   return h;
                                                                                 }()},
                                                                                 Seed(11));
  EXPECT_GT(std::hypot(same[0] - other[0], same[1] - other[1]), 0.3);
  const Point tpe = suggest(square(), history, engine("tpe", 6), Seed(3));
  EXPECT_TRUE(square().contains(tpe));
}

TEST(Engine, FailedTrialsAreKeptAwayFrom) {
  const Space line({real("x", 0, 1)});
  History history;
  for (int i = 0; i < 10; ++i) history.push_back(ended({0.05 * i}, 0.05 * i));                  // the better the further right …
  for (int i = 0; i < 6; ++i) history.push_back({{0.6 + 0.08 * i}, Trial::Status::failed, 0});  // … until it breaks
  for (const std::string name : {"tpe", "gp"}) {
    double sum = 0;
    for (uint64_t seed = 0; seed < 8; ++seed) sum += suggest(line, history, engine(name), Seed(seed))[0] / 8;
    EXPECT_LT(sum, 0.62) << name;
    EXPECT_GT(sum, 0.3) << name;
  }
}

TEST(Engine, EqualScoresAreNoTrouble) {
  const Space line({real("x", 0, 1)});
  for (const std::string name : {"tpe", "gp"})
    EXPECT_EQ(maximise(
                  line, [](const Point&) { return 0.5; }, 15, engine(name, 5), Seed(1))
                  .size(),
              15u);
  const History failed = maximise(
      line, [](const Point&) { return std::nan(""); }, 15, engine("gp", 5), Seed(1));
  EXPECT_EQ(best_trial(failed), -1);
}

TEST(Engine, RefusesTrialsOfAnotherSpace) {
  EXPECT_NE(caught<ConfigError>([] { suggest(square(), {ended({0}, 1)}, engine("tpe"), Seed(1)); }).line.find("outside the space"),
            std::string::npos);
  EXPECT_NE(caught<ConfigError>([] {
              suggest(square(), {ended({0, 1}, std::nan(""))}, engine("tpe"), Seed(1));
            }).line.find("score is not finite"),
            std::string::npos);
}

}  // namespace
}  // namespace retort::search
