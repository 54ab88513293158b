#include "agent/work/fetch_report.h"

#include "agent/service/json_line.h"
#include "agent/work/outcome_text.h"
#include "agent/work/past.h"

namespace impound::agent {

namespace {

constexpr std::chrono::seconds progress_every{2};
constexpr std::size_t missing_lines_max = 5;

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

void FetchReport::print(Json const& event) { out_(json_line(event) + "\n"); }

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
                     {"web_seeds", torrent.web_seeds},
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
  std::string text = outcome_text(outcome) + "\n";
  if (!outcome.detail.empty()) text += "  " + shown(outcome.detail, 300) + "\n";
  for (std::size_t i = 0; i < outcome.missing.size() && i < missing_lines_max; ++i) {
    auto const& file = outcome.missing[i];
    text += (file.verified_bytes > 0 ? "  in part  " : "  missing  ") + shown(file.path_bytes, 200) + ": " +
            (file.verified_bytes > 0 ? bytes_text(file.verified_bytes) + " of " : "") + bytes_text(file.size) + "\n";
  }
  std::uint64_t const all = outcome.missing.size() + outcome.missing_more;
  if (all > missing_lines_max)
    text += "  and " + std::to_string(all - missing_lines_max) + " more; impound show lists them\n";
  out_(text);
}

void FetchReport::timestamp(std::string const& text) {
  if (json_) return print({{"event", "timestamp"}, {"text", text}});
  out_(text + "\n");
}

void FetchReport::next(std::string const& command) {
  if (json_) return print({{"event", "next"}, {"command", command}});
  out_("next: " + command + "\n");
}

}  // namespace impound::agent
