#include <doctest/doctest.h>

#include "agent/work/past.h"
#include "evidence/formats/hex.h"
#include "tests/support/fake_clock.h"
#include "tests/support/seeded_randomness.h"

using namespace impound;
using namespace impound::agent;
using evidence::EntryDraft;

namespace {

/// A log in memory: entries made as the recorder makes them, taken as a start takes them.
struct Story {
  FakeClock clock;
  SeededRandomness randomness{1};
  evidence::EntryMaker maker{clock, randomness};
  Past past;
  std::uint64_t index = 0;

  Story() { maker.session(EntryId::make(clock, randomness)); }
  EntryId tell(std::string kind, Json body, std::optional<EntryId> of = {}, std::optional<evidence::By> by = {},
               std::optional<EntryId> cause = {}) {
    auto const entry = maker.make(
        EntryDraft{std::move(kind), std::move(body), {}, std::move(cause), std::move(of), std::move(by), {}});
    REQUIRE(entry);
    auto const read = evidence::read_entry(index++, entry.value().bytes);
    REQUIRE(read);
    past.take(read.value());
    return entry.value().id;
  }
};

std::string const v1_hex(40, 'a');
std::string const v2_hex(64, 'b');
InfoHashes v1() { return {digest_from_hex<InfoHashV1>(v1_hex), {}}; }
InfoHashes v2() { return {{}, digest_from_hex<InfoHashV2>(v2_hex)}; }

}  // namespace

TEST_CASE("an item is seen once its capture succeeded, and not before") {
  Story story;
  auto const attempt =
      story.tell("capture.attempt", {{"url", "http://x/1"}, {"source", "s"}, {"key", "k"}, {"route", "direct"}});
  CHECK_FALSE(story.past.seen("s", "k"));
  CHECK(story.past.open_captures().size() == 1);
  story.tell("capture.result", {{"outcome", "failed"}, {"url", "http://x/1"}, {"kept", false}}, attempt);
  CHECK_FALSE(story.past.seen("s", "k"));
  CHECK(story.past.open_captures().empty());
  auto const again =
      story.tell("capture.attempt", {{"url", "http://x/1"}, {"source", "s"}, {"key", "k"}, {"route", "direct"}});
  story.tell("capture.result", {{"outcome", "captured"}, {"url", "http://x/1"}, {"kept", false}}, again);
  CHECK(story.past.seen("s", "k"));
  CHECK_FALSE(story.past.seen("other", "k"));
}

TEST_CASE("an item that could not be had and that an operator has ended is not asked for again") {
  Story story;
  auto const capture = [&] {
    auto const attempt =
        story.tell("capture.attempt", {{"url", "http://x/1"}, {"source", "s"}, {"key", "k"}, {"route", "direct"}});
    return story.tell("capture.result", {{"outcome", "failed"}, {"url", "http://x/1"}, {"kept", false}}, attempt);
  };
  auto const first = capture();
  capture();
  CHECK_FALSE(story.past.seen("s", "k"));
  story.tell("job.closed", {{"what", "cancelled"}}, {}, {}, first);
  CHECK(story.past.seen("s", "k"));
}

TEST_CASE("an acquisition is open until its result, and held only when that is complete") {
  Story story;
  auto const attempt = story.tell("acquisition.attempt", {{"info_hash_v1", v1_hex}, {"route", "direct"}});
  REQUIRE(story.past.open_for(v1(), false) != nullptr);
  CHECK_FALSE(story.past.open_for(v1(), false)->by_person);
  // The metadata tells the other hash of a hybrid: both names lead to the same attempt from then on.
  CHECK(story.past.open_for(v2(), false) == nullptr);
  story.tell("acquisition.metadata", {{"info_hash_v1", v1_hex}, {"info_hash_v2", v2_hex}, {"exhibit", "x"}}, attempt);
  CHECK(story.past.open_for(v2(), false) != nullptr);
  story.tell("acquisition.result", {{"state", "partial"}}, attempt);
  CHECK(story.past.open_for(v1(), false) == nullptr);
  CHECK_FALSE(story.past.held(v1()));
  auto const second = story.tell("acquisition.attempt", {{"info_hash_v1", v1_hex}, {"route", "direct"}}, {},
                                 evidence::By{"me", "me", 1});
  CHECK(story.past.open_for(v1(), false)->by_person);
  story.tell("acquisition.result", {{"state", "complete"}}, second);
  CHECK(story.past.held(v1()));
}

TEST_CASE("whom later runs asked for an open acquisition is known as well") {
  Story story;
  auto const attempt =
      story.tell("acquisition.attempt", {{"info_hash_v1", v1_hex}, {"route", "direct"}, {"trackers", {"http://a/"}}});
  story.tell("acquisition.resumed", {{"route", "direct"}, {"trackers", {"http://b/"}}, {"peers", {"192.0.2.1:1"}}},
             attempt);
  story.tell("acquisition.joined", {{"attempt", attempt.text()}, {"peers", {"192.0.2.2:2"}}}, attempt);
  auto const* const open = story.past.open_for(v1(), false);
  REQUIRE(open != nullptr);
  CHECK(open->body["trackers"] == Json{"http://a/", "http://b/"});
  CHECK(open->body["peers"] == Json{"192.0.2.1:1", "192.0.2.2:2"});
}

TEST_CASE("a torrent that bytes were erased of is no longer held, and the erasure is named") {
  Story story;
  auto const attempt =
      story.tell("acquisition.attempt", {{"info_hash_v1", v1_hex}, {"info_hash_v2", v2_hex}, {"route", "direct"}});
  auto const exhibit = story.tell("exhibit.sealed", {{"sha256", std::string(64, 'c')}, {"role", "payload"}}, attempt);
  auto const other = story.tell("exhibit.sealed", {{"sha256", std::string(64, 'd')}, {"role", "payload"}});
  story.tell("acquisition.result", {{"state", "complete"}}, attempt);
  story.tell("exhibit.erased", {{"exhibit", other.text()}});
  CHECK(story.past.held(v1()));
  CHECK_FALSE(story.past.erased(v1()));
  auto const erased = story.tell("exhibit.erased", {{"exhibit", exhibit.text()}});
  for (InfoHashes const& name : {v1(), v2()}) {
    CHECK_FALSE(story.past.held(name));
    CHECK(story.past.erased(name) == erased);
  }
}

TEST_CASE("what was ordered gone is not fetched again, however its acquisition ended or what was selected of it") {
  for (char const* state : {"partial", "", "complete"}) {  // "": it is still open
    INFO(state);
    Story story;
    Json const selection{{"include", Json::array({"*.eml"})}};
    auto const attempt =
        story.tell("acquisition.attempt", {{"info_hash_v1", v1_hex}, {"route", "direct"}, {"selection", selection}});
    auto const exhibit = story.tell("exhibit.sealed", {{"sha256", std::string(64, 'c')}, {"role", "payload"}}, attempt);
    bool const complete = std::string_view(state) == "complete";
    if (*state != '\0') story.tell("acquisition.result", {{"state", state}, {"files_left_out", 2}}, attempt);
    CHECK(story.past.held(v1(), selection).has_value() == complete);
    auto const erased = story.tell("exhibit.erased", {{"exhibit", exhibit.text()}});
    CHECK(story.past.erased(v1()) == erased);
    CHECK_FALSE(story.past.held(v1(), selection));
  }
}

TEST_CASE("P1: a wish for metadata alone never goes on with an attempt for the payload that it would end") {
  Story story;
  auto const payload = story.tell("acquisition.attempt", {{"info_hash_v1", v1_hex}, {"route", "direct"}});
  CHECK(story.past.open_for(v1(), true) == nullptr);
  auto const metadata =
      story.tell("acquisition.attempt", {{"info_hash_v1", v1_hex}, {"route", "direct"}, {"metadata_only", true}});
  CHECK(story.past.open_for(v1(), true)->attempt == metadata);
  CHECK(story.past.open_for(v1(), false)->attempt == payload);
  story.tell("acquisition.result", {{"state", "metadata_only"}}, metadata);
  story.tell("acquisition.metadata", {{"info_hash_v1", v1_hex}, {"exhibit", "x"}}, payload);
  CHECK(story.past.open_for(v1(), true)->attempt == payload);  // it has what is asked for
  CHECK_FALSE(story.past.open_for(v1(), true)->metadata_only);
}

TEST_CASE("what an interrupted acquisition has sealed is remembered, file by file") {
  Story story;
  auto const attempt = story.tell("acquisition.attempt", {{"info_hash_v1", v1_hex}, {"route", "direct"}});
  std::string const object(64, 'c');
  auto const exhibit = story.tell(
      "exhibit.sealed",
      {{"role", "payload"}, {"sha256", object}, {"size", 5}, {"origin", {{"type", "torrent"}, {"path_hex", "6162"}}}},
      attempt);
  auto const* open = story.past.open_for(v1(), false);
  REQUIRE(open != nullptr);
  REQUIRE(open->sealed.contains("6162"));
  CHECK(open->sealed.at("6162").sha256 == object);
  CHECK(open->sealed.at("6162").exhibit == exhibit.text());
  CHECK(open->sealed.at("6162").size == 5);
  CHECK(open->parts.empty());
  auto const part = story.tell(
      "exhibit.sealed", {{"role", "payload_part"}, {"sha256", object}, {"size", 3}, {"origin", {{"path_hex", "6163"}}}},
      attempt);
  CHECK(open->sealed.size() == 1);
  REQUIRE(open->parts.contains("6163"));
  CHECK(open->parts.at("6163").exhibit == part.text());
  CHECK(story.past.logged(exhibit));
  CHECK(story.past.objects().contains(*digest_from_hex<Sha256>(object)));
}

TEST_CASE("each WARC file ends where the last logged record ends") {
  Story story;
  auto const attempt = story.tell("capture.attempt", {{"url", "http://x/1"}, {"route", "direct"}});
  auto const record_at = [](int offset, int length) {
    return Json{{"file", "warc/a"}, {"offset", offset},  {"length", length}, {"sha256", std::string(64, 'd')},
                {"record_id", "x"}, {"type", "response"}};
  };
  Json const record = record_at(100, 50);
  Json const later = record_at(150, 7);
  story.tell("capture.result",
             {{"outcome", "captured"}, {"url", "http://x/1"}, {"kept", true}, {"records", {later, record}}}, attempt);
  CHECK(story.past.warcs().of("warc/a").end == 157);
  CHECK(story.past.warcs().of("warc/a").records == 2);
  CHECK_FALSE(story.past.warcs().of("warc/a").closed);
  story.tell("warc.closed", {{"file", "warc/a"}, {"sha256", std::string(64, 'd')}, {"bytes", 157}, {"records", 2}});
  CHECK(story.past.warcs().of("warc/a").closed);
}

TEST_CASE("records that are ordered erased are no stray bytes, though their capture is blanked") {
  Story story;
  std::string const digest(64, 'd');
  Json const record{{"file", "warc/a.warc.gz"}, {"offset", 100}, {"length", 50}, {"sha256", digest}};
  Json const file{{"file", "warc/a.warc.gz"}, {"sha256_before", digest}};
  auto const capture = story.tell("capture.attempt", {{"url", "http://x/1"}, {"route", "direct"}});
  story.tell("exhibit.erased", {{"index", 0},
                                {"capture", capture.text()},
                                {"records", Json::array({record})},
                                {"files", Json::array({file})},
                                {"order", "o"}});
  CHECK(story.past.warcs().of("warc/a.warc.gz").end == 150);
  CHECK(story.past.warcs().of("warc/a.warc.gz").rewritten);
}

TEST_CASE("P1: an item that names something is seen only when that was worked off") {
  Story story;
  auto const attempt =
      story.tell("capture.attempt", {{"url", "http://x/1"}, {"source", "s"}, {"key", "k"}, {"route", "direct"}});
  auto const result = story.tell(
      "capture.result", {{"outcome", "captured"}, {"url", "http://x/1"}, {"kept", false}, {"references", 2}}, attempt);
  CHECK_FALSE(story.past.seen("s", "k"));
  story.tell("job.closed", {{"what", "references"}}, {}, {}, result);
  CHECK(story.past.seen("s", "k"));
}
