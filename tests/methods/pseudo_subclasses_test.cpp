#include "retort/methods/logits/pseudo_subclasses.h"

#include "retort/stats/linear_algebra.h"
#include "tests/support.h"

namespace retort::logits {
namespace {

Tensor draws(std::vector<int64_t> shape, uint64_t seed) { return at::empty(shape, at::kFloat).normal_(0, 1, Seed(seed).generator()); }
double largest(const Tensor& t) { return t.abs().max().item<double>(); }

// 60 embeddings in 6 dimensions of different spread, two classes far apart.
struct World {
  Tensor groups = at::arange(60, at::kLong) % 2;
  Tensor embeddings = draws({60, 6}, 1) * at::arange(1, 7, at::kFloat) + 10 * groups.unsqueeze(1);
  Subclasses found(int64_t count, Split split = Split::pca, bool rotate = true, const Tensor& projector = {}) const {
    return find_subclasses(embeddings, groups, 2, count, split, rotate, projector, Seed(2));
  }
};

TEST(PseudoSubclasses, ByHand) {
  // Spread 2 along the first axis, 1 along the second; all entries have deviation sqrt(10/8).
  const Tensor h = at::tensor({2.0, 0.0, -2.0, 0.0, 0.0, 1.0, 0.0, -1.0}, at::kFloat).view({4, 2});
  const Subclasses found = find_subclasses(h, at::zeros({4}, at::kLong), 1, 2, Split::pca, /*rotate=*/false, {}, Seed(1));
  const Tensor shares = subclass_shares(found, h, 1);
  EXPECT_NEAR(shares[0][0][0].item<double>(), 1 / (1 + std::exp(-2 / std::sqrt(1.25))), 1e-5);  // 0.8568
  EXPECT_NEAR(shares[2][0][0].item<double>(), 1 / (1 + std::exp(1 / std::sqrt(1.25))), 1e-5);
}

TEST(PseudoSubclasses, SumToTheTeachersClasses) {
  const World world;
  const Tensor p = at::softmax(draws({60, 2}, 3), 1), q = subclass_targets(p, subclass_shares(world.found(5), world.embeddings, 0.7));
  EXPECT_EQ(q.sizes(), at::IntArrayRef({60, 10}));
  EXPECT_LT(largest(q.view({60, 2, 5}).sum(2) - p), 1e-6);
}

TEST(PseudoSubclasses, OneIsTheClassItselfAndWarmOnesAreAlike) {
  const World world;
  EXPECT_LT(largest(subclass_shares(world.found(1), world.embeddings, 1) - 1), 1e-7);
  EXPECT_LT(largest(subclass_shares(world.found(4), world.embeddings, 1e6) - 0.25), 1e-5);
}

TEST(PseudoSubclasses, ForgetWhatTheClassifierUses) {
  const Tensor w = draws({3, 6}, 4), n = classifier_null_space(w);
  EXPECT_LT(largest(n.mm((w - w.mean(0)).t())), 1e-5);
  EXPECT_LT(largest(n.mm(n) - n), 1e-5);
  const World world;
  const Tensor weights = draws({2, 6}, 5), projector = classifier_null_space(weights);
  const Subclasses found = world.found(3, Split::pca, true, projector);
  const Tensor along = (weights[0] - weights[1]).expand({60, 6});
  EXPECT_LT(largest(subclass_shares(found, world.embeddings + 5 * along, 1) - subclass_shares(found, world.embeddings, 1)), 1e-4);
}

TEST(PseudoSubclasses, TurnWithTheEmbeddings) {
  const World world;
  const Tensor turn = random_rotation(6, Seed(6)).to(at::kFloat);
  const Subclasses still = world.found(6, Split::pca, /*rotate=*/false);
  Subclasses turned = find_subclasses(world.embeddings.mm(turn), world.groups, 2, 6, Split::pca, false, {}, Seed(2));
  for (int64_t c = 0; c < 2; ++c) {  // each principal direction has two signs
    const Tensor sign = (turn.t().mm(still.directions[c]) * turned.directions[c]).sum(0).sign();
    turned.directions[c].mul_(sign);
    turned.offset[c].mul_(sign);
  }
  EXPECT_LT(largest(subclass_shares(turned, world.embeddings.mm(turn), 1) - subclass_shares(still, world.embeddings, 1)), 1e-4);
}

TEST(PseudoSubclasses, TheRotationEvensTheDirectionsOut) {
  const World world;
  const auto spread = [&](bool rotate) {
    const Subclasses found = world.found(6, Split::pca, rotate);
    const Tensor entries = world.embeddings.mm(found.directions[0]).index_select(0, at::nonzero(world.groups == 0).squeeze(1));
    const Tensor deviations = entries.std(0);
    return (deviations.max() / deviations.min()).item<double>();
  };
  EXPECT_LT(spread(true), 0.6 * spread(false));
}

TEST(PseudoSubclasses, ClustersAreFound) {
  Tensor h = draws({40, 3}, 7) * 0.1;
  h.narrow(0, 0, 20).select(1, 0).add_(5);
  const Tensor shares = subclass_shares(find_subclasses(h, at::zeros({40}, at::kLong), 1, 2, Split::kmeans, false, {}, Seed(8)), h, 0.2)
                            .select(1, 0);
  const Tensor side = shares.argmax(1);
  EXPECT_NE(side[0].item<int64_t>(), side[39].item<int64_t>());
  EXPECT_TRUE((side.narrow(0, 0, 20) == side[0]).all().item<bool>());
  EXPECT_TRUE((side.narrow(0, 20, 20) == side[39]).all().item<bool>());
}

TEST(PseudoSubclasses, SmallClassesHaveFewer) {
  const World world;
  Tensor groups = at::zeros({60}, at::kLong);
  groups.narrow(0, 0, 3).fill_(1);
  const Tensor shares = subclass_shares(find_subclasses(world.embeddings, groups, 2, 4, Split::pca, true, {}, Seed(9)), world.embeddings,
                                        1);
  EXPECT_EQ(largest(shares.select(1, 1).narrow(1, 2, 2)), 0);
  EXPECT_LT(largest(shares.sum(2) - 1), 1e-6);
  groups.narrow(0, 1, 2).fill_(0);
  EXPECT_LT(largest(subclass_shares(find_subclasses(world.embeddings, groups, 2, 4, Split::pca, true, {}, Seed(9)), world.embeddings, 1)
                        .select(1, 1)
                        .select(1, 0) -
                    1),
            1e-6);
}

TEST(PseudoSubclasses, SurviveTheirState) {
  const World world;
  const Subclasses found = world.found(3, Split::pca, true, classifier_null_space(draws({2, 6}, 5))),
                   again = Subclasses::from(found.state());
  EXPECT_TRUE(subclass_shares(again, world.embeddings, 1).equal(subclass_shares(found, world.embeddings, 1)));
}

TEST(PseudoSubclasses, LikenessFallsWithDiversity) {
  const Tensor same = at::cat({at::ones({4, 1}), at::zeros({4, 1})}, 0).expand({8, 3}).contiguous();  // two kinds of rows
  const Tensor apart = at::cat({at::eye(4), -at::eye(4)}, 0);
  EXPECT_LT(subclass_likeness(apart).item<double>(), subclass_likeness(same).item<double>());
  EXPECT_NEAR(subclass_likeness(same).item<double>(), std::log((std::exp(1.0) + std::exp(-1.0)) / 2) - 1, 1e-4);
}

TEST(PseudoSubclasses, RefuseWhatDoesNotFit) {
  const World world;
  EXPECT_THROW(world.found(0), ConfigError);
  EXPECT_THROW(world.found(7), ConfigError);
  const auto absent = caught<DataError>([&] { find_subclasses(world.embeddings, world.groups, 3, 2, Split::pca, true, {}, Seed(1)); });
  EXPECT_EQ(absent.line, "subclasses: no sample of class 2 among 60");
  EXPECT_THROW(subclass_shares(world.found(2), draws({4, 5}, 1), 1), ConfigError);
}

}  // namespace
}  // namespace retort::logits
