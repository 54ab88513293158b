#include "agent/work/fetch_report.h"

#include <cstdio>

#include "agent/service/json_line.h"
#include "agent/work/outcome_text.h"
#include "agent/work/past.h"

namespace impound::agent {

namespace {

constexpr std::chrono::seconds progress_every{2};
constexpr std::size_t missing_lines_max = 5;

void print(Json const& event) {
  print_json(event);
  std::fflush(stdout);
}

Json json_of(AcquisitionOutcome const& outcome) {
  Json missing = Json::array();
  for (auto const& file : outcome.missing)
    missing.push_back({{"path", file.path_bytes}, {"size", file.size}, {"verified_bytes", file.verified_bytes}});
  Json event{{"event", "result"},
             {"attempt", outcome.attempt.text()},
             {"result", outcome.result.text()},
             {"state", outcome.state},
             {"name", outcome.name},
             {"files", outcome.files},
             {"files_sealed", outcome.files_sealed},
             {"bytes_sealed", outcome.bytes_sealed},
             {"files_left_out", outcome.files_left_out},
             {"uploaded_payload_bytes", outcome.uploaded_payload_bytes},
             {"reason", outcome.reason},
             {"detail", outcome.detail},
             {"missing", std::move(missing)},
             {"missing_more", outcome.missing_more}};
  add_hashes(event, outcome.hashes);
  return event;
}

}  // namespace

void FetchReport::held(InfoHashes const& hashes, EntryId const& result) {
  if (!json_) return;
  Json event{{"event", "held"}, {"result", result.text()}};
  add_hashes(event, hashes);
  print(event);
}

void FetchReport::going_on(InfoHashes const& hashes) {
  if (!json_) return;
  Json event{{"event", "going_on"}};
  add_hashes(event, hashes);
  print(event);
}

void FetchReport::metadata(EntryId const& attempt, TorrentProgress const& torrent) {
  if (torrent.files == 0 || !named_.insert(attempt).second) return;
  Json event{{"event", "metadata"},
             {"attempt", attempt.text()},
             {"name", torrent.name},
             {"files", torrent.files},
             {"bytes", torrent.bytes}};
  if (torrent.metadata_after) event["after_s"] = torrent.metadata_after->count();
  print(event);
}

void FetchReport::progress(std::map<EntryId, TorrentProgress> const& torrents) {
  for (auto const& [attempt, torrent] : torrents) metadata(attempt, torrent);
  auto const now = std::chrono::steady_clock::now();
  if (now < next_) return;
  next_ = now + progress_every;
  for (auto const& [attempt, torrent] : torrents) {
    Json const event{{"event", "progress"},
                     {"attempt", attempt.text()},
                     {"state", torrent.state.empty() ? "starting" : torrent.state},
                     {"done", torrent.done},
                     {"total", torrent.total},
                     {"rate", torrent.rate},
                     {"peers", torrent.peers},
                     {"seeds", torrent.seeds},
                     {"files", torrent.files},
                     {"files_sealed", torrent.files_sealed}};
    std::string text = json_line(event);
    if (std::string& told = told_[attempt]; told != text) {
      print(event);
      told = std::move(text);
    }
  }
}

void FetchReport::outcome(AcquisitionOutcome const& outcome) {
  told_.erase(outcome.attempt);
  if (json_) return print(json_of(outcome));
  std::printf("%s\n", outcome_text(outcome).c_str());
  if (!outcome.detail.empty()) std::printf("  %s\n", shown(outcome.detail, 300).c_str());
  for (std::size_t i = 0; i < outcome.missing.size() && i < missing_lines_max; ++i) {
    auto const& file = outcome.missing[i];
    if (file.verified_bytes > 0)
      std::printf("  in part  %s: %s of %s\n", shown(file.path_bytes, 200).c_str(),
                  bytes_text(file.verified_bytes).c_str(), bytes_text(file.size).c_str());
    else
      std::printf("  missing  %s: %s\n", shown(file.path_bytes, 200).c_str(), bytes_text(file.size).c_str());
  }
  std::uint64_t const all = outcome.missing.size() + outcome.missing_more;
  if (all > missing_lines_max)
    std::printf("  and %llu more; impound show lists them\n", static_cast<unsigned long long>(all - missing_lines_max));
  std::fflush(stdout);
}

void FetchReport::timestamp(std::string const& text) {
  if (json_) return print({{"event", "timestamp"}, {"text", text}});
  std::printf("%s\n", text.c_str());
  std::fflush(stdout);
}

void FetchReport::next(std::string const& command) {
  if (json_) return print({{"event", "next"}, {"command", command}});
  std::printf("next: %s\n", command.c_str());
  std::fflush(stdout);
}

}  // namespace impound::agent
