// What a person is shown while acquisitions run. See acquisition.h.
#include <algorithm>

#include "agent/work/acquisition.h"
#include "agent/work/outcome_text.h"

namespace impound::agent {

std::map<EntryId, TorrentProgress> Acquisitions::progress() const {
  std::map<EntryId, TorrentProgress> all;
  for (auto const& [id, running] : running_) {
    fetchers::Progress const& heard = running.progress;
    bool const alone_first = running.lane.revival.waits(id);
    bool const later = lies_by(running);
    bool const queued = running.metainfo && !running.slot && !running.metadata_only;
    TorrentProgress one;
    one.hash = short_hash(running.hashes);
    if (running.metainfo) one.name = running.metainfo->name;
    one.state = later         ? "waiting to be tried again"
                : alone_first ? "waiting while another runs alone"
                : queued      ? "waiting for its turn"
                              : heard.state;
    one.done = heard.downloaded;
    one.total = heard.total;
    one.rate = heard.rate;
    one.peers = heard.peers;
    one.seeds = heard.seeds;
    one.web_seeds = heard.web_seeds;
    one.files = running.files;
    one.bytes = running.metainfo ? running.metainfo->total_bytes : 0;
    one.files_sealed = running.intake.files + running.sealed_before.size();
    one.metadata_after = running.metadata_after;
    all.emplace(running.attempt, std::move(one));
  }
  return all;
}

void Acquisitions::show_progress() {
  if (idle() || !terminal_.status_due()) return;
  std::map<EntryId, TorrentProgress> torrents = progress();
  std::erase_if(torrents, [this](auto const& one) { return lies_by(running_.at(one.first.text())); });
  // The busy ones first: a screen may be too low for all.
  std::vector<TorrentProgress const*> order;
  for (auto const& [attempt, one] : torrents) order.push_back(&one);
  std::stable_sort(order.begin(), order.end(), [](auto const* a, auto const* b) { return a->rate > b->rate; });
  std::vector<std::string> lines;
  for (TorrentProgress const* one : order) lines.push_back(progress_line(*one, terminal_.columns()));
  if (torrents.size() == 1) return terminal_.status(lines, progress_line(*order.front(), plain_columns));
  TorrentProgress all;
  std::size_t downloading = 0;
  for (auto const& [attempt, one] : torrents) {
    all.done += one.done;
    all.total += one.total;
    all.rate += one.rate;
    all.peers += one.peers;
    all.web_seeds += one.web_seeds;
    if (one.state == "downloading") ++downloading;
  }
  all.state = "downloading";
  std::string text = std::to_string(torrents.size()) + " torrents, " + std::to_string(downloading) + " downloading";
  auto const alone_first = std::count_if(running_.begin(), running_.end(), [](auto const& running) {
    return running.second.lane.revival.waits(running.first);
  });
  if (alone_first > 0) text += ", " + std::to_string(alone_first) + " waiting while one runs alone";
  if (std::size_t const later = lying_by(); later > 0)
    text += ", " + std::to_string(later) + " waiting to be tried again";
  terminal_.status(lines, text + progress_line(all, plain_columns));
}

void Acquisitions::add_missing(Running const& running, AcquisitionOutcome& outcome) {
  constexpr std::size_t named_max = 20;
  for (std::size_t i = 0; running.metainfo && i < running.metainfo->files.size(); ++i) {
    fetchers::TorrentFile const& file = running.metainfo->files[i];
    if (file.pad || file.symlink || !running.left_out[i].empty()) continue;
    auto const part = running.intake.kept_parts.find(i);
    if (part == running.intake.kept_parts.end() && is_sealed(running, i)) continue;
    std::uint64_t const verified =
        part == running.intake.kept_parts.end() ? 0 : part->second.value("verified_bytes", std::uint64_t{0});
    if (outcome.missing.size() < named_max)
      outcome.missing.push_back({file.path_bytes, file.size, verified});
    else
      ++outcome.missing_more;
  }
}

}  // namespace impound::agent
