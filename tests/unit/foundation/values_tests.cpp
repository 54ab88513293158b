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
