// Durable appends a second, in groups of 1 and of 1,000 entries, against the same bytes written to a plain file with an
// fdatasync after each group. Proves first that the log it measured is right; then prints a ratio. Usage: bench_append
// [FOLDER]
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <string>
#include <vector>

#include "evidence/custody_log.h"
#include "evidence/formats/hex.h"
#include "evidence/log_reader.h"
#include "evidence/system/disk.h"

namespace {

using namespace impound;
using namespace impound::evidence;
namespace fs = std::filesystem;

constexpr char const* origin = "bench.example/evidence";
constexpr std::size_t entry_bytes = 900;
constexpr auto time_a_run = std::chrono::seconds{2};
constexpr int rounds = 3;

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

std::string entry(std::uint64_t number) {
  std::string text = "{\"n\":" + std::to_string(number) + ",\"fill\":\"";
  return text + std::string(entry_bytes - text.size() - 2, 'x') + "\"}";
}

[[noreturn]] void stop(std::string const& why) {
  std::fprintf(stderr, "append: %s\n", why.c_str());
  std::exit(1);
}

/// Entries a second of the log; publishes when the journal is full, as the service does at the latest.
double log_rate(fs::path const& folder, std::size_t group_size) {
  fs::remove_all(folder);
  fs::create_directories(folder / "vault");
  fs::create_directories(folder / "state");
  auto vault = LinuxDisk::open_at((folder / "vault").string());
  auto state = LinuxDisk::open_at((folder / "state").string());
  if (!vault || !state) stop("cannot open " + folder.string());
  std::vector<std::byte> const seed(32, std::byte{1});
  SigningKey const key = SigningKey::from_seed(seed);
  auto log = CustodyLog::create(*vault.value(), *state.value(), key, origin, entry(0));
  if (!log) stop(line(log.error()));

  auto const start = std::chrono::steady_clock::now();
  while (std::chrono::steady_clock::now() - start < time_a_run) {
    std::vector<std::string> group;
    for (std::size_t i = 0; i < group_size; ++i) group.push_back(entry(log.value()->size() + i));
    if (auto done = log.value()->append(group); !done) stop(line(done.error()));
  }
  double const rate = static_cast<double>(log.value()->size()) / seconds_since(start);

  if (auto done = log.value()->publish(); !done) stop(line(done.error()));
  auto reader = LogReader::open(*vault.value(), key.vkey(origin));
  if (!reader || reader.value().checkpoint().size != log.value()->size()) stop("the log is not whole");
  MerkleFrontier tree;
  auto read = reader.value().each(0, UINT64_MAX, [&](std::uint64_t index, std::string_view bytes) -> Result<void> {
    if (bytes != entry(index)) stop("entry " + std::to_string(index) + " is not what was appended");
    tree.add(leaf_hash(bytes_of(bytes)));
    return ok();
  });
  if (!read || tree.root() != reader.value().checkpoint().root) stop("the log does not hash to its root");
  return rate;
}

double bare_rate(fs::path const& path, std::size_t group_size) {
  int const file = ::open(path.c_str(), O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);
  if (file < 0) stop("cannot open " + path.string());
  std::uint64_t entries = 0;
  off_t at = 0;
  auto const start = std::chrono::steady_clock::now();
  while (std::chrono::steady_clock::now() - start < time_a_run) {
    std::string bytes(16, 'h');
    for (std::size_t i = 0; i < group_size; ++i) bytes += "lenn" + entry(entries + i);
    if (::pwrite(file, bytes.data(), bytes.size(), at) != static_cast<ssize_t>(bytes.size()) || ::fdatasync(file) != 0)
      stop("cannot write " + path.string());
    at += static_cast<off_t>(bytes.size());
    entries += group_size;
  }
  double const rate = static_cast<double>(entries) / seconds_since(start);
  ::close(file);
  return rate;
}

}  // namespace

int main(int count, char** arguments) {
  fs::path const base = count > 1 ? fs::path(arguments[1]) : fs::current_path();
  std::string name = (base / "impound-bench-XXXXXX").string();
  if (::mkdtemp(name.data()) == nullptr) stop("cannot make a folder in " + base.string());
  fs::path const folder = name;
  std::printf("append, impound %s, entries of %zu bytes, %d rounds of %lld s each\n", IMPOUND_VERSION, entry_bytes,
              rounds, static_cast<long long>(time_a_run.count()));
  for (std::size_t const group : {std::size_t{1}, std::size_t{1'000}}) {
    double log = 0;
    double bare = 0;
    for (int round = 0; round < rounds; ++round) {  // in turn, so that a disk that changes its pace meets both
      log = std::max(log, log_rate(folder / "log", group));
      bare = std::max(bare, bare_rate(folder / "bare", group));
    }
    std::printf("groups of %4zu: log %9.0f/s, plain write and fdatasync %9.0f/s, ratio %.2f\n", group, log, bare,
                log / bare);
  }
  fs::remove_all(folder);
  return 0;
}
