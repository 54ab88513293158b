// What the index is asked; see index.h.
#include <algorithm>

#include "agent/index/index.h"
#include "agent/index/sql.h"
#include "evidence/formats/hex.h"

namespace impound::index {

using soci::into;
using soci::use;

namespace {

/// The places that a statement gives; `uses` live until this returns.
template <class... Uses>
void add_places(Places& places, soci::session& sql, std::string const& text, Uses... uses) {
  long long at = 0;
  soci::details::prepare_temp_type prepared = sql.prepare << text;
  prepared, into(at);
  ((prepared, uses), ...);
  soci::statement statement = prepared;
  each_row(statement, [&] { places.push_back(static_cast<std::uint64_t>(std::max(0LL, at))); });
}

Places in_order(Places places) {
  std::sort(places.begin(), places.end());
  places.erase(std::unique(places.begin(), places.end()), places.end());
  return places;
}

template <class... Uses>
Result<Places> places_of(Database& database, std::string const& text, Uses... uses) {
  return guarded(database, [&]() -> Result<Places> {
    Places places;
    add_places(places, database.sql(), text, uses...);
    return in_order(std::move(places));
  });
}

std::uint64_t count(soci::session& sql, std::string const& text) {
  long long count = 0;
  sql << text, into(count);
  return static_cast<std::uint64_t>(std::max(0LL, count));
}

}  // namespace

Places joined(std::initializer_list<Places> parts) {
  Places all;
  for (Places const& part : parts) all.insert(all.end(), part.begin(), part.end());
  return in_order(std::move(all));
}

Result<std::optional<std::uint64_t>> Index::entry(EntryId const& id) {
  IMPOUND_TRY(places, places_of(*database_, "SELECT log_index FROM entries WHERE id = :id", use(id.text())));
  return places.empty() ? std::optional<std::uint64_t>{} : std::optional{places.front()};
}

Result<Places> Index::of_kind(std::string_view kind) {
  std::string const wanted{kind};
  return places_of(*database_, "SELECT log_index FROM entries WHERE kind = :kind", use(wanted));
}

Result<Places> Index::newest_of_kind(std::string_view kind, std::size_t count_max) {
  std::string const wanted{kind};
  return places_of(
      *database_,
      "SELECT log_index FROM entries WHERE kind = :kind ORDER BY log_index DESC LIMIT " + std::to_string(count_max),
      use(wanted));
}

Result<Places> Index::erasures_of(EntryId const& id) {
  return places_of(*database_, "SELECT log_index FROM erasures WHERE subject = :id", use(id.text()));
}

Result<Places> Index::of_torrent(InfoHashes const& hashes) {
  return guarded(*database_, [&]() -> Result<Places> {
    soci::session& sql = database_->sql();
    std::string const named = "(SELECT attempt FROM acquisition_names WHERE info_hash = :hash)";
    Places places;
    for (std::string const& hash :
         {hashes.v1 ? hex(*hashes.v1) : std::string(), hashes.v2 ? hex(*hashes.v2) : std::string()}) {
      if (hash.empty()) continue;
      for (std::string const& text :
           {"SELECT log_index FROM entries WHERE id IN " + named,
            "SELECT log_index FROM entries WHERE of_id IN " + named,
            "SELECT e.log_index FROM exhibits x JOIN entries e ON e.of_id = x.id WHERE x.acquisition IN " + named,
            "SELECT e.log_index FROM exhibits x JOIN erasures e ON e.subject = x.id WHERE x.acquisition IN " + named})
        add_places(places, sql, text, use(hash));
    }
    return in_order(std::move(places));
  });
}

Result<Places> Index::of_object(Sha256 const& object) {
  return guarded(*database_, [&]() -> Result<Places> {
    std::string const sha256 = hex(object);
    Places places;
    for (char const* const text :
         {"SELECT log_index FROM exhibits WHERE sha256 = :sha",
          "SELECT e.log_index FROM exhibits x JOIN entries e ON e.of_id = x.id "
          "WHERE x.sha256 = :sha AND e.kind = 'exhibit.digested'",
          "SELECT e.log_index FROM exhibits x JOIN erasures e ON e.subject = x.id WHERE x.sha256 = :sha"})
      add_places(places, database_->sql(), text, use(sha256));
    return in_order(std::move(places));
  });
}

Result<Places> Index::of_open_acquisitions() {
  return guarded(*database_, [&]() -> Result<Places> {
    Places places;
    for (char const* const text :
         {"SELECT log_index FROM acquisitions WHERE state = 'open'",
          "SELECT e.log_index FROM acquisitions a JOIN entries e ON e.of_id = a.attempt "
          "WHERE a.state = 'open' AND e.kind IN ('acquisition.stalled', 'acquisition.resumed', 'limit.reached', "
          "'limit.left')",
          "SELECT MAX(x.log_index) FROM acquisitions a JOIN exhibits x ON x.acquisition = a.attempt "
          "WHERE a.state = 'open' GROUP BY a.attempt"})
      add_places(places, database_->sql(), text);
    return in_order(std::move(places));
  });
}

Result<Places> Index::of_timestamps() {
  return guarded(*database_, [&]() -> Result<Places> {
    Places places;
    for (char const* const text : {"SELECT log_index FROM stampings WHERE result_index = -1",
                                   "SELECT result_index FROM stampings WHERE anchored_size > 0 ORDER BY anchored_size "
                                   "DESC, result_index LIMIT 1"})
      add_places(places, database_->sql(), text);
    return in_order(std::move(places));
  });
}

Result<Counts> Index::counts() {
  return guarded(*database_, [&]() -> Result<Counts> {
    soci::session& sql = database_->sql();
    Counts counts;
    counts.objects = count(sql, "SELECT COUNT(*) FROM objects");
    counts.bytes = count(sql, "SELECT CAST(COALESCE(SUM(size), 0) AS BIGINT) FROM objects");
    counts.captured = count(sql, "SELECT COUNT(*) FROM captures WHERE outcome = 'captured'");
    Counts::Results one;
    long long results = 0;
    soci::statement states = (sql.prepare << "SELECT state, COUNT(*) FROM acquisitions WHERE state <> 'open' "
                                             "GROUP BY state ORDER BY state",
                              into(one.state), into(results));
    each_row(states, [&] {
      one.count = static_cast<std::uint64_t>(results);
      counts.results.push_back(one);
    });
    return counts;
  });
}

Result<std::vector<SourceCounts>> Index::sources() {
  return guarded(*database_, [&]() -> Result<std::vector<SourceCounts>> {
    std::vector<SourceCounts> sources;
    SourceCounts one;
    long long polled = 0, polls = 0, fresh = 0, failed = 0;
    soci::statement all =
        (database_->sql().prepare << "SELECT name, polled, polls, new_items, failed, last_utc, state FROM sources",
         into(one.name), into(polled), into(polls), into(fresh), into(failed), into(one.last_utc), into(one.state));
    each_row(all, [&] {
      one.polled = polled > 0;
      one.polls = static_cast<std::uint64_t>(polls);
      one.fresh = static_cast<std::uint64_t>(fresh);
      one.failed = static_cast<std::uint64_t>(failed);
      sources.push_back(one);
    });
    return sources;
  });
}

Result<RowCounts> Index::rows() {
  return guarded(*database_, [&]() -> Result<RowCounts> {
    soci::session& sql = database_->sql();
    return RowCounts{count(sql, "SELECT COUNT(*) FROM entries"),
                     count(sql, "SELECT COUNT(*) FROM exhibits"),
                     count(sql, "SELECT COUNT(*) FROM captures"),
                     count(sql, "SELECT COUNT(*) FROM acquisitions"),
                     count(sql, "SELECT COUNT(*) FROM items"),
                     count(sql, "SELECT COUNT(*) FROM jobs"),
                     count(sql, "SELECT COUNT(*) FROM jobs WHERE state IN ('waiting', 'leased')")};
  });
}

}  // namespace impound::index
