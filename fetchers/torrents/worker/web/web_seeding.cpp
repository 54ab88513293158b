#include "fetchers/torrents/worker/web/web_seeding.h"

#include <algorithm>
#include <utility>

#include "fetchers/torrents/worker/web/web_seed_urls.h"

namespace impound::fetchers {

namespace {

using std::chrono::seconds;
using Why = OrderEnd::Why;

constexpr unsigned failures_max = 7;  // in a row: then it is dead
constexpr unsigned misses_in_a_row_max = 20;
constexpr unsigned wrong_in_a_row_max = 50;
constexpr std::uint64_t something_bytes = 16u << 10;
constexpr seconds judged_within{120};          // a piece in the owner's hands; else it was of no use there
constexpr seconds dead_gap{600};               // between two looks whether it lives again
constexpr unsigned suspicious_pieces_max = 3;  // of one file, in a row, that do not hash: it is another file

}  // namespace

WebSeeding::WebSeeding(Metainfo const& torrent, std::vector<bool> const& wanted, std::vector<WebSeed> const& seeds,
                       std::shared_ptr<WebWay const> way)
    : torrent_(torrent), way_(std::move(way)), plan_(torrent, wanted, std::min(seeds.size(), seeds_max)) {
  for (WebSeed const& seed : seeds) {
    if (seeds_.size() == seeds_max) break;
    Seed one;
    one.named = seed;
    one.tally.url = seed.url;
    seeds_.push_back(std::move(one));
  }
}

std::vector<WebSeeding::Piece> WebSeeding::take(Time now) {
  std::vector<Piece> pieces;
  for (std::size_t number = 0; number < seeds_.size(); ++number) {
    Seed& seed = seeds_[number];
    if (!seed.line) continue;
    WebNews news = seed.line->take();
    for (FetchedPiece& piece : news.pieces) {
      std::uint64_t const bytes = piece.bytes.size();
      seed.fetched_to = piece.piece + 1;
      seed.fetched_something = true;
      // Peers were faster, or another worker's journal.
      if (plan_.has(piece.piece) || !in_flight_.try_emplace(piece.piece, InFlight{number, bytes, now}).second) {
        seed.line->judged(bytes);
      } else {
        in_flight_bytes_ += bytes;
        pieces.push_back({number, std::move(piece)});
      }
    }
    std::move(news.exchanges.begin(), news.exchanges.end(), std::back_inserter(exchanges_));
    if (news.end) end_order(seed, number, *news.end, now);
  }
  return pieces;
}

std::vector<WebExchange> WebSeeding::take_exchanges() { return std::exchange(exchanges_, {}); }

void WebSeeding::end_order(Seed& seed, std::size_t number, OrderEnd const& end, Time now) {
  auto const run = std::exchange(seed.run, std::nullopt);
  if (run && end.next_piece <= run->last) plan_.give_back({std::max(run->first, end.next_piece), run->last});
  if (end.no_ranges) plan_.knows_no_ranges(number);
  if (seed.fetched_something || end.bytes >= something_bytes) seed.failures = 0;
  if (end.why == Why::stopped || (end.why == Why::again && end.text.empty())) return;  // of no fault of its own
  seed.tally.last = end.text;
  if (end.why == Why::done) return;
  ++seed.tally.failures;
  // BEP 17 speaks of no files.
  if (end.why == Why::again || !end.file) {
    if (end.file) plan_.put_off(number, *end.file);
    return put_off(seed, end, now);
  }
  if (!lose_file(seed, number, *end.file, end.why == Why::differs)) return;
  if (++seed.misses % misses_in_a_row_max == 0) put_off(seed, end, now);
}

/// False when its name says why it is not there.
bool WebSeeding::lose_file(Seed& seed, std::size_t number, std::size_t file, bool differs) {
  if (!differs && named_like_padding(torrent_.files[file])) return plan_.file_is_zeros(number, file), false;
  plan_.file_gone(number, file);
  (differs ? seed.tally.differs : seed.tally.gone).insert(file);
  return true;
}

void WebSeeding::put_off(Seed& seed, OrderEnd const& end, Time now) {
  ++seed.failures;
  auto const gap = seed.failures >= failures_max ? dead_gap : seconds{1u << std::min(seed.failures - 1, 6u)};
  seed.not_before = now + std::max(gap, end.retry_after.value_or(seconds{0}));
}

/// libtorrent takes no piece while it checks, and says nothing of it.
void WebSeeding::give_up_waiting(Time now) {
  std::vector<std::size_t> late;
  for (auto const& [piece, one] : in_flight_)
    if (now - one.since >= judged_within) late.push_back(piece);
  for (std::size_t const piece : late) {
    static_cast<void>(land(piece));
    plan_.give_back({piece, piece});
  }
}

void WebSeeding::ask(Time now, bool peers_give) {
  give_up_waiting(now);
  if (in_flight_bytes_ > in_flight_max) return;
  std::size_t at_work = asked_now();
  // A small torrent, too, is shared by all who give.
  auto const usable = static_cast<std::uint64_t>(std::count_if(seeds_.begin(), seeds_.end(), [&](Seed const& seed) {
    return !seed.dismissed && (seed.run || seed.not_before <= now);
  }));
  std::uint64_t const givers = std::min<std::uint64_t>(usable, lines_max) + (peers_give ? 1 : 0);
  std::uint64_t const bytes =
      std::clamp(plan_.missing_bytes() / std::max<std::uint64_t>(givers, 1), run_bytes_min, run_bytes_max);
  for (std::size_t number = 0; number < seeds_.size() && at_work < lines_max && plan_.is_open(); ++number) {
    Seed& seed = seeds_[number];
    if (seed.run || seed.dismissed || now < seed.not_before) continue;
    auto run = plan_.next(number, peers_give, bytes);
    if (!run && plan_.bring_back(number)) run = plan_.next(number, peers_give, bytes);
    if (!run) continue;
    auto made = order(seed, number, *run);
    if (!made) {  // its URL is none
      plan_.give_back(*run);
      seed.dismissed = true;
      seed.tally.last = "no URL that can be asked";
      continue;
    }
    if (!seed.line) seed.line = std::make_unique<WebLine>(seed.named.url, way_);
    seed.run = run;
    seed.fetched_to = run->first;
    seed.fetched_something = false;
    seed.asked = true;
    seed.line->give(std::move(*made));
    ++at_work;
  }
}

std::optional<WebOrder> WebSeeding::order(Seed const& seed, std::size_t number, PieceRun run) const {
  WebOrder made{.run = run, .by_ranges = seed.named.by_ranges, .expects_ranges = plan_.has_ranges(number)};
  for (std::size_t piece = run.first; piece <= run.last; ++piece) {
    std::uint64_t const size = plan_.stream().map.piece_size(piece);
    made.piece_sizes.push_back(size);
    if (!made.by_ranges) continue;
    auto url = piece_url(seed.named.url, torrent_, piece, size);
    if (!url) return std::nullopt;
    std::uint64_t const offset = piece * plan_.stream().map.piece_length();
    made.asks.push_back({{std::nullopt, offset, size}, size, std::move(url).value()});
  }
  if (made.by_ranges) return made;
  for (WebPart const& part : plan_.parts(number, run)) {
    WebAsk ask{part};
    if (part.file) {
      auto url = file_url(seed.named.url, torrent_, *part.file);
      if (!url) return std::nullopt;
      ask.file_size = torrent_.files[*part.file].size;
      ask.url = std::move(url).value();
    }
    made.asks.push_back(std::move(ask));
  }
  return made;
}

void WebSeeding::pause() {
  for (Seed& seed : seeds_)
    if (seed.run && seed.line) seed.line->stop();
}

std::optional<WebSeeding::InFlight> WebSeeding::land(std::size_t piece) {
  auto const found = in_flight_.find(piece);
  if (found == in_flight_.end()) return std::nullopt;
  InFlight const landed = found->second;
  in_flight_.erase(found);
  in_flight_bytes_ -= landed.bytes;
  seeds_[landed.seed].line->judged(landed.bytes);
  return landed;
}

void WebSeeding::passed(std::size_t piece) {
  plan_.passed(piece);
  auto const landed = land(piece);
  if (!landed) return;
  Seed& seed = seeds_[landed->seed];
  ++seed.tally.pieces;
  seed.tally.bytes += landed->bytes;
  bytes_ += landed->bytes;
  seed.suspicion = seed.misses = seed.wrong = 0;
}

bool WebSeeding::failed(std::size_t piece) {
  auto const landed = land(piece);
  if (!landed) return false;
  Seed& seed = seeds_[landed->seed];
  ++seed.tally.failed_pieces;
  failed_bytes_ += landed->bytes;
  if (!plan_.failed(landed->seed, piece)) return true;  // blocks of it may have been a peer's
  if (++seed.wrong >= wrong_in_a_row_max) seed.dismissed = true;
  auto const files = plan_.files_of(piece);
  if (files.size() == 1) {
    seed.suspicion = seed.suspect == files.front() ? seed.suspicion + 1 : 1;
    seed.suspect = files.front();
    if (seed.suspicion >= suspicious_pieces_max && !plan_.is_gone(landed->seed, files.front()))
      (void)lose_file(seed, landed->seed, files.front(), true);
  }
  // What is under way of it is of no use, either.
  if (seed.run && (seed.dismissed || (seed.suspect && plan_.is_gone(landed->seed, *seed.suspect)))) seed.line->stop();
  return true;
}

bool WebSeeding::nobody_left() const {
  if (!in_flight_.empty()) return false;
  for (std::size_t number = 0; number < seeds_.size(); ++number) {
    Seed const& seed = seeds_[number];
    if (seed.run) return false;
    if (!seed.dismissed && seed.failures < failures_max && plan_.has_use(number)) return false;
  }
  return true;
}

std::uint64_t WebSeeding::received() const {
  std::uint64_t bytes = 0;
  for (Seed const& seed : seeds_) bytes += seed.line ? seed.line->received() : 0;
  return bytes - std::min(bytes, failed_bytes_);
}

std::size_t WebSeeding::asked_now() const {
  return static_cast<std::size_t>(
      std::count_if(seeds_.begin(), seeds_.end(), [](Seed const& seed) { return seed.run.has_value(); }));
}

std::vector<WebSeedTally> WebSeeding::tallies() const {
  std::vector<WebSeedTally> tallies;
  for (Seed const& seed : seeds_)
    if (seed.asked || seed.dismissed) tallies.push_back(seed.tally);
  return tallies;
}

}  // namespace impound::fetchers
