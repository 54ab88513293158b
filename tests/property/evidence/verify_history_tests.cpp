// P2: a past that is another one, and whole in itself: an older state with all its tiles, or a history that was altered
// and signed again throughout. Only what somebody else holds exposes it: STATE's last-checkpoint, a checkpoint that was
// kept, or a time-stamp.
#include <map>
#include <set>
#include <string>

#include "tests/support/test_key.h"
#include "tests/support/whole_vault.h"

namespace impound::evidence {
namespace {

bool says(Verdict const& verdict, What what, std::string_view where) {
  for (Problem const& problem : verdict.problems)
    if (problem.what == what && problem.where == where) return true;
  return false;
}
std::string text(Verdict const& verdict) { return verdict.to_json().dump(2); }

/// Everything below v/log as `of` has it, and nothing else there.
void put_log_back(SimulatedDisk& disk, SimulatedDisk const& of) {
  for (std::string const& path : disk.files())
    if (path.starts_with("v/log/")) disk.erase(path);
  for (std::string const& path : of.files())
    if (path.starts_with("v/log/")) disk.put_file(path, of.content(path));
}

/// By tokens: those that the alteration lies below vouch for another history. Nothing else is wrong with it; without
/// them it would pass. How many expose it.
std::size_t by_tokens(WholeVault& forged, std::size_t tokens_good) {
  Verdict const verdict = forged.verify();
  INFO(text(verdict));
  std::set<std::string> exposing;
  for (Problem const& problem : verdict.problems) {
    bool const of_token = problem.what == What::forked && problem.where.ends_with(".tsr");
    bool const of_count = problem.what == What::missing && problem.where.starts_with("entry ");
    CHECK((of_token || of_count));
    if (of_token) exposing.insert(problem.where);
  }
  CHECK(exposing.contains(forged.file(1, "one.tsr")));
  CHECK(exposing.contains(forged.file(1, "two.tsr")));
  CHECK(exposing.size() + tokens_good == 4);
  CHECK(verdict.timestamps == tokens_good);
  return exposing.size();
}

/// By checkpoints that somebody kept, each of a size that the alteration lies below.
std::size_t by_kept_checkpoints(WholeVault& honest, WholeVault& forged, std::uint64_t altered_from) {
  std::size_t exposing = 0;
  for (auto const& [size, before] : honest.before) {
    CAPTURE(size);
    VerifyOptions options = forged.options();
    options.old_checkpoints = {before->content("v/log/checkpoint")};
    bool const covers = size > altered_from;
    CHECK(says(verify_vault(*forged.vault, options), What::forked, "log/checkpoint") == covers);
    exposing += covers ? 1 : 0;
  }
  return exposing;
}

/// By this machine's memory; and the next writer writes nothing.
std::size_t by_last_checkpoint(WholeVault& honest, WholeVault& forged) {
  VerifyOptions options = forged.options();
  options.state = honest.state.get();
  CHECK(says(verify_vault(*forged.vault, options), What::forked, "log/checkpoint"));
  auto const tried = forged.disk.after_kill();
  tried->put_file("s/last-checkpoint", honest.disk.content("s/last-checkpoint"));
  std::size_t const as_it_was = tried->fingerprint();
  auto const refused = CustodyLog::open(*tried->folder("v"), *tried->folder("s"), test_key(), TestVault::origin);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == Code::rolled_back);
  CHECK(tried->fingerprint() == as_it_was);
  return 2;
}

/// With the honest stamped checkpoint put back, so that its token fits again.
std::size_t by_anchored_checkpoint(WholeVault& honest, WholeVault& forged) {
  forged.disk.put_file("v/" + forged.checkpoint(1), honest.disk.content("v/" + honest.checkpoint(1)), 0400);
  Verdict const verdict = forged.verify();
  CHECK(says(verdict, What::forked, forged.checkpoint(1)));
  CHECK(says(verdict, What::altered, forged.checkpoint(1)));
  return 1;
}

}  // namespace

TEST_CASE("P2: each older checkpoint, replayed with all its tiles, is exposed by whoever holds a newer one") {
  WholeVault vault;
  std::size_t replays = 0;
  std::string const newest = vault.disk.content("v/log/checkpoint");
  std::string const state = vault.disk.content("s/last-checkpoint");
  for (auto const& [size, before] : vault.before) {
    CAPTURE(size);
    auto const old_vault = before->folder("v");
    auto const old_state = before->folder("s");
    VerifyOptions options = vault.options();
    options.state = old_state.get();
    std::set<What> whats;
    for (Problem const& problem : verify_vault(*old_vault, options).problems) whats.insert(problem.what);
    // The run was cut short then; nothing but what a crash leaves is wrong with that state.
    CHECK((whats.empty() || whats == std::set<What>{What::unlogged}));

    // The whole vault set back: by this machine's memory, and by a checkpoint that somebody kept.
    options.state = vault.state.get();
    CHECK(says(verify_vault(*old_vault, options), What::rolled_back, "log/checkpoint"));
    options.state = old_state.get();
    options.old_checkpoints = {newest};
    CHECK(says(verify_vault(*old_vault, options), What::rolled_back, "log/checkpoint"));
    // And by the next writer, who writes nothing.
    auto const tried = before->after_kill();
    tried->put_file("s/last-checkpoint", state);
    std::size_t const as_it_was = tried->fingerprint();
    auto const refused = CustodyLog::open(*tried->folder("v"), *tried->folder("s"), test_key(), TestVault::origin);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == Code::rolled_back);
    CHECK(tried->fingerprint() == as_it_was);

    // The log alone set back, beside what is there now: what it does not name any more is there, too.
    auto const now = vault.disk.after_kill();
    put_log_back(*now, *before);
    auto const half = now->folder("v");
    options.state = vault.state.get();
    options.old_checkpoints.clear();
    CHECK(says(verify_vault(*half, options), What::rolled_back, "log/checkpoint"));
    // Nobody remembers, but a stamped checkpoint was left where it was.
    options.state = nullptr;
    std::uint64_t const stamped = vault.sizes.back();
    if (size < stamped) {
      now->put_file("v/" + vault.checkpoint(1), vault.disk.content("v/" + vault.checkpoint(1)), 0400);
      CHECK(says(verify_vault(*half, options), What::rolled_back, vault.checkpoint(1)));
      ++replays;
    }
    replays += 4;
  }
  MESSAGE("replays exposed: " << replays);
  CHECK(replays >= 19);
}

TEST_CASE("P2: a forged history, fully signed again by a thief of the key, is exposed by what he cannot make") {
  // He alters one thing, and makes everything that the key can make: entries, tiles, checkpoints, last-checkpoint.
  WholeVault honest;
  std::size_t exposed = 0;
  for (Forgery const forgery : {Forgery::exhibit, Forgery::order_of_exhibits, Forgery::capture, Forgery::note}) {
    CAPTURE(static_cast<int>(forgery));
    WholeVault forged(honest, forgery);
    REQUIRE(forged.writer->log().size() == honest.writer->log().size());
    // A note of the second run: the first checkpoint that was stamped is still true, with its tokens.
    bool const late = forgery == Forgery::note;
    exposed += by_tokens(forged, late ? 2 : 0);
    exposed += by_kept_checkpoints(honest, forged, late ? honest.sizes[0] + 2 : 2);
    exposed += by_last_checkpoint(honest, forged);
    exposed += by_anchored_checkpoint(honest, forged);
  }
  MESSAGE("forged histories exposed: " << exposed);
  CHECK(exposed >= 40);
}

}  // namespace impound::evidence
