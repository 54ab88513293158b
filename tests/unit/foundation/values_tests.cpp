#include <doctest/doctest.h>

#include "evidence/formats/digests.h"
#include "evidence/formats/hex.h"
#include "evidence/system/clock.h"
#include "evidence/system/randomness.h"
#include "evidence/values/case_name.h"
#include "evidence/values/entry_id.h"
#include "evidence/values/utc_time.h"

using namespace impound;

TEST_CASE("hex goes there and back, and refuses what is none") {
  CHECK(hex(*from_hex("00fF10")) == "00ff10");
  CHECK_FALSE(from_hex("0"));
  CHECK_FALSE(from_hex("0g"));
  CHECK_FALSE(digest_from_hex<Sha256>("00"));
}

TEST_CASE("SHA-256 and SHA-1 of the empty text are the published ones") {
  CHECK(hex(sha256({})) == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  CHECK(hex(sha1({})) == "da39a3ee5e6b4b0d3255bfef95601890afd80709");
  Sha256Stream stream;
  stream.add(bytes_of("ab"));
  stream.add(bytes_of("c"));
  CHECK(stream.finish() == sha256(bytes_of("abc")));
  CHECK(stream.finish() == sha256({}));
}

TEST_CASE("SHA-256, SHA-1 and MD5 are those of the standards, however the bytes come in") {
  // FIPS 180-2 appendices A and B, RFC 1321 appendix A.5, and the million a's of both.
  std::string const million(1'000'000, 'a');
  struct Vector {
    std::string text, sha256, sha1, md5;
  };
  for (Vector const& one : {Vector{"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
                                   "da39a3ee5e6b4b0d3255bfef95601890afd80709", "d41d8cd98f00b204e9800998ecf8427e"},
                            Vector{"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
                                   "a9993e364706816aba3e25717850c26c9cd0d89d", "900150983cd24fb0d6963f7d28e17f72"},
                            Vector{million, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0",
                                   "34aa973cd4c4daa4f61eeb2bdbad27316534016f", "7707d6ae4e027c70eea2a935c2296f21"}})
    for (std::size_t const piece :
         {std::size_t{1}, std::size_t{63}, std::size_t{64}, std::size_t{4'096}, million.size()}) {
      Sha256Stream a;
      Sha1Stream b;
      Md5Stream c;
      for (std::size_t at = 0; at < one.text.size(); at += piece) {
        Bytes const bytes = bytes_of(std::string_view(one.text).substr(at, piece));
        a.add(bytes);
        b.add(bytes);
        c.add(bytes);
      }
      CHECK(hex(a.finish()) == one.sha256);
      CHECK(hex(b.finish()) == one.sha1);
      CHECK(hex(c.finish()) == one.md5);
    }
}

TEST_CASE("an instant is written and read to the microsecond, and 31 February is refused") {
  CHECK(utc_text(1'494'010'752'345'678) == "2017-05-05T18:59:12.345678Z");
  CHECK(utc_us_from("2017-05-05T18:59:12.345678Z") == 1'494'010'752'345'678);
  CHECK(utc_us_from("2017-05-05T18:59:12Z") == 1'494'010'752'000'000);
  CHECK_FALSE(utc_us_from("2017-02-31T00:00:00Z"));
  CHECK_FALSE(utc_us_from("2017-05-05 18:59:12Z"));
  CHECK_FALSE(utc_us_from("2017-05-05T18:59:12+00:00"));
}

TEST_CASE("entry ids are UUIDs of version 7 and never repeat") {
  SystemClock clock;
  SystemRandomness randomness;
  auto const a = EntryId::make(clock, randomness);
  auto const b = EntryId::make(clock, randomness);
  CHECK(a != b);
  CHECK(EntryId::parse(a.text()) == a);
  CHECK_FALSE(EntryId::parse("019237a0-0000-4000-8000-000000000000"));
}

TEST_CASE("a case's name is what the design allows") {
  CHECK(CaseName::parse("emleaks-2017"));
  CHECK_FALSE(CaseName::parse(""));
  CHECK_FALSE(CaseName::parse("-x"));
  CHECK_FALSE(CaseName::parse("Upper"));
  CHECK_FALSE(CaseName::parse(std::string(65, 'a')));
}
