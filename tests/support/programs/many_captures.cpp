// What the benchmark of captures runs: many_captures MODE LIST WARM-UP FOLDER, LIST with a URL a line, all of one
// server. The first WARM-UP of them are captured before the time is taken. Prints one line of JSON.
//
//     loop   libcurl's multi interface alone, 64 at once; what comes is thrown away (FOLDER is not used)
//     warc   our client and packing into WARC files in FOLDER, one sync for 256 captures, no log
//     vault  CaptureGroup in a session over the vault in FOLDER
#include <curl/curl.h>
#include <spdlog/spdlog.h>
#include <sys/resource.h>

#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <vector>

#include "agent/work/capture_group.h"
#include "agent/work/capture_packing.h"
#include "agent/work/capture_result.h"
#include "evidence/system/disk.h"
#include "fetchers/http/concurrent_client.h"

namespace {

using namespace impound;

constexpr std::size_t at_once = 64;
constexpr std::size_t begun_at_once = 512;

struct Failed {
  std::string why;
};
template <class T>
T good(Result<T> result) {
  if (!result) throw Failed{line(result.error())};
  return std::move(result).value();
}
void good(Result<void> const& result) {
  if (!result) throw Failed{line(result.error())};
}

using List = std::vector<std::string>;
/// Captures the URLs from `from` to `to`; how many were whole.
using Run = std::function<std::size_t(List const& urls, std::size_t from, std::size_t to)>;

std::size_t throw_away(char*, std::size_t size, std::size_t count, void*) { return size * count; }

Run loop() {
  CURLM* const multi = curl_multi_init();
  std::vector<CURL*> handles(at_once);
  for (CURL*& one : handles) one = curl_easy_init();
  return [=](List const& urls, std::size_t from, std::size_t to) {
    std::size_t whole = 0;
    std::size_t under_way = 0;
    auto const begin = [&](CURL* handle) {
      if (from == to) return;
      curl_easy_setopt(handle, CURLOPT_URL, urls[from++].c_str());
      curl_easy_setopt(handle, CURLOPT_WRITEFUNCTION, throw_away);
      curl_easy_setopt(handle, CURLOPT_HTTP_VERSION, long{CURL_HTTP_VERSION_1_1});
      curl_multi_add_handle(multi, handle);
      ++under_way;
    };
    for (CURL* const one : handles) begin(one);
    while (under_way > 0) {
      int running = 0;
      int left = 0;
      curl_multi_perform(multi, &running);
      bool ended = false;
      while (CURLMsg const* const message = curl_multi_info_read(multi, &left)) {
        long status = 0;
        CURL* const handle = message->easy_handle;
        curl_easy_getinfo(handle, CURLINFO_RESPONSE_CODE, &status);
        if (message->data.result == CURLE_OK && status == 200) ++whole;
        curl_multi_remove_handle(multi, handle);
        --under_way;
        ended = true;
        begin(handle);
      }
      if (!ended) curl_multi_poll(multi, nullptr, 0, 1'000, nullptr);
    }
    return whole;
  };
}

/// What captures need beside each other, for as long as the program runs.
struct Desk {
  SystemClock clock;
  SystemRandomness randomness;
  fetchers::AddressPolicy policy;
  Desk() { good(policy.allow("127.0.0.0/8")); }
};

struct WarcAlone {
  explicit WarcAlone(std::string const& folder)
      : disk(good(LinuxDisk::open_at(folder))),
        packing(good(agent::CapturePacking::make(desk.randomness))),
        client(
            good(fetchers::ConcurrentClient::make(desk.clock, desk.policy, "impound-bench", {}, {at_once, at_once}))) {
    good(disk->make_folder("warc"));
    warc = good(evidence::WarcWriter::open(*disk, desk.clock, desk.randomness, {.software = "impound-bench"}, {}));
  }
  std::size_t run(List const& urls, std::size_t from, std::size_t to) {
    std::size_t const count = to - from;
    std::size_t written = 0;
    std::size_t whole = 0;
    std::vector<agent::PackedResult> ready;
    while (written < count) {
      while (from < to && client->under_way() < at_once && packing->count() + ready.size() < at_once + 256) {
        client->begin(from, {.url = good(fetchers::Url::parse(urls[from])), .certificates = true}, {});
        ++from;
      }
      client->run(std::chrono::milliseconds{client->under_way() > 0 ? 1'000 : 1}, packing->descriptor());
      for (auto& one : client->take()) {
        agent::CaptureOrder order{.url = good(fetchers::Url::parse(urls[one.number]))};
        std::vector<fetchers::Exchange> hops;
        hops.push_back(std::move(one.exchange));
        agent::Captured captured = agent::judged(hops);
        if (captured.usable) ++whole;
        packing->add({std::move(order), EntryId::make(desk.clock, desk.randomness), std::move(hops),
                      std::move(captured), true, 0, nullptr});
      }
      for (auto& one : packing->take()) ready.push_back(std::move(one));
      if (ready.size() < 256 && written + ready.size() < count) continue;
      for (auto const& one : ready) (void)good(warc->append(good(one.records)));
      good(warc->sync());
      warc->all_named();
      (void)good(warc->close_if_due());
      written += ready.size();
      ready.clear();
    }
    return whole;
  }
  Desk desk;
  std::unique_ptr<LinuxDisk> disk;
  std::unique_ptr<agent::CapturePacking> packing;
  std::unique_ptr<fetchers::ConcurrentClient> client;
  std::unique_ptr<evidence::WarcWriter> warc;
};

struct WithVault {
  explicit WithVault(std::string const& folder) : routes(good(agent::Routes::of({}))) {
    settings.vault = folder;
    session = good(agent::Session::open(settings, "watch", desk.clock, desk.randomness));
    agent::CaptureGroupLimits limits;
    limits.under_way_max = limits.of_host_max = at_once;
    group = good(agent::CaptureGroup::make(
        *session, settings, routes, desk.policy, [] { return false; }, limits));
  }
  std::size_t run(List const& urls, std::size_t from, std::size_t to) {
    std::size_t whole = 0;
    while (from < to || group->under_way() > 0) {
      if (from < to && group->under_way() < begun_at_once) {
        std::vector<agent::CaptureWish> wishes;
        for (; from < to && wishes.size() < begun_at_once; ++from)
          wishes.push_back({{.url = good(fetchers::Url::parse(urls[from])), .source = "bench", .key = urls[from]},
                            [](agent::Captured&) { return true; },
                            [&whole](agent::Captured& captured) {
                              if (captured.usable) ++whole;
                              return ok();
                            }});
        good(group->begin(std::move(wishes)));
      }
      good(group->run(std::chrono::seconds{1}));
    }
    return whole;
  }
  void close() {
    group.reset();
    good(session->close("done"));
  }
  Desk desk;
  agent::Settings settings;
  agent::Routes routes;
  std::unique_ptr<agent::Session> session;
  std::unique_ptr<agent::CaptureGroup> group;
};

std::size_t descriptors() {
  return static_cast<std::size_t>(
      std::distance(std::filesystem::directory_iterator{"/proc/self/fd"}, std::filesystem::directory_iterator{}));
}

std::size_t resident_kib() {
  std::ifstream status{"/proc/self/status"};
  for (std::string text; std::getline(status, text);)
    if (text.starts_with("VmRSS:")) return std::stoul(text.substr(6));
  return 0;
}

double cpu_seconds() {
  rusage used{};
  ::getrusage(RUSAGE_SELF, &used);
  auto const seconds = [](timeval const& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return seconds(used.ru_utime) + seconds(used.ru_stime);
}

void measure(Run const& run, List const& urls, std::size_t warm_up) {
  std::size_t whole = run(urls, 0, warm_up);
  std::size_t const resident_before = resident_kib();
  std::size_t const descriptors_before = descriptors();
  double const cpu = cpu_seconds();
  auto const began = std::chrono::steady_clock::now();
  whole += run(urls, warm_up, urls.size());
  double const wall = std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
  std::printf(
      R"({"whole":%zu,"wall":%.4f,"cpu":%.4f,"resident_before":%zu,"resident_after":%zu,"descriptors_before":%zu,"descriptors_after":%zu,"curl":"%s"})"
      "\n",
      whole, wall, cpu_seconds() - cpu, resident_before, resident_kib(), descriptors_before, descriptors(),
      curl_version_info(CURLVERSION_NOW)->version);
}

}  // namespace

int main(int count, char** words) try {
  if (count != 5) return 2;
  std::string const mode = words[1];
  List urls;
  std::ifstream list{words[2]};
  for (std::string url; std::getline(list, url);) urls.push_back(url);
  std::size_t const warm_up = std::stoul(words[3]);
  curl_global_init(CURL_GLOBAL_DEFAULT);
  spdlog::set_level(spdlog::level::warn);  // as the agent has it
  if (mode == "loop") measure(loop(), urls, warm_up);
  if (mode == "warc") {
    WarcAlone alone{words[4]};
    measure([&](auto const&... where) { return alone.run(where...); }, urls, warm_up);
  }
  if (mode == "vault") {
    WithVault vault{words[4]};
    measure([&](auto const&... where) { return vault.run(where...); }, urls, warm_up);
    vault.close();
  }
} catch (Failed const& failed) {
  std::fprintf(stderr, "%s\n", failed.why.c_str());
  return 1;
}
