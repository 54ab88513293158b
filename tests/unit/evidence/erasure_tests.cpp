#include "evidence/erasure.h"

#include <algorithm>

#include "evidence/blanking.h"
#include "evidence/formats/hex.h"
#include "evidence/verify/vault_check.h"
#include "evidence/warc/cutting.h"
#include "tests/support/erasing.h"
#include "tests/support/test_key.h"

using namespace impound;
using namespace impound::evidence;

namespace {

constexpr char const* secret = "a name that the court ordered gone";

/// Exhibits, notes and captures, some of them to be erased.
struct Scene {
  SimulatedDisk disk;
  std::unique_ptr<Disk> vault;
  std::unique_ptr<Disk> state;
  std::string first_object, second_object;
  std::vector<std::vector<WrittenRecord>> captures;

  explicit Scene(int notes = 2) {
    disk.put_folder("v");
    disk.put_folder("s");
    vault = disk.folder("v");
    state = disk.folder("s");
    auto writer = session();
    first_object = writer->seal(std::string("exhibit with ") + secret);
    second_object = writer->seal("an exhibit that stays");
    for (int i = 0; i < notes; ++i)
      REQUIRE(writer->record({{.kind = "note.added", .body = {{"text", secret + std::to_string(i)}}}}));
    for (char const* body : {"first paste", "second paste", "third paste"}) captures.push_back(writer->capture(body));
    writer->stop();
  }
  std::unique_ptr<TestVault> session(std::uint64_t seed = 0) {
    return std::make_unique<TestVault>(*vault, *state, SimulatedDisk::owner, seed == 0 ? ++seeds : seed);
  }
  Result<Destroyed> erase(ErasureOrder const& order, bool stop = true) {
    auto writer = session();
    writer->publish();
    auto done = evidence::erase(*vault, erasure_log(*vault, *writer), order);
    if (stop) writer->stop();
    return done;
  }
  void erased(std::vector<std::uint64_t> exhibits, std::vector<std::uint64_t> entries) {
    auto const done = erase(erasure_order(std::move(exhibits), std::move(entries)));
    REQUIRE_MESSAGE(done, line(done.error()));
    REQUIRE(done.value().failed.empty());
  }
  void note(std::string const& text) {
    auto writer = session();
    REQUIRE(writer->record({{.kind = "note.added", .body = {{"text", text}}}}));
    writer->stop();
  }
  Verdict verify() {
    VerifyOptions options;
    options.vkey = test_key().vkey(TestVault::origin);
    options.state = state.get();
    options.threads = 1;
    return verify_vault(*vault, options);
  }
  std::string bundle() const {
    for (std::string const& file : disk.files())
      if (file.starts_with("v/log/tile/entries/000.p/")) return file;
    return "v/log/tile/entries/000";
  }
  std::uint64_t seeds = 0;
};

std::string text(Verdict const& verdict) { return verdict.to_json().dump(2); }

bool says(Verdict const& verdict, What what, std::string_view where) {
  for (Problem const& problem : verdict.problems)
    if (problem.what == what && problem.where == where) return true;
  return false;
}

bool lists(Verdict const& verdict, std::string_view what, std::string_view where) {
  for (Erased const& one : verdict.erased)
    if (one.what == what && one.where == where && one.by_entry > 0) return true;
  return false;
}

std::string entry_text(std::uint64_t index) { return "entry " + std::to_string(index); }

}  // namespace

TEST_CASE("P2: two entries erased and one exhibit: the vault verifies, lists the holes, and nothing of them is left") {
  Scene scene;
  auto const notes = of_kind(*scene.vault, "note.added");
  auto const exhibit = of_kind(*scene.vault, "exhibit.sealed").front();
  REQUIRE(files_with(scene.disk, secret).size() == 2);  // the object, the bundle
  scene.erased({exhibit}, notes);
  Verdict const verdict = scene.verify();
  INFO(text(verdict));
  CHECK(verdict.ok());
  REQUIRE(verdict.erased.size() == 3);
  CHECK(lists(verdict, "entry", entry_text(notes[0])));
  CHECK(lists(verdict, "entry", entry_text(notes[1])));
  CHECK(lists(verdict, "object", scene.first_object));
  CHECK(verdict.to_json()["erased"].size() == 3);
  CHECK(verdict.objects == 1);
  CHECK(files_with(scene.disk, secret).empty());
  for (char const* journal : {"v/journal.0", "v/journal.1"}) CHECK(scene.disk.content(journal).empty());
  CHECK(scene.disk.accusations().empty());
}

TEST_CASE("P2: the same bytes gone without an entry that orders it are a problem") {
  Scene scene;
  auto const note = of_kind(*scene.vault, "note.added").front();
  scene.disk.erase("v/" + scene.first_object);
  CHECK(says(scene.verify(), What::missing, scene.first_object));
  Scene other;
  auto reader = read_test_log(*other.vault);
  REQUIRE(reader);
  auto const bytes = reader.value().entry(note);
  REQUIRE(bytes);
  REQUIRE(blank_entries(*other.vault, reader.value().checkpoint().size, {{note, leaf_hash(bytes_of(bytes.value()))}}));
  Verdict const verdict = other.verify();
  INFO(text(verdict));
  CHECK(says(verdict, What::missing, entry_text(note)));
  CHECK(verdict.problems.size() == 1);
  CHECK(verdict.erased.empty());
}

TEST_CASE("P2: a log with holes grows on, over the end of a bundle, and its tree keeps the hashes") {
  Scene scene(250);
  auto const notes = of_kind(*scene.vault, "note.added");
  scene.erased({}, {notes[3], notes.back()});
  for (int round = 0; round < 12; ++round) {
    scene.note("later " + std::to_string(round));
    Verdict const verdict = scene.verify();
    INFO(text(verdict));
    REQUIRE(verdict.ok());
    CHECK(verdict.erased.size() == 2);
  }
  CHECK(scene.disk.exists("v/log/tile/entries/000"));
  scene.erased({}, {notes[4]});  // in a full bundle now
  Verdict const verdict = scene.verify();
  INFO(text(verdict));
  CHECK(verdict.ok());
  CHECK(verdict.erased.size() == 3);
  CHECK(files_with(scene.disk, std::string(secret) + "4\"").empty());
}

TEST_CASE("P2: a capture's records are cut out of their file, the others are found where they are now") {
  Scene scene;
  auto const results = of_kind(*scene.vault, "capture.result");
  std::string const file = scene.captures[0].front().file;
  std::string const before = scene.disk.content("v/" + file);
  scene.erased({results[1]}, {});
  Verdict verdict = scene.verify();
  INFO(text(verdict));
  CHECK(verdict.ok());
  CHECK(verdict.records == 5);
  for (WrittenRecord const& record : scene.captures[1]) CHECK(lists(verdict, "record", "record " + hex(record.sha256)));
  CHECK(scene.vault->facts_of(file).value().mode == 0400);

  SUBCASE("each byte of the rewritten file is held to") {
    std::string const now = scene.disk.content("v/" + file);
    for (std::uint64_t bit = 0; bit < now.size() * 8; bit += 97) {
      scene.disk.flip_bit("v/" + file, bit);
      CHECK(says(scene.verify(), What::altered, file));
      scene.disk.flip_bit("v/" + file, bit);
    }
    scene.disk.put_file("v/" + file, now.substr(0, now.size() - 1), 0400);
    CHECK(says(scene.verify(), What::missing, file));
    scene.disk.put_file("v/" + file, now + "x", 0400);
    CHECK(says(scene.verify(), What::added, file));
    scene.disk.erase("v/" + file);
    CHECK(says(scene.verify(), What::missing, file));
  }
  SUBCASE("the old file put back holds what is ordered gone") {
    scene.disk.put_file("v/" + file, before, 0400);
    verdict = scene.verify();
    CHECK(says(verdict, What::added, file));
    CHECK(verdict.problems.size() == 1);
  }
  SUBCASE("later captures go into a new file; when nothing is left the old one is gone") {
    auto writer = scene.session();
    CHECK(writer->capture("fourth paste").front().file != file);
    writer->stop();
    CHECK(scene.verify().ok());
    scene.erased({results[0]}, {results[0]});
    CHECK(scene.verify().ok());
    scene.erased({results[2]}, {});
    verdict = scene.verify();
    INFO(text(verdict));
    CHECK(verdict.ok());
    CHECK_FALSE(scene.disk.exists("v/" + file));
    CHECK(verdict.erased.size() == 8);  // 3 + 2 + 2 records, an entry
  }
  SUBCASE("a record cut without an entry is missing") {
    auto const places = scene.captures[2];
    std::string const now = scene.disk.content("v/" + file);
    scene.disk.put_file("v/" + file, now.substr(0, now.size() - places.back().length), 0400);
    CHECK(says(scene.verify(), What::missing, file));
  }
}

TEST_CASE("P2: a blanked exhibit takes its object along, a blanked capture its records") {
  Scene scene;
  auto const exhibit = of_kind(*scene.vault, "exhibit.sealed").front();
  auto const result = of_kind(*scene.vault, "capture.result")[1];
  scene.erased({}, {exhibit, result});
  Verdict const verdict = scene.verify();
  INFO(text(verdict));
  CHECK(verdict.ok());
  CHECK(lists(verdict, "object", scene.first_object));
  CHECK(verdict.erased.size() == 5);
  CHECK(of_kind(*scene.vault, "exhibit.erased").size() == 2);
}

TEST_CASE("P2: an entry is blanked only when its bytes are gone: until then it says what they are") {
  Scene scene;
  auto const result = of_kind(*scene.vault, "capture.result")[2];
  std::string const file = scene.captures[2].front().file;
  std::string const draft = "v/staging/sealing/" + file.substr(file.rfind('/') + 1) + ".cut";
  scene.disk.put_folder(draft);  // in the way of the cut, and of nothing else
  auto const done = scene.erase(erasure_order({}, {result}));
  REQUIRE(done);
  CHECK(done.value().failed.size() == 1);
  CHECK(done.value().entries == 0);
  CHECK(of_kind(*scene.vault, "capture.result").back() == result);
  CHECK_FALSE(scene.verify().ok());
  REQUIRE(scene.vault->remove_folder(std::string_view(draft).substr(2)));
  auto reader = read_test_log(*scene.vault);
  REQUIRE(reader);
  auto const ordered = OrderedErasures::read(reader.value());
  REQUIRE(ordered);
  auto const again = carry_out(*scene.vault, reader.value(), ordered.value());
  REQUIRE(again);
  CHECK(again.value().failed.empty());
  CHECK(again.value().entries == 1);
  Verdict const verdict = scene.verify();
  INFO(text(verdict));
  CHECK(verdict.ok());
}

TEST_CASE("P2: no order foretells a file out of bytes that the next start sets aside") {
  Scene scene;
  auto const result = of_kind(*scene.vault, "capture.result")[0];
  std::string const file = "v/" + scene.captures[0].front().file;
  std::string const whole = scene.disk.content(file);
  std::string const last = whole.substr(whole.size() - scene.captures[2].back().length);
  scene.disk.put_file(file, whole + last);  // a member that is whole, and that no entry names
  auto const refused = scene.erase(erasure_order({result}, {}));
  REQUIRE_FALSE(refused);
  CHECK(line(refused.error()).find("no entry names yet") != std::string::npos);
  CHECK(of_kind(*scene.vault, "exhibit.erased").empty());
  scene.disk.put_file(file, whole);
  scene.erased({result}, {});
  CHECK(scene.verify().ok());
}

TEST_CASE("a file that has nothing left to cut is closed, for its order says what it is from now on") {
  Scene scene;
  std::string const file = scene.captures[0].front().file;
  CHECK(scene.vault->facts_of(file).value().mode == 0600);
  REQUIRE(cut_records(*scene.vault, file, {Sha256{}}));
  CHECK(scene.vault->facts_of(file).value().mode == 0400);
  CHECK(scene.verify().ok());
}

TEST_CASE("P1: a rename of the checkpoint that a crash cut off is finished over a log with holes, too") {
  Scene scene;
  scene.erased({}, {of_kind(*scene.vault, "note.added").front()});
  std::string const older = scene.disk.content("v/log/checkpoint");
  scene.note("one more");
  std::string const newest = scene.disk.content("v/log/checkpoint");
  scene.disk.put_file("v/log/checkpoint", older);
  scene.session()->stop();
  CHECK(scene.disk.content("v/log/checkpoint") != older);
  CHECK(scene.verify().ok());
  CHECK(newest != older);
}

TEST_CASE("P2: the id of a blanked entry is no other entry's") {
  Scene scene;
  auto const notes = of_kind(*scene.vault, "note.added");
  auto reader = read_test_log(*scene.vault);
  REQUIRE(reader);
  std::vector<std::string> entries;
  for (std::uint64_t const note : notes) entries.push_back(reader.value().entry(note).value());
  auto const taken = read_entry(notes[1], entries[1]).value().id();
  auto const own = read_entry(notes[0], entries[0]).value().id();
  auto const order = [&](std::size_t which, EntryId const& id) {
    LeafHash const leaf = leaf_hash(bytes_of(entries[which]));
    auto writer = scene.session();
    ErasedEntry const erased{notes[which], id, "note.added", leaf, {}, {}};
    Json body = to_json(erased);
    body["order"] = "x";
    REQUIRE(writer->record({{.kind = "entry.erased", .body = body, .by = By{"user", "A. Noone", 1000}}}));
    writer->stop();
    auto log = read_test_log(*scene.vault);
    REQUIRE(log);
    REQUIRE(blank_entries(*scene.vault, log.value().checkpoint().size, {{notes[which], leaf}}));
    return of_kind(*scene.vault, "entry.erased").back();
  };
  SUBCASE("a live one's") {
    auto const forged = order(0, taken);
    CHECK(says(scene.verify(), What::malformed, entry_text(forged)));
  }
  SUBCASE("another blank's") {
    order(0, own);
    CHECK_MESSAGE(scene.verify().ok(), text(scene.verify()));
    auto const forged = order(1, own);
    CHECK(says(scene.verify(), What::malformed, entry_text(forged)));
  }
}

TEST_CASE("an erasure is refused before anything is written") {
  Scene scene;
  auto const exhibits = of_kind(*scene.vault, "exhibit.sealed");
  auto const notes = of_kind(*scene.vault, "note.added");
  auto const refused = [&](std::vector<std::uint64_t> bytes, std::vector<std::uint64_t> blank, Code code) {
    std::uint64_t const before =
        of_kind(*scene.vault, "exhibit.erased").size() + of_kind(*scene.vault, "entry.erased").size();
    auto const done = scene.erase(erasure_order(std::move(bytes), std::move(blank)));
    REQUIRE_FALSE(done);
    CHECK_MESSAGE(done.error().code == code, line(done.error()));
    CHECK(of_kind(*scene.vault, "exhibit.erased").size() + of_kind(*scene.vault, "entry.erased").size() == before);
    CHECK(scene.verify().ok());
    return line(done.error());
  };
  refused({}, {}, Code::usage);
  refused({}, {100'000}, Code::not_found);
  for (char const* kind : {"vault.created", "agent.started", "agent.stopped"})
    refused({}, {of_kind(*scene.vault, kind).front()}, Code::refused);
  refused({notes[0]}, {}, Code::refused);  // vouches for no bytes

  {
    auto writer = scene.session();
    writer->seal(std::string("exhibit with ") + secret);  // the same object again
    EntryId const attempt = writer->new_id();
    REQUIRE(writer->record({{.kind = "acquisition.attempt", .body = {{"name", "x"}}, .id = attempt}}));
    writer->stop();
  }
  CHECK(refused({exhibits[0]}, {}, Code::refused).find("name them all") != std::string::npos);
  refused({}, {of_kind(*scene.vault, "acquisition.attempt").front()}, Code::refused);

  scene.erased({exhibits[0], of_kind(*scene.vault, "exhibit.sealed")[2]}, {notes[0]});
  refused({exhibits[0]}, {}, Code::not_found);
  refused({}, {notes[0]}, Code::not_found);
  for (char const* kind : {"exhibit.erased", "entry.erased"})
    refused({}, {of_kind(*scene.vault, kind).front()}, Code::refused);
}

TEST_CASE("nothing is erased that a case under a hold needs") {
  Scene scene;
  auto const name = *CaseName::parse("emleaks");
  {
    auto writer = scene.session();
    EntryDraft sealed{.kind = "exhibit.sealed", .body = {{"path", "held"}}, .case_name = name, .id = writer->new_id()};
    REQUIRE(writer->sealing().seal_bytes(bytes_of("held"), sealed));
    REQUIRE(writer->record({{.kind = "case.opened", .case_name = name},
                            {.kind = "case.changed", .body = {{"change", "hold"}}, .case_name = name}}));
    writer->stop();
  }
  auto const held = of_kind(*scene.vault, "exhibit.sealed").back();
  auto const refused = scene.erase(erasure_order({held}, {}));
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == Code::refused);
  CHECK(refused.error().what.find("hold") != std::string::npos);
  scene.erased({of_kind(*scene.vault, "exhibit.sealed").front()}, {});  // of no case
  {
    auto writer = scene.session();
    REQUIRE(writer->record({{.kind = "case.closed", .case_name = name}}));
    writer->stop();
  }
  CHECK_FALSE(scene.erase(erasure_order({held}, {})));  // a hold outlives its case's closing
  {
    auto writer = scene.session();
    REQUIRE(writer->record({{.kind = "case.changed", .body = {{"change", "release"}}, .case_name = name}}));
    writer->stop();
  }
  scene.erased({held}, {});
  CHECK(scene.verify().ok());
}

TEST_CASE("P2: what is ordered gone and is there: named, and after a crash the next start's to destroy") {
  Scene scene;
  auto const notes = of_kind(*scene.vault, "note.added");
  auto const exhibit = of_kind(*scene.vault, "exhibit.sealed").front();
  std::string const object = scene.disk.content("v/" + scene.first_object);
  std::string const bundle = scene.bundle();
  std::string const entries = scene.disk.content(bundle);
  scene.erased({exhibit}, {notes[0]});

  std::string const now = scene.disk.content(scene.bundle());
  std::string whole = now;  // the entry put back into the bundle of today
  std::size_t at = 0;
  for (std::uint64_t i = 0; i < notes[0]; ++i)
    at += 2 + (static_cast<std::size_t>(static_cast<unsigned char>(entries[at])) << 8) +
          static_cast<unsigned char>(entries[at + 1]);
  std::size_t const length = 2 + (static_cast<std::size_t>(static_cast<unsigned char>(entries[at])) << 8) +
                             static_cast<unsigned char>(entries[at + 1]);
  whole.replace(at, 2, entries.substr(at, length));
  scene.disk.put_file(scene.bundle(), whole);
  scene.disk.put_file("v/" + scene.first_object, object, 0400);
  Verdict verdict = scene.verify();
  INFO(text(verdict));
  CHECK(says(verdict, What::added, entry_text(notes[0])));
  CHECK(says(verdict, What::added, scene.first_object));
  CHECK(verdict.problems.size() == 2);
  {
    auto writer = scene.session();  // a start that dies
    writer->publish();
  }
  scene.disk.put_file("v/" + scene.first_object, object, 0400);
  CHECK(says(scene.verify(), What::unlogged, scene.first_object));
}

TEST_CASE("P2: an erased object that was acquired again must be there") {
  Scene scene;
  scene.erased({of_kind(*scene.vault, "exhibit.sealed").front()}, {});
  auto writer = scene.session();
  CHECK(writer->seal(std::string("exhibit with ") + secret) == scene.first_object);
  writer->stop();
  CHECK(scene.verify().ok());
  auto reader = read_test_log(*scene.vault);
  REQUIRE(reader);
  auto const ordered = OrderedErasures::read(reader.value());
  REQUIRE(ordered);
  auto const again = carry_out(*scene.vault, reader.value(), ordered.value());
  REQUIRE(again);
  CHECK(again.value().objects == 0);
  CHECK(scene.verify().ok());
  scene.disk.erase("v/" + scene.first_object);
  CHECK(says(scene.verify(), What::missing, scene.first_object));
}

TEST_CASE("P2: erasures that cannot be are malformed, and a wrong leaf is laid at its tile's door") {
  Scene scene;
  auto const note = of_kind(*scene.vault, "note.added").front();
  auto const started = of_kind(*scene.vault, "agent.started").front();
  By const by{"user", "A. Noone", 1000};
  auto const forged = [&](Json body, char const* kind) {
    auto writer = scene.session();
    REQUIRE(writer->record({{.kind = kind, .body = std::move(body), .by = by}}));
    writer->stop();
    return of_kind(*scene.vault, kind).back();
  };
  std::string const id = "01890000-0000-7000-8000-000000000000";
  std::string const zeros(64, '0');
  Json const good{{"index", note}, {"entry", id}, {"kind", "note.added"}, {"leaf_hash", zeros}, {"order", "x"}};
  for (auto const& [key, value] : {std::pair<char const*, Json>{"kind", "agent.started"},
                                   {"kind", "case.changed"},
                                   {"kind", "entry.erased"},
                                   {"index", 0},
                                   {"index", 9'999},
                                   {"leaf_hash", "00"}}) {
    Json body = good;
    body[key] = value;
    auto const index = forged(body, "entry.erased");
    CHECK(says(scene.verify(), What::malformed, entry_text(index)));
  }
  auto const of_a_note =
      forged({{"index", note}, {"exhibit", id}, {"sha256", zeros}, {"size", 1}, {"order", "x"}}, "exhibit.erased");
  CHECK(says(scene.verify(), What::malformed, entry_text(of_a_note)));

  Scene other;
  other.erased({}, {note});
  std::string tile;
  for (std::string const& file : other.disk.files())
    if (file.starts_with("v/log/tile/0/")) tile = file;
  other.disk.flip_bit(tile, note * 256 + 7);
  CHECK(says(other.verify(), What::altered, tile.substr(2)));
  CHECK(started == 1);
}

TEST_CASE("P2: references to a blanked entry hold, and those to nothing still do not") {
  Scene scene;
  auto const attempt = of_kind(*scene.vault, "capture.attempt").front();  // its result says `of`
  scene.erased({}, {attempt});
  CHECK_MESSAGE(scene.verify().ok(), text(scene.verify()));
  auto writer = scene.session();
  auto const nowhere = EntryId::parse("01890000-0000-7000-8000-000000000000");
  REQUIRE(writer->record({{.kind = "note.added", .body = {{"text", "x"}}, .cause = nowhere}}));
  writer->stop();
  CHECK(says(scene.verify(), What::malformed, entry_text(of_kind(*scene.vault, "note.added").back())));
}

TEST_CASE("P2: every byte of a vault with holes is held to, and its file named") {
  Scene scene(300);
  auto const notes = of_kind(*scene.vault, "note.added");
  scene.erased({of_kind(*scene.vault, "exhibit.sealed").front(), of_kind(*scene.vault, "capture.result")[1]},
               {notes[7], notes[299]});
  REQUIRE_MESSAGE(scene.verify().ok(), text(scene.verify()));
  std::size_t flips = 0;
  for (std::string const& file : scene.disk.files()) {
    std::string const name = file.substr(2);
    bool const evidence = file.starts_with("v/") && !name.starts_with("staging/") && !name.starts_with("journal.");
    std::uint64_t const bits = scene.disk.content(file).size() * 8;
    for (std::uint64_t bit = 5; evidence && bit < bits; bit += std::max<std::uint64_t>(11, bits / 40)) {
      CAPTURE(file);
      CAPTURE(bit);
      scene.disk.flip_bit(file, bit);
      Verdict const verdict = scene.verify();
      bool named = false;
      for (Problem const& problem : verdict.problems) named |= problem.where == name;
      CHECK_FALSE(verdict.ok());
      CHECK_MESSAGE(named, text(verdict));
      scene.disk.flip_bit(file, bit);
      ++flips;
    }
  }
  MESSAGE("bits flipped: " << flips);
  CHECK(flips > 300);
  CHECK(scene.verify().ok());
}
