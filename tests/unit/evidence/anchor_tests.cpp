// Checkpoints stamped, what authorities answered kept, and found again by the next start.
#include "evidence/timestamps/anchor.h"

#include <doctest/doctest.h>

#include "evidence/checkpoint.h"
#include "evidence/formats/digests.h"
#include "evidence/formats/hex.h"
#include "evidence/timestamps/stamping_history.h"
#include "evidence/vault.h"
#include "tests/support/simulated_disk.h"
#include "tests/support/stamped_vault.h"
#include "tests/support/test_authority.h"

namespace impound::evidence {
namespace {

constexpr std::string_view note = "agent.example/evidence\n7\nAAAA\n\n\xe2\x80\x94 agent.example/evidence signature\n";
constexpr std::uint64_t size = 7;

struct Scene {
  SimulatedDisk disk;
  SeededRandomness randomness{3};
  Authority one{"one"};
  Authority two{"two"};

  Scene() {
    REQUIRE(make_vault_folders(disk));
    REQUIRE(keep_checkpoint(disk, size, note));
  }
  Result<KeptToken> stamped(Authority& by) {
    return stamp(disk, by.authority(), size, note, by.ask(), by.fetch(), randomness);
  }
  KeptToken good(Authority& by) {
    auto token = stamped(by);
    if (!token) FAIL(line(token.error()));
    return std::move(token).value();
  }
  std::optional<KeptToken> kept(Authority& by) {
    auto token = kept_token(disk, by.authority(), size, note);
    if (!token) FAIL(line(token.error()));
    return std::move(token).value();
  }
  std::vector<std::string> files() {
    std::vector<std::string> found;
    for (std::string const& path : disk.files())
      if (path.starts_with("timestamps/") || path.starts_with("log/checkpoints/")) found.push_back(path);
    return found;
  }
};

using Paths = std::vector<std::string>;

}  // namespace

TEST_CASE("P2: a kept checkpoint never changes") {
  Scene scene;
  CHECK(scene.disk.content("log/checkpoints/7") == note);
  CHECK(scene.disk.facts_of("log/checkpoints/7").value().mode == 0400);
  CHECK(keep_checkpoint(scene.disk, size, note));
  auto const other = keep_checkpoint(scene.disk, size, "another");
  REQUIRE_FALSE(other);
  CHECK(other.error().code == Code::damaged);
  CHECK(scene.disk.content("log/checkpoints/7") == note);
}

TEST_CASE("P1: a token is kept whole, read-only, and found again as it was") {
  Scene scene;
  KeptToken const token = scene.good(scene.one);
  CHECK(scene.files() ==
        Paths{"log/checkpoints/7", "timestamps/7/one.0.crl", "timestamps/7/one.chain.pem", "timestamps/7/one.tsr"});
  for (std::string const& path : scene.files()) CHECK(scene.disk.facts_of(path).value().mode == 0400);
  CHECK(token.reply.file == "timestamps/7/one.tsr");
  CHECK(token.reply.sha256 == sha256(bytes_of(scene.disk.content(token.reply.file))));
  CHECK(token.chain.sha256 == sha256(bytes_of(scene.disk.content(token.chain.file))));
  REQUIRE(token.crls.size() == 1);
  CHECK(token.crls_missing == 0);
  CHECK(scene.kept(scene.one) == token);
  CHECK_FALSE(scene.kept(scene.two));
  CHECK(scene.stamped(scene.one).error().code == Code::exists);
  CHECK(scene.disk.accusations().empty());
}

TEST_CASE("P1: a CRL that cannot be had, or says nothing, is counted and does not cost the token") {
  Scene scene;
  scene.one.crl = "<html>404</html>";
  KeptToken token = scene.good(scene.one);
  CHECK(token.crls.empty());
  CHECK(token.crls_missing == 1);
  REQUIRE(token.crl_failures.size() == 1);
  CHECK(token.crl_failures[0].find("http://crl.example/one") == 0);
  scene.two.crl_error = Error{Code::timeout, "too slow", {}, {}};
  CHECK(scene.good(scene.two).crls_missing == 1);
  token.crl_failures.clear();
  CHECK(scene.kept(scene.one) == token);
}

TEST_CASE("P7: a token whose certificate was revoked is not kept") {
  Scene scene;
  TestAuthority::Revoked const revoked{TestAuthority::Revoked::Whom::signer, test_time_s - 60, CRL_REASON_SUPERSEDED};
  scene.one.crl = scene.one.made.crl(test_time_s, test_time_s + 86'400, &revoked);
  auto const token = scene.stamped(scene.one);
  REQUIRE_FALSE(token);
  CHECK(token.error().code == Code::refused);
  CHECK(token.error().what.find("revoked at") != std::string::npos);
  CHECK(scene.files() == Paths{"log/checkpoints/7"});
}

TEST_CASE("P7: what an authority answers badly, or not at all, leaves nothing behind") {
  Scene scene;
  for (std::string const& answer : {std::string("garbage"), std::string(),
                                    scene.two.made.reply(make_query(bytes_of(note), scene.randomness).der)}) {
    scene.one.answer = answer;
    CHECK_FALSE(scene.stamped(scene.one));
  }
  scene.one.answer = Error{Code::unreachable, "nobody there", {}, {}};
  CHECK(scene.stamped(scene.one).error().code == Code::unreachable);
  CHECK(scene.files() == Paths{"log/checkpoints/7"});
}

TEST_CASE("P1: a torn or foreign token is told, set aside, and made anew") {
  Scene scene;
  KeptToken const token = scene.good(scene.one);
  SUBCASE("torn") { scene.disk.overwrite("timestamps/7/one.tsr", 100, "xxxx"); }
  SUBCASE("empty") { scene.disk.put_file("timestamps/7/one.tsr", ""); }
  SUBCASE("too big") { scene.disk.put_file("timestamps/7/one.tsr", std::string(timestamp_reply_bytes_max + 1, 'x')); }
  SUBCASE("another's") {
    scene.disk.put_file("timestamps/7/one.tsr", scene.two.made.reply(make_query(bytes_of(note), scene.randomness).der));
  }
  SUBCASE("no chain") { scene.disk.erase("timestamps/7/one.chain.pem"); }
  SUBCASE("another chain") { scene.disk.put_file("timestamps/7/one.chain.pem", scene.two.made.root_pem()); }
  SUBCASE("no CRL") { scene.disk.put_file("timestamps/7/one.0.crl", "no CRL"); }
  SUBCASE("a file too many") { scene.disk.put_file("timestamps/7/one.5.crl", "no CRL"); }
  auto const found = kept_token(scene.disk, scene.one.authority(), size, note);
  REQUIRE_FALSE(found);
  CHECK(found.error().code == Code::damaged);
  auto const moved = set_token_aside(scene.disk, "one", size);
  REQUIRE(moved);
  CHECK_FALSE(moved.value().empty());
  CHECK(scene.files() == Paths{"log/checkpoints/7"});
  CHECK_FALSE(scene.kept(scene.one));
  scene.good(scene.one);
  CHECK(scene.kept(scene.one));
}

TEST_CASE("P1: wherever the power fails, a token is whole or not there, and stamping goes on") {
  Scene quiet;
  std::size_t const before = quiet.disk.steps();
  quiet.good(quiet.one);
  std::size_t const steps = quiet.disk.steps() - before;
  std::size_t runs = 0;
  for (std::size_t step = 1; step <= steps; ++step)
    for (Fault const fault : {Fault::cut_before, Fault::cut_after, Fault::fail_undone, Fault::fail_done})
      for (std::uint64_t seed = 0; seed < 4; ++seed, ++runs) {
        CAPTURE(step);
        CAPTURE(static_cast<int>(fault));
        CAPTURE(seed);
        Scene scene;
        scene.disk.plan({step, fault});
        auto const token = scene.stamped(scene.one);
        auto next = scene.disk.after_power_cut(seed);
        StampingHistory history;
        take_open_attempt(history, size, note, {scene.one.authority()});
        REQUIRE(set_aside_unnamed_timestamps(*next, history).value().empty());
        auto const found = kept_token(*next, scene.one.authority(), size, note);
        REQUIRE(found);
        if (token) CHECK(found.value() == token.value());
        if (!found.value()) {
          auto const again =
              stamp(*next, scene.one.authority(), size, note, scene.one.ask(), scene.one.fetch(), scene.randomness);
          REQUIRE(again);
        }
        CHECK(next->files().size() == quiet.disk.files().size());
        CHECK(next->accusations().empty());
      }
  MESSAGE("cuts: ", runs);
  CHECK(runs >= 14 * 16);
}

TEST_CASE("P1: halves of an earlier try make way, and a try that fails leaves none") {
  Scene scene;
  scene.disk.put_file("timestamps/7/one.chain.pem", "half");
  scene.disk.put_file("timestamps/7/one.3.crl", "half");
  scene.disk.put_file("timestamps/7/one.tsr.tmp", "half");
  scene.good(scene.one);
  CHECK(scene.files().size() == 4);
  CHECK(scene.kept(scene.one));
  std::size_t failed = 0;
  for (std::size_t step = 1; step < 40; ++step) {
    CAPTURE(step);
    Scene fresh;
    fresh.disk.plan({step, Fault::fail_undone});
    if (!fresh.stamped(fresh.one)) ++failed;
    CHECK((fresh.files().size() == 1 || fresh.files().size() == 4));
  }
  CHECK(failed > 10);
}

TEST_CASE("P1: a start sets aside what nothing vouches for, and keeps what an open attempt asked for") {
  Scene scene;
  scene.good(scene.one);
  StampingHistory history;
  SUBCASE("no entry names anything") {
    auto const moved = set_aside_unnamed_timestamps(scene.disk, history);
    REQUIRE(moved);
    CHECK(moved.value().size() == 4);
    CHECK(scene.files().empty());
    CHECK_FALSE(scene.disk.facts_of("timestamps/7"));
    CHECK(scene.disk.exists("staging/torn/timestamps-7-one.tsr"));
  }
  SUBCASE("an open attempt asked for it") {
    take_open_attempt(history, size, note, {scene.one.authority(), scene.two.authority()});
    scene.disk.put_file("timestamps/7/one.tsr.tmp", "x");
    scene.disk.put_file("timestamps/7/two.chain.pem", "half");  // its .tsr never came
    scene.disk.put_file("timestamps/7/three.tsr", "not asked");
    auto const moved = set_aside_unnamed_timestamps(scene.disk, history);
    REQUIRE(moved);
    CHECK(moved.value() == Paths{"timestamps/7/three.tsr"});
    CHECK(scene.files().size() == 4);
  }
}

TEST_CASE("the entries of a stamping are read as they were written") {
  Scene scene;
  std::vector const authorities{scene.one.authority(), scene.two.authority()};
  Sha256 const root = sha256({});
  Json const body = attempt_body(size, root, note, 1, authorities);
  REQUIRE(canonical(body));
  auto const attempt = attempt_from_json(body);
  REQUIRE(attempt);
  CHECK(attempt.value().checkpoint == KeptFile{"log/checkpoints/7", sha256(bytes_of(note))});
  CHECK(attempt.value().authorities.size() == 2);
  CHECK(to_json(attempt.value()) == body);
  KeptToken const token = scene.good(scene.one);
  Json const met = result_body(attempt.value(), {token}, {{"two", 3, "\x1b[31m" + std::string(900, 'x')}}, 9);
  REQUIRE(canonical(met));
  auto const result = result_from_json(met);
  REQUIRE(result);
  CHECK(result.value().state == StampingState::met);
  CHECK_FALSE(result.value().superseded_by);
  CHECK(result.value().tokens == std::vector{token});
  CHECK(result.value().failed[0].reason.size() == 500);
  CHECK(result.value().failed[0].reason[0] == '?');
  CHECK(result_body(attempt.value(), {token, scene.good(scene.two)}, {}, {})["state"] == "complete");
  Json const superseded = result_body(attempt.value(), {}, {{"one", 1, ""}}, 9);
  CHECK(result_from_json(superseded).value().superseded_by == 9);
  CHECK(canonical(superseded));

  // Whatever stands there instead is refused, never a crash.
  for (Json const* whole : {&body, &met}) {
    Json const flat = whole->flatten();
    for (auto const& [path, value] : flat.items())
      for (Json const& other : {Json("x"), Json(-1), Json::array(), Json::object(), Json(true)}) {
        Json changed = *whole;
        changed[Json::json_pointer(path)] = other;
        (void)attempt_from_json(changed);
        (void)result_from_json(changed);
      }
  }
  Json elsewhere = met;
  elsewhere["tokens"][0]["file"] = "timestamps/7/../../key.pem";
  CHECK_FALSE(result_from_json(elsewhere));
}

}  // namespace impound::evidence
