// The worker may be taken over by what it parses: whatever it says then, the agent's side keeps its head.
#include <sys/stat.h>

#include <array>

#include "evidence/formats/digests.h"
#include "evidence/formats/hex.h"
#include "world.h"

using namespace impound;
using namespace impound::fetchers;
using namespace impound::fetchers::test;

namespace {

std::string frame(FromWorker const& message) { return encode_frame(to_frame(message)).value(); }
std::string hello() { return frame(Hello{swarm_protocol_version, "hostile"}); }

std::string const info = "d6:lengthi1e4:name1:a12:piece lengthi16384e6:pieces20:aaaaaaaaaaaaaaaaaaaae";

/// A worker that says `bytes` and then waits for the end of its line, whatever it is told.
std::unique_ptr<Swarm> swarm_of(World& world, std::string const& bytes,
                                std::string const& then = "cat <&3 >/dev/null") {
  write_file(world.folder() / "words", bytes);
  auto const script = world.folder() / "worker";
  write_file(script, "#!/bin/sh\ncat " + (world.folder() / "words").string() + " >&3\n" + then + "\n");
  REQUIRE(::chmod(script.c_str(), 0700) == 0);
  world.settings.worker_program = script.string();
  return world.swarm();
}

SwarmJob job_of(World& world) {
  return world.job({{}, {InfoHashV1{sha1(bytes_of(info)).bytes}, std::nullopt}}, {operators_peer("127.0.0.1", 9)});
}

}  // namespace

TEST_CASE("P6: a worker that lies is ended, and nothing of the lie is passed on") {
  struct Lie {
    char const* what;
    std::string bytes;
  };
  std::vector<Lie> const lies{
      {"no hello", frame(Done{"job", 0, 0})},
      {"hello twice", hello() + hello()},
      {"another version", frame(Hello{swarm_protocol_version + 1, "x"})},
      {"an unknown job", hello() + frame(Done{"other", 0, 0})},
      {"an unknown type", hello() + encode_frame(Frame{{"t", "payload"}}).value()},
      {"a field too many",
       hello() + encode_frame(Frame{{"t", "incident"}, {"sent_payload_bytes", 1}, {"x", 1}}).value()},
      {"no frame at all", hello() + "GET / HTTP/1.1\r\n\r\n"},
      {"nested arrays", hello() + std::string{"\x10\0\0\0", 4} + std::string(16, '\x81')},
      {"metadata of another torrent", hello() + frame(MetadataChunk{"job", 3, 0, "abc"})},
      {"metadata without end", hello() + frame(MetadataChunk{"job", 9u << 20, 0, "abc"})},
      {"metadata out of order", hello() + frame(MetadataChunk{"job", info.size(), 1, info.substr(1)})},
      {"metadata longer than said", hello() + frame(MetadataChunk{"job", 3, 0, info})},
      {"metadata twice",
       hello() + frame(MetadataChunk{"job", info.size(), 0, info}) + frame(MetadataChunk{"job", info.size(), 0, info})},
      {"a file before the metadata", hello() + frame(FileDone{"job", 0, 1, "a", "000000"})},
      {"a path that climbs",
       hello() + frame(MetadataChunk{"job", info.size(), 0, info}) + frame(FileDone{"job", 0, 1, "a", "../../x"})},
      {"an absolute path",
       hello() + frame(MetadataChunk{"job", info.size(), 0, info}) + frame(FileDone{"job", 0, 1, "a", "/etc/passwd"})},
      {"a part before the metadata", hello() + frame(FilePart{"job", 0, "a", "000000"})},
      {"a part whose path climbs",
       hello() + frame(MetadataChunk{"job", info.size(), 0, info}) + frame(FilePart{"job", 0, "a", "../../x"})},
      {"a file that comes before the metadata", hello() + frame(FileReached{"job", 0, 1, "000000"})},
      {"a file that comes at a path that climbs",
       hello() + frame(MetadataChunk{"job", info.size(), 0, info}) + frame(FileReached{"job", 0, 1, "../../x"})},
      {"a file that comes beyond all limits",
       hello() + frame(MetadataChunk{"job", info.size(), 0, info}) + frame(FileReached{"job", 1u << 30, 1, "000000"})},
      {"whom it asked, twice", hello() + frame(Tried{"job", {}, {}, 0, 0, 0}) + frame(Tried{"job", {}, {}, 0, 0, 0})},
      {"whom it asked for a job that is not there", hello() + frame(Tried{"other", {}, {}, 0, 0, 0})},
      {"an unknown reason", hello() + frame(Failed{"job", "tired", "", 0, 0})},
      {"an unknown state", hello() + frame(Progress{"job", "dreaming", 0, 0, 0, 0, 0})},
      {"a file beyond all limits", hello() + frame(MetadataChunk{"job", info.size(), 0, info}) +
                                       frame(FileDone{"job", 1u << 30, 1, "a", "000000"})},
  };
  for (auto const& lie : lies) {
    INFO(lie.what);
    World world;
    // The lie comes only once the job is known: after the first bytes that the worker reads.
    auto swarm = swarm_of(world, lie.bytes);
    REQUIRE(swarm->add(job_of(world)));
    auto const heard = listen(*swarm, 20s);
    REQUIRE(heard.ended);
    CHECK(heard.ended->why.size() > 5);
    CHECK(heard.ended->ending.signalled);
    CHECK(heard.files.empty());
    CHECK_FALSE(heard.done);
    CHECK_FALSE(heard.failed);
  }
}

TEST_CASE("a worker that tells the truth is heard") {
  World world;
  auto swarm = swarm_of(world, hello() + frame(MetadataChunk{"job", info.size(), 0, info.substr(0, 10)}) +
                                   frame(MetadataChunk{"job", info.size(), 10, info.substr(10)}) +
                                   frame(FileDone{"job", 0, 1, "a", "000000"}) + frame(Done{"job", 1, 0}));
  REQUIRE(swarm->add(job_of(world)));
  auto const heard = listen(*swarm, 20s);
  REQUIRE(heard.done);
  CHECK(*heard.info == info);
  CHECK(heard.files.size() == 1);
  CHECK(swarm->engine() == "hostile");
}

TEST_CASE("an incident is passed on") {
  World world;
  auto swarm = swarm_of(world, hello() + frame(Incident{16'384}), "exit 1");
  auto const heard = listen(*swarm, 20s);
  REQUIRE(heard.incident);
  CHECK(heard.incident->sent_payload_bytes == 16'384);
  REQUIRE(heard.ended);
  CHECK(heard.ended->ending == Ending{false, 1});
}

TEST_CASE("a worker's last words stand in its end") {
  World world;
  auto swarm = swarm_of(world, hello(), "echo out of luck >&2; exit 3");
  auto const heard = listen(*swarm, 20s);
  REQUIRE(heard.ended);
  CHECK(heard.ended->error_tail.find("out of luck") != std::string::npos);
  CHECK(heard.ended->why.empty());
}

TEST_CASE("a worker that does not end when asked is killed") {
  World world;
  auto swarm = swarm_of(world, hello(), "exec sleep 1000");
  swarm->stop();
  auto const heard = listen(*swarm, 5s);
  REQUIRE(heard.ended);
  CHECK(heard.ended->ending.signalled);
  CHECK(heard.ended->expected);
}

TEST_CASE("next() returns when its descriptor is readable") {
  World world;
  auto swarm = swarm_of(world, hello());
  int wake[2];
  REQUIRE(::pipe(wake) == 0);
  Descriptor const read_end{wake[0]};
  Descriptor const write_end{wake[1]};
  REQUIRE(::write(write_end.number(), "x", 1) == 1);
  auto const begun = std::chrono::steady_clock::now();
  CHECK_FALSE(swarm->next(60s, std::array{-1, read_end.number()}).value());
  CHECK(std::chrono::steady_clock::now() - begun < 30s);
}

TEST_CASE("a job that makes no sense is refused before it is sent") {
  World world;
  auto swarm = swarm_of(world, hello());
  auto job = job_of(world);
  job.folder = "../out";
  CHECK(swarm->add(job).error().code == Code::usage);
  job = job_of(world);
  job.id = ".hidden";
  CHECK(swarm->add(job).error().code == Code::usage);
  job = job_of(world);
  job.hashes = {};
  CHECK(swarm->add(job).error().code == Code::usage);
  job = job_of(world);
  job.torrent = std::string(11u << 20, 'x');
  CHECK(swarm->add(job).error().code == Code::refused);
  REQUIRE(swarm->add(job_of(world)));
  CHECK(swarm->add(job_of(world)).error().code == Code::usage);
}
