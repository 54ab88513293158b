// A vault that has one of every kind of file, the same each time but for certificates: two runs of the agent, 21
// exhibits (one of them empty), captures in a WARC file that is closed and in one that is open, full and partial tiles
// on two levels, and tokens of two authorities over two checkpoints, with chains and CRLs.
//
// And what a thief of the key makes of it: the same vault with one thing altered, signed again throughout. Tokens he
// cannot make; he keeps the old ones and logs them as if they fitted.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "tests/support/stamped_vault.h"

namespace impound::evidence {

/// What is other in a forged vault; sizes of the log stay what they were.
enum class Forgery { exhibit, order_of_exhibits, capture, note };

class WholeVault : public StampedVault {
 public:
  static constexpr int notes = 520;
  static constexpr std::size_t exhibits = 21;

  WholeVault() { make(); }
  WholeVault(WholeVault& honest, Forgery forgery) : honest_(&honest), forgery_(forgery) {
    one.made = honest.one.made;
    two.made = honest.two.made;
    make();
  }
  WholeVault(WholeVault const&) = delete;
  WholeVault& operator=(WholeVault const&) = delete;

  /// The machine as it was at each size that was published before the newest.
  std::map<std::uint64_t, std::unique_ptr<SimulatedDisk>> before;
  std::string closed_warc;

 private:
  void make() {
    exhibits_from(0, 11);
    for (int i = 0; i < 3; ++i) paste(i);
    remember();
    stamp_both();
    remember();
    next_run();
    for (int i = 0; i < notes; i += 40) some_notes(i);
    exhibits_from(11, exhibits);
    remember();
    for (int i = 3; i < 6; ++i) paste(i);
    later(60);
    stamp_both();
    remember();
    writer->stop();
  }

  bool forged(Forgery what) const { return forgery_ == what; }

  void exhibits_from(std::size_t from, std::size_t to) {
    for (std::size_t i = from; i < to; ++i) {
      std::size_t const which = forged(Forgery::order_of_exhibits) && (i == 3 || i == 4) ? 7 - i : i;
      std::string bytes = which == 5 ? "" : "exhibit " + std::to_string(which) + std::string(which * 40, '.');
      if (forged(Forgery::exhibit) && which == 2) bytes += "!";
      writer->seal(bytes);
    }
  }
  void paste(int which) {
    bool const other = forged(Forgery::capture) && which == 1;
    writer->capture((other ? "nothing of note in " : "a magnet link in ") + std::to_string(which));
  }
  void some_notes(int from) {
    std::vector<EntryDraft> drafts;
    for (int i = from; i < std::min(from + 40, notes); ++i) {
      std::string const text = forged(Forgery::note) && i == 17 ? "another" : std::to_string(i);
      drafts.push_back({.kind = "note.added", .body = {{"text", text}}});
    }
    REQUIRE(writer->record(drafts));
  }
  void remember() {
    writer->publish();
    before[writer->log().checkpoint().size] = disk.after_kill();
  }
  /// The agent is stopped, its WARC file closed, and it is started again.
  void next_run() {
    writer->stop();
    writer.reset();
    for (std::string const& path : disk.files())
      if (path.starts_with("v/warc/")) closed_warc = path.substr(2);
    disk.put_file("v/" + closed_warc, disk.content("v/" + closed_warc), 0400);
    writer = std::make_unique<TestVault>(*vault, *state, SimulatedDisk::owner, 2);
    later(60);
  }
  void stamp_both() {
    if (honest_ == nullptr) return stamped();
    std::size_t const which = sizes.size();
    Open const open = attempt();
    REQUIRE(sizes[which] == honest_->sizes.at(which));
    std::vector<KeptToken> tokens;
    for (Authority* by : {&honest_->one, &honest_->two}) {
      for (char const* suffix : {".tsr", ".chain.pem", ".0.crl"}) {
        std::string const path = "v/" + file(which, by->name + suffix);
        disk.put_file(path, honest_->disk.content(path), 0400);
      }
      auto const kept = kept_token(*honest_->vault, by->authority(), sizes[which],
                                   honest_->disk.content("v/" + honest_->checkpoint(which)));
      REQUIRE(kept);
      REQUIRE(kept.value());
      tokens.push_back(*kept.value());
    }
    result(open, result_body(open.attempt, tokens, {}, {}));
  }

  WholeVault* honest_ = nullptr;
  std::optional<Forgery> forgery_;
};

}  // namespace impound::evidence
