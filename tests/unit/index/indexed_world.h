// A vault on the disk, what its log tells, and an index beside it; all rows of an index as text, to compare them.
#pragma once

#include <doctest/doctest.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "agent/index/index.h"
#include "agent/index/queue.h"
#include "agent/index/sql.h"
#include "tests/support/test_vault.h"

namespace impound::index {

inline Json const source_item(std::string const& key) {
  return {{"url", "http://paste.example/" + key}, {"source", "pastes"}, {"key", key}, {"route", "direct"}};
}

struct IndexedWorld {
  evidence::TemporaryFolder folder;
  std::unique_ptr<LinuxDisk> vault = opened("vault"), state = opened("state"), beside = opened("beside");
  std::unique_ptr<evidence::TestVault> writer =
      std::make_unique<evidence::TestVault>(*vault, *state, static_cast<std::uint32_t>(::getuid()));

  std::unique_ptr<LinuxDisk> opened(std::string const& name) const {
    std::filesystem::create_directories(folder.path(name));
    auto disk = LinuxDisk::open_at(folder.path(name));
    REQUIRE(disk);
    return std::move(disk).value();
  }

  EntryId tell(std::string kind, Json body, std::optional<EntryId> of = {}, std::optional<EntryId> cause = {},
               std::optional<evidence::By> by = {}) {
    EntryId const id = writer->new_id();
    REQUIRE(writer->record({{.kind = std::move(kind),
                             .body = std::move(body),
                             .cause = std::move(cause),
                             .of = std::move(of),
                             .by = std::move(by),
                             .id = id}}));
    return id;
  }
  /// A capture of an item; its result.
  EntryId capture(std::string const& key, std::string const& outcome, int references = 0) {
    EntryId const attempt = tell("capture.attempt", source_item(key));
    Json body{{"outcome", outcome}, {"url", "http://paste.example/" + key}, {"kept", false}};
    if (references > 0) body["references"] = references;
    return tell("capture.result", body, attempt);
  }
  EntryId acquisition(char digit, std::optional<evidence::By> by = {}) {
    return tell("acquisition.attempt", {{"info_hash_v1", std::string(40, digit)}, {"route", "direct"}}, {}, {}, by);
  }

  evidence::LogReader reader() {
    writer->publish();
    return reader_of(*vault);
  }
  evidence::LogReader reader_of(Disk& disk) const {
    auto reader = evidence::LogReader::open(disk, writer->vkey());
    REQUIRE(reader);
    return std::move(reader).value();
  }
  std::unique_ptr<Index> index_in(LinuxDisk& place) const {
    auto database = Database::open(place);
    REQUIRE(database);
    auto index = Index::open(std::move(database).value());
    REQUIRE(index);
    return std::move(index).value();
  }
  std::unique_ptr<Index> index_in_memory() const {
    auto database = Database::in_memory();
    REQUIRE(database);
    auto index = Index::open(std::move(database).value());
    REQUIRE(index);
    return std::move(index).value();
  }

  /// One of everything that has rows.
  void story() {
    tell("source.polled",
         {{"source", "pastes"}, {"polls", 3}, {"new", 1}, {"failed", 1}, {"last_utc", "2017-05-05T18:00:00.000000Z"}});
    tell("source.changed", {{"source", "pastes"}, {"state", "down"}});
    tell("source.changed", {{"source", "others"}, {"state", "up"}});
    capture("one", "captured");
    auto const two = capture("two", "captured", 2);
    tell("reference.found", {{"counts", Json::object()}, {"total", 2}}, {}, two);
    capture("three", "failed");
    capture("three", "failed");
    capture("four", "failed");
    capture("four", "captured");
    auto const five = capture("five", "captured", 1);
    tell("job.closed", {{"what", "references worked off"}}, {}, five);
    auto const six = capture("six", "failed");
    tell("job.closed", {{"what", "cancelled"}, {"why", "spam"}}, {}, six);
    auto const a = acquisition('a');
    tell("acquisition.metadata",
         {{"info_hash_v1", std::string(40, 'a')},
          {"info_hash_v2", std::string(64, 'a')},
          {"name_hex", "6162"},
          {"exhibit", "x"}},
         a);
    auto const exhibit =
        tell("exhibit.sealed", {{"role", "payload"}, {"sha256", std::string(64, 'c')}, {"size", 7}}, a);
    tell("exhibit.digested",
         {{"exhibit", exhibit.text()}, {"sha256", std::string(64, 'c')}, {"sha1", std::string(40, 'd')}}, exhibit);
    tell("acquisition.result", {{"state", "complete"}}, a);
    auto const b = acquisition('b', evidence::By{"me", "me", 1});
    tell("acquisition.stalled", {{"reason", "no_peers"}, {"try", 4}, {"next_try_utc", "2017-05-06T18:00:00.000000Z"}},
         b);
    auto const c = acquisition('c');
    tell("job.closed", {{"what", "cancelled"}, {"why", "not wanted"}}, {}, c);
    tell("acquisition.result", {{"state", "failed"}, {"reason", "cancelled"}}, c);
    auto const gone = tell("exhibit.sealed", {{"role", "payload"}, {"sha256", std::string(64, 'e')}, {"size", 9}});
    tell("exhibit.erased",
         {{"exhibit", gone.text()}, {"sha256", std::string(64, 'e')}, {"size", 9}, {"index", 1}, {"order", "x"}});
    tell("incident.raised", {{"what", "something"}});
  }
};

/// Every row of every table but for built.purge and what a lease left, in one order.
inline std::vector<std::string> all_rows(Index& index) {
  std::vector<std::string> rows;
  soci::session& sql = index.database().sql();
  for (std::string const table :
       {"built", "entries", "exhibits", "objects", "erasures", "capture_attempts", "captures", "reference_lists",
        "items", "acquisitions", "acquisition_names", "stampings", "sources", "jobs"}) {
    soci::rowset<soci::row> const found = (sql.prepare << "SELECT * FROM " << table);
    for (soci::row const& row : found) {
      std::string text = table;
      for (std::size_t i = 0; i < row.size(); ++i) {
        if (row.get_properties(i).get_name() == "purge") continue;
        text += " | ";
        switch (row.get_properties(i).get_data_type()) {
          case soci::dt_string: text += row.get<std::string>(i); break;
          case soci::dt_integer: text += std::to_string(row.get<int>(i)); break;
          case soci::dt_long_long: text += std::to_string(row.get<long long>(i)); break;
          default: FAIL("a column of another type");
        }
      }
      rows.push_back(std::move(text));
    }
  }
  std::sort(rows.begin(), rows.end());
  return rows;
}

inline std::vector<std::string> built_at_once(IndexedWorld& world) {
  auto const index = world.index_in_memory();
  auto reader = world.reader();
  auto const caught = index->catch_up(reader);
  REQUIRE(caught);
  REQUIRE(caught.value() == Caught::up);
  return all_rows(*index);
}

}  // namespace impound::index
