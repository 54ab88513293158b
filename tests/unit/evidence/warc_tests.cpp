#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "evidence/formats/digests.h"
#include "evidence/formats/hex.h"
#include "evidence/warc/gzip_member.h"
#include "evidence/warc/reader.h"
#include "evidence/warc/unlogged.h"
#include "evidence/warc/writer.h"
#include "tests/support/simulated_disk.h"
#include "tests/support/test_vault.h"

using namespace impound;
using namespace impound::evidence;

namespace {

struct Desk {
  SimulatedDisk disk;
  FakeClock clock;
  SeededRandomness randomness{7};
  Desk() {
    for (char const* folder : {"warc", "staging", "staging/torn", "staging/sealing"}) disk.put_folder(folder);
  }
  std::unique_ptr<WarcWriter> writer() {
    auto opened = WarcWriter::open(disk, clock, randomness, "impound/test");
    REQUIRE(opened);
    return std::move(opened).value();
  }
  WarcRecord response(std::string body) {
    WarcRecord record{"response", {}, "http://paste.example/x", clock.utc_us(), {}, {}, {}};
    record.headers = {{"Content-Type", "application/http; msgtype=response"}};
    record.block = "HTTP/1.1 200 OK\r\n\r\n";
    record.payload_offset = record.block.size();
    record.block += body;
    return record;
  }
};

std::string member_of(std::string_view text) {
  std::string member;
  REQUIRE(compress_member({bytes_of(text)}, [&](Bytes bytes) -> Result<void> {
    member += text_of(bytes);
    return ok();
  }));
  return member;
}

std::string noise(std::size_t size) {
  SeededRandomness randomness(3);
  std::string bytes(size, '\0');
  randomness.fill(std::as_writable_bytes(std::span{bytes.data(), bytes.size()}));
  return bytes;
}

std::vector<WarcMember> walk(Disk& disk, std::string const& path, std::string* blocks = nullptr) {
  auto reader = WarcReader::open(disk, path, {});
  REQUIRE(reader);
  std::vector<WarcMember> members;
  for (;;) {
    auto member = reader.value()->next([&](Bytes bytes) {
      if (blocks != nullptr) *blocks += text_of(bytes);
    });
    REQUIRE(member);
    if (!member.value()) return members;
    members.push_back(*member.value());
  }
}

}  // namespace

TEST_CASE("gzip members end where they end, however they arrive") {
  std::string const texts[] = {"", "a", noise(300'000), std::string(1'000'000, 'x')};
  std::string all;
  for (std::string const& text : texts) all += member_of(text);
  for (std::size_t const piece : {std::size_t{1}, std::size_t{7}, std::size_t{4096}, all.size()}) {
    std::size_t at = 0;
    for (std::string const& text : texts) {
      MemberInflater inflater;
      std::string inflated;
      while (!inflater.ended() && at < all.size()) {
        std::string_view const next = std::string_view(all).substr(at, piece);
        auto taken = inflater.add(bytes_of(next), [&](Bytes bytes) -> Result<void> {
          inflated += text_of(bytes);
          return ok();
        });
        REQUIRE(taken);
        at += taken.value();
      }
      REQUIRE(inflater.ended());
      REQUIRE(inflated == text);
    }
    CHECK(at == all.size());
  }
}

TEST_CASE("a capture is written behind a warcinfo, durable, and read back") {
  Desk desk;
  auto writer = desk.writer();
  auto first = writer->write(std::vector{desk.response("one"), desk.response(noise(200'000))});
  REQUIRE(first);
  REQUIRE(first.value().size() == 3);
  CHECK(first.value()[0].type == "warcinfo");
  auto second = writer->write(std::vector{desk.response("two")});
  REQUIRE(second);
  REQUIRE(second.value().size() == 1);
  std::string const file = first.value()[0].file;
  CHECK(file == "warc/20170505T180000Z-1.warc.gz");
  CHECK(desk.disk.accusations().empty());

  auto const survived = desk.disk.after_power_cut(0);  // nothing unsynced is left
  std::string blocks;
  auto const members = walk(*survived, file, &blocks);
  std::vector<WrittenRecord> written = first.value();
  written.push_back(second.value()[0]);
  REQUIRE(members.size() == 4);
  for (std::size_t i = 0; i < members.size(); ++i) {
    CHECK(members[i].offset == written[i].offset);
    CHECK(members[i].length == written[i].length);
    CHECK(members[i].sha256 == written[i].sha256);
    CHECK(members[i].version == "WARC/1.1");
    CHECK(members[i].header("warc-type") == written[i].type);
    CHECK(members[i].header("WARC-Record-ID") == "<" + written[i].record_id + ">");
    CHECK(members[i].header("WARC-Date") == "2017-05-05T18:00:00.000000Z");
    CHECK(members[i].header("WARC-Block-Digest") == "sha256:" + hex(members[i].block_sha256));
  }
  CHECK(members[1].header("WARC-Payload-Digest") == "sha256:" + hex(sha256(bytes_of("one"))));
  CHECK_FALSE(members[0].header("WARC-Target-URI"));
  CHECK(blocks.ends_with("two"));
  CHECK(written_record_from(to_json(written[1])).value() == written[1]);
}

TEST_CASE("a header with a line end is refused and leaves no byte") {
  Desk desk;
  auto writer = desk.writer();
  WarcRecord bad = desk.response("x");
  bad.target_uri = "http://x/\r\nWARC-Type: warcinfo";
  auto refused = writer->write(std::vector{desk.response("fine"), bad});
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == Code::refused);
  auto written = writer->write(std::vector{desk.response("y")});
  REQUIRE(written);
  CHECK(written.value().size() == 2);
  CHECK(walk(desk.disk, written.value()[0].file).size() == 2);
}

TEST_CASE("an open file is taken on by the next start, a closed one is not") {
  Desk desk;
  auto const file = desk.writer()->write(std::vector{desk.response("1")}).value()[0].file;
  desk.clock.advance(60'000'000);
  auto const more = desk.writer()->write(std::vector{desk.response("2")});
  REQUIRE(more);
  CHECK(more.value().size() == 1);
  CHECK(more.value()[0].file == file);
  {
    auto opened = DiskFile::open(desk.disk, file, Open::write);
    REQUIRE(opened);
    REQUIRE(opened.value().set_mode(0400));
  }
  auto const other = desk.writer()->write(std::vector{desk.response("3")});
  REQUIRE(other);
  CHECK(other.value()[0].type == "warcinfo");
  CHECK(other.value()[0].file != file);
}

TEST_CASE("P1: a failed sync of a capture is final") {
  Desk desk;
  auto writer = desk.writer();
  REQUIRE(writer->write(std::vector{desk.response("1")}));
  std::size_t const before = desk.disk.steps();
  REQUIRE(writer->write(std::vector{desk.response("2")}));
  std::size_t const steps = desk.disk.steps() - before;
  desk.disk.plan({steps, Fault::fail_done});  // the last step of a capture is its sync
  CHECK_FALSE(writer->write(std::vector{desk.response("3")}));
  CHECK_FALSE(writer->write(std::vector{desk.response("4")}));
}

TEST_CASE("P1: what a crash left behind the last logged record is set aside") {
  Desk desk;
  auto writer = desk.writer();
  auto const kept = writer->write(std::vector{desk.response("kept")}).value();
  std::uint64_t const end = kept.back().offset + kept.back().length;
  std::string const logged = desk.disk.content(kept[0].file);
  REQUIRE(writer->write(std::vector{desk.response("not logged")}));
  std::string const tail = desk.disk.content(kept[0].file).substr(end);
  desk.disk.put_file("warc/20170505T190000Z-1.warc.gz", "torn", 0600);
  desk.disk.put_file("warc/20170504T190000Z-1.warc.gz", "short", 0600);
  desk.disk.put_file("warc/20170503T190000Z-1.warc.gz", "closed and longer", 0400);
  auto const handled = set_aside_unlogged(
      desk.disk,
      {{kept[0].file, end}, {"warc/20170504T190000Z-1.warc.gz", 100}, {"warc/20170503T190000Z-1.warc.gz", 6}});
  REQUIRE(handled);
  CHECK(handled.value() == 2);
  auto const after = desk.disk.after_power_cut(0);
  CHECK(after->content(kept[0].file) == logged);
  CHECK(after->content("staging/torn/20170505T180000Z-1.warc.gz." + std::to_string(end)) == tail);
  CHECK_FALSE(after->exists("warc/20170505T190000Z-1.warc.gz"));
  CHECK(after->content("staging/torn/20170505T190000Z-1.warc.gz.0") == "torn");
  CHECK(after->content("warc/20170503T190000Z-1.warc.gz") == "closed and longer");
  CHECK(desk.disk.facts_of("warc/20170504T190000Z-1.warc.gz").value().mode == 0400);
  CHECK(set_aside_unlogged(*after, {{kept[0].file, end}}).value() ==
        1);  // only the short file, which nothing names here
}

TEST_CASE("P6: hostile WARC files end in an error, in bounded memory") {
  struct Row {
    char const* name;
    std::string bytes;
    Code code;
  };
  std::string const head = "WARC/1.1\r\nContent-Length: 3\r\n\r\n";
  std::string many = "WARC/1.1\r\n";
  for (int i = 0; i < 300; ++i) many += "X: y\r\n";
  Row const rows[] = {
      {"no gzip", "WARC/1.1\r\n", Code::malformed},
      {"cut off", member_of(head + "abc\r\n\r\n").substr(0, 30), Code::malformed},
      {"empty member", member_of(""), Code::malformed},
      {"no version", member_of("HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n\r\n\r\n"), Code::malformed},
      {"no length", member_of("WARC/1.1\r\nA: b\r\n\r\n\r\n\r\n"), Code::malformed},
      {"negative length", member_of("WARC/1.1\r\nContent-Length: -3\r\n\r\nabc\r\n\r\n"), Code::malformed},
      {"huge length", member_of("WARC/1.1\r\nContent-Length: 99999999999999999999999\r\n\r\nabc\r\n\r\n"),
       Code::malformed},
      {"block too short", member_of(head + "ab\r\n\r\n"), Code::malformed},
      {"block too long", member_of(head + "abcd\r\n\r\n"), Code::malformed},
      {"two records", member_of(head + "abc\r\n\r\n" + head + "abc\r\n\r\n"), Code::malformed},
      {"no name", member_of("WARC/1.1\r\n: x\r\nContent-Length: 0\r\n\r\n\r\n\r\n"), Code::malformed},
      {"endless head", member_of("WARC/1.1\r\n" + std::string(10'000'000, 'a')), Code::refused},
      {"many headers", member_of(many + "Content-Length: 0\r\n\r\n\r\n\r\n"), Code::refused},
  };
  for (Row const& row : rows) {
    CAPTURE(row.name);
    SimulatedDisk disk;
    disk.put_folder("warc");
    disk.put_file("warc/x", row.bytes);
    auto reader = WarcReader::open(disk, "warc/x", {});
    REQUIRE(reader);
    auto member = reader.value()->next();
    REQUIRE_FALSE(member);
    CHECK(member.error().code == row.code);
    CHECK(member.error().where.find("warc/x at byte 0") != std::string::npos);
  }
  SimulatedDisk disk;
  disk.put_file("bomb", member_of("WARC/1.1\r\nContent-Length: 30000000\r\n\r\n" + std::string(30'000'000, 'a')));
  auto reader = WarcReader::open(disk, "bomb", {.member_bytes_max = 1'000'000});
  REQUIRE(reader);
  CHECK(reader.value()->next().error().code == Code::refused);
}

TEST_CASE("P6: a changed byte of a member never passes for the member") {
  std::string const good = member_of("WARC/1.1\r\nContent-Length: 5\r\n\r\nhello\r\n\r\n");
  for (std::size_t i = 0; i < good.size(); ++i) {
    for (int bit = 0; bit < 8; ++bit) {
      std::string bad = good;
      bad[i] = static_cast<char>(bad[i] ^ (1 << bit));
      SimulatedDisk disk;
      disk.put_file("x", bad);
      auto member = WarcReader::open(disk, "x", {}).value()->next();
      // Header fields of gzip that mean nothing (time, system) may change; then the digest tells.
      if (member && member.value()) CHECK(member.value()->sha256 != sha256(bytes_of(good)));
    }
  }
}

TEST_CASE("P7: npm warcio reads what the writer wrote, and its digests hold") {
  std::string const support = SOURCE_ROOT "/tests/support";
  if (std::system("node --version >/dev/null 2>&1") != 0 ||
      !std::filesystem::exists(support + "/node_modules/warcio")) {
    MESSAGE("skipped: needs node and `npm ci` in tests/support");
    CHECK(std::getenv("CI") == nullptr);
    return;
  }
  TemporaryFolder const folder;
  auto disk = LinuxDisk::open_at(folder.path());
  REQUIRE(disk);
  REQUIRE(disk.value()->make_folder("warc"));
  FakeClock clock;
  SeededRandomness randomness(8);
  auto writer = WarcWriter::open(*disk.value(), clock, randomness, "impound/test");
  REQUIRE(writer);
  Desk desk;
  WarcRecord resource{"resource",  {}, "magnet:?xt=urn:btih:x", clock.utc_us(), {{"Content-Type", "text/plain"}},
                      "some text", 0};
  auto written = writer.value()->write(
      std::vector{desk.response("one"), desk.response(noise(300'000)), resource, desk.response("")});
  REQUIRE(written);
  std::string const file = folder.path(written.value()[0].file);
  std::string const check = "node " + support + "/warc_check.mjs " + file + " > " + folder.path("out") + " 2>&1";
  bool const accepted = std::system(check.c_str()) == 0;
  std::ifstream out(folder.path("out"));
  std::string const said{std::istreambuf_iterator<char>(out), {}};
  CHECK_MESSAGE(accepted, said);
  CHECK(said.find("5 records ok") != std::string::npos);
  // The checker can say no.
  std::fstream(file, std::ios::in | std::ios::out | std::ios::binary).seekp(-200, std::ios::end).put('\x55');
  CHECK(std::system(check.c_str()) != 0);
}
