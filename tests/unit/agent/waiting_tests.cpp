// What the log tells of an attempt that waits, and of files that the vault has.
#include <doctest/doctest.h>

#include "agent/work/held_files.h"
#include "agent/work/past.h"
#include "agent/work/waiting_attempt.h"
#include "evidence/formats/hex.h"

using namespace impound;
using namespace impound::agent;
using impound::evidence::ReadEntry;

namespace {

constexpr char const* attempt = "015bd9c4-ad48-7b71-8002-1590ff0b4dc3";

ReadEntry entry(std::uint64_t index, std::string const& kind, std::string const& utc, Json body,
                std::string const& id = "015bd9c4-ad48-7674-8aa2-d790d641b387") {
  Json json{{"kind", kind}, {"id", id}, {"body", std::move(body)}, {"time", {{"utc", utc}}}};
  if (kind != "acquisition.attempt") json["of"] = attempt;
  return {index, std::move(json)};
}

ReadEntry stalled(std::uint64_t index, unsigned tries, std::string const& utc) {
  return entry(index, "acquisition.stalled", utc,
               {{"reason", "no_peers"}, {"detail", "nobody"}, {"try", tries}, {"next_try_utc", "next after " + utc}});
}

}  // namespace

TEST_CASE("an attempt waits since the first try in vain, until something comes of it") {
  WaitingAttempt one;
  CHECK_FALSE(one.waits());
  one.take(stalled(1, 1, "10:00"));
  one.take(stalled(2, 2, "10:01"));
  Json told = Json::object();
  one.add_to(told);
  CHECK(told == Json{{"since_utc", "10:00"},
                     {"next_try_utc", "next after 10:01"},
                     {"tries", 2},
                     {"reason", "no_peers"},
                     {"detail", "nobody"}});
  CHECK(one.text() == "since 10:00, 2 time(s) in vain, tried again at next after 10:01");
  for (char const* kind : {"acquisition.resumed", "exhibit.sealed", "acquisition.result"}) {
    WaitingAttempt over = one;
    over.take(entry(3, kind, "11:00", Json::object()));
    CHECK_FALSE(over.waits());
    Json nothing = Json::object();
    over.add_to(nothing);
    CHECK(nothing.empty());
    // It got something: the waiting begins anew.
    over.take(stalled(4, 1, "12:00"));
    over.add_to(nothing);
    CHECK(nothing["since_utc"] == "12:00");
  }
  one.take(entry(3, "acquisition.resumed", "11:00", Json::object()));
  one.take(stalled(4, 3, "11:01"));
  one.add_to(told);
  CHECK(told["since_utc"] == "10:00");
}

TEST_CASE("the next run knows when an attempt began, and how often it was tried in vain") {
  Past past;
  past.take(entry(0, "acquisition.attempt", "2017-05-05T18:00:00.000000Z", {{"info_hash_v1", std::string(40, 'a')}},
                  attempt));
  auto const open = [&] { return past.open_acquisitions().begin()->second; };
  CHECK(open().begun_utc_us == 1'494'007'200'000'000);
  CHECK(open().tries.tries == 0);
  std::uint64_t index = 0;
  for (unsigned const tries : {1u, 2u, 3u, 1u, 2u, 1u})
    past.take(stalled(++index, tries, "2017-05-05T18:00:00.000000Z"));
  CHECK(open().tries.tries == 1);
  CHECK(open().tries.starts_over == 2);
}

TEST_CASE("a file is held by its root and its size, until its object is erased") {
  std::string const root(64, '1'), other_root(64, '2'), object(64, 'a');
  auto const digest = [](std::string const& text) { return *digest_from_hex<Sha256>(text); };
  auto const body = [&](std::string const& of_root, std::string const& role = "payload") {
    return Json{
        {"role", role}, {"sha256", object}, {"size", 7}, {"origin", {{"type", "torrent"}, {"pieces_root", of_root}}}};
  };
  EntryId const first = *EntryId::parse("015bd9c4-ad48-7674-8aa2-d790d641b387");
  EntryId const second = *EntryId::parse("015bd9c4-ad48-74a5-b1aa-2b57dad0bad0");
  HeldFiles files;
  files.take_sealed(body(root, "payload_part"), first);
  files.take_sealed({{"role", "payload"}, {"sha256", object}, {"size", 7}, {"origin", {{"type", "torrent"}}}}, first);
  CHECK_FALSE(files.find(digest(root), 7));
  files.take_sealed(body(root), first);
  files.take_sealed(body(root), second);
  files.take_sealed(body(other_root), second);
  REQUIRE(files.find(digest(root), 7));
  CHECK(files.find(digest(root), 7)->exhibit == first);
  CHECK(files.find(digest(root), 7)->object == digest(object));
  CHECK_FALSE(files.find(digest(root), 8));
  files.take_erased({{"sha256", std::string(64, 'b')}});
  CHECK(files.find(digest(root), 7));
  files.take_erased({{"sha256", object}});
  CHECK_FALSE(files.find(digest(root), 7));
  CHECK_FALSE(files.find(digest(other_root), 7));
}
