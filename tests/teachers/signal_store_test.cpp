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
  EXPECT_EQ(reopened->header().teacher, "mlp-6, 51 parameters");
  EXPECT_EQ(reopened->header().data, "tiny");
  EXPECT_EQ(reopened->header().input.at("classes"), (nlohmann::json{"a", "b", "c"}));
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
  const Signals said = store->ask(data.ids, data.inputs, true, {false, true, {}, 2}),
                truth = live->ask(data.ids, data.inputs, true, {true, true});
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
  EXPECT_EQ(caught<DataError>([&] {
              store->ask(at::tensor({3, 77}, at::kLong), data.inputs, true, {true});
            }).line,
            "signals in memory: nothing was captured for sample id 77");
  EXPECT_THROW(store->ask(data.ids, data.inputs, true, {false, false, {"hidden1"}}), AccessError);
  EXPECT_THROW(store->tap_shape("hidden1"), AccessError);
}

TEST(SignalStore, CaptureRefusesBadAnswers) {
  Scratch scratch;
  const Dataset data = tiny_data(3);
  Tensor table = at::zeros({3, 3});
  table[1][2] = std::nan("");
  Fixed broken(table, Access::logits, "broken");
  EXPECT_EQ(caught<TeacherError>([&] { capture_signals(broken, data, {}, scratch.file("s")); }).line,
            "broken: its logits for sample id 1 are not finite");
  table[1][2] = 1e5;
  CaptureOptions half;
  half.precision = "fp16";
  Fixed large(table, Access::logits, "large");
  EXPECT_EQ(caught<ConfigError>([&] { capture_signals(large, data, half, scratch.file("s")); }).line,
            "logits of sample id 1 are beyond 65504 and do not fit fp16");
  CaptureOptions topk;
  topk.topk = 4;
  EXPECT_THROW(capture_signals(large, data, topk), ConfigError);
  CaptureOptions nothing;
  nothing.logits = false;
  EXPECT_THROW(capture_signals(large, data, nothing), ConfigError);
  EXPECT_THROW(capture_signals(large, data, {}, scratch.file("no/such/folder/s")), StorageError);
  EXPECT_TRUE(std::filesystem::is_empty(scratch.path()));  // nothing half-written
}

TEST(SignalStore, NamesADamagedBlockAndReadsTheOthers) {
  Scratch scratch;
  const std::string path = scratch.file("signals");
  const Dataset data = tiny_data(10, 1000);
  const auto live = net_teacher(tiny_net());
  const auto whole = capture_signals(*live, data, everything(), path);
  const SignalBlock block = whole->blocks()[1];
  ASSERT_EQ(whole->header().columns[1].name, "logits");
  std::string damaged = read_file(path);
  damaged[block.starts[1] + 5] = static_cast<char>(damaged[block.starts[1] + 5] ^ 0x10);
  write_file(path, damaged);

  const auto store = SignalStore::open(path);
  const std::string line = fmt::format("{}: block 1 (rows 3 to 5, sample ids 1003 to 1005, bytes {} to {}) is damaged: 'logits'", path,
                                       block.offset, block.offset + block.bytes - 1);
  EXPECT_EQ(caught<DataError>([&] { store->verify(); }).line, line);
  EXPECT_EQ(store->count(), 10);
  const auto teacher = stored_teacher(path);
  EXPECT_TRUE(at::equal(teacher->ask(at::tensor({1009, 1000, 1006}, at::kLong), {}, true, {true}).logits,
                        whole->read("logits", at::tensor({1009, 1000, 1006}, at::kLong))));
  EXPECT_EQ(caught<DataError>([&] { teacher->ask(at::tensor({1000, 1004}, at::kLong), {}, true, {true}); }).line, line);

  const auto rest = SignalStore::open(path, Damaged::skip);
  EXPECT_TRUE(at::equal(rest->ids(), at::tensor({1000, 1001, 1002, 1006, 1007, 1008, 1009}, at::kLong)));
  ASSERT_EQ(rest->warnings().size(), 1u);
  EXPECT_EQ(rest->warnings()[0], line + "; it is left out");
  EXPECT_EQ(caught<DataError>([&] { rest->read("labels", at::tensor({1004}, at::kLong)); }).line,
            path + ": nothing was captured for sample id 1004");
}

TEST(SignalStore, DamagedIdsAreNotGuessed) {
  Scratch scratch;
  const std::string path = scratch.file("signals");
  const auto live = net_teacher(tiny_net());
  const auto whole = capture_signals(*live, tiny_data(9), everything(), path);
  const SignalBlock block = whole->blocks()[2];
  std::string damaged = read_file(path);
  damaged[block.starts[0]] = static_cast<char>(damaged[block.starts[0]] ^ 1);
  write_file(path, damaged);
  const auto store = SignalStore::open(path);
  EXPECT_EQ(store->count(), 6);
  const std::string fault = fmt::format("block 2 (rows 6 to 8, sample ids unknown, bytes {} to {}) is damaged: 'ids'", block.offset,
                                        block.offset + block.bytes - 1);
  EXPECT_EQ(store->faults(), (std::vector<std::string>{fault}));
  EXPECT_EQ(caught<DataError>([&] { store->read("labels", at::tensor({7}, at::kLong)); }).line,
            path + ": nothing is known of sample id 7; " + fault);
}

// Two blocks of two rows, sealed or as a writer leaves them that was stopped before it sealed.
std::string small_file(bool sealed) {
  Scratch scratch;
  const auto live = net_teacher(tiny_net());
  const Dataset data = tiny_data(4);
  CaptureOptions options;
  options.topk = 1;
  options.block_rows = 2;
  const auto store = capture_signals(*live, data, options, scratch.file("s"));
  return read_file(scratch.file("s")).substr(0, sealed ? std::string::npos : store->whole_bytes());
}

std::shared_ptr<const SignalStore> store_of(const std::string& bytes) {
  MappedFile memory = MappedFile::create("", std::max<size_t>(bytes.size(), 1));
  std::memcpy(memory.data(), bytes.data(), bytes.size());
  return std::make_shared<SignalStore>(std::move(memory), "f");
}

TEST(SignalStore, EveryFlippedByteIsFound) {
  for (const bool sealed : {true, false}) {
    const std::string bytes = small_file(sealed);
    EXPECT_NO_THROW(store_of(bytes)->verify());
    for (size_t i = 0; i < bytes.size(); ++i) {
      std::string changed = bytes;
      changed[i] = static_cast<char>(changed[i] ^ (i % 2 ? 0xff : 1));
      const Caught error = caught<DataError>([&] { store_of(changed)->verify(); });
      EXPECT_EQ(error.line.find("f: "), 0u) << i << error.line;
      EXPECT_EQ(error.line.find('\n'), std::string::npos) << i;
    }
  }
}

TEST(SignalStore, EveryTruncationOpensToWholeBlocksOrIsRefused) {
  const std::string bytes = small_file(true);
  const auto whole = store_of(bytes);
  const Tensor logits = whole->read("logits", whole->ids());
  const size_t header = whole->blocks()[0].offset;
  const auto ends_at = [&](size_t block) { return whole->blocks()[block].offset + whole->blocks()[block].bytes; };
  for (size_t length = 0; length < bytes.size(); ++length) {
    if (length < header) {
      EXPECT_EQ(caught<DataError>([&] { store_of(bytes.substr(0, length)); }).line.find("f: not a signal store: "), 0u) << length;
      continue;
    }
    const auto store = store_of(bytes.substr(0, length));
    const int64_t rows = length >= ends_at(1) ? 4 : length >= ends_at(0) ? 2 : 0;
    ASSERT_EQ(store->count(), rows) << length;
    EXPECT_FALSE(store->sealed());
    EXPECT_EQ(store->torn_bytes(), length - store->whole_bytes());
    EXPECT_TRUE(at::equal(store->read("logits", store->ids()), logits.slice(0, 0, rows))) << length;
  }
}

// In the middle of a file without an index: the next whole header is looked for.
TEST(SignalStore, ADamagedHeaderHidesItsBlockOnly) {
  Scratch scratch;
  const std::string path = scratch.file("s");
  std::string bytes = small_file(false);
  write_file(path, bytes);
  const SignalBlock first = SignalStore::open(path)->blocks()[0];
  bytes[first.offset + 40] = static_cast<char>(bytes[first.offset + 40] ^ 4);
  write_file(path, bytes);
  const auto store = SignalStore::open(path);
  EXPECT_TRUE(at::equal(store->ids(), at::tensor({2, 3}, at::kLong)));
  EXPECT_EQ(store->faults(), (std::vector<std::string>{fmt::format("block 0 (bytes {} to {}) is damaged: its rows and ids are unknown",
                                                                   first.offset, first.offset + first.bytes - 1)}));
}

// A file whose checksums are right and whose header lies.
std::string with_header(const nlohmann::json& header) {
  const std::string text = header.dump();
  std::string bytes = "RETORTSG";
  const uint32_t version = 1;
  const uint64_t length = text.size();
  bytes.append(4, '\0').append(reinterpret_cast<const char*>(&version), 4).append(reinterpret_cast<const char*>(&length), 8);
  bytes += text;
  bytes.resize((bytes.size() + 63) / 64 * 64);
  const uint32_t sum = crc32_of(bytes.substr(12));
  std::memcpy(bytes.data() + 8, &sum, 4);
  return bytes;
}

TEST(SignalStore, RefusesHostileHeaders) {
  Scratch scratch;
  const auto open = [&](const std::string& bytes) {
    write_file(scratch.file("s"), bytes);
    return std::make_shared<SignalStore>(MappedFile::open(scratch.file("s")), "f");
  };
  const auto ids = nlohmann::json{{"name", "ids"}, {"type", "I64"}, {"shape", nlohmann::json::array()}};
  const auto column = [](const std::string& name, const nlohmann::json& shape, const std::string& type = "F32") {
    return nlohmann::json{{"name", name}, {"type", type}, {"shape", shape}};
  };
  const auto none = nlohmann::json::array();
  const nlohmann::json good = {{"classes", 3}, {"columns", {ids, column("logits", {3})}}};
  EXPECT_EQ(open(with_header(good))->count(), 0);
  const auto refused = [&](const nlohmann::json& header) { return caught<DataError>([&] { open(with_header(header)); }).line; };
  const auto with = [&](const std::string& key, const nlohmann::json& value) {
    nlohmann::json header = good;
    header[key] = value;
    return refused(header);
  };
  EXPECT_EQ(with("classes", -1), "f: not a signal store: -1 classes");
  EXPECT_EQ(with("classes", 0), "f: not a signal store: column 'logits' needs classes");
  EXPECT_EQ(with("classes", "3"), "f: not a signal store: the header lacks classes or columns");
  EXPECT_EQ(with("columns", {ids, column("logits", {4})}), "f: not a signal store: column 'logits' must be F32 or F16 [classes]");
  EXPECT_EQ(with("columns", {ids, column("logits", {int64_t{1} << 40, int64_t{1} << 40})}),
            "f: not a signal store: column 'logits' has the impossible row shape [1099511627776,1099511627776]");
  EXPECT_EQ(with("columns", {ids, column("logits", {-3})}), "f: not a signal store: column 'logits' has the impossible row shape [-3]");
  EXPECT_EQ(with("columns", {ids, column("logits", {3}, "F99")}), "f: not a signal store: column 'logits' has the unknown type 'F99'");
  EXPECT_EQ(with("columns", {ids, column("logits", {3}), column("logits", {3})}), "f: not a signal store: column 'logits' comes twice");
  EXPECT_EQ(with("columns", nlohmann::json::array({column("logits", {3})})), "f: not a signal store: the first column must be 'ids'");
  EXPECT_EQ(with("columns", none), "f: not a signal store: the first column must be 'ids'");
  EXPECT_EQ(with("columns", {ids, column("topk_tail", none)}),
            "f: not a signal store: topk_values, topk_indices and topk_tail belong together");
  EXPECT_EQ(with("columns", {ids, column("topk_packed", {10}, "U8")}),
            "f: not a signal store: column 'topk_packed' must be U8 [bytes] with a k of at most the number of classes");
  EXPECT_EQ(with("columns", {ids, column("odd", {1})}), "f: not a signal store: column 'odd' is unknown");

  std::string long_header = with_header(good);
  const uint64_t length = UINT64_MAX - 8;
  std::memcpy(long_header.data() + 16, &length, 8);
  EXPECT_NE(caught<DataError>([&] { open(long_header); }).line.find("a header of 18446744073709551607 bytes in a file of "),
            std::string::npos);
  EXPECT_THROW(open(""), DataError);
  EXPECT_THROW(open("RETORTSG"), DataError);
}

TEST(SignalStore, PackedTopkAnswersLikePlain) {
  Dataset data = tiny_data(6);
  Fixed teacher(at::empty({6, 40}).normal_(0, 2, Seed(3).generator()), Access::logits);
  CaptureOptions options;
  options.logits = false;
  options.topk = 8;
  const auto plain = stored_teacher(capture_signals(teacher, data, options));
  options.pack_topk = true;
  const auto packed = stored_teacher(capture_signals(teacher, data, options));
  EXPECT_EQ(packed->access(), Access::topk);
  const Signals a = plain->ask(data.ids, data.inputs, true, {false, true, {}, 8}),
                b = packed->ask(data.ids, data.inputs, true, {false, true, {}, 8});
  EXPECT_TRUE(at::equal(a.labels, b.labels));
  EXPECT_TRUE(at::equal(std::get<0>(a.topk_indices.sort(1)), std::get<0>(b.topk_indices.sort(1))));
  const Tensor p = spread_topk(a.topk_values, a.topk_indices, a.topk_tail, 40),
               q = spread_topk(b.topk_values, b.topk_indices, b.topk_tail, 40);
  EXPECT_LT((p.exp() * (p - q)).sum(1).max().item<double>(), 0.1);
  EXPECT_TRUE(at::allclose(a.topk_tail.exp(), b.topk_tail.exp(), 0, 2e-3));
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
