#include <doctest/doctest.h>

#include <fstream>
#include <iterator>
#include <string>

#include "evidence/custody_entry.h"
#include "tests/support/fake_clock.h"
#include "tests/support/seeded_randomness.h"

namespace impound::evidence {
namespace {

struct Making {
  FakeClock clock;
  SeededRandomness random{1};
  EntryMaker maker{clock, random};
};

TEST_CASE("custody entry: every field is there, in one spelling") {
  Making m;
  m.maker.session(*EntryId::parse("015bd9a3-2a80-7000-8000-000000000001"));
  auto const id = *EntryId::parse("015bd9a3-2a80-7000-8000-000000000002");
  auto const of = *EntryId::parse("015bd9a3-2a80-7000-8000-000000000003");
  auto const entry = m.maker.make({.kind = "capture.result",
                                   .body = {{"outcome", "captured"}, {"kept", true}},
                                   .case_name = CaseName::parse("emleaks"),
                                   .cause = of,
                                   .of = of,
                                   .by = By{"anna", "Anna Example", 1000},
                                   .id = id});
  REQUIRE(entry);
  std::string const& bytes = entry.value().bytes;
  auto const salt = bytes.find("\"salt\":\"") + 8;
  CHECK(
      bytes.substr(0, salt) + "S" + bytes.substr(salt + 32) ==
      R"({"body":{"kept":true,"outcome":"captured"},"by":{"login":"anna","operator":"Anna Example","uid":1000},)"
      R"("case":"emleaks","cause":"015bd9a3-2a80-7000-8000-000000000003","id":"015bd9a3-2a80-7000-8000-000000000002",)"
      R"("kind":"capture.result","of":"015bd9a3-2a80-7000-8000-000000000003","salt":"S",)"
      R"("session":"015bd9a3-2a80-7000-8000-000000000001","time":{"boot_id":"b0070000-0000-4000-8000-000000000001",)"
      R"("boot_us":1000000,"clock":"synchronised","utc":"2017-05-05T18:00:00.000000Z"},"v":1})");

  auto const read = read_entry(5, entry.value().bytes);
  REQUIRE(read);
  CHECK(read.value().index == 5);
  CHECK(read.value().kind() == "capture.result");
  CHECK(read.value().id() == id);
  CHECK(read.value().of() == of);
  CHECK(read.value().cause() == of);
  CHECK(read.value().case_name() == CaseName::parse("emleaks"));
  CHECK(read.value().text("outcome") == "captured");
  CHECK_FALSE(read.value().text("kept"));
}

TEST_CASE("custody entry: two entries of one draft differ by id and salt") {
  Making m;
  m.clock.set_synchronised(false);
  m.maker.session(EntryId::make(m.clock, m.random));
  EntryDraft const draft{.kind = "note.added"};
  auto const one = m.maker.make(draft);
  auto const two = m.maker.make(draft);
  CHECK(one.value().id != two.value().id);
  auto const salt = [](Entry const& entry) { return read_entry(0, entry.bytes).value().json["salt"]; };
  CHECK(salt(one.value()) != salt(two.value()));
  CHECK(one.value().bytes.find("\"unsynchronised\"") != std::string::npos);
}

TEST_CASE("custody entry: agent.started and vault.created are their own session, others need one") {
  Making m;
  CHECK(m.maker.make({.kind = "note.added"}).error().code == Code::usage);
  for (char const* kind : {"vault.created", "agent.started"}) {
    auto const entry = m.maker.make({.kind = kind});
    REQUIRE(entry);
    auto const read = read_entry(0, entry.value().bytes);
    CHECK(read.value().session() == read.value().id());
  }
}

TEST_CASE("custody entry: what cannot be logged is refused") {
  Making m;
  m.maker.session(EntryId::make(m.clock, m.random));
  CHECK(m.maker.make({.kind = "no.such"}).error().code == Code::refused);
  CHECK(m.maker.make({.kind = "note.added", .body = Json::array()}).error().code == Code::refused);
  CHECK(m.maker.make({.kind = "note.added", .body = {{"text", ""}}}).error().code == Code::malformed);
  CHECK(m.maker.make({.kind = "note.added", .body = {{"text", nullptr}}}).error().code == Code::malformed);
  CHECK(m.maker.make({.kind = "note.added", .body = {{"text", std::string(65'535, 'x')}}}).error().code ==
        Code::refused);
}

TEST_CASE("custody entry: an absent person's name is absent") {
  Making m;
  m.maker.session(EntryId::make(m.clock, m.random));
  auto const entry = m.maker.make({.kind = "note.added", .by = By{"root", "", 0}});
  CHECK(entry.value().bytes.find(R"("by":{"login":"root","uid":0})") != std::string::npos);
  CHECK(read_entry(0, entry.value().bytes));
}

TEST_CASE("custody entry: a draft survives its plan") {
  EntryDraft const draft{.kind = "exhibit.sealed",
                         .body = {{"role", "payload"}},
                         .case_name = CaseName::parse("c"),
                         .cause = EntryId::parse("015bd9a3-2a80-7000-8000-000000000003"),
                         .by = By{"anna", "", 7},
                         .id = EntryId::parse("015bd9a3-2a80-7000-8000-000000000002")};
  auto const again = draft_from_json(Json::parse(to_json(draft).dump()));
  REQUIRE(again);
  CHECK(to_json(again.value()) == to_json(draft));
  CHECK(again.value().by == draft.by);
  for (char const* bad : {"[]", "{}", R"({"kind":"exhibit.sealed"})", R"({"kind":"no.such","body":{}})",
                          R"({"kind":"note.added","body":[]})", R"({"kind":"note.added","body":{},"id":"x"})",
                          R"({"kind":"note.added","body":{},"case":"X"})", R"({"kind":"note.added","body":{},"by":{}})",
                          R"({"kind":"note.added","body":{},"more":1})"}) {
    CAPTURE(std::string(bad));
    CHECK(draft_from_json(Json::parse(bad)).error().code == Code::malformed);
  }
}

TEST_CASE("custody entry: numbers of the body are read as numbers or decimal texts") {
  ReadEntry const entry{
      0, Json::parse(R"({"body":{"a":5,"b":"18446744073709551615","c":"18446744073709551616","d":-1,"e":"x"}})")};
  CHECK(entry.number("a") == 5);
  CHECK(entry.number("b") == UINT64_MAX);
  for (char const* key : {"c", "d", "e", "f"}) CHECK_FALSE(entry.number(key));
}

TEST_CASE("custody entry: the envelope is read strictly, unknown kinds are accepted") {
  Making m;
  m.maker.session(EntryId::make(m.clock, m.random));
  Json const good =
      read_entry(0, m.maker.make({.kind = "note.added", .by = By{"a", "b", 1}}).value().bytes).value().json;
  auto const reads = [](Json const& json) { return static_cast<bool>(read_entry(0, canonical(json).value())); };
  auto const with = [&](char const* pointer, Json value) {
    Json changed = good;
    changed[Json::json_pointer(pointer)] = std::move(value);
    return changed;
  };
  CHECK(reads(with("/kind", "later.kind")));
  struct Row {
    char const* pointer;
    Json value;
  };
  for (Row const& row : {Row{"/kind", "nodot"},
                         Row{"/kind", "Upper.case"},
                         Row{"/kind", 1},
                         Row{"/v", 2},
                         Row{"/v", "1"},
                         Row{"/id", "x"},
                         Row{"/id", "015bd9a3-2a80-4000-8000-000000000002"},
                         Row{"/session", 1},
                         Row{"/of", "x"},
                         Row{"/cause", Json::object()},
                         Row{"/salt", "00"},
                         Row{"/salt", std::string(32, 'A')},
                         Row{"/time/utc", "today"},
                         Row{"/time/clock", "maybe"},
                         Row{"/time/boot_us", "1"},
                         Row{"/time/more", 1},
                         Row{"/by/uid", "1"},
                         Row{"/by/uid", 4294967296},
                         Row{"/by/more", 1},
                         Row{"/case", "Upper"},
                         Row{"/case", 1},
                         Row{"/body", "x"},
                         Row{"/body", Json::array()},
                         Row{"/more", 1}}) {
    CAPTURE(std::string(row.pointer));
    CHECK_FALSE(reads(with(row.pointer, row.value)));
  }
  for (char const* key : {"body", "id", "kind", "salt", "session", "time", "v"}) {
    Json without = good;
    without.erase(key);
    CAPTURE(std::string(key));
    CHECK_FALSE(reads(without));
  }
  CHECK_FALSE(read_entry(0, ""));
  CHECK_FALSE(read_entry(0, "[]"));
}

TEST_CASE("custody entry: the registry and config/schema name the same kinds") {
  for (std::string_view kind : kinds()) {
    std::string const path = std::string(SOURCE_ROOT) + "/config/schema/" + std::string(kind) + ".json";
    std::ifstream in(path);
    CAPTURE(path);
    Json const schema = Json::parse(in, nullptr, false);
    REQUIRE(schema.is_object());
    CHECK(schema["properties"]["kind"]["const"] == std::string(kind));
  }
  CHECK(known_kind("vault.created"));
  CHECK_FALSE(known_kind("vault"));
}

}  // namespace
}  // namespace impound::evidence
