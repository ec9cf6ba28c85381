#include "retort/teachers/signal_store.h"

#include <cstring>

#include "retort/base/file.h"
#include "tests/teachers/support.h"

namespace retort {
namespace {

CaptureOptions everything(const std::string& precision = "fp32") {
  CaptureOptions options;
  options.precision = precision;
  options.labels = true;
  options.topk = 2;
  options.features = {"hidden1"};
  options.batch = 4;
  options.block_rows = 3;
  return options;
}

TEST(SignalStore, GivesBackTheBitsOfTheLiveTeacher) {
  Scratch scratch;
  const Dataset data = tiny_data(10, 1000);
  const auto live = net_teacher(tiny_net());
  const auto served = net_teacher(tiny_net());
  served->serve(data);
  for (const std::string& path : {std::string(), scratch.file("signals")}) {
    const auto store = stored_teacher(capture_signals(*live, data, everything(), path));
    const Wanted wanted{true, true, {"hidden1"}, 2};
    const Tensor some = at::tensor({7, 0, 9, 7}, at::kLong);
    const Dataset part = data.take(some);
    const Signals a = served->ask(part.ids, part.inputs, true, wanted), b = store->ask(part.ids, part.inputs, true, wanted);
    EXPECT_TRUE(at::equal(a.logits, b.logits));
    EXPECT_TRUE(at::equal(a.labels, b.labels));
    EXPECT_TRUE(at::equal(a.features.at("hidden1"), b.features.at("hidden1")));
    EXPECT_TRUE(at::equal(a.topk_values, b.topk_values));
    EXPECT_TRUE(at::equal(a.topk_indices, b.topk_indices));
    EXPECT_TRUE(at::equal(a.topk_tail, b.topk_tail));
    EXPECT_EQ(store->access(), Access::features);
    EXPECT_EQ(store->classes(), 3);
    EXPECT_EQ(store->tap_names(), (std::vector<std::string>{"hidden1"}));
    EXPECT_EQ(store->tap_shape("hidden1"), (std::vector<int64_t>{6}));
    EXPECT_EQ(store->net(), nullptr);
  }
  const auto reopened = SignalStore::open(scratch.file("signals"));
  reopened->verify();
  EXPECT_TRUE(at::equal(reopened->ids(), data.ids));
  EXPECT_EQ(reopened->layout().teacher, "mlp-6, 51 parameters");
  EXPECT_EQ(reopened->layout().data, "tiny");
  EXPECT_EQ(reopened->layout().input.at("classes"), (nlohmann::json{"a", "b", "c"}));
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(scratch.path()), {}), 1);  // no temporary file is left
}

TEST(SignalStore, HalfPrecisionRoundsToElevenBits) {
  const Dataset data = tiny_data();
  const auto live = net_teacher(tiny_net());
  const auto store = stored_teacher(capture_signals(*live, data, everything("fp16")));
  live->serve(data);
  const Wanted wanted{true, false, {"hidden1"}};
  const Signals a = live->ask(data.ids, data.inputs, true, wanted), b = store->ask(data.ids, data.inputs, true, wanted);
  EXPECT_TRUE(at::equal(a.logits.to(at::kHalf).to(at::kFloat), b.logits));
  EXPECT_TRUE(at::allclose(a.features.at("hidden1"), b.features.at("hidden1"), 1e-3, 1e-6));
  EXPECT_FALSE(at::equal(a.logits, b.logits));
}

TEST(SignalStore, TopkAloneShowsTopk) {
  const Dataset data = tiny_data();
  const auto live = net_teacher(tiny_net());
  CaptureOptions options;
  options.logits = false;
  options.topk = 2;
  const auto store = stored_teacher(capture_signals(*live, data, options));
  EXPECT_EQ(store->access(), Access::topk);
  const Signals said = store->ask(data.ids, data.inputs, true, {false, true, {}, 2}), truth = live->ask(data.ids, data.inputs, true, {true, true});
  EXPECT_TRUE(at::equal(said.labels, truth.labels));
  // With three classes the tail is the third one: everything comes back.
  const Tensor spread = spread_topk(said.topk_values, said.topk_indices, said.topk_tail, 3);
  EXPECT_TRUE(at::allclose(spread, at::log_softmax(truth.logits, 1), 0, 1e-5));
  // Fewer than stored: the second joins the tail.
  const Signals one = store->ask(data.ids, data.inputs, true, {false, false, {}, 1});
  EXPECT_TRUE(at::allclose(one.topk_values.squeeze(1).exp() + one.topk_tail.exp(), at::ones({10}), 0, 1e-5));
  EXPECT_THROW(store->ask(data.ids, data.inputs, true, {false, false, {}, 3}), AccessError);
  EXPECT_THROW(store->ask(data.ids, data.inputs, true, {true}), AccessError);
}

TEST(SignalStore, LabelsAloneShowLabels) {
  const Dataset data = tiny_data();
  Fixed teacher(at::eye(3).index_select(0, data.labels), Access::hard_labels);
  CaptureOptions options;
  options.logits = false;
  options.labels = true;
  const auto store = stored_teacher(capture_signals(teacher, data, options));
  EXPECT_EQ(store->access(), Access::hard_labels);
  EXPECT_TRUE(at::equal(store->ask(data.ids, data.inputs, true, {false, true}).labels, data.labels));
  EXPECT_THROW(capture_signals(teacher, data, CaptureOptions{}), AccessError);  // logits, which it does not show
}

TEST(SignalStore, RefusesWhatItDoesNotHold) {
  const Dataset data = tiny_data();
  const auto live = net_teacher(tiny_net());
  const auto store = stored_teacher(capture_signals(*live, data, CaptureOptions{}));
  const Caught views = caught<AccessError>([&] { store->ask(data.ids, data.inputs, false, {true}); });
  EXPECT_EQ(views.line, "random views were asked for; signals in memory holds answers to the inputs as they are");
  EXPECT_FALSE(views.hint.empty());
  EXPECT_EQ(caught<DataError>([&] { store->ask(at::tensor({3, 77}, at::kLong), data.inputs, true, {true}); }).line, "signals in memory: nothing was captured for sample id 77");
  EXPECT_THROW(store->ask(data.ids, data.inputs, true, {false, false, {"hidden1"}}), AccessError);
  EXPECT_THROW(store->tap_shape("hidden1"), AccessError);
}

TEST(SignalStore, CaptureRefusesBadAnswers) {
  Scratch scratch;
  const Dataset data = tiny_data(3);
  Tensor table = at::zeros({3, 3});
  table[1][2] = std::nan("");
  Fixed broken(table, Access::logits, "broken");
  EXPECT_EQ(caught<TeacherError>([&] { capture_signals(broken, data, {}, scratch.file("s")); }).line, "broken: its logits for sample id 1 are not finite");
  table[1][2] = 1e5;
  CaptureOptions half;
  half.precision = "fp16";
  Fixed large(table, Access::logits, "large");
  EXPECT_EQ(caught<ConfigError>([&] { capture_signals(large, data, half, scratch.file("s")); }).line, "logits of sample id 1 are beyond 65504 and do not fit fp16");
  CaptureOptions topk;
  topk.topk = 4;
  EXPECT_THROW(capture_signals(large, data, topk), ConfigError);
  CaptureOptions nothing;
  nothing.logits = false;
  EXPECT_THROW(capture_signals(large, data, nothing), ConfigError);
  EXPECT_THROW(capture_signals(large, data, {}, scratch.file("no/such/folder/s")), StorageError);
  EXPECT_TRUE(std::filesystem::is_empty(scratch.path()));  // nothing half-written
}

TEST(SignalStore, NamesADamagedBlock) {
  Scratch scratch;
  const std::string path = scratch.file("signals");
  const Dataset data = tiny_data();
  const auto live = net_teacher(tiny_net());
  const auto whole = capture_signals(*live, data, everything(), path);
  const SignalLayout layout = whole->layout();
  const std::string bytes = read_file(path);
  ASSERT_EQ(layout.columns[1].name, "logits");
  const size_t place = layout.starts[1] + 12 * 4 + 5;  // row 4 of the logits: rows 3 to 5 are block 1
  std::string damaged = bytes;
  damaged[place] = static_cast<char>(damaged[place] ^ 0x10);
  write_file(path, damaged);

  const auto store = SignalStore::open(path);
  const std::string line = fmt::format("{}: block 1 of 'logits' (rows 3 to 5, from byte {}) is damaged", path, layout.starts[1] + 36);
  EXPECT_EQ(caught<DataError>([&] { store->verify(); }).line, line);
  const auto teacher = stored_teacher(path);
  EXPECT_TRUE(teacher->ask(data.ids.slice(0, 0, 3), {}, true, {true}).logits.defined());  // other blocks are whole
  EXPECT_EQ(caught<DataError>([&] { teacher->ask(data.ids.slice(0, 2, 4), {}, true, {true}); }).line, line);
}

// Whatever byte is damaged, wherever the file ends: refused, or (padding between columns) without effect on what is read.
TEST(SignalStore, EveryDamageIsFound) {
  Scratch scratch;
  const std::string path = scratch.file("signals");
  const Dataset data = tiny_data(4);
  const auto live = net_teacher(tiny_net());
  CaptureOptions options;
  options.topk = 1;
  options.block_rows = 2;
  const auto whole = capture_signals(*live, data, options, path);
  const SignalLayout layout = whole->layout();
  const std::string bytes = read_file(path);
  std::vector<bool> padding(bytes.size(), true);
  const auto fill = [&](size_t start, size_t length) { std::fill_n(padding.begin() + static_cast<std::ptrdiff_t>(start), length, false); };
  uint64_t text = 0;
  std::memcpy(&text, bytes.data() + 16, 8);
  fill(0, 24 + text);
  for (size_t i = 0; i < layout.columns.size(); ++i) fill(layout.starts[i], static_cast<size_t>(4 * layout.columns[i].row_bytes()));
  fill(layout.checksums, bytes.size() - layout.checksums);
  const auto check = [&](const std::string& changed) {
    write_file(path, changed);
    SignalStore::open(path)->verify();
  };
  for (size_t i = 0; i < bytes.size(); ++i) {
    std::string changed = bytes;
    changed[i] = static_cast<char>(changed[i] ^ 0xff);
    if (padding[i]) EXPECT_NO_THROW(check(changed)) << i;
    else EXPECT_THROW(check(changed), DataError) << i;
  }
  for (size_t length = 0; length < bytes.size(); length += 7) EXPECT_THROW(check(bytes.substr(0, length)), DataError) << length;
  EXPECT_THROW(check(bytes + "x"), DataError);
}

// A file whose checksums are right and whose header lies.
std::string with_header(const nlohmann::json& header) {
  const std::string text = header.dump();
  std::string bytes = "RETORTSG";
  const uint32_t version = 1, sum = crc32_of(text);
  const uint64_t length = text.size();
  bytes.append(reinterpret_cast<const char*>(&version), 4).append(reinterpret_cast<const char*>(&sum), 4).append(reinterpret_cast<const char*>(&length), 8);
  bytes += text;
  bytes.resize((bytes.size() + 63) / 64 * 64 + 256);
  return bytes;
}

TEST(SignalLayout, RefusesHostileHeaders) {
  const auto ids = nlohmann::json{{"name", "ids"}, {"type", "I64"}, {"shape", nlohmann::json::array()}};
  const auto logits = [](const nlohmann::json& shape, const std::string& type = "F32") { return nlohmann::json{{"name", "logits"}, {"type", type}, {"shape", shape}}; };
  const nlohmann::json good = {{"classes", 3}, {"count", 2}, {"block_rows", 2}, {"columns", {ids, logits({3})}}};
  const auto refused = [](const nlohmann::json& header) { return caught<DataError>([&] { SignalLayout::parse(with_header(header), "f"); }).line; };
  const auto with = [&](const std::string& key, const nlohmann::json& value) {
    nlohmann::json header = good;
    header[key] = value;
    return refused(header);
  };
  EXPECT_EQ(refused(good).find("f: not a whole signal store: expected "), 0u);  // only the size is wrong: all else passed
  EXPECT_EQ(with("count", int64_t{1} << 39), "f: not a whole signal store: column 'ids' has 549755813888 rows of 8 bytes in a file of 448");
  EXPECT_EQ(with("count", -1), "f: not a whole signal store: impossible numbers: 3 classes, -1 rows in blocks of 2");
  EXPECT_EQ(with("count", INT64_MAX).find("f: not a whole signal store: impossible numbers"), 0u);
  EXPECT_EQ(with("block_rows", 0).find("f: not a whole signal store: impossible numbers"), 0u);
  EXPECT_EQ(with("classes", 0).find("f: not a whole signal store: impossible numbers"), 0u);
  EXPECT_EQ(with("classes", "3"), "f: not a whole signal store: the header lacks classes, count, block_rows or columns");
  EXPECT_EQ(with("columns", {ids, logits({4})}), "f: not a whole signal store: column 'logits' must be F32 or F16 [classes]");
  EXPECT_EQ(with("columns", {ids, logits({int64_t{1} << 40, int64_t{1} << 40})}), "f: not a whole signal store: column 'logits' has the impossible row shape [1099511627776,1099511627776]");
  EXPECT_EQ(with("columns", {ids, logits({-3})}), "f: not a whole signal store: column 'logits' has the impossible row shape [-3]");
  EXPECT_EQ(with("columns", {ids, logits({3}, "F99")}), "f: not a whole signal store: column 'logits' has the unknown type 'F99'");
  EXPECT_EQ(with("columns", {ids, logits({3}), logits({3})}), "f: not a whole signal store: column 'logits' comes twice");
  EXPECT_EQ(with("columns", nlohmann::json::array({logits({3})})), "f: not a whole signal store: the first column must be 'ids'");
  EXPECT_EQ(with("columns", nlohmann::json::array()), "f: not a whole signal store: the first column must be 'ids'");
  EXPECT_EQ(with("columns", {ids, {{"name", "topk_tail"}, {"type", "F32"}, {"shape", nlohmann::json::array()}}}), "f: not a whole signal store: topk_values, topk_indices and topk_tail belong together");
  EXPECT_EQ(with("columns", {ids, {{"name", "odd"}, {"type", "F32"}, {"shape", {1}}}}), "f: not a whole signal store: column 'odd' is unknown");

  std::string long_header = with_header(good);
  const uint64_t length = UINT64_MAX - 8;
  std::memcpy(long_header.data() + 16, &length, 8);
  EXPECT_NE(caught<DataError>([&] { SignalLayout::parse(long_header, "f"); }).line.find("a header of 18446744073709551607 bytes in a file of "), std::string::npos);
  EXPECT_THROW(SignalLayout::parse("", "f"), DataError);
  EXPECT_THROW(SignalLayout::parse("RETORTSG", "f"), DataError);
}

TEST(SignalStore, AnEmptyDataSetIsAnEmptyStore) {
  Scratch scratch;
  const Dataset data = tiny_data(3).take(at::empty({0}, at::kLong));
  const auto live = net_teacher(tiny_net());
  capture_signals(*live, data, {}, scratch.file("s"));
  EXPECT_EQ(SignalStore::open(scratch.file("s"))->count(), 0);
}

}  // namespace
}  // namespace retort
