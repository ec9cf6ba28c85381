#include "retort/data/worlds.h"

#include "tests/data/support.h"

namespace retort {
namespace {

double integral(const PlaneWorld& world, double reach, int64_t cells) {
  const double side = 2 * reach / static_cast<double>(cells);
  double sum = 0;
  for (int64_t i = 0; i < cells; ++i)
    for (int64_t j = 0; j < cells; ++j)
      sum += std::exp(world.log_density((static_cast<double>(i) + 0.5) * side - reach, (static_cast<double>(j) + 0.5) * side - reach)) *
             side * side;
  return sum;
}

TEST(Worlds, DensitiesIntegrateToOne) {
  WorldKnobs wide;
  wide.noise = 0.2;
  EXPECT_NEAR(integral(plane_world("ring8", wide), 3, 100), 1, 1e-6);
  EXPECT_NEAR(integral(plane_world("grid25", wide), 6, 200), 1, 1e-6);
  EXPECT_NEAR(integral(plane_world("moons", wide), 3, 60), 1, 1e-5);
  EXPECT_NEAR(integral(plane_world("spiral", wide), 3.5, 70), 1, 1e-5);
  EXPECT_NEAR(integral(plane_world("pinwheel", wide), 4, 160), 1, 1e-4);
  EXPECT_NEAR(integral(plane_world("checkerboard", wide), 5, 100), 1, 1e-9);
}

TEST(Worlds, DensitiesByHand) {
  const double pi = std::acos(-1.0);
  WorldKnobs knobs;
  const PlaneWorld ring = plane_world("ring8", knobs);
  EXPECT_NEAR(ring.log_density(std::sqrt(2.0), 0), -std::log(8 * 2 * pi * 0.12 * 0.12), 1e-9);  // the other modes are far
  const PlaneWorld board = plane_world("checkerboard", knobs);
  EXPECT_EQ(board.log_density(-3, -3), -std::log(32.0));
  EXPECT_EQ(board.log_density(-1, -3), -std::numeric_limits<double>::infinity());
  EXPECT_EQ(board.log_density(4.5, 4.5), -std::numeric_limits<double>::infinity());
  // Far inside a half circle of radius 1 the moons are flat along the arc: half a unit of mass over length pi, a Gaussian across.
  WorldKnobs thin;
  thin.noise = 0.05;
  EXPECT_NEAR(plane_world("moons", thin).log_density(0, 1), std::log(1 / (2 * pi) / (std::sqrt(2 * pi) * 0.05)), 0.01);
}

TEST(Worlds, RingHasUnitVariance) {
  const Source world = make_world("world:ring8,rows=4000", Seed(1));
  EXPECT_TRUE(world.train.inputs.var(0, false).allclose(at::ones({2}), 0.05, 0));
}

// The entropy estimated from samples agrees with the one integrated from the density: points and density belong together.
TEST(Worlds, PointsFollowTheirDensity) {
  for (const char* name : {"moons", "spiral", "pinwheel", "grid25", "ring8"}) {
    const Source world = make_world(fmt::format("world:{},rows=3000,noise=0.2", name), Seed(2));
    WorldKnobs knobs;
    knobs.noise = 0.2;
    const PlaneWorld plane = plane_world(name, knobs);
    const double reach = 6, side = 0.08;
    double entropy = 0;
    for (double x = -reach; x < reach; x += side)
      for (double y = -reach; y < reach; y += side) {
        const double log = plane.log_density(x, y);
        if (log > -40) entropy -= std::exp(log) * log * side * side;
      }
    const Tensor log_density = world.train.extra.at("log_density");
    const double error = log_density.std().item<double>() / std::sqrt(3000.0);
    EXPECT_NEAR(-log_density.mean().item<double>(), entropy, 4 * error + 0.01) << name;
  }
}

TEST(Worlds, CheckerboardPointsLieOnDarkSquares) {
  const Source world = make_world("world:checkerboard,rows=1000", Seed(3));
  EXPECT_TRUE(world.train.extra.at("log_density").eq(-std::log(32.0)).all().item<bool>());
  EXPECT_EQ(world.train.labels.max().item<int64_t>(), 7);
}

TEST(Worlds, RowsDependOnSeedAndPlaceAlone) {
  const Source few = make_world("world:moons,rows=10", Seed(4)), many = make_world("world:moons,rows=100", Seed(4)),
               other = make_world("world:moons,rows=10", Seed(5));
  EXPECT_TRUE(few.train.inputs.equal(many.train.inputs.narrow(0, 0, 10)));
  EXPECT_FALSE(few.train.inputs.equal(other.train.inputs));
  EXPECT_TRUE(few.test.inputs[0].equal(many.train.inputs[10]));  // ids go on
}

TEST(Worlds, RingClassesMayShareModes) {
  const Source world = make_world("world:ring8,classes=4,rows=500", Seed(4));
  EXPECT_EQ(world.train.classes(), 4);
  for (int64_t i = 0; i < 500; ++i) {
    const double angle = std::atan2(world.train.inputs[i][1].item<double>(), world.train.inputs[i][0].item<double>());
    const auto mode = (std::llround(angle / (std::acos(-1.0) / 4)) + 8) % 8;
    EXPECT_EQ(world.train.labels[i].item<int64_t>(), mode % 4);
  }
}

TEST(Worlds, CanvasBoxesFitTheirMasks) {
  const Source world = make_world("world:canvas,rows=40,test_rows=10", Seed(1));
  const Tensor boxes = world.train.extra.at("boxes"), masks = world.train.extra.at("masks");
  EXPECT_EQ(world.train.inputs.sizes(), (std::vector<int64_t>{40, 1, 48, 48}));
  EXPECT_EQ(masks.sizes(), (std::vector<int64_t>{40, 4, 48, 48}));
  std::set<int64_t> counts;
  for (int64_t i = 0; i < 40; ++i) {
    int64_t count = 0;
    for (int64_t k = 0; k < 4; ++k) {
      const Tensor box = boxes[i][k], mask = masks[i][k];
      if (box[4].item<float>() < 0) {
        EXPECT_FALSE(mask.any().item<bool>());
        continue;
      }
      ++count;
      const Tensor rows = mask.any(1).nonzero(), columns = mask.any(0).nonzero();
      EXPECT_EQ(box[0].item<int64_t>(), columns.min().item<int64_t>());
      EXPECT_EQ(box[1].item<int64_t>(), rows.min().item<int64_t>());
      EXPECT_EQ(box[2].item<int64_t>(), columns.max().item<int64_t>() + 1);
      EXPECT_EQ(box[3].item<int64_t>(), rows.max().item<int64_t>() + 1);
      EXPECT_GT(world.train.inputs[i][0].masked_select(mask).min().item<int>(), 48);
    }
    EXPECT_EQ(world.train.labels[i].item<int64_t>(), boxes[i][0][4].item<int64_t>());
    counts.insert(count);
  }
  EXPECT_EQ(*counts.begin(), 1);
  EXPECT_GE(*counts.rbegin(), 3);
}

TEST(Worlds, ClipsMoveOnePixelAFrame) {
  const Source world = make_world("world:clips,rows=30,test_rows=5,size=20,frames=5", Seed(1));
  EXPECT_EQ(world.train.spec.shape, (std::vector<int64_t>{5, 1, 20, 20}));
  EXPECT_EQ(world.train.classes(), 40);
  int64_t moved = 0;
  for (int64_t i = 0; i < 30; ++i) {
    const int64_t direction = world.train.extra.at("direction")[i][0].item<int64_t>();
    EXPECT_EQ(world.train.labels[i].item<int64_t>(), world.train.extra.at("digit")[i][0].item<int64_t>() * 4 + direction);
    const Tensor a = world.train.inputs[i][0][0], b = world.train.inputs[i][1][0];
    const int64_t axis = direction % 2 == 0 ? 1 : 0, way = direction < 2 ? 1 : -1;
    const bool onward = b.equal(a.roll({way}, {axis})), bounced = b.equal(a.roll({-way}, {axis}));
    EXPECT_TRUE(onward || bounced);
    moved += onward;
  }
  EXPECT_GT(moved, 20);
  EXPECT_EQ(make_world("world:clips,rows=5,test_rows=5,label=direction", Seed(1)).train.spec.classes[3], "up");
}

TEST(Worlds, TestPartsUseOtherDigits) {
  // With one digit of native size at a fixed place per image, a shared digit image would show as an equal clip frame up to its place.
  const Source world = make_world("world:clips,rows=300,test_rows=100,size=8,frames=1,glyph=8", Seed(1));
  std::set<std::string> train;
  for (int64_t i = 0; i < 300; ++i) train.insert(std::string(static_cast<const char*>(world.train.inputs[i].data_ptr()), 64));
  for (int64_t i = 0; i < 100; ++i) EXPECT_EQ(train.count(std::string(static_cast<const char*>(world.test.inputs[i].data_ptr()), 64)), 0u);
}

TEST(Worlds, RefuseWhatTheyDoNotKnow) {
  EXPECT_EQ(line_of<ConfigError>([] { make_world("world:moon", Seed(1)); }), "data.source: no world 'moon'");
  EXPECT_EQ(line_of<ConfigError>([] { make_world("world:moons,row=5", Seed(1)); }), "data.source: a world has no option 'row'");
  EXPECT_HAS(line_of<ConfigError>([] { make_world("world:moons,rows=many", Seed(1)); }), "world option rows: expected a");
  EXPECT_HAS(line_of<ConfigError>([] { make_world("world:moons,rows=0", Seed(1)); }), "found '0'");
  EXPECT_HAS(line_of<ConfigError>([] { make_world("world:clips,glyph=40", Seed(1)); }), "digits of 40 pixels in clips of 12");
}

}  // namespace
}  // namespace retort
