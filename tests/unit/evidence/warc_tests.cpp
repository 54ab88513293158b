#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <thread>

#include "evidence/erased_entry.h"
#include "evidence/formats/digests.h"
#include "evidence/formats/hex.h"
#include "evidence/warc/capture_end.h"
#include "evidence/warc/closing.h"
#include "evidence/warc/gzip_member.h"
#include "evidence/warc/packing.h"
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
  LoggedWarcs logged;
  EntryMaker maker{clock, randomness};
  std::uint64_t entries = 0;
  Desk() {
    for (char const* folder : {"warc", "staging", "staging/torn", "staging/sealing"}) disk.put_folder(folder);
  }
  std::unique_ptr<WarcWriter> writer() {
    auto opened = WarcWriter::open(disk, clock, randomness, {"impound/test"}, logged);
    REQUIRE(opened);
    return std::move(opened).value();
  }
  /// As a capture.result, or any other entry, tells it.
  void tell(EntryDraft const& draft) {
    if (entries == 0) maker.session(EntryId::make(clock, randomness));
    auto const entry = maker.make(draft);
    REQUIRE(entry);
    auto const read = read_entry(entries++, entry.value().bytes);
    REQUIRE(read);
    logged.take(read.value());
  }
  void log(std::vector<WrittenRecord> const& written) {
    Json records = Json::array();
    for (WrittenRecord const& record : written) records.push_back(to_json(record));
    tell({.kind = "capture.result", .body = {{"records", records}}});
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
  REQUIRE(append_member({bytes_of(text)}, member));
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
  desk.disk.put_file("warc/20170506T190000Z-1.warc.gz", "", 0600);
  desk.disk.put_file("warc/20170503T190000Z-1.warc.gz", "closed and longer", 0400);
  desk.log(kept);
  desk.log({{"response", "x", "warc/20170504T190000Z-1.warc.gz", 0, 100, {}}});
  desk.log({{"response", "x", "warc/20170503T190000Z-1.warc.gz", 0, 6, {}}});
  auto const nobody = [](EntryId const&) { return false; };
  auto const settled = settle_unlogged(desk.disk, desk.logged, nobody);
  REQUIRE(settled);
  CHECK(settled.value().adopted.empty());
  REQUIRE(settled.value().set_aside.size() == 3);
  CHECK(settled.value().set_aside[0].file == kept[0].file);
  CHECK(settled.value().set_aside[0].offset == end);
  CHECK(settled.value().set_aside[0].bytes == tail.size());
  auto const after = desk.disk.after_power_cut(0);
  CHECK(after->content(kept[0].file) == logged);
  CHECK(after->content("staging/torn/20170505T180000Z-1.warc.gz." + std::to_string(end)) == tail);
  CHECK_FALSE(after->exists("warc/20170505T190000Z-1.warc.gz"));
  CHECK_FALSE(after->exists("warc/20170506T190000Z-1.warc.gz"));
  CHECK(after->content("staging/torn/20170505T190000Z-1.warc.gz.0") == "torn");
  CHECK(after->content("warc/20170503T190000Z-1.warc.gz") == "closed and longer");
  CHECK(desk.disk.facts_of("warc/20170504T190000Z-1.warc.gz").value().mode == 0400);
  CHECK(settle_unlogged(*after, desk.logged, nobody).value().set_aside.empty());
}

namespace {

/// A capture of two records and its end, as it lies in the file.
std::vector<WrittenRecord> unlogged_capture(Desk& desk, WarcWriter& writer, EntryId const& attempt,
                                            std::uint64_t records = 2) {
  WarcRecord end{"metadata", {}, "http://paste.example/x", desk.clock.utc_us(), {}, {}, {}};
  Json metadata{{"status", 200}};
  add_capture_end(metadata, {attempt, records, {{"outcome", "captured"}}});
  end.block = canonical(metadata).value();
  return writer.write(std::vector{desk.response("a body"), end}).value();
}

}  // namespace

TEST_CASE("P1: whole captures behind the last logged record are adopted, and none from behind a torn one") {
  Desk desk;
  auto writer = desk.writer();
  std::vector<EntryId> attempts;
  for (int i = 0; i < 4; ++i) attempts.push_back(EntryId::make(desk.clock, desk.randomness));
  auto const open = [&](EntryId const& id) { return std::count(attempts.begin(), attempts.end(), id) > 0; };
  std::vector<std::vector<WrittenRecord>> written;
  for (EntryId const& attempt : attempts) written.push_back(unlogged_capture(desk, *writer, attempt));
  std::string const file = written[0][0].file;
  std::string const whole = desk.disk.content(file);
  auto const settle = [&](std::string bytes) {
    desk.disk.put_file(file, bytes, 0600);
    auto settled = settle_unlogged(desk.disk, desk.logged, open);
    REQUIRE(settled);
    return std::move(settled).value();
  };

  SettledWarcs all = settle(whole);
  REQUIRE(all.adopted.size() == 4);
  CHECK(all.set_aside.empty());
  CHECK(all.adopted[0].attempt == attempts[0]);
  CHECK(all.adopted[0].records == written[0]);  // its warcinfo among them
  CHECK(all.adopted[3].records == written[3]);
  CHECK(all.adopted[3].result == Json{{"outcome", "captured"}});
  CHECK(desk.disk.content(file) == whole);

  // At each length of the file: those whose last byte is there, and not a byte more stays.
  for (std::size_t size = 1; size < whole.size(); size += 7) {
    CAPTURE(size);
    SettledWarcs const cut = settle(whole.substr(0, size));
    std::size_t there = 0;
    std::uint64_t end = 0;
    for (auto const& one : written) {
      if (one.back().offset + one.back().length > size) break;
      ++there;
      end = one.back().offset + one.back().length;
    }
    CHECK(cut.adopted.size() == there);
    REQUIRE(cut.set_aside.size() == (end == size ? 0 : 1));
    if (end != size) CHECK(cut.set_aside[0].bytes == size - end);
    CHECK(desk.disk.exists(file) == (end > 0));
    if (end > 0) CHECK(desk.disk.content(file) == whole.substr(0, end));
  }

  // A changed byte of the second capture: the first stays, and what lies behind the torn one is not taken.
  std::string torn = whole;
  torn[written[1][0].offset + 40] = static_cast<char>(torn[written[1][0].offset + 40] ^ 1);
  CHECK(settle(torn).adopted.size() == 1);
  // An attempt that has its result already, or is nobody's.
  EntryId const second = std::exchange(attempts[1], EntryId::make(desk.clock, desk.randomness));
  CHECK(settle(whole).adopted.size() == 1);
  attempts[1] = second;
  // The same capture twice.
  CHECK(settle(whole + whole.substr(written[3][0].offset)).adopted.size() == 4);
  // What is logged is not looked at again.
  desk.log(written[0]);
  CHECK(settle(whole).adopted.size() == 3);
}

TEST_CASE("a capture that says more records than lie there, or that lies in a file to be rewritten, is not adopted") {
  Desk desk;
  auto writer = desk.writer();
  EntryId const attempt = EntryId::make(desk.clock, desk.randomness);
  auto const any = [](EntryId const&) { return true; };
  auto const first = unlogged_capture(desk, *writer, attempt, 4);
  CHECK(settle_unlogged(desk.disk, desk.logged, any).value().adopted.empty());
  CHECK_FALSE(desk.disk.exists(first[0].file));

  auto other = desk.writer();
  auto const kept = other->write(std::vector{desk.response("kept")}).value();
  desk.log(kept);
  EntryId const id = EntryId::make(desk.clock, desk.randomness);
  unlogged_capture(desk, *other, id);
  ErasedExhibit erased;
  erased.index = 0;
  erased.id = id;
  erased.records = {{kept[1].file, kept[1].offset, kept[1].length, kept[1].sha256}};
  erased.files = {{kept[1].file, kept[1].sha256, {}, 0}};
  Json body = to_json(erased);
  body["order"] = "o";
  desk.tell({.kind = "exhibit.erased", .body = body});
  CHECK(settle_unlogged(desk.disk, desk.logged, any).value().adopted.empty());
  CHECK(desk.disk.facts_of(kept[0].file).value().size == kept[1].offset + kept[1].length);
}

TEST_CASE("what ends a capture is read back, and what is not that is nothing") {
  Desk desk;
  EntryId const attempt = EntryId::make(desk.clock, desk.randomness);
  Json metadata{{"status", 200}};
  add_capture_end(metadata, {attempt, 3, {{"outcome", "captured"}}});
  std::string const block = canonical(metadata).value();
  auto const read = capture_end_from(block);
  REQUIRE(read);
  CHECK(read->attempt == attempt);
  CHECK(read->records == 3);
  CHECK(read->result == Json{{"outcome", "captured"}});
  CHECK_FALSE(capture_end_from(""));
  CHECK_FALSE(capture_end_from("[]"));
  CHECK_FALSE(capture_end_from("{\"attempt\":\"x\"}"));
  CHECK_FALSE(capture_end_from(block + " "));
  CHECK_FALSE(capture_end_from(std::string(capture_end_bytes_max + 1, ' ')));
  metadata["capture"]["result"]["records"] = Json::array();  // it would name what the start has not found
  CHECK_FALSE(capture_end_from(canonical(metadata).value()));
}

TEST_CASE("many captures share one sync, packed in other threads") {
  Desk desk;
  auto writer = desk.writer();
  std::vector<PackedCapture> packed(8);
  {
    std::vector<std::jthread> threads;
    for (std::size_t i = 0; i < packed.size(); ++i) {
      WarcRecord record = desk.response(noise(1'000 * i));
      record.record_id = make_record_id(desk.randomness);
      threads.emplace_back([&into = packed[i], record] { into = pack(std::span{&record, 1}).value(); });
    }
  }
  std::size_t const before = desk.disk.trace().size();
  std::vector<WrittenRecord> written;
  for (PackedCapture const& one : packed) {
    auto places = writer->append(one);
    REQUIRE(places);
    written.insert(written.end(), places.value().begin(), places.value().end());
  }
  REQUIRE(writer->sync());
  REQUIRE(writer->sync());  // nothing is left to do
  auto const& trace = desk.disk.trace();
  auto const syncs = std::count_if(trace.begin() + static_cast<std::ptrdiff_t>(before), trace.end(),
                                   [](std::string const& step) { return step.starts_with("sync"); });
  CHECK(syncs == 2);  // the file and its folder
  auto const survived = desk.disk.after_power_cut(0);
  auto const members = walk(*survived, written[0].file);
  REQUIRE(members.size() == 9);
  for (std::size_t i = 0; i < members.size(); ++i) CHECK(members[i].sha256 == written[i].sha256);
}

TEST_CASE("a body that the caller keeps is packed as if it were the block's own") {
  Desk desk;
  std::string const body = noise(100'000);
  WarcRecord whole = desk.response(body);
  whole.record_id = make_record_id(desk.randomness);
  WarcRecord apart = whole;
  apart.block.resize(*whole.payload_offset);
  apart.rest = body;
  apart.payload_sha256 = sha256(bytes_of(body));
  CHECK(pack(std::span{&apart, 1}).value().members == pack(std::span{&whole, 1}).value().members);
}

TEST_CASE("what a file needs once lies before the first capture that names it, in each file") {
  Desk desk;
  auto writer = desk.writer();
  auto const capture = [&] {
    WarcRecord response = desk.response("x");
    response.record_id = make_record_id(desk.randomness);
    PackedCapture packed = pack(std::span{&response, 1}).value();
    packed.once_a_file = {WarcRecord{"resource", make_record_id(desk.randomness), "ni:///sha-256;x", 0, {}, "pem", {}}};
    auto written = writer->append(packed);
    REQUIRE(written);
    REQUIRE(writer->sync());
    writer->all_named();
    std::string types;
    for (WrittenRecord const& record : written.value()) types += record.type + " ";
    return types;
  };
  CHECK(capture() == "warcinfo resource response ");
  CHECK(capture() == "response ");
  desk.clock.advance(warc_file_age_max_us);
  REQUIRE(writer->close_if_due().value());
  CHECK(capture() == "warcinfo resource response ");
}

TEST_CASE("a WARC file is closed when it is a day old and all of it is named") {
  Desk desk;
  auto writer = desk.writer();
  auto const first = writer->write(std::vector{desk.response("1")}).value();
  auto const second = writer->write(std::vector{desk.response("2")}).value();
  std::string const file = first[0].file;
  desk.clock.advance(warc_file_age_max_us - 1'000'000);
  writer->all_named();
  CHECK_FALSE(writer->close_if_due().value());
  desk.clock.advance(1'000'000);
  auto const third = writer->write(std::vector{desk.response("3")}).value();
  CHECK_FALSE(writer->close_if_due().value());  // nothing names the third yet
  writer->all_named();
  auto const closed = writer->close_if_due().value();
  REQUIRE(closed);
  std::string const bytes = desk.disk.content(file);
  CHECK(*closed == ClosedWarc{file, sha256(bytes_of(bytes)), bytes.size(), 4});
  CHECK(desk.disk.facts_of(file).value().mode == 0400);
  CHECK_FALSE(writer->close_if_due().value());
  desk.log(first);
  desk.log(second);
  desk.log(third);
  desk.tell({.kind = "warc.closed", .body = to_json(*closed)});
  CHECK(close_left_files(desk.disk, desk.logged, desk.clock).value().empty());
  CHECK(writer->write(std::vector{desk.response("4")}).value()[0].file != file);
}

TEST_CASE("a WARC file is closed at 256 MiB, and no capture is cut in two by that") {
  Desk desk;
  auto writer = desk.writer();
  WarcRecord record = desk.response(noise(8 << 20));
  record.record_id = make_record_id(desk.randomness);
  PackedCapture const packed = pack(std::span{&record, 1}).value();
  std::uint64_t bytes = 0;
  while (bytes < warc_file_bytes_max) {
    CHECK_FALSE(writer->close_if_due().value());
    auto const written = writer->append(packed).value();
    bytes = written.back().offset + written.back().length;
    REQUIRE(writer->sync());
    writer->all_named();
  }
  auto const closed = writer->close_if_due().value();
  REQUIRE(closed);
  CHECK(closed->bytes == bytes);
  CHECK(closed->sha256 == sha256(bytes_of(desk.disk.content(closed->file))));
}

TEST_CASE("P1: what a run left open or half closed, the next start closes, once") {
  Desk desk;
  std::vector<std::string> files;
  auto const left_by_a_run = [&](std::uint32_t mode) {
    auto writer = desk.writer();
    auto const written = writer->write(std::vector{desk.response("1")}).value();
    desk.log(written);
    files.push_back(written[0].file);
    desk.disk.put_file(files.back(), desk.disk.content(files.back()), mode);
    desk.clock.advance(60'000'000);
  };
  left_by_a_run(0400);  // its entry did not come to be written
  left_by_a_run(0600);
  std::string const open = files[1];
  auto closed = close_left_files(desk.disk, desk.logged, desk.clock).value();
  REQUIRE(closed.size() == 1);
  std::string const bytes = desk.disk.content(files[0]);
  CHECK(closed[0] == ClosedWarc{files[0], sha256(bytes_of(bytes)), bytes.size(), 2});
  desk.tell({.kind = "warc.closed", .body = to_json(closed[0])});
  // A newer one is open: the old one gets no more captures.
  desk.disk.put_file("warc/20170507T180000Z-1.warc.gz", bytes, 0600);
  desk.log({{"response", "x", "warc/20170507T180000Z-1.warc.gz", 0, bytes.size(), {}}});
  closed = close_left_files(desk.disk, desk.logged, desk.clock).value();
  REQUIRE(closed.size() == 1);
  CHECK(closed[0].file == open);
  desk.tell({.kind = "warc.closed", .body = to_json(closed[0])});
  // Its mode was lost: nothing is written behind its end.
  desk.disk.put_file(open, desk.disk.content(open), 0600);
  CHECK(close_left_files(desk.disk, desk.logged, desk.clock).value().empty());
  CHECK(desk.disk.facts_of(open).value().mode == 0400);
  desk.clock.advance(3 * warc_file_age_max_us);
  CHECK(close_left_files(desk.disk, desk.logged, desk.clock).value().size() == 1);
}

TEST_CASE("a file that was taken on is closed with all its records counted") {
  Desk desk;
  auto const first = desk.writer()->write(std::vector{desk.response("1")}).value();
  desk.log(first);
  auto writer = desk.writer();
  auto const second = writer->write(std::vector{desk.response("2")}).value();
  CHECK(second[0].file == first[0].file);
  writer->all_named();
  desk.clock.advance(warc_file_age_max_us);
  auto const closed = writer->close_if_due().value();
  REQUIRE(closed);
  CHECK(closed->records == 3);
  CHECK(closed->sha256 == sha256(bytes_of(desk.disk.content(closed->file))));
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
  auto writer = WarcWriter::open(*disk.value(), clock, randomness, {"impound/test"}, {});
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
