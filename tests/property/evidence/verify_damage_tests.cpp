// P2 by enumeration: a vault with one of every kind of file, each damaged in every way, one damage at a time. The table
// says what verify must call it; where it must say it is the file's own path, first of all that it says.
#include <algorithm>
#include <cstdlib>
#include <map>
#include <set>

#include "evidence/formats/digests.h"
#include "evidence/formats/hex.h"
#include "evidence/formats/tlog_tile.h"
#include "evidence/log_reader.h"
#include "tests/support/counts.h"
#include "tests/support/test_key.h"
#include "tests/support/whole_vault.h"

namespace impound::evidence {
namespace {

using Whats = std::set<What>;

/// What may be said besides, elsewhere, because of the damage.
enum class Besides {
  nothing,
  its_result,  // that the timestamp.result which names the file counts fewer good tokens
  entries,     // entries of a broken bundle are read all the same: what they name now, and do not name any more
  anything     // without a checkpoint there is nothing to hold the rest against
};

struct Row {
  char const* kind;
  Whats changed;
  Whats cut;
  Whats grown;
  Besides besides;
  std::size_t files;  // in the vault
};

Row const table[] = {
    {"vault.toml", {What::altered}, {What::altered}, {What::altered}, Besides::nothing, 1},
    {"log/checkpoint",
     {What::unsigned_, What::malformed},
     {What::unsigned_, What::malformed},
     {What::unsigned_, What::malformed},
     Besides::anything,
     1},
    {"anchored checkpoint", {What::altered}, {What::altered}, {What::altered}, Besides::nothing, 2},
    {"full bundle", {What::altered, What::malformed}, {What::malformed}, {What::malformed}, Besides::entries, 2},
    {"partial bundle", {What::altered, What::malformed}, {What::malformed}, {What::malformed}, Besides::entries, 1},
    {"full tile of level 0", {What::altered}, {What::malformed}, {What::malformed}, Besides::nothing, 2},
    {"partial tile of level 0", {What::altered}, {What::malformed}, {What::malformed}, Besides::nothing, 1},
    {"partial tile of level 1",
     {What::altered},
     {What::altered},
     {What::altered, What::malformed},
     Besides::nothing,
     1},
    {"object", {What::altered}, {What::altered}, {What::altered}, Besides::nothing, WholeVault::exhibits},
    {"closed WARC file", {What::altered}, {What::missing}, {What::added}, Besides::nothing, 1},
    {"open WARC file", {What::altered}, {What::missing}, {What::added}, Besides::nothing, 1},
    {"token", {What::altered}, {What::altered}, {What::altered}, Besides::its_result, 4},
    {"chain", {What::altered}, {What::altered}, {What::altered}, Besides::its_result, 4},
    {"CRL", {What::altered}, {What::altered}, {What::altered}, Besides::its_result, 4},
    {"journal", {}, {}, {What::unlogged}, Besides::nothing, 2},
};

/// The row of a file; nullptr where there is none, which no file of the vault may have.
Row const* row_of(WholeVault const& vault, std::string const& file) {
  auto const kind = [&]() -> std::string {
    if (file.starts_with("log/checkpoints/")) return "anchored checkpoint";
    if (file.starts_with("log/tile/")) {
      auto const tile = tile_from_path(file.substr(4));
      if (!tile) return {};
      std::string const width = tile->width == tile_width ? "full " : "partial ";
      return width + (tile->entries ? "bundle" : "tile of level " + std::to_string(tile->level));
    }
    if (file.starts_with("objects/")) return "object";
    if (file.starts_with("warc/")) return file == vault.closed_warc ? "closed WARC file" : "open WARC file";
    if (file.starts_with("timestamps/") && file.ends_with(".tsr")) return "token";
    if (file.starts_with("timestamps/") && file.ends_with(".chain.pem")) return "chain";
    if (file.starts_with("timestamps/") && file.ends_with(".crl")) return "CRL";
    return file.starts_with("journal.") ? "journal" : file;
  }();
  for (Row const& row : table)
    if (row.kind == kind) return &row;
  return nullptr;
}

std::string text(Verdict const& verdict) { return verdict.to_json().dump(2); }

/// The vault, one damage at a time.
class Damage {
 public:
  WholeVault vault;
  std::map<std::string, std::size_t> found;  // damages noticed as the table has it, by kind of file or of damage

  std::vector<std::string> files() const {
    std::vector<std::string> paths;
    for (std::string const& path : vault.disk.files())
      if (path.starts_with("v/") && !path.starts_with("v/staging/")) paths.push_back(path.substr(2));
    return paths;
  }
  std::string read(std::string const& file) const { return vault.disk.content("v/" + file); }
  void write(std::string const& file, std::string const& bytes) {
    vault.disk.put_file("v/" + file, bytes, file == vault.closed_warc ? 0400 : mode_of(file));
  }
  std::uint32_t mode_of(std::string const& file) {
    auto const facts = vault.vault->facts_of(file);
    return facts ? facts.value().mode : 0400;
  }

  /// True when verify names the file first, calls it one of `whats`, and says of nothing else what is not so.
  bool noticed(std::string const& file, Whats const& whats, Besides besides, Verdict const& verdict) {
    bool named = false;
    for (Problem const& problem : verdict.problems)
      named = named || (problem.where == file && whats.contains(problem.what));
    if (!named) return false;
    if (besides == Besides::anything) return true;
    if (verdict.problems.front().where != file) return false;
    return std::all_of(verdict.problems.begin(), verdict.problems.end(), [&](Problem const& problem) {
      return problem.where == file || may_be_besides(besides, file, problem);
    });
  }
  Verdict expect(std::string const& file, Whats const& whats, Besides besides, std::string const& count_as) {
    Verdict const verdict = vault.verify();
    if (noticed(file, whats, besides, verdict))
      ++found[count_as];
    else
      FAIL_CHECK(count_as << ", " << file << ": " << text(verdict));
    return verdict;
  }
  std::size_t sum() const {
    std::size_t all = 0;
    for (auto const& [kind, count] : found) all += count;
    return all;
  }

 private:
  bool may_be_besides(Besides besides, std::string const& file, Problem const& problem) const {
    std::string_view const where = problem.where;
    if (besides == Besides::its_result) {
      std::size_t const which = file.starts_with("timestamps/" + std::to_string(vault.sizes[0]) + "/") ? 0 : 1;
      return problem.what == What::missing && where == "entry " + std::to_string(vault.sizes[which] + 1);
    }
    if (besides != Besides::entries) return false;
    return where.starts_with("entry ") || where.starts_with("objects/") || where.starts_with("warc/") ||
           where.starts_with("timestamps/") || where.starts_with("log/checkpoints/") || where == "vault.toml";
  }
};

bool names(Verdict const& verdict, std::string const& file) {
  return std::any_of(verdict.problems.begin(), verdict.problems.end(),
                     [&](Problem const& problem) { return problem.where == file; });
}

/// The entry whose bytes (or their length) are at this place of a bundle.
std::uint64_t entry_at(std::string const& bundle, std::uint64_t index, std::size_t position) {
  std::size_t end = 0;
  for (std::uint64_t entry = index * tile_width;; ++entry) {
    auto const byte = [&](std::size_t at) { return static_cast<std::size_t>(static_cast<unsigned char>(bundle[at])); };
    end += 2 + byte(end) * 256 + byte(end + 1);
    if (position < end) return entry;
  }
}

/// For a changed byte verify says more than the file: the entry, or the record, that it belongs to.
class Places {
 public:
  explicit Places(WholeVault& vault) {
    auto reader = LogReader::open(*vault.vault, test_key().vkey(TestVault::origin));
    REQUIRE(reader);
    auto const take = [this](std::uint64_t index, std::string_view bytes) -> Result<void> {
      IMPOUND_TRY(entry, read_entry(index, bytes));
      if (entry.kind() != "capture.result") return ok();
      for (Json const& json : entry.body().at("records")) {
        IMPOUND_TRY(record, written_record_from(json));
        records_.push_back(std::move(record));
      }
      return ok();
    };
    REQUIRE(reader.value().each(0, reader.value().checkpoint().size, take));
  }
  std::string of(std::string const& file, std::string const& good, std::size_t position) const {
    if (file.starts_with("log/tile/")) {
      auto const tile = tile_from_path(file.substr(4));
      if (tile->level > 0) return {};
      std::uint64_t const entry =
          tile->entries ? entry_at(good, tile->index, position) : tile->index * tile_width + position / LeafHash::size;
      return "entry " + std::to_string(entry);
    }
    for (WrittenRecord const& record : records_)
      if (record.file == file && record.offset <= position && position < record.offset + record.length)
        return "record " + hex(record.sha256);
    return {};
  }

 private:
  std::vector<WrittenRecord> records_;
};

bool tells(Verdict const& verdict, std::string const& file, std::string const& place) {
  for (Problem const& problem : verdict.problems) {
    std::string const said = problem.detail + " ";
    if (problem.where != file) continue;
    if (problem.what == What::malformed || place.empty() || said.find(place + " ") != std::string::npos) return true;
  }
  return false;
}

/// Prints the counts, and holds their sum against what it was.
void count(Damage const& damage, std::size_t at_least_quick, std::size_t at_least_all) {
  for (auto const& [kind, number] : damage.found) MESSAGE(kind << ": " << number);
  MESSAGE("damages noticed and named: " << damage.sum());
  CHECK(damage.sum() >= (full_counts() ? at_least_all : under_sanitizer ? at_least_quick / 4 : at_least_quick));
}

}  // namespace

TEST_CASE("P2: the vault that is damaged has one of every kind of file, and a row for each") {
  Damage damage;
  Verdict const verdict = damage.vault.verify();
  INFO(text(verdict));
  CHECK(verdict.ok());
  CHECK(verdict.entries >= 560);
  CHECK(verdict.exhibits == WholeVault::exhibits);
  CHECK(verdict.captures == 6);
  CHECK(verdict.timestamps == 4);
  CHECK(verdict.not_checked.empty());
  std::map<Row const*, std::size_t> files;
  for (std::string const& file : damage.files()) {
    CAPTURE(file);
    REQUIRE(row_of(damage.vault, file) != nullptr);
    ++files[row_of(damage.vault, file)];
  }
  for (Row const& row : table) {
    CAPTURE(row.kind);
    CHECK(files[&row] == row.files);
  }
}

TEST_CASE("P2: one byte changed at random places of every file, one at a time, is found and its place named") {
  Damage damage;
  Places const places(damage.vault);
  SeededRandomness randomness(11);
  for (std::string const& file : damage.files()) {
    Row const& row = *row_of(damage.vault, file);
    std::string const good = damage.read(file);
    if (good.empty()) continue;
    for (int i = 0; i < static_cast<int>(tries(200, 20)); ++i) {
      std::size_t const at = randomness.below(good.size());
      auto const bad = static_cast<unsigned char>(good[at]) ^ static_cast<unsigned char>(1 + randomness.below(255));
      CAPTURE(at);
      CAPTURE(bad);
      damage.vault.disk.overwrite("v/" + file, at, std::string(1, static_cast<char>(bad)));
      Verdict const verdict = damage.expect(file, row.changed, row.besides, row.kind);
      std::string const place = places.of(file, good, at);
      if (!tells(verdict, file, place)) FAIL_CHECK(place << " of " << file << ": " << text(verdict));
      damage.vault.disk.overwrite("v/" + file, at, good.substr(at, 1));
    }
  }
  CHECK(damage.vault.verify().ok());
  count(damage, 900, 9'000);
}

TEST_CASE("P2: a file that is cut, made longer or removed is found and named") {
  Damage damage;
  SeededRandomness randomness(12);
  for (std::string const& file : damage.files()) {
    Row const& row = *row_of(damage.vault, file);
    std::string const good = damage.read(file);
    std::vector<std::size_t> lengths;
    if (!good.empty()) lengths = {0, good.size() - 1};
    for (int i = 0; !good.empty() && i < (full_counts() ? 20 : 2); ++i)
      lengths.push_back(randomness.below(good.size()));
    for (std::size_t const length : lengths) {
      CAPTURE(length);
      damage.write(file, good.substr(0, length));
      damage.expect(file, row.cut, row.besides, "cut");
    }
    for (std::string const& more : {std::string("x"), std::string("\n"), std::string(512, '\0'), good}) {
      if (more.empty()) continue;
      CAPTURE(more.size());
      damage.write(file, good + more);
      damage.expect(file, row.grown, row.besides, "grown");
    }
    std::uint32_t const mode = damage.mode_of(file);
    damage.vault.disk.erase("v/" + file);
    damage.expect(file, {What::missing}, row.besides, "removed");
    damage.vault.disk.put_file("v/" + file, good, mode);
  }
  CHECK(damage.vault.verify().ok());
  count(damage, 417, 1'227);
}

TEST_CASE("P2: two files in each other's place are found and both are named") {
  Damage damage;
  SeededRandomness randomness(13);
  std::vector<std::string> const files = damage.files();
  auto const swap = [&](std::string const& a, std::string const& b) {
    std::string const bytes_a = damage.read(a);
    std::string const bytes_b = damage.read(b);
    if (bytes_a == bytes_b) return;  // both journals are empty, and a chain is the same each time
    damage.write(a, bytes_b);
    damage.write(b, bytes_a);
    Verdict const verdict = damage.vault.verify();
    // Without a checkpoint there is nothing to hold the rest against: then it alone is named.
    bool const alone = a == "log/checkpoint" || b == "log/checkpoint";
    bool const named_a = names(verdict, a) || (alone && a != "log/checkpoint");
    bool const named_b = names(verdict, b) || (alone && b != "log/checkpoint");
    if (named_a && named_b)
      ++damage.found["swapped"];
    else
      FAIL_CHECK(a << " and " << b << " swapped: " << text(verdict));
    damage.write(a, bytes_a);
    damage.write(b, bytes_b);
  };
  for (std::size_t a = 0; a < files.size(); ++a)
    for (std::size_t b = a + 1; b < files.size(); ++b)
      if (full_counts() || b == a + 1 || randomness.below(8) == 0) swap(files[a], files[b]);
  CHECK(damage.vault.verify().ok());
  count(damage, 166, 1'121);
}

TEST_CASE("P2: a file added to any folder is found and named") {
  Damage damage;
  std::set<std::string> folders{""};
  for (std::string const& file : damage.files())
    for (std::size_t at = file.find('/'); at != std::string::npos; at = file.find('/', at + 1))
      folders.insert(file.substr(0, at + 1));
  for (std::string const& folder : folders)
    for (char const* name : {"added", ".added", "0", "999", "added.tsr", "checkpoint.old"}) {
      std::string const file = folder + name;
      if (damage.vault.vault->facts_of(file)) continue;  // 0 is a folder among the tiles
      damage.vault.disk.put_file("v/" + file, "planted", 0400);
      damage.expect(file, {What::added}, Besides::nothing, "added");
      damage.vault.disk.erase("v/" + file);
    }
  for (char const* file : {"staging/added", "staging/torn/added", "lost+found/added"}) {
    damage.vault.disk.put_file(std::string("v/") + file, "no evidence");
    CHECK(damage.vault.verify().ok());
  }
  damage.vault.disk.put_file("v/reserve", "zeros");
  Verdict const verdict = damage.vault.verify();
  CHECK(verdict.ok());
  CHECK(verdict.not_checked == std::vector<std::string>{"reserve"});
  count(damage, 191, 191);
}

TEST_CASE("P2: what only a run that was cut short can leave is unlogged, and added once it was ended") {
  WholeVault vault;
  SimulatedDisk& cut_short = *vault.before.rbegin()->second;
  auto const folder = cut_short.folder("v");
  VerifyOptions options = vault.options();
  auto const state = cut_short.folder("s");
  options.state = state.get();
  REQUIRE(verify_vault(*folder, options).ok());
  std::string open_warc;
  for (std::string const& path : cut_short.files())
    if (path.starts_with("v/warc/") && path != "v/" + vault.closed_warc) open_warc = path.substr(2);
  std::string const digest = hex(sha256(bytes_of("planted")));
  struct Left {
    std::string file;
    What what;
    std::uint32_t mode = 0400;
  };
  std::size_t found = 0;
  for (Left const& left :
       {Left{open_warc, What::unlogged, 0600}, Left{vault.closed_warc, What::added},
        Left{"warc/20170505T190000Z-0.warc.gz", What::unlogged, 0600},
        Left{"warc/20170505T190000Z-0.warc.gz", What::added}, Left{"warc/added", What::added},
        Left{"objects/" + digest.substr(0, 2) + "/" + digest, What::unlogged}, Left{"objects/00/added", What::added},
        Left{"log/tile/0/002.p/1", What::unlogged}, Left{"log/tile/added", What::added},
        Left{"log/checkpoint.tmp", What::unlogged}, Left{"timestamps/7/one.tsr", What::unlogged},
        Left{"timestamps/7/added", What::added}, Left{"journal.1", What::unlogged, 0600}, Left{"added", What::added}}) {
    CAPTURE(left.file);
    std::string const path = "v/" + left.file;
    auto const disk = cut_short.after_kill();
    disk->put_file(path, disk->content(path) + "planted", left.mode);
    Verdict const verdict = verify_vault(*disk->folder("v"), options);
    INFO(text(verdict));
    REQUIRE(verdict.problems.size() == 1);
    CHECK(verdict.problems[0].where == left.file);
    CHECK(verdict.problems[0].what == left.what);
    ++found;
  }
  CHECK(found >= 14);
}

}  // namespace impound::evidence
