#include "evidence/case_content.h"

#include <algorithm>
#include <map>

#include "evidence/formats/hex.h"
#include "tests/support/erasing.h"

using namespace impound;
using namespace impound::evidence;

namespace {

/// A log written entry by entry, with a name for each.
struct Log {
  SimulatedDisk disk;
  std::unique_ptr<Disk> vault;
  std::unique_ptr<Disk> state;
  std::unique_ptr<TestVault> writer;
  std::map<std::string, EntryId> ids;
  std::map<std::string, std::uint64_t> indexes;

  explicit Log(std::uint64_t seed = 1) {
    disk.put_folder("v");
    disk.put_folder("s");
    vault = disk.folder("v");
    state = disk.folder("s");
    writer = std::make_unique<TestVault>(*vault, *state, SimulatedDisk::owner, seed);
  }

  struct Links {
    std::string case_name{};
    std::string of{};
    std::string cause{};
  };
  std::uint64_t add(std::string const& name, std::string const& kind, Links const& links, Json body = Json::object()) {
    EntryDraft draft{.kind = kind, .body = std::move(body), .id = writer->new_id()};
    if (!links.case_name.empty()) draft.case_name = CaseName::parse(links.case_name);
    if (!links.of.empty()) draft.of = ids.at(links.of);
    if (!links.cause.empty()) draft.cause = ids.at(links.cause);
    ids.emplace(name, *draft.id);
    indexes[name] = writer->log().size();
    REQUIRE(writer->record({draft}));
    return indexes[name];
  }
  std::string id(std::string const& name) const { return ids.at(name).text(); }

  CaseContent content(std::string const& case_name) {
    writer->publish();
    auto reader = read_test_log(*vault);
    REQUIRE(reader);
    auto content = case_content(reader.value(), *CaseName::parse(case_name));
    REQUIRE(content);
    return content.value();
  }
  /// The named entries of a case's content.
  std::set<std::string> names(std::string const& case_name) {
    CaseContent const found = content(case_name);
    CHECK(std::is_sorted(found.entries.begin(), found.entries.end()));
    std::set<std::string> names;
    for (auto const& [name, index] : indexes)
      if (std::binary_search(found.entries.begin(), found.entries.end(), index)) names.insert(name);
    return names;
  }
};

using Names = std::set<std::string>;

Json exhibit_of(char digit) { return {{"sha256", std::string(64, digit)}, {"size", 5}}; }

/// A paste, and what is acquired from it.
void add_capture(Log& log, std::string const& name, Log::Links links) {
  log.add(name + ".attempt", "capture.attempt", links);
  Json const record{{"file", "warc/20170505T180000Z-1.warc.gz"},
                    {"length", 10},
                    {"offset", 10 * log.indexes.size()},
                    {"record_id", "urn:uuid:" + name},
                    {"sha256", std::string(62, '0') + std::to_string(10 + log.indexes.size())},
                    {"type", "response"}};
  links.of = name + ".attempt";
  log.add(name, "capture.result", links, {{"kept", true}, {"records", Json::array({record})}});
}

void add_acquisition(Log& log, std::string const& name, Log::Links const& links, char digit) {
  log.add(name, "acquisition.attempt", links);
  log.add(name + ".torrent", "exhibit.sealed", {links.case_name, name, name}, exhibit_of('f'));
  log.add(name + ".metadata", "acquisition.metadata", {links.case_name, name, {}},
          {{"exhibit", log.id(name + ".torrent")}});
  log.add(name + ".file", "exhibit.sealed", {links.case_name, name, name + ".metadata"}, exhibit_of(digit));
  log.add(name + ".result", "acquisition.result", {links.case_name, name, {}});
}

Names acquisition(std::string const& name) {
  return {name, name + ".torrent", name + ".metadata", name + ".file", name + ".result"};
}

Names together(std::initializer_list<Names> parts) {
  Names all;
  for (Names const& part : parts) all.insert(part.begin(), part.end());
  return all;
}

}  // namespace

TEST_CASE("a case brings the capture that named it, and nothing that another case began from that capture") {
  Log log;
  add_capture(log, "paste", {});
  log.add("found", "reference.found", {{}, {}, "paste"});
  add_acquisition(log, "a", {"a-case", {}, "found"}, '1');
  add_acquisition(log, "b", {"b-case", {}, "found"}, '2');
  add_acquisition(log, "none", {{}, {}, "found"}, '3');
  Names const above{"paste", "paste.attempt", "found"};
  CHECK(log.names("a-case") == together({above, acquisition("a")}));
  CHECK(log.names("b-case") == together({above, acquisition("b")}));
  CHECK(log.names("nobody").empty());
  CaseContent const content = log.content("a-case");
  CHECK(content.objects.size() == 2);
  CHECK(content.records.size() == 1);
  CHECK(content.entries.front() == 0);                                           // vault.created
  CHECK(std::binary_search(content.entries.begin(), content.entries.end(), 1));  // agent.started
}

TEST_CASE("a chain of captures is followed up to the first") {
  Log log;
  add_capture(log, "paste", {"b-case"});
  log.add("found", "reference.found", {"b-case", {}, "paste"});
  add_capture(log, "torrent-file", {"a-case", {}, "found"});
  add_acquisition(log, "a", {"a-case", {}, "torrent-file"}, '1');
  add_acquisition(log, "b", {"b-case", {}, "found"}, '2');
  CHECK(log.names("a-case") ==
        together({acquisition("a"), {"torrent-file", "torrent-file.attempt", "found", "paste", "paste.attempt"}}));
  CHECK(log.names("b-case") == together({acquisition("b"), {"found", "paste", "paste.attempt"}}));
}

TEST_CASE("what is assigned brings what it led to, but not what belongs to another case") {
  Log log;
  add_capture(log, "paste", {});
  log.add("found", "reference.found", {{}, {}, "paste"});
  add_acquisition(log, "a", {{}, {}, "found"}, '1');
  add_acquisition(log, "b", {"b-case", {}, "found"}, '2');
  add_acquisition(log, "c", {{}, {}, "found"}, '3');
  log.add("to-a", "case.assigned", {"a-case"}, {{"subject", log.id("paste")}});
  log.add("to-c", "case.assigned", {"c-case"}, {{"subject", log.id("c")}});
  CHECK(log.names("a-case") == together({{"paste", "paste.attempt", "found", "to-a"}, acquisition("a")}));
  CHECK(log.names("c-case") == together({{"paste", "paste.attempt", "found", "to-c"}, acquisition("c")}));
}

TEST_CASE("one exhibit alone brings its torrent and how its acquisition ended, not the files beside it") {
  Log log;
  add_acquisition(log, "x", {}, '1');
  log.add("beside", "exhibit.sealed", {{}, "x", "x.metadata"}, exhibit_of('9'));
  log.add("to-a", "case.assigned", {"a-case"}, {{"subject", log.id("x.file")}});
  CHECK(log.names("a-case") == together({acquisition("x"), {"to-a"}}));
  log.add("to-b", "case.assigned", {"b-case"}, {{"subject", log.id("beside")}});
  CHECK(log.names("b-case") == Names{"beside", "x", "x.torrent", "x.metadata", "x.result", "to-b"});
  CHECK(log.content("b-case").objects.size() == 2);
}

TEST_CASE("an object that two cases share comes with each case's own exhibit") {
  Log log;
  log.add("a", "exhibit.sealed", {"a-case"}, exhibit_of('1'));
  log.add("b", "exhibit.sealed", {"b-case"}, exhibit_of('1'));
  log.add("names-it", "watch.hit", {"c-case"}, {{"sha256", std::string(64, '1')}});
  log.add("nobody's", "exhibit.sealed", {}, exhibit_of('1'));
  CHECK(log.names("a-case") == Names{"a"});
  CHECK(log.names("b-case") == Names{"b"});
  CHECK(log.names("c-case") == Names{"names-it", "nobody's"});
}

TEST_CASE("settings, session and timestamps come as they are needed; remarks and erasures with what they are about") {
  Log log;
  std::string const digest(64, 'a');
  log.add("first settings", "exhibit.sealed", {}, exhibit_of('4'));
  log.add("loaded first", "settings.loaded", {}, {{"exhibit", log.id("first settings")}, {"sha256", digest}});
  log.add("second settings", "exhibit.sealed", {}, exhibit_of('5'));
  log.add("loaded second", "settings.loaded", {}, {{"exhibit", log.id("second settings")}, {"sha256", digest}});
  auto const at = log.add("a", "exhibit.sealed", {"a-case"}, exhibit_of('1'));
  log.add("note", "note.added", {}, {{"subject", log.id("a")}, {"text", "seen"}});
  log.add("other", "exhibit.sealed", {"b-case"}, exhibit_of('2'));
  log.add("other note", "note.added", {"b-case"}, {{"subject", log.id("other")}, {"text", "seen"}});
  log.add("too early", "timestamp.attempt", {}, {{"size", at}});
  log.add("too early result", "timestamp.result", {{}, "too early", {}},
          {{"tokens", {{{"file", "timestamps/1/x.tsr"}}}}});
  log.add("failed", "timestamp.attempt", {}, {{"size", at + 3}});
  log.add("failed result", "timestamp.result", {{}, "failed", {}}, {{"state", "failed"}});
  log.add("stamp", "timestamp.attempt", {}, {{"size", at + 4}, {"checkpoint", {{"file", "log/checkpoints/4"}}}});
  log.add("stamp result", "timestamp.result", {{}, "stamp", {}}, {{"tokens", {{{"file", "timestamps/4/x.tsr"}}}}});
  log.add("later", "timestamp.attempt", {}, {{"size", at + 20}});
  log.add("later result", "timestamp.result", {{}, "later", {}}, {{"tokens", {{{"file", "timestamps/9/x.tsr"}}}}});
  log.add("erased", "exhibit.erased", {},
          {{"index", at}, {"exhibit", log.id("a")}, {"sha256", std::string(64, '1')}, {"size", 5}, {"order", "x"}});
  CHECK(log.names("a-case") == Names{"a", "note", "loaded second", "second settings", "stamp", "stamp result", "later",
                                     "later result", "erased"});
  CaseContent const content = log.content("a-case");
  CHECK(content.timestamp_files ==
        std::vector<std::string>{"log/checkpoints/4", "timestamps/4/x.tsr", "timestamps/9/x.tsr"});
  CHECK(content.objects.size() == 1);  // the settings; its own is erased
}

TEST_CASE("a blanked entry still holds together what hung on it") {
  Log log;
  add_capture(log, "paste", {});
  log.add("found", "reference.found", {{}, {}, "paste"});
  add_acquisition(log, "a", {"a-case", {}, "found"}, '1');
  auto const expected = log.names("a-case");
  log.writer->publish();
  auto const done = erase(*log.vault, erasure_log(*log.vault, *log.writer),
                          erasure_order({}, {log.indexes["found"], log.indexes["a.metadata"]}));
  REQUIRE_MESSAGE(done, line(done.error()));
  CHECK(log.names("a-case") == expected);
  CHECK(log.content("a-case").entries.size() > expected.size());
}

TEST_CASE("over many logs: no entry of another case slips in, and what a case needs is there") {
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    CAPTURE(seed);
    Log log(seed);
    SeededRandomness random(seed);
    std::vector<std::string> const cases{"", "a-case", "b-case", "c-case"};
    std::vector<std::string> captures;
    std::map<std::string, std::string> case_of;  // of acquisitions
    std::map<std::string, std::string> from;     // the capture each began from
    for (int i = 0; i < 12; ++i) {
      std::string name = std::to_string(i);
      name.insert(name.begin(), 'n');  // gcc 12 takes "n" + … for an overlap (gcc bug 105651)
      if (captures.empty() || random.below(3) == 0) {
        add_capture(log, name, {cases[random.below(4)]});
        log.add(name + ".found", "reference.found", {{}, {}, name});
        captures.push_back(name);
        continue;
      }
      case_of[name] = cases[1 + random.below(3)];
      from[name] = captures[random.below(captures.size())];
      add_acquisition(log, name, {case_of[name], {}, from[name] + ".found"}, static_cast<char>('0' + random.below(4)));
    }
    for (std::string const one : {"a-case", "b-case", "c-case"}) {
      CAPTURE(one);
      Names const found = log.names(one);
      for (auto const& [name, owner] : case_of) {
        for (std::string const& part : acquisition(name)) CHECK(found.contains(part) == (owner == one));
        if (owner == one) CHECK(found.contains(from[name]));
        if (owner == one) CHECK(found.contains(from[name] + ".attempt"));
      }
    }
  }
}
