#include "retort/data/fetch.h"

#include <filesystem>

#include <curl/curl.h>

#include "retort/base/error.h"
#include "retort/base/file.h"
#include "retort/base/interrupt.h"
#include "retort/base/progress.h"
#include "retort/base/sha256.h"
#include "retort/data/places.h"

namespace retort {
namespace {

bool is_archive(const std::string& file) { return file.size() > 7 && file.substr(file.size() - 7) == ".tar.gz"; }

std::string by_hand(const KnownSet& set, const std::string& folder) {
  return fmt::format("behind a proxy set https_proxy; or put {} into {} by hand",
                     set.downloads.size() == 1 ? set.downloads[0].file : "its files", folder);
}

// Checks the bytes against what is known of the file.
void check(const Download& what, const std::string& bytes, const std::string& url) {
  const std::string hint = "the server sent something else, or the download was cut; try again";
  if (what.bytes && static_cast<int64_t>(bytes.size()) != what.bytes)
    throw DataError(fmt::format("{}: expected {} bytes, received {}", url, what.bytes, bytes.size()), hint);
  if (!what.sha256.empty())
    if (const std::string found = sha256_of(bytes); found != what.sha256)
      throw DataError(fmt::format("{}: expected SHA-256 {}, received {}", url, what.sha256, found), hint);
}

struct Transfer {
  std::string bytes;
  Progress* progress;
};

size_t receive(char* data, size_t size, size_t count, void* transfer) {
  static_cast<Transfer*>(transfer)->bytes.append(data, size * count);
  return size * count;
}

int watch(void* transfer, curl_off_t, curl_off_t now, curl_off_t, curl_off_t) {
  static_cast<Transfer*>(transfer)->progress->advance_to(now >> 10);
  return interrupt_requested();
}

std::string get(const std::string& url, const Download& what, bool quiet) {
  const std::unique_ptr<CURL, decltype(&curl_easy_cleanup)> curl(curl_easy_init(), curl_easy_cleanup);
  Progress progress("fetch " + what.file + " (KB)", what.bytes >> 10, quiet);
  Transfer transfer{{}, &progress};
  char reason[CURL_ERROR_SIZE] = "";
  curl_easy_setopt(curl.get(), CURLOPT_URL, url.c_str());
  curl_easy_setopt(curl.get(), CURLOPT_FOLLOWLOCATION, 1L);
  curl_easy_setopt(curl.get(), CURLOPT_FAILONERROR, 1L);
  curl_easy_setopt(curl.get(), CURLOPT_CONNECTTIMEOUT, 20L);
  curl_easy_setopt(curl.get(), CURLOPT_LOW_SPEED_LIMIT, 100L);  // bytes a second
  curl_easy_setopt(curl.get(), CURLOPT_LOW_SPEED_TIME, 60L);
  curl_easy_setopt(curl.get(), CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl.get(), CURLOPT_ERRORBUFFER, reason);
  curl_easy_setopt(curl.get(), CURLOPT_WRITEFUNCTION, receive);
  curl_easy_setopt(curl.get(), CURLOPT_WRITEDATA, &transfer);
  curl_easy_setopt(curl.get(), CURLOPT_NOPROGRESS, 0L);
  curl_easy_setopt(curl.get(), CURLOPT_XFERINFOFUNCTION, watch);
  curl_easy_setopt(curl.get(), CURLOPT_XFERINFODATA, &transfer);
  const CURLcode code = curl_easy_perform(curl.get());
  if (code == CURLE_ABORTED_BY_CALLBACK)
    throw Interrupted("the download was interrupted", "nothing was written; run the same command again");
  if (code != CURLE_OK) throw DataError(fmt::format("cannot download {}: {}", url, *reason ? reason : curl_easy_strerror(code)));
  progress.finish();
  return std::move(transfer.bytes);
}

}  // namespace

std::string download_bytes(const Download& what, bool quiet) {
  for (size_t i = 0;; ++i) {
    const std::string& url = what.urls.at(i);
    try {
      std::string bytes = get(url, what, quiet);
      check(what, bytes, url);
      return bytes;
    } catch (const DataError&) {
      if (i + 1 == what.urls.size()) throw;
    }
  }
}

void unpack_tar(std::string_view tar, const std::string& name, const std::string& folder) {
  auto damaged = [&](size_t at, const std::string& what) {
    return DataError(fmt::format("{}: {} at offset {}", name, what, at), "the archive is damaged; get it again");
  };
  size_t at = 0;
  while (at < tar.size() && tar[at] != '\0') {  // a zero block ends the archive
    if (tar.size() - at < 512) throw damaged(at, "expected a header of 512 bytes");
    const std::string_view header = tar.substr(at, 512);
    uint64_t size = 0;
    for (char digit : header.substr(124, 11)) {
      if (digit == ' ' || digit == '\0') continue;
      if (digit < '0' || digit > '7') throw damaged(at + 124, "expected an octal size");
      size = size * 8 + static_cast<uint64_t>(digit - '0');
    }
    at += 512;
    if (size > tar.size() - at) throw damaged(at, fmt::format("expected {} bytes of a file, found {}", size, tar.size() - at));
    const std::string path(header.data(), strnlen(header.data(), 100));
    const std::string file = std::filesystem::path(path).filename().string();
    if ((header[156] == '0' || header[156] == '\0') && !file.empty() && file != "." && file != "..")
      write_file(folder + "/" + file, tar.substr(at, size));
    at += std::min<uint64_t>((size + 511) / 512 * 512, tar.size() - at);
  }
}

std::string fetch_data(const std::string& name, const std::string& folder, bool quiet) {
  const KnownSet* set = find_known(name);
  if (!set || set->downloads.empty()) {
    std::vector<std::string> names;
    for (const auto& known : known_sets())
      if (!known.downloads.empty()) names.push_back(known.name);
    if (set) throw ConfigError("data fetch: " + name + " is shipped with retort, there is nothing to download");
    const std::string near = nearest_name(name, names);
    throw ConfigError("data fetch: no data set '" + name + "' to download",
                      near.empty() ? fmt::format("known are {}", fmt::join(names, ", ")) : "did you mean '" + near + "'?");
  }
  const std::filesystem::path place = std::filesystem::path(folder) / set->places[0];
  const std::string target = (place.has_extension() ? place.parent_path() : place).string();
  make_folders(target);
  for (const auto& what : set->downloads) {
    const std::string path = target + "/" + what.file, done = is_archive(what.file) ? target + "/.unpacked" : path;
    if (file_exists(done)) continue;
    std::string bytes;
    try {
      bytes = download_bytes(what, quiet);
    } catch (const DataError& error) {
      throw DataError(name + ": " + error.what(), error.hint().empty() ? by_hand(*set, target) : error.hint());
    }
    if (!is_archive(what.file)) {
      write_file(path, bytes);
      continue;
    }
    unpack_tar(inflate_maybe_gzip(std::move(bytes), what.file), what.file, target);
    write_file(done, "");
  }
  return place.string();
}

}  // namespace retort
