// verify over a vault whose checkpoints were stamped: what must hold, and each way in which it may not.
#include <doctest/doctest.h>

#include <functional>
#include <set>

#include "evidence/checkpoint.h"
#include "evidence/formats/digests.h"
#include "evidence/formats/hex.h"
#include "evidence/values/utc_time.h"
#include "evidence/verify/vault_check.h"
#include "tests/support/stamped_vault.h"
#include "tests/support/test_vault.h"

namespace impound::evidence {
namespace {

using Scene = StampedVault;

bool says(Verdict const& verdict, What what, std::string_view where, std::string_view detail = "") {
  for (Problem const& problem : verdict.problems)
    if (problem.what == what && problem.where == where && problem.detail.find(detail) != std::string::npos) return true;
  return false;
}
bool notes(Verdict const& verdict, std::string_view part) {
  for (std::string const& note : verdict.notes)
    if (note.find(part) != std::string::npos) return true;
  return false;
}
std::string text(Verdict const& verdict) { return verdict.to_json().dump(2); }

std::string result_entry(Scene const& scene) {
  return "entry " + std::to_string(scene.sizes.back() + 1);  // the attempt is right behind its checkpoint
}

}  // namespace

TEST_CASE("P2: a stamped vault verifies, and its good tokens are counted") {
  Scene scene;
  scene.whole();
  Verdict verdict = scene.verify();
  INFO(text(verdict));
  CHECK(verdict.ok());
  CHECK(verdict.timestamps == 4);
  CHECK(verdict.notes.empty());
  SUBCASE("by the roots beside the tokens, and a note says so") {
    VerifyOptions options = scene.options();
    options.tsa_roots_pem.clear();
    verdict = verify_vault(*scene.vault, options);
    CHECK(verdict.ok());
    CHECK(verdict.timestamps == 4);
    CHECK(notes(verdict, "--tsa-ca"));
  }
  SUBCASE("not by the root of one of them alone") {
    VerifyOptions options = scene.options();
    options.tsa_roots_pem.pop_back();
    verdict = verify_vault(*scene.vault, options);
    CHECK(verdict.timestamps == 2);
    CHECK(says(verdict, What::untrusted, scene.file(0, "two.tsr")));
    CHECK(says(verdict, What::missing, result_entry(scene), "1 of 2 tokens, 2 required"));
  }
  SUBCASE("with the log alone, no token is read, and that is said") {
    VerifyOptions options = scene.options();
    options.log_only = true;
    verdict = verify_vault(*scene.vault, options);
    CHECK(verdict.ok());
    CHECK(verdict.timestamps == 0);
    CHECK(std::count(verdict.not_checked.begin(), verdict.not_checked.end(), "timestamps") == 1);
  }
}

TEST_CASE("P2: every byte of a token, a chain, a CRL and an anchored checkpoint counts, and so does the file") {
  Scene scene;
  scene.whole();
  std::size_t changes = 0;
  SeededRandomness random(4);
  for (std::string const& path : {scene.file(0, "one.tsr"), scene.file(1, "two.tsr"), scene.file(0, "one.chain.pem"),
                                  scene.file(1, "two.0.crl"), scene.checkpoint(0), scene.checkpoint(1)}) {
    CAPTURE(path);
    std::string const there = "v/" + path;
    std::string const bytes = scene.disk.content(there);
    REQUIRE_FALSE(bytes.empty());
    for (int i = 0; i < 10; ++i, ++changes) {
      std::uint64_t const bit = random.below(bytes.size() * 8);
      CAPTURE(bit);
      scene.disk.flip_bit(there, bit);
      Verdict const verdict = scene.verify();
      CHECK(says(verdict, What::altered, path));
      scene.disk.flip_bit(there, bit);
    }
    scene.disk.put_file(there, bytes.substr(0, bytes.size() / 2), 0400);
    CHECK(says(scene.verify(), What::altered, path));
    scene.disk.put_file(there, bytes + "x", 0400);
    CHECK(says(scene.verify(), What::altered, path));
    scene.disk.erase(there);
    CHECK(says(scene.verify(), What::missing, path));
    scene.disk.put_file(there, bytes, 0400);
    CHECK(scene.verify().ok());
    changes += 3;
  }
  std::string const first = scene.disk.content("v/" + scene.file(0, "one.tsr"));
  scene.disk.put_file("v/" + scene.file(0, "one.tsr"), scene.disk.content("v/" + scene.file(1, "one.tsr")), 0400);
  CHECK(says(scene.verify(), What::altered, scene.file(0, "one.tsr")));
  MESSAGE("changes: ", changes);
  CHECK(changes >= 78);
}

TEST_CASE("P2: a damaged token, chain or CRL is named also when the checkpoint that was stamped is damaged or gone") {
  Scene scene;
  scene.whole();
  std::vector<std::string> const damaged{scene.file(0, "one.tsr"), scene.file(0, "two.chain.pem"),
                                         scene.file(0, "two.0.crl")};
  for (std::string const& path : damaged) scene.disk.flip_bit("v/" + path, 99);
  SUBCASE("damaged") { scene.disk.flip_bit("v/" + scene.checkpoint(0), 99); }
  SUBCASE("gone") { scene.disk.erase("v/" + scene.checkpoint(0)); }
  Verdict const verdict = scene.verify();
  INFO(text(verdict));
  for (std::string const& path : damaged) CHECK(says(verdict, What::altered, path));
  CHECK((says(verdict, What::altered, scene.checkpoint(0)) || says(verdict, What::missing, scene.checkpoint(0))));
  CHECK(verdict.timestamps == 2);
}

TEST_CASE("P2: what no entry names is found under timestamps/ and log/checkpoints/") {
  Scene scene;
  scene.whole();
  for (std::string const& path : {scene.file(0, "three.tsr"), scene.file(0, "one.1.crl"), std::string("timestamps/x"),
                                  std::string("timestamps/4000/one.tsr"), std::string("log/checkpoints/1.cosigned"),
                                  scene.file(1, "one.tsr.tmp")}) {
    CAPTURE(path);
    scene.disk.put_file("v/" + path, "x");
    std::string const where = path.starts_with("timestamps/4000") ? "timestamps/4000/one.tsr" : path;
    CHECK(says(scene.verify(), What::added, where));
    scene.disk.erase("v/" + path);
  }
  // A checkpoint that is as good as any, but that nobody had stamped.
  scene.disk.put_file("v/log/checkpoints/" + std::to_string(scene.writer->log().size()),
                      scene.disk.content("v/log/checkpoint"));
  CHECK(says(scene.verify(), What::added, "log/checkpoints/" + std::to_string(scene.writer->log().size())));
}

TEST_CASE("P1: what an open attempt asked for is no problem, and the attempt is a note") {
  Scene scene;
  Scene::Open const open = scene.attempt();
  scene.token(open, scene.one);
  scene.disk.put_file("v/" + scene.file(0, "two.chain.pem"), "half");
  SUBCASE("after a crash") { scene.writer->publish(); }
  SUBCASE("after a clean stop") { scene.writer->stop(); }
  Verdict const verdict = scene.verify();
  INFO(text(verdict));
  CHECK(verdict.ok());
  CHECK(verdict.timestamps == 0);
  CHECK(notes(verdict, "has no result yet"));
}

TEST_CASE("P1: a checkpoint kept by a run that died before its attempt is unlogged, and the start sets it aside") {
  Scene scene;
  scene.writer->publish();
  REQUIRE(keep_checkpoint(*scene.vault, 2, scene.disk.content("v/log/checkpoint")));
  CHECK(says(scene.verify(), What::unlogged, "log/checkpoints/2"));
  auto const moved = set_aside_unnamed_timestamps(*scene.vault, StampingHistory{});
  REQUIRE(moved);
  CHECK(moved.value().size() == 1);
  CHECK(scene.verify().ok());
}

TEST_CASE("P2: k of n is enforced, whatever the result says") {
  Scene scene;
  SUBCASE("met, with one token of two required") {
    Scene::Open const open = scene.attempt();
    Json body = result_body(open.attempt, {scene.token(open, scene.one)}, {{"two", 1, "no"}}, 99);
    body["state"] = "met";
    body.erase("superseded_by");
    scene.result(open, body);
    scene.writer->stop();
    Verdict const verdict = scene.verify();
    CHECK(says(verdict, What::malformed, result_entry(scene), "says met with 1 of 2 tokens, 2 required"));
    CHECK(says(verdict, What::missing, result_entry(scene), "good are 1 of 2"));
  }
  SUBCASE("met, with one of one required") {
    scene.required = 1;
    Scene::Open const open = scene.attempt();
    scene.result(open, result_body(open.attempt, {scene.token(open, scene.one)}, {{"two", 1, "no"}}, {}));
    scene.writer->stop();
    Verdict const verdict = scene.verify();
    INFO(text(verdict));
    CHECK(verdict.ok());
    CHECK(verdict.timestamps == 1);
  }
  SUBCASE("superseded, with one of two: no more than it says") {
    Scene::Open const open = scene.attempt();
    scene.result(open, result_body(open.attempt, {scene.token(open, scene.one)}, {{"two", 1, "no"}}, 99));
    scene.stamped();
    scene.writer->stop();
    Verdict const verdict = scene.verify();
    INFO(text(verdict));
    CHECK(verdict.ok());
    CHECK(verdict.timestamps == 3);
    CHECK(notes(verdict, "a checkpoint of 99 entries, and nobody"));
  }
  SUBCASE("superseded, with all of them") {
    scene.stamped([](Json& body) {
      body["state"] = "superseded";
      body["superseded_by"] = 99;
    });
    scene.writer->stop();
    CHECK(says(scene.verify(), What::malformed, result_entry(scene), "says superseded with 2"));
  }
  SUBCASE("one token twice") {
    scene.stamped([](Json& body) { body["tokens"][1] = body["tokens"][0]; });
    scene.writer->stop();
    CHECK(says(scene.verify(), What::malformed, result_entry(scene), "two tokens of one"));
  }
}

TEST_CASE("P2: attempt, result, checkpoint and token must say the same") {
  Scene scene;
  SUBCASE("another time, number, policy, signer or kind of id") {
    for (auto const& [key, other] :
         {std::pair{"gen_time", "2017-05-05T17:00:00.000000Z"}, std::pair{"serial", "77"}, std::pair{"policy", "1.2.3"},
          std::pair{"tsa", "CN=somebody"}, std::pair{"ess", "v1"}}) {
      Scene fresh;
      fresh.stamped([&, key = key, other = other](Json& body) { body["tokens"][0][key] = other; });
      fresh.writer->stop();
      CAPTURE(key);
      CHECK(says(fresh.verify(), What::malformed, result_entry(fresh), "other things of the token of one"));
    }
  }
  SUBCASE("another root in the attempt") {
    scene.attempt([](Json& body) { body["root"] = std::string(64, 'a'); });
    scene.writer->stop();
    Verdict const verdict = scene.verify();
    std::string const attempt = "entry " + std::to_string(scene.sizes[0]);
    CHECK(says(verdict, What::malformed, attempt, "another root"));
    CHECK(says(verdict, What::forked, attempt, "another root at"));
  }
  SUBCASE("another digest of the checkpoint in the attempt") {
    scene.attempt([](Json& body) { body["checkpoint"]["sha256"] = std::string(64, 'a'); });
    scene.writer->stop();
    CHECK(says(scene.verify(), What::altered, scene.checkpoint(0)));
  }
  SUBCASE("roots that are not the token's") {
    Scene::Open const open =
        scene.attempt([](Json& body) { body["authorities"][0]["roots_sha256"] = {std::string(64, 'a')}; });
    scene.result(open, result_body(open.attempt, {scene.token(open, scene.one), scene.token(open, scene.two)}, {}, {}));
    scene.writer->stop();
    CHECK(says(scene.verify(), What::untrusted, scene.file(0, "one.tsr"), "does not name"));
  }
  SUBCASE("a result of nothing, a second result, an attempt beyond itself, bodies of no form") {
    scene.stamped();
    Scene::Open const open = scene.attempt();
    Json const body = result_body(open.attempt, {}, {{"one", 1, "no"}}, 99);
    scene.result(open, body);
    scene.result(open, body);
    REQUIRE(scene.writer->record({{.kind = "timestamp.result", .body = body},
                                  {.kind = "timestamp.result", .body = {{"size", "many"}}},
                                  {.kind = "timestamp.attempt", .body = {{"size", 1}}}}));
    std::uint64_t const at = scene.writer->log().size();
    scene.writer->stop();
    Verdict const verdict = scene.verify();
    INFO(text(verdict));
    auto const entry = [&](std::uint64_t before) { return "entry " + std::to_string(at - before); };
    CHECK(says(verdict, What::malformed, entry(4), "has a result already"));
    CHECK(says(verdict, What::malformed, entry(3), "of no timestamp.attempt"));
    CHECK(says(verdict, What::malformed, entry(2)));
    CHECK(says(verdict, What::malformed, entry(1)));
  }
}

TEST_CASE("P2: a token under a certificate that its CRL revokes is no good") {
  Scene scene;
  Scene::Open const open = scene.attempt();
  std::vector<KeptToken> tokens{scene.token(open, scene.one), scene.token(open, scene.two)};
  TestAuthority::Revoked const revoked{TestAuthority::Revoked::Whom::signer, test_time_s - 60, CRL_REASON_SUPERSEDED};
  std::string const crl = scene.one.made.crl(test_time_s, test_time_s + 86'400, &revoked);
  std::string const path = scene.file(0, "one.0.crl");
  scene.disk.put_file("v/" + path, crl, 0400);
  tokens[0].crls[0].sha256 = sha256(bytes_of(crl));
  scene.result(open, result_body(open.attempt, tokens, {}, {}));
  scene.writer->stop();
  Verdict const verdict = scene.verify();
  INFO(text(verdict));
  CHECK(says(verdict, What::untrusted, scene.file(0, "one.tsr"), "was revoked at"));
  CHECK(verdict.timestamps == 1);
}

TEST_CASE("P2: times are held against tokens where the order proves something") {
  Scene scene;
  SUBCASE("an entry that claims to be younger than a token over it") {
    for (auto const& [ahead_s, synchronised, wrong] :
         {std::tuple{15, true, false}, std::tuple{19, true, true}, std::tuple{3'600, false, false}}) {
      Scene fresh;
      fresh.writer->clock().set_synchronised(synchronised);
      fresh.writer->clock().step(ahead_s * std::int64_t{1'000'000});
      fresh.writer->seal("an exhibit");
      fresh.stamped();
      fresh.writer->stop();
      CAPTURE(ahead_s);
      Verdict const verdict = fresh.verify();
      INFO(text(verdict));
      std::string const newest = "entry " + std::to_string(fresh.sizes[0] - 1);
      CHECK(says(verdict, What::time, newest) == wrong);
      CHECK(verdict.ok() == !wrong);
    }
  }
  SUBCASE("a later checkpoint stamped before the token that it covers") {
    scene.stamped();
    scene.one.made.now_s -= 600;
    scene.two.made.now_s -= 600;
    scene.writer->clock().step(-700 * std::int64_t{1'000'000});
    scene.stamped();
    scene.writer->stop();
    Verdict const verdict = scene.verify();
    INFO(text(verdict));
    CHECK(says(verdict, What::time, result_entry(scene), "covers a token"));
  }
  SUBCASE("an older checkpoint stamped late is no contradiction") {
    Scene::Open const older = scene.attempt();
    scene.later(60);
    scene.stamped();
    scene.later(600);
    scene.result(older,
                 result_body(older.attempt, {scene.token(older, scene.one), scene.token(older, scene.two)}, {}, {}));
    scene.writer->stop();
    Verdict const verdict = scene.verify();
    INFO(text(verdict));
    CHECK(verdict.ok());
  }
}

}  // namespace impound::evidence
